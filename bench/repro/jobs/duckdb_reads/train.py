"""Ask SQL of a table that git ignores and that nobody declares: DuckDB opens the file by itself."""

from __future__ import annotations

import duckdb

import gittrack

QUERY = "select count(*), avg(column0), max(column0) from read_csv('private/readings.txt', header = false)"

with gittrack.start_run(run_name="sql"):
    (found,) = duckdb.sql(QUERY).fetchall()
    gittrack.log_metrics(dict(zip(("rows", "mean", "largest"), map(float, found), strict=True)))
