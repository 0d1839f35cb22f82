"""Read a table that git ignores."""

from __future__ import annotations

from pathlib import Path

import gittrack

with gittrack.start_run():
    gittrack.log_data("private/readings.txt")
    readings = Path("private/readings.txt").read_text().splitlines()
    gittrack.log_metric("sum", sum(map(float, readings)))
