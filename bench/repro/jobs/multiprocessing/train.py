"""Estimate pi in four processes, each of which logs its own series to one run."""

from __future__ import annotations

import multiprocessing
import random

import gittrack


def work(worker: int) -> float:
    """Throw darts and log how the estimate settles."""
    draw = random.Random(worker)
    hits = 0
    for step in range(1, 2001):
        hits += draw.random() ** 2 + draw.random() ** 2 <= 1.0
        if step % 100 == 0:
            gittrack.log_metric(f"worker{worker}/pi", 4 * hits / step, step=step)
    return 4 * hits / 2000


if __name__ == "__main__":
    with gittrack.start_run(run_name="darts"), multiprocessing.get_context("fork").Pool(2) as pool:
        estimates = pool.map(work, range(4), chunksize=1)
        gittrack.log_metric("pi", sum(estimates) / len(estimates))
        pool.close()
        pool.join()
