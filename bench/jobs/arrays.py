"""Hands points over as arrays.

Usage: arrays.py ROUNDS POINTS; prints JSON: points a second by round, for each kind of array, with the sync to disk
and without.
"""

import json
import sys
import time

import numpy as np
import pyarrow as pa

import gittrack

rounds, points = map(int, sys.argv[1:])
values = np.random.default_rng(0).random(points)
keys = pa.array(["train_loss", "val_auc"]).take(pa.array(np.arange(points) % 2))
columns = {"key": keys.dictionary_encode(), "step": pa.array(np.arange(points)), "value": pa.array(values)}
table = pa.table(columns)
rates = {"numpy": [], "numpy_flushed": [], "list": [], "table": []}


def rate(call, *, flushed=False):
    begun = time.perf_counter()
    call()
    if flushed:
        gittrack.flush()
    return points / (time.perf_counter() - begun)


ready = values.tolist()
for _ in range(rounds):
    gittrack.start_run()
    rates["numpy"].append(rate(lambda: gittrack.log_metrics({"loss": values})))
    gittrack.flush()
    rates["numpy_flushed"].append(rate(lambda: gittrack.log_metrics({"loss": values}), flushed=True))
    rates["list"].append(rate(lambda: gittrack.log_metrics({"accuracy": ready})))
    gittrack.flush()
    rates["table"].append(rate(lambda: gittrack.log_points(table)))
    gittrack.end_run()
print(json.dumps(rates))
