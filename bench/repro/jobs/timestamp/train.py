"""Write a report that says when it was written."""

from __future__ import annotations

import datetime

import gittrack

with gittrack.start_run(run_name="report"):
    values = [1 / (number + 1) for number in range(20)]
    for step, value in enumerate(values):
        gittrack.log_metric("value", value, step=step)
    now = datetime.datetime.now(datetime.UTC)
    gittrack.log_dict({"sum": sum(values), "created": now.isoformat(timespec="microseconds")}, "report.json")
