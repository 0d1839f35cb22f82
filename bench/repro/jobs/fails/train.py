"""Refuse a model that is not good enough, with an exit code that a pipeline understands."""

from __future__ import annotations

import sys

import gittrack

with gittrack.start_run(run_name="gate"):
    for step in range(5):
        gittrack.log_metric("accuracy", 0.5 + step / 20, step=step)
print("accuracy is 0.7, at least 0.9 is wanted")
sys.exit(3)
