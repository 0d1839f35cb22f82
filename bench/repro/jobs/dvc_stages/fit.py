"""Fit the yield to the length by gradient descent."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

settings = Path("params.yaml").read_text()
rate = float(re.findall(r"rate: ([\d.]+)", settings)[0])
epochs = int(re.findall(r"epochs: (\d+)", settings)[0])
with open("clean.csv", newline="") as file:
    rows = [(float(row["length"]), float(row["yield"])) for row in csv.DictReader(file)]
slope, base = 0.0, 0.0
for _ in range(epochs):
    for x, wanted in rows:
        error = base + slope * x - wanted
        slope, base = slope - rate * error * x, base - rate * error
Path("model.json").write_text(json.dumps({"slope": slope, "base": base}))
