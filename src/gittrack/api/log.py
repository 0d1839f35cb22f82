"""Logging to the active run, or to another by its id: each function is one call of a method of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from gittrack.api.active import active_run, current, done, run_of
from gittrack.entities.record import DataFile
from gittrack.errors import InvalidValue, NotFound
from gittrack.record.system_tags import CONTEXT
from gittrack.record.values import as_list, check_key, check_mapping

if TYPE_CHECKING:
    from gittrack.data import Dataset
    from gittrack.entities.tracking import LoggedModelInput, LoggedModelOutput, RunOperations
    from gittrack.record.run import ActiveRun


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Record an input value in the active run, and return it; see `ActiveRun.log_param`."""
    current().log_param(key, value)
    return done(synchronous) or value


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Record input values in the active run, or another; see `ActiveRun.log_params`."""
    run_of(run_id).log_params(params)
    return done(synchronous) if params else None


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Record one value of a metric in the active run, or another; see `ActiveRun.log_metric`.

    `synchronous` changes only what is answered, no call waits for the disk. The model and the dataset that it was
    measured on become inputs of the run, where they are not; which value is whose is not kept.
    """
    run = current() if run_id is None else run_of(run_id)
    if dataset is not None or model_id:
        _measured(run, dataset, model_id)
    run.log_metric(key, value, step, timestamp or None)
    return done(synchronous)


def log_metrics(
    metrics: Mapping[str, Any],
    step: Any = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Record a value, or a sequence of values, of each metric in the active run, or another.

    See `ActiveRun.log_metrics`, and `log_metric` for the other arguments.
    """
    run = run_of(run_id)
    if dataset is not None or model_id:
        _measured(run, dataset, model_id)
    run.log_metrics(metrics, step, timestamp or None)
    return done(synchronous) if metrics else None


def _measured(run: ActiveRun, dataset: Any, model_id: str | None) -> None:
    from gittrack.tracking import inputs  # loads what only those who log datasets and models need

    inputs.measured(run, dataset, model_id)


def log_points(table: Any) -> None:
    """Record a table of points in the active run; see `ActiveRun.log_points`."""
    current().log_points(table)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Put a tag on the active run; see `ActiveRun.set_tag`."""
    current().set_tag(key, value)
    return done(synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Put tags on the active run; see `ActiveRun.set_tags`."""
    current().set_tags(tags)
    return done(synchronous) if tags else None


def delete_tag(key: str) -> None:
    """Take a tag off the active run.

    Raises:
        NotFound: The run has no such tag.
        InvalidValue: The key cannot be one.
    """
    check_key(key, "tag")
    run = current()
    if key not in run.tags:
        raise NotFound(f"run '{run.run_id}' has no tag '{key}'")
    run.delete_tag(key)


def set_volatile(*patterns: str) -> None:
    """Name artifacts and metrics of the active run that no two executions share; see `ActiveRun.set_volatile`."""
    current().set_volatile(*patterns)


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep a file or folder as output of the active run, or another; see `ActiveRun.log_artifact`."""
    run_of(run_id).log_artifact(local_path, artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep all files below a folder as outputs of the active run, or another; see `ActiveRun.log_artifacts`."""
    run_of(run_id).log_artifacts(local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Keep text as an artifact of the active run, or another; see `ActiveRun.log_text`."""
    run_of(run_id).log_text(text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a dictionary as an artifact of the active run, or another; see `ActiveRun.log_dict`."""
    run_of(run_id).log_dict(dictionary, artifact_file)


def log_stream(stream: BinaryIO, artifact_file: str, run_id: str | None = None) -> None:
    """Keep what a binary stream holds as an artifact of the active run, or another; see `ActiveRun.log_stream`."""
    run_of(run_id).log_stream(stream, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Keep a figure as an artifact of the active run; see `ActiveRun.log_figure`."""
    current().log_figure(figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = None,
) -> None:
    """Keep an image as an artifact of the active run; see `ActiveRun.log_image`."""
    current().log_image(image, artifact_file, key=key, step=step, timestamp=timestamp)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Append rows to a table among the artifacts of the active run, or another; see `ActiveRun.log_table`."""
    run_of(run_id).log_table(data, artifact_file)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return the address of the active run's artifacts, or of one of them: `runs:/<run_id>/<path>`.

    Raises:
        InvalidValue: It cannot be the path of an artifact.
    """
    from gittrack.record import artifacts, presented

    path = artifacts.path_of(artifact_path) if artifact_path else ""
    return presented.artifact_uri(current().run_id, path)


def log_data(path: str | os.PathLike[str]) -> DataFile:
    """Record an input file or folder of the active run by digest; see `ActiveRun.log_data`."""
    return current().log_data(path)


def log_input(
    dataset: Dataset | None = None,
    context: str | None = None,
    tags: Mapping[str, str] | None = None,
    model: LoggedModelInput | None = None,
) -> None:
    """Record the use of a dataset by the active run; the file or folder it was read from is recorded too.

    Args:
        dataset: One of `gittrack.data`; may be left out when there is a model.
        context: What it was used for: training, evaluation, ...
        tags: Tags to put on this use of it.
        model: A model that the run used, by its id.

    Raises:
        InvalidValue: It is no dataset, or no model, or a tag cannot be one.
    """
    from gittrack.tracking import inputs

    given = check_mapping({} if tags is None else tags, "tag")
    used = [] if model is None else inputs.used_models([model])
    if dataset is not None or context or given or not used:
        inputs.log(current(), dataset, {**given, **({CONTEXT: context} if context else {})})
    current().log_models(used)


def log_inputs(
    datasets: Sequence[Dataset] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, str] | None] | None = None,
    models: Sequence[LoggedModelInput | None] | None = None,
) -> None:
    """Record the use of several datasets and models by the active run; see `log_input`.

    Args:
        datasets: Any number of datasets.
        contexts: What each was used for, None where nothing is said.
        tags_list: Tags for the use of each.
        models: Models that the run used, of any number, whatever that of the datasets.

    Raises:
        InvalidValue: One is no list, there is not one context or one set of tags for each dataset, or one is no
            dataset or model.
    """
    from gittrack.tracking import inputs

    taken = inputs.used_models([one for one in as_list(models or (), "models") if one is not None])
    used = as_list(datasets or (), "datasets")
    beside = {"contexts": contexts, "tags_list": tags_list}
    lists = {
        name: [None] * len(used) if given is None else as_list(given, name) for name, given in beside.items()
    }
    for name, given in lists.items():
        if len(given) != len(used):
            raise InvalidValue(f"log_inputs got {len(used)} datasets and {len(given)} {name}")
    for dataset, context, tags in zip(used, lists["contexts"], lists["tags_list"], strict=True):
        log_input(dataset, context, tags)
    current().log_models(taken)


def log_outputs(models: Sequence[LoggedModelOutput] | None = None) -> None:
    """Record which models the active run made, by their ids; see `Client.log_outputs`."""
    from gittrack.tracking import inputs

    current().log_models(inputs.made_models(models or ()))


def flush() -> None:
    """Bring everything that was logged to the active run to disk; see `ActiveRun.flush`."""
    current().flush()


def flush_async_logging() -> None:
    """Bring everything that was logged to the active run to disk, if there is one."""
    run = active_run()
    if run is not None:
        run.flush()


def flush_artifact_async_logging() -> None:
    """Return: artifacts are on disk when the call that logs them returns."""
