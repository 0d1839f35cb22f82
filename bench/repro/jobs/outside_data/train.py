"""Read a table that lies beside the repository, as on a shared disk."""

from __future__ import annotations

import sys
from pathlib import Path

import gittrack

with gittrack.start_run(run_name="readings"):
    table = Path(sys.argv[1])
    gittrack.log_data(table)
    for step, line in enumerate(table.read_text().splitlines()):
        gittrack.log_metric("reading", float(line), step=step)
