"""Declares an unchanged folder of data in one fresh process after another; prints the ms of each."""

import json
import subprocess
import sys

CODE = """\
import time
import gittrack
with gittrack.start_run() as run:
    begun = time.perf_counter()
    gittrack.log_data("data/many")
    print((time.perf_counter() - begun) * 1e3)
"""

taken = [
    float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True, text=True).stdout)
    for _ in range(int(sys.argv[1]))
]
print(json.dumps(taken))
