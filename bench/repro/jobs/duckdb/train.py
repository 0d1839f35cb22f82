"""Ask SQL of a CSV file with DuckDB."""

from __future__ import annotations

import duckdb

import gittrack

QUERY = """
    select kind, count(*) as plants, avg("yield") as mean_yield, stddev_samp("yield") as spread
    from 'data/measurements.csv' group by kind order by kind
"""

with gittrack.start_run(run_name="sql"):
    gittrack.log_data("data/measurements.csv")
    rows = duckdb.sql(QUERY).fetchall()
    for step, (kind, _, mean, spread) in enumerate(rows):
        gittrack.log_param(f"kind{step}", kind)
        gittrack.log_metrics({"mean_yield": mean, "spread": spread}, step=step)
