"""Reads all points of a metric of one run, again and again.

Usage: history.py TOOL RUN_ID POINTS ROUNDS, with TOOL gittrack or mlflow, whose clients have the same call.
Prints JSON: milliseconds of each call, by round; with gittrack also as an Arrow table. A first round is not counted.
"""

import importlib
import json
import sys
import time

tool = importlib.import_module(sys.argv[1])
run_id, points, rounds = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
client = tool.MlflowClient()
CALLS = {"history": client.get_metric_history, "arrow": getattr(tool, "points", None)}


def ask(call):
    begun = time.perf_counter()
    found = call(run_id, "loss")
    taken = (time.perf_counter() - begun) * 1e3
    assert len(found) == points, "points are missing"
    return taken


print(
    json.dumps(
        {name: [ask(call) for _ in range(rounds + 1)][1:] for name, call in CALLS.items() if call is not None}
    )
)
