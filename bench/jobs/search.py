"""Asks for a thousand runs as a DataFrame, by a filter and in an order, again and again.

Usage: search.py TOOL ROUNDS, with TOOL gittrack or mlflow, which have the same call.
Prints JSON: milliseconds of each call, the first of them aside.
"""

import importlib
import json
import sys
import time

tool = importlib.import_module(sys.argv[1])
ROWS = 1000


def ask():
    begun = time.perf_counter()
    found = tool.search_runs(
        filter_string="params.optimizer = 'adam' and metrics.val_auc > 0.1",
        order_by=["metrics.val_f1 DESC"],
        max_results=ROWS,
        search_all_experiments=True,
    )
    taken = (time.perf_counter() - begun) * 1e3
    assert set(found["params.optimizer"]) == {"adam"}, "the answer has runs that were filtered out"
    assert found["metrics.val_f1"].is_monotonic_decreasing, "the answer is not in order"
    return taken, len(found)


first, rows = ask()
print(json.dumps({"first": first, "rows": rows, "warm": [ask()[0] for _ in range(int(sys.argv[2]))]}))
