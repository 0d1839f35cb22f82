"""Opens one file very often, with the hook and without it; prints the difference in µs a call."""

import json
import sys
import time

COUNT = int(sys.argv[1])
NAME = "data/small.csv"


def loops() -> tuple[float, float]:
    """Return the best of five: µs per open and close, and per call of `id`."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(COUNT // 5):
            open(NAME).close()
        opened = time.perf_counter()
        for _ in range(COUNT // 5):
            id(NAME)
        taken.append((opened - begun, time.perf_counter() - opened))
    return tuple(min(one[place] for one in taken) / (COUNT // 5) * 1e6 for place in (0, 1))


without = loops()
import gittrack  # noqa: E402, F401

within = loops()
print(json.dumps({"open": within[0] - without[0], "id": within[1] - without[1]}))
