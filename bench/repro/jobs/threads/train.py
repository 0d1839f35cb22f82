"""Add up parts in the order in which threads deliver them, which no two executions share."""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import gittrack

PARTS = 40


def part(step: int, number: int) -> float:
    """Return one part of a sum, after a wait as for a disk or a network."""
    time.sleep(os.urandom(1)[0] / 255 * 0.004)
    return math.sin(number + step) * 10.0 ** (number % 7 - 3)


with gittrack.start_run(run_name="sums"), ThreadPoolExecutor(8) as pool:
    for step in range(20):
        total = 1e3
        for delivered in as_completed([pool.submit(part, step, number) for number in range(PARTS)]):
            total += delivered.result()
        gittrack.log_metric("total", total, step=step)
