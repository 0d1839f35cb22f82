"""Clean a CSV file and write it as Parquet."""

from __future__ import annotations

import pandas as pd

import gittrack

with gittrack.start_run(run_name="clean"):
    gittrack.log_data("data/measurements.csv")
    table = pd.read_csv("data/measurements.csv")
    table["ratio"] = table["length"] / table["width"]
    kept = table[table["ratio"].between(*table["ratio"].quantile([0.05, 0.95]))]
    gittrack.log_metrics({"rows": len(kept), "mean_ratio": kept["ratio"].mean()})
    kept.to_parquet("clean.parquet", index=False)
    gittrack.log_artifact("clean.parquet")
