"""Trains for so many steps, after it has read one small file and as many of a folder as asked."""

import sys
from pathlib import Path

import gittrack

STEPS, FILES = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0

with gittrack.start_run():
    Path("data/small.csv").read_bytes()
    for path in sorted(Path("data/many").rglob("*.bin"))[:FILES] if FILES else ():
        path.read_bytes()
    total = 0.0
    for step in range(STEPS):
        total += step % 7
        if step % 100_000 == 0:
            gittrack.log_metric("total", total, step=step)
