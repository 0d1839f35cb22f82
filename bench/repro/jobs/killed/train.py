"""Take more memory than there is, as the system's killer sees it."""

from __future__ import annotations

import os
import signal

import gittrack

gittrack.start_run(run_name="killed")
for step in range(10):
    gittrack.log_metric("allocated_mb", 2.0**step, step=step)
gittrack.flush()
os.kill(os.getpid(), signal.SIGKILL)
