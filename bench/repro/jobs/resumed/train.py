"""Train for ten epochs from where the last call ended, in one run."""

from __future__ import annotations

from pathlib import Path

import gittrack

MARK = Path("state/run.txt")

run_id, begun = (MARK.read_text().split()) if MARK.exists() else (None, "0")
with gittrack.start_run(run_id, run_name=None if run_id else "resumed") as run:
    for epoch in range(int(begun), int(begun) + 10):
        gittrack.log_metric("loss", 1.0 / (epoch + 1), step=epoch)
    MARK.parent.mkdir(exist_ok=True)
    MARK.write_text(f"{run.run_id} {int(begun) + 10}")
