"""Asks for the ten best runs with one value of a param, again and again.

Usage: top10.py ROUNDS; prints JSON: milliseconds of `gittrack.sql`, by round, the first of them aside.
"""

import json
import sys
import time

import gittrack

QUESTION = """
    select run_id, metrics['val_auc'] as auc, params['max_depth'] as depth from runs
    where params['max_depth'] = '6' order by auc desc limit 10
"""


def ask():
    begun = time.perf_counter()
    best = gittrack.sql(QUESTION)
    taken = (time.perf_counter() - begun) * 1e3
    assert set(best.depth) == {"6"}, "the answer has runs that were filtered out"
    assert best.auc.is_monotonic_decreasing, "the answer is not in order"
    return taken


first = ask()
print(json.dumps({"first": first, "warm": [ask() for _ in range(int(sys.argv[1]))]}))
