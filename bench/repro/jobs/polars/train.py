"""Summarise measurements by kind with Polars and write a table."""

from __future__ import annotations

import polars as pl

import gittrack

with gittrack.start_run(run_name="summary"):
    gittrack.log_data("data/measurements.csv")
    table = pl.read_csv("data/measurements.csv")
    summary = (
        table.group_by("kind")
        .agg(
            pl.len().alias("plants"),
            pl.col("yield").mean().alias("mean_yield"),
            pl.corr("length", "yield").alias("correlation"),
        )
        .sort("kind")
    )
    for step, row in enumerate(summary.iter_rows(named=True)):
        gittrack.log_metrics({name: row[name] for name in ("mean_yield", "correlation")}, step=step)
    summary.write_csv("summary.csv")
    gittrack.log_artifact("summary.csv")
