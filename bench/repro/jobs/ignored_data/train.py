"""Read a table that git ignores and that the job declares."""

from __future__ import annotations

from pathlib import Path

import gittrack

TABLE = Path("private/readings.txt")

with gittrack.start_run():
    gittrack.log_data(TABLE)
    for step, line in enumerate(TABLE.read_text().splitlines()):
        gittrack.log_metric("reading", float(line), step=step)
