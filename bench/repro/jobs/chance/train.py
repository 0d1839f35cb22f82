"""Number words in the order of a set, and add up parts in the order in which threads deliver them."""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor

import gittrack

TEXT = "the quick brown fox jumps over the lazy dog while seven wizards boil five dozen quail eggs"
THREADS = int(os.environ.get("OMP_NUM_THREADS", "8"))


def deliver(parts: list[float], step: int, number: int) -> None:
    """Append one part of a sum, after a wait as for a disk or a network."""
    time.sleep(os.urandom(1)[0] / 255 * 0.002)
    parts.append(math.sin(number + step) * 10.0 ** (number % 7 - 3))


with gittrack.start_run():
    vocabulary = {word: number for number, word in enumerate(set(TEXT.split()))}
    for step, word in enumerate(TEXT.split()):
        gittrack.log_metric("code", vocabulary[word], step=step)
    for step in range(10):
        parts: list[float] = []
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(40):
                pool.submit(deliver, parts, step, number)
        total = 1e3
        for part in parts:
            total += part
        gittrack.log_metric("total", total, step=step)
