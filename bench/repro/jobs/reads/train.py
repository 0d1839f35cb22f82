"""Read tables that nobody declares: one that git ignores, one beside the repository."""

from __future__ import annotations

import sys
from pathlib import Path

import gittrack

with gittrack.start_run(run_name="readings"):
    for step, line in enumerate(Path(sys.argv[1]).read_text().splitlines()):
        gittrack.log_metric("reading", float(line), step=step)
