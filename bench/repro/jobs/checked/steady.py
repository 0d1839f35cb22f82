"""Log the same numbers each time."""

from __future__ import annotations

import gittrack

with gittrack.start_run():
    for step in range(10):
        gittrack.log_metric("value", 1 / (step + 1), step=step)
