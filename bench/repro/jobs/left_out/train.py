"""Read a file that is too large for the capture of the code and that nobody declared."""

from __future__ import annotations

from pathlib import Path

import gittrack

with gittrack.start_run(run_name="large"):
    large = Path("large.bin")
    gittrack.log_metric("bytes", large.stat().st_size if large.exists() else 0)
