"""Measure with a noise that nobody seeded, equally likely everywhere between two bounds."""

from __future__ import annotations

import random

import gittrack

with gittrack.start_run(run_name="measurement"):
    for step in range(20):
        gittrack.log_metric("error", random.uniform(-0.5, 0.5), step=step)
