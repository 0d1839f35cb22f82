"""Experiment tracking that lives in git: record a run once, query every run with SQL, reproduce and check any.

import gittrack

with gittrack.start_run():
    gittrack.log_param("lr", 0.1)
    gittrack.log_metric("loss", 0.25, step=1)
"""

from gittrack.api import (
    active_run,
    end_run,
    flush,
    log_artifact,
    log_artifacts,
    log_data,
    log_dict,
    log_figure,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_points,
    log_text,
    runs,
    set_experiment,
    set_tag,
    set_tags,
    set_volatile,
    sql,
    start_run,
)
from gittrack.errors import GittrackError, RecordingWarning
from gittrack.record.run import ActiveRun

__version__ = "0.1.0"

__all__ = [
    "ActiveRun",
    "GittrackError",
    "RecordingWarning",
    "active_run",
    "end_run",
    "flush",
    "log_artifact",
    "log_artifacts",
    "log_data",
    "log_dict",
    "log_figure",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_points",
    "log_text",
    "runs",
    "set_experiment",
    "set_tag",
    "set_tags",
    "set_volatile",
    "sql",
    "start_run",
]
