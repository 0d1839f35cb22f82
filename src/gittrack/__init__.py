"""Experiment tracking that lives in git: record a run once, query every run with SQL, reproduce and check any.

import gittrack

with gittrack.start_run():
    gittrack.log_param("lr", 0.1)
    gittrack.log_metric("loss", 0.25, step=1)
"""

from typing import TYPE_CHECKING, Any

from gittrack.api.active import active_run, end_run, last_active_run, set_experiment, start_run
from gittrack.api.experiments import (
    create_experiment,
    delete_experiment,
    delete_experiment_tag,
    get_experiment,
    get_experiment_by_name,
    restore_experiment,
    search_experiments,
    set_experiment_tag,
    set_experiment_tags,
)
from gittrack.api.log import (
    delete_tag,
    flush,
    flush_artifact_async_logging,
    flush_async_logging,
    get_artifact_uri,
    log_artifact,
    log_artifacts,
    log_data,
    log_dict,
    log_figure,
    log_image,
    log_input,
    log_inputs,
    log_metric,
    log_metrics,
    log_outputs,
    log_param,
    log_params,
    log_points,
    log_stream,
    log_table,
    log_text,
    set_tag,
    set_tags,
    set_volatile,
)
from gittrack.api.machine import (
    disable_system_metrics_logging,
    enable_system_metrics_logging,
    set_system_metrics_node_id,
    set_system_metrics_samples_before_logging,
    set_system_metrics_sampling_interval,
)
from gittrack.api.recorded import (
    delete_run,
    get_parent_run,
    get_registry_uri,
    get_run,
    load_table,
    points,
    restore_run,
    runs,
    search_runs,
    set_registry_uri,
    sql,
)
from gittrack.api.seeds import seed_all
from gittrack.errors import GittrackError, RecordingNotice, RecordingWarning
from gittrack.record.run import ActiveRun
from gittrack.tracking import get_tracking_uri, is_tracking_uri_set, set_tracking_uri

if TYPE_CHECKING:
    from gittrack.record.media import Image
    from gittrack.tracking.client import Client, MlflowClient

__version__ = "0.1.0"

__all__ = [
    "ActiveRun",
    "Client",
    "GittrackError",
    "Image",
    "MlflowClient",
    "RecordingNotice",
    "RecordingWarning",
    "active_run",
    "create_experiment",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_run",
    "delete_tag",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "end_run",
    "flush",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_data",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_outputs",
    "log_param",
    "log_params",
    "log_points",
    "log_stream",
    "log_table",
    "log_text",
    "points",
    "restore_experiment",
    "restore_run",
    "runs",
    "search_experiments",
    "search_runs",
    "seed_all",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_registry_uri",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "set_volatile",
    "sql",
    "start_run",
]

_ELSEWHERE = {
    "Client": "gittrack.tracking.client",
    "MlflowClient": "gittrack.tracking.client",
    "Image": "gittrack.record.media",
    "MlflowException": "gittrack.exceptions",
}
_MODULES = ("artifacts", "client", "data", "entities", "exceptions", "tracking")
# What scripts for MLflow most often ask of its other parts.
_NOT_OF_TRACKING = frozenset(
    "autolog evaluate genai keras lightgbm log_model models projects pyfunc pytorch register_model sklearn statsmodels "
    "tensorflow trace transformers xgboost".split()
)


def __getattr__(name: str) -> Any:
    """Load what a training that only records never needs when it is first asked for."""
    from importlib import import_module

    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    if name in _MODULES:
        return import_module(f"gittrack.{name}")
    missing = AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _NOT_OF_TRACKING:
        missing.add_note(
            "hint: gittrack has MLflow's tracking, not its models and traces: log_param, log_metric and log_artifact "
            "record by hand; docs/mlflow.md, 'What is not there'"
        )
    raise missing
