"""Trains for so many seconds, after it has read one small file and as many of a folder as asked."""

import sys
import time
from pathlib import Path

import gittrack

SECONDS, FILES = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0

with gittrack.start_run():
    Path("data/small.csv").read_bytes()
    for path in sorted(Path("data/many").rglob("*.bin"))[:FILES] if FILES else ():
        path.read_bytes()
    steps = int(SECONDS * 2_000_000)  # a fixed amount of work, about so many seconds
    total = 0.0
    for step in range(steps):
        total += step % 7
        if step % 100_000 == 0:
            gittrack.log_metric("total", total, step=step)
    time.sleep(0)
