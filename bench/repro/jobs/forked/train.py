"""Start a program for each part of the work, each of which is a run of its own below this one."""

from __future__ import annotations

import subprocess
import sys

import gittrack

if len(sys.argv) > 1:
    part = int(sys.argv[1])
    with gittrack.start_run(run_name=f"part-{part}"):
        for step in range(10):
            gittrack.log_metric(f"part{part}", (part + 1) / (step + 1), step=step)
else:
    for part in range(3):
        subprocess.run([sys.executable, __file__, str(part)], check=True)
