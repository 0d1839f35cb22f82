"""Write `measurements.csv`, which many jobs read: `python bench/repro/make_data.py`."""

from __future__ import annotations

import csv
import random
from pathlib import Path

ROWS = 240


def main() -> None:
    """Draw flowers' measurements of three kinds, with a yield that depends on them."""
    draw = random.Random(20)
    with Path(__file__).with_name("data").joinpath("measurements.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("id", "kind", "length", "width", "height", "yield"))
        for number in range(ROWS):
            kind = number % 3
            length = draw.gauss(4.0 + kind, 0.4)
            width = draw.gauss(1.5 + 0.5 * kind, 0.2)
            height = draw.gauss(10.0 - kind, 1.0)
            result = 2.0 * length - 1.5 * width + 0.3 * height + draw.gauss(0.0, 0.2)
            measured = (f"{value:.3f}" for value in (length, width, height, result))
            table.writerow((number, "abc"[kind], *measured))


if __name__ == "__main__":
    main()
