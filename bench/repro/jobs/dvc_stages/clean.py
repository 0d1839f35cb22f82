"""Drop the plants that are too short."""

from __future__ import annotations

import csv
import re
from pathlib import Path

least = float(re.findall(r"least: ([\d.]+)", Path("params.yaml").read_text())[0])
with open("data/measurements.csv", newline="") as source, open("clean.csv", "w", newline="") as target:
    rows = csv.DictReader(source)
    kept = csv.DictWriter(target, rows.fieldnames or [], lineterminator="\n")
    kept.writeheader()
    kept.writerows(row for row in rows if float(row["length"]) >= least)
