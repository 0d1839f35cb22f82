"""Makes short runs, one after another: ten params, five metrics and three tags each.

Usage: short_runs.py TOOL ROUNDS RUNS, with TOOL gittrack or mlflow, which have the same calls.
Prints JSON: runs a second, by round.
"""

import importlib
import json
import sys
import time

PARAMS = {f"param{number}": number for number in range(10)}
METRICS = {f"metric{number}": number / 3 for number in range(5)}
TAGS = {f"tag{number}": "a value" for number in range(3)}

tool = importlib.import_module(sys.argv[1])
rounds, runs = map(int, sys.argv[2:])


def make(count):
    begun = time.perf_counter()
    for _ in range(count):
        with tool.start_run():
            tool.log_params(PARAMS)
            tool.log_metrics(METRICS)
            tool.set_tags(TAGS)
    return count / (time.perf_counter() - begun)


make(1)  # finds the repository, captures the code, makes the tables
print(json.dumps([make(runs) for _ in range(rounds)]))
