"""Makes short runs of a hundred points, one after another.

Usage: starts.py RUNS PAUSE; prints JSON: milliseconds of each start and each end, PAUSE seconds apart.
"""

import json
import sys
import time

import gittrack

runs, pause = int(sys.argv[1]), float(sys.argv[2])
taken = {"start": [], "end": []}
for _ in range(runs):
    begun = time.perf_counter()
    gittrack.start_run()
    taken["start"].append((time.perf_counter() - begun) * 1e3)
    for step in range(100):
        gittrack.log_metric("loss", 1 / (step + 1), step=step)
    begun = time.perf_counter()
    gittrack.end_run()
    taken["end"].append((time.perf_counter() - begun) * 1e3)
    time.sleep(pause)
print(json.dumps(taken))
