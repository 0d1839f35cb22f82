import csv
import os
from pathlib import Path

from model import fit, predict

import gittrack

with gittrack.start_run(run_name=os.environ.get("NAME")):
    gittrack.log_data("data/houses.csv")
    with Path("data/houses.csv").open(newline="") as file:
        rows = [tuple(map(float, row)) for row in list(csv.reader(file))[1:]]
    model = fit(rows[:300])
    unseen = rows[300:]
    error = sum(abs(predict(model, row) - row[2]) for row in unseen) / len(unseen)
    gittrack.log_metric("error", error)
    print(f"error {error:.2f}")
