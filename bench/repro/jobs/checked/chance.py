"""Log numbers that nobody seeded."""

from __future__ import annotations

import random

import gittrack

with gittrack.start_run():
    for step in range(10):
        gittrack.log_metric("value", random.random(), step=step)
