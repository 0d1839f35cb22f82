"""Fit the yield of a plant to its measurements."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import model

import gittrack

DATA = Path("data/measurements.csv")

settings = json.loads(Path("settings.json").read_text())
with gittrack.start_run():
    gittrack.log_params(settings)
    gittrack.log_data(DATA)
    with DATA.open(newline="") as file:
        rows = [
            ([float(row[name]) for name in ("length", "width", "height")], float(row["yield"]))
            for row in csv.DictReader(file)
        ]
    epochs = list(model.train(rows, **settings))
    for epoch, (_, error) in enumerate(epochs):
        gittrack.log_metric("mse", error, step=epoch)
    gittrack.log_dict({"weights": epochs[-1][0]}, "weights.json")
