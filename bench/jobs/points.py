"""Logs points one call at a time, turn by turn with a bare loop of writes of the same bytes.

Usage: points.py ROUNDS CALLS; prints JSON: calls a second of both, by round, and the heavy modules imported.
"""

import json
import os
import sys
import time
from pathlib import Path

import gittrack

FRAME = 40  # bytes of a point in the journal
HEAVY = ("pandas", "pyarrow", "duckdb", "git", "numpy", "yaml")


def logged(calls, first):
    log_metric = gittrack.log_metric
    begun = time.perf_counter()
    for step in range(first, first + calls):
        log_metric("loss", 0.25, step=step)
    return calls / (time.perf_counter() - begun)


def bare(descriptor, records):
    write = os.write
    begun = time.perf_counter()
    for record in records:
        write(descriptor, record)
    return len(records) / (time.perf_counter() - begun)


rounds, calls = map(int, sys.argv[1:])
run = gittrack.start_run()
gittrack.log_metric("loss", 0.25, step=-1)
(journal,) = Path(".git/gittrack/live", run.run_id).glob("*.journal")
rates = {"log_metric": [], "bare": []}
beside = os.open("bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
for number in range(rounds):
    before = journal.stat().st_size
    rates["log_metric"].append(logged(calls, number * calls))
    with journal.open("rb") as file:
        file.seek(before)
        written = file.read()
    records = [written[place : place + FRAME] for place in range(0, len(written), FRAME)]
    assert len(records) == calls, "a point is one record of the journal"
    rates["bare"].append(bare(beside, records))
heavy = [name for name in HEAVY if name in sys.modules]
gittrack.end_run()
print(json.dumps({**rates, "heavy": heavy}))
