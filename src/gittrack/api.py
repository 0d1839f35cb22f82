"""The fluent functions: MLflow's names and meaning, for the run that is active where they are called.

Each is one call to a method below. The active run lives in a context variable: threads and tasks keep apart.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack import config
from gittrack.entities.record import DataFile, Status, parse_run_id
from gittrack.errors import Conflict, InvalidValue, NotFound, RecordingNotice
from gittrack.record import exits
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.record.seal import seal

if TYPE_CHECKING:
    import pandas as pd

    from gittrack.query.session import Session

_active: ContextVar[tuple[ActiveRun, ...]] = ContextVar("gittrack_active_runs", default=())
_projects: dict[tuple[Path, Path | None], Project] = {}
_state: dict[str, Any] = {"experiment": None, "joined": False}


def set_experiment(experiment_name: str) -> None:
    """Make the runs that this process starts from now on belong to a named experiment.

    Raises:
        InvalidValue: The name is empty or no text.
    """
    if not isinstance(experiment_name, str) or not experiment_name.strip():
        raise InvalidValue(f"{experiment_name!r} is not the name of an experiment")
    _state["experiment"] = experiment_name


def start_run(
    run_id: str | None = None,
    experiment_name: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
) -> ActiveRun:
    """Start a run, or go on with one, and make it the active run.

    Args:
        run_id: The run to go on with: one that is live, or one that has ended.
        experiment_name: The experiment, instead of the one of `set_experiment`.
        run_name: A label; made up when there is none.
        nested: Start it as part of the active run.
        parent_run_id: Start it as part of this run.
        tags: Tags to start with.
        description: What it is about, kept as the tag `mlflow.note.content`.

    Raises:
        NotARepository: There is no git repository here.
        Conflict: A run is active, and `nested` was not asked for.
        NotFound: There is no run `run_id`.
    """
    stack = _running()
    around = config.surroundings()
    if run_id is None and around.run_id and not _state["joined"]:
        run_id = around.run_id
    if stack and not nested and not parent_run_id:
        raise Conflict(
            f"run '{stack[-1].info.run_name}' is active", hint="gittrack.end_run(), or start_run(nested=True)"
        )
    project = _project(around)
    _announce(project)
    settings = project.config()
    given = dict(tags or {})
    if description is not None:
        given["mlflow.note.content"] = description
    if run_id is not None:
        run = _rejoin(project, settings, run_id, run_name, given)
        _state["joined"] = _state["joined"] or run_id == around.run_id
    else:
        parent = parse_run_id(parent_run_id) if parent_run_id else stack[-1].run_id if stack else None
        experiment = experiment_name or (stack[-1].experiment if stack else _state["experiment"])
        run = ActiveRun.begin(
            project, settings, around, experiment=experiment, name=run_name, parent=parent, tags=given
        )
    exits.watch(run)
    _active.set((*stack, run))
    return run


def _running() -> tuple[ActiveRun, ...]:
    """Return the active runs of this context, the innermost last; a run that was ended by itself is none."""
    return tuple(run for run in _active.get() if not run.has_ended)


def _project(around: config.Surroundings) -> Project:
    place = (Path.cwd(), around.worktree)
    if place not in _projects or not _projects[place].repository.git_dir.is_dir():
        _projects[place] = Project.find(place[0], worktree=around.worktree)
    return _projects[place]


def _announce(project: Project) -> None:
    """Make the store where there is none, and say so once; a disk that takes nothing does not stop the training."""
    with suppress(OSError, RecordingNotice):
        if project.init():
            warnings.warn(
                f"runs are recorded in {project.layout.committed}; 'gittrack commit' commits them",
                RecordingNotice,
                stacklevel=3,
            )


def _rejoin(
    project: Project, settings: config.Config, run_id: str, name: str | None, tags: Mapping[str, Any]
) -> ActiveRun:
    wanted = parse_run_id(run_id)
    seal(project.layout, project.layout.live_run(wanted))  # one whose process died goes on from its seal
    try:
        run = ActiveRun.attach(project, settings, wanted)
    except NotFound:
        from gittrack.query import sealed  # the index is for those who read; a new run never loads it

        run = sealed.resume(project, settings, wanted)
    if name is not None:
        run.set_name(name)
    if tags:
        run.set_tags(tags)
    return run


def active_run() -> ActiveRun | None:
    """Return the active run, or None."""
    stack = _running()
    return stack[-1] if stack else None


def _current() -> ActiveRun:
    """Return the active run; start one where there is none, as MLflow does."""
    stack = _active.get()
    if stack and not stack[-1].has_ended:
        return stack[-1]
    return active_run() or start_run()


def end_run(status: Status = "FINISHED") -> None:
    """End the active run; without one, do nothing."""
    stack = _running()
    if stack:
        stack[-1].end(status)
        _active.set(stack[:-1])


def log_param(key: str, value: Any) -> Any:
    """Record an input value in the active run; see `ActiveRun.log_param`."""
    return _current().log_param(key, value)


def log_params(params: Mapping[str, Any]) -> None:
    """Record input values in the active run; see `ActiveRun.log_params`."""
    _current().log_params(params)


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
) -> None:
    """Record one value of a metric in the active run; see `ActiveRun.log_metric`.

    `synchronous` is MLflow's and changes nothing: no call waits for the disk.
    """
    _current().log_metric(key, value, step, timestamp)


def log_metrics(
    metrics: Mapping[str, Any],
    step: Any = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
) -> None:
    """Record a value, or a sequence of values, of each metric in the active run; see `ActiveRun.log_metrics`."""
    _current().log_metrics(metrics, step, timestamp)


def log_points(table: Any) -> None:
    """Record a table of points in the active run; see `ActiveRun.log_points`."""
    _current().log_points(table)


def set_tag(key: str, value: Any) -> None:
    """Put a tag on the active run; see `ActiveRun.set_tag`."""
    _current().set_tag(key, value)


def set_tags(tags: Mapping[str, Any]) -> None:
    """Put tags on the active run; see `ActiveRun.set_tags`."""
    _current().set_tags(tags)


def set_volatile(*patterns: str) -> None:
    """Name artifacts and metrics of the active run that no two executions share; see `ActiveRun.set_volatile`."""
    _current().set_volatile(*patterns)


def log_artifact(local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
    """Keep a file or folder as output of the active run; see `ActiveRun.log_artifact`."""
    _current().log_artifact(local_path, artifact_path)


def log_artifacts(local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
    """Keep all files below a folder as outputs of the active run; see `ActiveRun.log_artifacts`."""
    _current().log_artifacts(local_dir, artifact_path)


def log_text(text: str, artifact_file: str) -> None:
    """Keep text as an artifact of the active run; see `ActiveRun.log_text`."""
    _current().log_text(text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str) -> None:
    """Keep a dictionary as an artifact of the active run; see `ActiveRun.log_dict`."""
    _current().log_dict(dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Keep a figure as an artifact of the active run; see `ActiveRun.log_figure`."""
    _current().log_figure(figure, artifact_file, save_kwargs=save_kwargs)


def log_data(path: str | os.PathLike[str]) -> DataFile:
    """Record an input file or folder of the active run by digest; see `ActiveRun.log_data`."""
    return _current().log_data(path)


def flush() -> None:
    """Bring everything that was logged to the active run to disk; see `ActiveRun.flush`."""
    _current().flush()


def sql(query: str, **params: Any) -> pd.DataFrame:
    """Answer SQL over every run that this clone knows.

    Args:
        query: SQL over the relations runs, params, metrics, points, tags, artifacts, data, environments, events
            and commits; `$name` stands for a parameter.
        params: The parameters by name.

    Raises:
        NotARepository: There is no git repository here.
        SqlError: The query is not understood; the message shows where.
    """
    return _session(_project(config.surroundings())).sql(query, params).df()


def runs(**options: Any) -> pd.DataFrame:
    """Return every run as a row of a DataFrame, with columns `params.*`, `metrics.*` and `tags.*`."""
    from gittrack.query.runs import (
        runs as all_runs,
    )  # the index is for those who read; recording never loads it

    return all_runs(_session(_project(config.surroundings())), **options)


def _session(project: Project) -> Session:
    from gittrack.query.session import Session

    return Session.open(project.repository, project.layout)
