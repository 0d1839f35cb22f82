"""Measure how far the model is off."""

from __future__ import annotations

import csv
import json
from pathlib import Path

model = json.loads(Path("model.json").read_text())
with open("clean.csv", newline="") as file:
    rows = [(float(row["length"]), float(row["yield"])) for row in csv.DictReader(file)]
errors = [model["base"] + model["slope"] * x - wanted for x, wanted in rows]
mse = sum(error * error for error in errors) / len(errors)
Path("metrics.json").write_text(json.dumps({"mse": mse, "rows": len(rows)}))
