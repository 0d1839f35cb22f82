"""The fluent functions: MLflow's names and meaning, for the run that is active where they are called.

Each is one call to a method below. The active run lives in a context variable: threads and tasks keep apart.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, BinaryIO

from gittrack import config
from gittrack.entities.record import DataFile, ExperimentId, RunId, Status
from gittrack.errors import Conflict, InvalidValue, NotFound, RecordingNotice
from gittrack.record import exits
from gittrack.record.experiments import DEFAULT_ID, Experiments, Group
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.record.system_tags import CONTEXT, NOTE
from gittrack.tracking import open_runs, projects

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from gittrack.data import Dataset
    from gittrack.entities.tracking import Experiment, PagedList, Run, RunOperations
    from gittrack.tracking.client import Client

_active: ContextVar[tuple[ActiveRun, ...]] = ContextVar("gittrack_active_runs", default=())
_state: dict[str, Any] = {"experiment": None, "joined": False, "last": None, "system": {}}


def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None, trace_location: Any = None
) -> Experiment:
    """Make the runs that this process starts from now on belong to an experiment; return it.

    Args:
        experiment_name: Its name; created where there is none, or only a deleted one.
        experiment_id: Its id, instead of a name.
        trace_location: MLflow's; not used.

    Raises:
        InvalidValue: Both or neither are given, the name cannot be one, or the experiment is deleted.
        NotFound: No experiment has the id.
    """
    del trace_location
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidValue("set_experiment takes a name or an id", hint="gittrack.set_experiment('churn')")
    around = config.surroundings()
    project = projects.current(around)
    _announce(project)
    if experiment_id is None:
        group = Experiments(project.layout).ensure(
            experiment_name or "",
            user=around.user,
            reserve_deleted=project.config().reserve_deleted_names,
        )
    else:
        group = _group(project, experiment_id)
    _state["experiment"] = group
    config.pass_on("EXPERIMENT_ID", group.experiment_id)
    return _experiment(project, group)


def _group(project: Project, experiment_id: str) -> Group:
    """Return an active experiment by its id; the index is asked only about one that other branches know."""
    group = Experiments(project.layout).of_id(str(experiment_id))
    if group is None:
        one = _client().get_experiment(experiment_id)
        group = Group(ExperimentId(one.experiment_id), one.name, one.lifecycle_stage == "deleted", one.tags)
    if group.deleted:
        raise InvalidValue(
            f"the experiment '{group.name}' is deleted",
            hint=f"gittrack.Client().restore_experiment('{group.experiment_id}')",
        )
    return group


def _experiment(project: Project, group: Group) -> Experiment:
    from gittrack.entities.tracking import Experiment

    return Experiment(
        group.experiment_id,
        group.name,
        project.layout.files.as_uri(),
        "active",
        dict(group.tags),
        group.creation_time,
        group.last_update_time,
    )


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
    *,
    experiment_name: str | None = None,
) -> ActiveRun:
    """Start a run, or go on with one, and make it the active run.

    Args:
        run_id: The run to go on with: one that is live, or one that has ended.
        experiment_id: The experiment, instead of the one of `set_experiment`.
        run_name: A label; made up when there is none.
        nested: Start it as part of the active run.
        parent_run_id: Start it as part of this run.
        tags: Tags to start with.
        description: What it is about, kept as the tag `mlflow.note.content`.
        log_system_metrics: Watch the machine while it runs; as `enable_system_metrics_logging` said without it.
        experiment_name: The experiment by name; created where there is none.

    Raises:
        NotARepository: There is no git repository here.
        Conflict: A run is active, and `nested` was not asked for.
        NotFound: There is no run `run_id`, or no such experiment or parent.
        InvalidValue: A value cannot be taken, or what is named is deleted.
    """
    stack = _running()
    around = config.surroundings()
    given = {**around.context, **_with_note(tags, description)}
    joining = None
    if around.run_id and not _state["joined"] and run_id is None:
        run_id = joining = around.run_id
    if stack and not nested and not parent_run_id:
        raise Conflict(
            f"run '{stack[-1].info.run_name}' is active", hint="gittrack.end_run(), or start_run(nested=True)"
        )
    project = projects.current(around)
    _announce(project)
    if run_id is not None:
        group: Group | None = _state["experiment"]
        asked = experiment_id or (group.experiment_id if group and not joining else None)
        run = _rejoin(project, run_id, stack, asked, run_name, given)
        _state["joined"] = _state["joined"] or joining is not None
    else:
        run = ActiveRun.begin(
            project,
            project.config(),
            around,
            experiment=_chosen(project, around, stack, experiment_id, experiment_name),
            name=run_name,
            parent=_parent(parent_run_id, stack),
            tags=given,
        )
        exits.watch(run)
    _watch_machine(run, log_system_metrics, resumed=run_id is not None)
    _active.set((*stack, run))
    _state["last"] = run.run_id
    return run


def _with_note(tags: Mapping[str, Any] | None, description: str | None) -> dict[str, Any]:
    given = dict(tags or {})
    if description is not None:
        if NOTE in given:
            raise InvalidValue(
                f"the run has a description, and the tag {NOTE} that means the same",
                hint="give it one of the two",
            )
        given[NOTE] = description
    return given


def _chosen(
    project: Project,
    around: config.Surroundings,
    stack: tuple[ActiveRun, ...],
    experiment_id: str | None,
    name: str | None,
) -> Group | str | None:
    """Return the experiment of a new run; None for the project's default."""
    if experiment_id is not None:
        return _group(project, experiment_id)
    if name is not None:
        return name
    if stack:
        return stack[-1].experiment_group
    group: Group | None = _state["experiment"]
    if group is None and around.experiment_id is not None:
        group = _group(project, around.experiment_id)
    return group


def _parent(parent_run_id: str | None, stack: tuple[ActiveRun, ...]) -> RunId | None:
    if parent_run_id is None:
        return stack[-1].run_id if stack else None
    parent = open_runs.id_of(parent_run_id)
    if stack and stack[-1].run_id != parent:
        raise InvalidValue(
            f"the parent is run '{parent_run_id}', but run '{stack[-1].run_id}' is active",
            hint="leave out parent_run_id, or end the active run",
        )
    open_runs.must_be_there(projects.current(), parent)
    return parent


def _rejoin(
    project: Project,
    run_id: str,
    stack: tuple[ActiveRun, ...],
    asked: str | None,
    name: str | None,
    tags: Mapping[str, Any],
) -> ActiveRun:
    """Go on with a run; `asked` is the id of the experiment that it has to belong to, None for any."""
    wanted = open_runs.id_of(run_id)
    if any(run.run_id == wanted for run in stack):
        raise Conflict(f"run '{run_id}' is active already")
    run = open_runs.resumed(project, wanted)
    if asked is not None and str(asked) != run.experiment_group.experiment_id:
        experiment = run.experiment_group
        run.leave()
        raise InvalidValue(
            f"run '{run_id}' belongs to the experiment {experiment.experiment_id}, not to {asked}",
            hint=f"gittrack.set_experiment(experiment_id='{experiment.experiment_id}')",
        )
    if name is not None:
        run.set_name(name)
    if tags:
        run.set_tags(tags)
    return run


def _watch_machine(run: ActiveRun, asked: bool | None, *, resumed: bool) -> None:
    settings = config.system_metrics()
    chosen: dict[str, Any] = _state["system"]
    if not (chosen.get("enabled", settings.enabled) if asked is None else asked):
        return
    from gittrack.record.system_metrics import SystemMetrics

    run.set_volatile("system/*")
    watcher = SystemMetrics(
        run.log_metrics,
        interval_s=chosen.get("interval_s", settings.interval_s),
        samples_before_logging=chosen.get("samples", settings.samples),
        node_id=chosen.get("node_id", settings.node_id),
        first_step=run.next_step("system/") if resumed else 0,
    )
    watcher.start()
    run.before_end(watcher.finish)


def _running() -> tuple[ActiveRun, ...]:
    """Return the active runs of this context, the innermost last; a run that was ended by itself is none."""
    return tuple(run for run in _active.get() if not run.has_ended)


def _announce(project: Project) -> None:
    """Make the store where there is none, and say so once; a disk that takes nothing does not stop the training."""
    with suppress(OSError, RecordingNotice):
        if project.init():
            warnings.warn(
                f"runs are recorded in {project.layout.committed}; 'gittrack commit' commits them",
                RecordingNotice,
                stacklevel=3,
            )


def active_run() -> ActiveRun | None:
    """Return the active run, or None."""
    stack = _running()
    return stack[-1] if stack else None


def last_active_run() -> Run | ActiveRun | None:
    """Return the active run, or else the run that this process had active last, as it is now; None before any."""
    run = active_run()
    if run is not None or _state["last"] is None:
        return run
    return _client().get_run(_state["last"])


def _current() -> ActiveRun:
    """Return the active run; start one where there is none, as MLflow does."""
    stack = _active.get()
    if stack and not stack[-1].has_ended:
        return stack[-1]
    return active_run() or start_run()


def _run(run_id: str | None) -> ActiveRun:
    """Return the run of an id, or the active run."""
    return _current() if run_id is None else open_runs.opened(projects.current(), run_id)


def end_run(status: Status = "FINISHED") -> None:
    """End the active run; without one, do nothing."""
    stack = _running()
    if stack:
        stack[-1].end(status)
        _active.set(stack[:-1])


def _client() -> Client:
    from gittrack.tracking.client import Client  # loads what only those who read need

    return Client()


def _done(synchronous: bool | None) -> RunOperations | None:
    """Return what an asynchronous call returns; None for any other."""
    if synchronous is not False:
        return None
    from gittrack.entities.tracking import RunOperations

    return RunOperations()


def get_run(run_id: str) -> Run:
    """Return a run as it is now; see `Client.get_run`."""
    return _client().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """Return the run that a run is part of; see `Client.get_parent_run`."""
    return _client().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Delete a run softly; see `Client.delete_run`."""
    _client().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Take back the deletion of a run; see `Client.restore_run`."""
    _client().restore_run(run_id)


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Record an input value in the active run, and return it; see `ActiveRun.log_param`."""
    _current().log_param(key, value)
    return _done(synchronous) or value


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Record input values in the active run, or another; see `ActiveRun.log_params`."""
    _run(run_id).log_params(params)
    return _done(synchronous)


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

    `synchronous` changes nothing, no call waits for the disk; the model and the dataset are not kept.
    """
    (_current() if run_id is None else _run(run_id)).log_metric(key, value, step, timestamp or None)
    return None if synchronous is not False else _done(synchronous)


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

    See `ActiveRun.log_metrics`, and `log_metric` for what changes nothing.
    """
    _run(run_id).log_metrics(metrics, step, timestamp or None)
    return _done(synchronous)


def log_points(table: Any) -> None:
    """Record a table of points in the active run; see `ActiveRun.log_points`."""
    _current().log_points(table)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Put a tag on the active run; see `ActiveRun.set_tag`."""
    _current().set_tag(key, value)
    return _done(synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Put tags on the active run; see `ActiveRun.set_tags`."""
    _current().set_tags(tags)
    return _done(synchronous)


def delete_tag(key: str) -> None:
    """Take a tag off the active run.

    Raises:
        NotFound: The run has no such tag.
    """
    run = _current()
    if key not in run.tags:
        raise NotFound(f"run '{run.run_id}' has no tag '{key}'")
    run.delete_tag(key)


def set_volatile(*patterns: str) -> None:
    """Name artifacts and metrics of the active run that no two executions share; see `ActiveRun.set_volatile`."""
    _current().set_volatile(*patterns)


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep a file or folder as output of the active run, or another; see `ActiveRun.log_artifact`."""
    _run(run_id).log_artifact(local_path, artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Keep all files below a folder as outputs of the active run, or another; see `ActiveRun.log_artifacts`."""
    _run(run_id).log_artifacts(local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Keep text as an artifact of the active run, or another; see `ActiveRun.log_text`."""
    _run(run_id).log_text(text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a dictionary as an artifact of the active run, or another; see `ActiveRun.log_dict`."""
    _run(run_id).log_dict(dictionary, artifact_file)


def log_stream(stream: BinaryIO, artifact_file: str, run_id: str | None = None) -> None:
    """Keep what a binary stream holds as an artifact of the active run, or another; see `ActiveRun.log_stream`."""
    _run(run_id).log_stream(stream, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Keep a figure as an artifact of the active run; see `ActiveRun.log_figure`."""
    _current().log_figure(figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = None,
) -> RunOperations | None:
    """Keep an image as an artifact of the active run; see `ActiveRun.log_image`."""
    _current().log_image(image, artifact_file, key=key, step=step, timestamp=timestamp)
    return _done(synchronous)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Append rows to a table among the artifacts of the active run, or another; see `ActiveRun.log_table`."""
    _run(run_id).log_table(data, artifact_file)


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the rows that runs of the active experiment logged to a table; see `Client.load_table`."""
    return _client().load_table(_experiment_id(), artifact_file, run_ids, extra_columns)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return the address of the active run's artifacts, or of one of them: `runs:/<run_id>/<path>`.

    Raises:
        InvalidValue: It cannot be the path of an artifact.
    """
    from gittrack.record import artifacts, presented

    path = artifacts.path_of(artifact_path) if artifact_path else ""
    return presented.artifact_uri(_current().run_id, path)


def log_data(path: str | os.PathLike[str]) -> DataFile:
    """Record an input file or folder of the active run by digest; see `ActiveRun.log_data`."""
    return _current().log_data(path)


def log_input(
    dataset: Dataset,
    context: str | None = None,
    tags: Mapping[str, str] | None = None,
    model: Any = None,
) -> None:
    """Record the use of a dataset by the active run; the file or folder it was read from is recorded too.

    Args:
        dataset: One of `gittrack.data`.
        context: What it was used for: training, evaluation, ...
        tags: Tags to put on this use of it.
        model: MLflow's; not used.

    Raises:
        InvalidValue: It is no dataset.
    """
    del model
    from gittrack.tracking import inputs

    inputs.log(_current(), dataset, {**(tags or {}), **({CONTEXT: context} if context else {})})


def log_inputs(
    datasets: Sequence[Dataset] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, str] | None] | None = None,
    models: Sequence[Any] | None = None,
) -> None:
    """Record the use of several datasets; see `log_input`.

    Raises:
        InvalidValue: The lists have different lengths.
    """
    count = len(datasets or ())
    for name, given in (("contexts", contexts), ("tags_list", tags_list), ("models", models)):
        if given is not None and len(given) != count:
            raise InvalidValue(f"log_inputs got {count} datasets and {len(given)} {name}")
    nothing = [None] * count
    for dataset, context, tags in zip(datasets or (), contexts or nothing, tags_list or nothing, strict=True):
        log_input(dataset, context, tags)


def flush() -> None:
    """Bring everything that was logged to the active run to disk; see `ActiveRun.flush`."""
    _current().flush()


def flush_async_logging() -> None:
    """Bring everything that was logged to the active run to disk, if there is one."""
    run = active_run()
    if run is not None:
        run.flush()


def flush_artifact_async_logging() -> None:
    """Return: artifacts are on disk when the call that logs them returns."""


def create_experiment(
    name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None
) -> str:
    """Create an experiment and return its id; see `Client.create_experiment`."""
    return _client().create_experiment(name, artifact_location, tags)


def get_experiment(experiment_id: str) -> Experiment:
    """Return an experiment; see `Client.get_experiment`."""
    return _client().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Return the experiment of a name, or None; see `Client.get_experiment_by_name`."""
    return _client().get_experiment_by_name(name)


def search_experiments(
    view_type: int = 1,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return all experiments that a filter lets through; see `Client.search_experiments`."""
    return _pages(
        max_results,
        lambda count, token: _client().search_experiments(view_type, count, filter_string, order_by, token),
    )


def delete_experiment(experiment_id: str) -> None:
    """Delete an experiment softly; see `Client.delete_experiment`."""
    _client().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Take back the deletion of an experiment; see `Client.restore_experiment`."""
    _client().restore_experiment(experiment_id)


def set_experiment_tag(key: str, value: Any) -> None:
    """Put a tag on the active experiment; see `Client.set_experiment_tag`."""
    _client().set_experiment_tag(_experiment_id(), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Put tags on the active experiment; see `Client.set_experiment_tag`."""
    for key, value in tags.items():
        set_experiment_tag(key, value)


def delete_experiment_tag(key: str) -> None:
    """Take a tag off the active experiment; see `Client.delete_experiment_tag`."""
    _client().delete_experiment_tag(_experiment_id(), key)


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = 1,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> pd.DataFrame | list[Run]:
    """Return the runs that a filter lets through.

    Args:
        experiment_ids: The experiments whose runs are asked for; the active one without ids and names.
        filter_string: For instance `metrics.auc > 0.9 AND params.depth = '6'`.
        run_view_type: A `ViewType`: active ones, deleted ones, or all.
        max_results: At most so many.
        order_by: For instance `["metrics.auc DESC"]`; then the newest come first.
        output_format: `pandas` for a DataFrame, `list` for a list of `Run`.
        search_all_experiments: Ask about every experiment when none is named.
        experiment_names: The experiments by name, instead of ids.

    Returns:
        A DataFrame with the columns run_id, experiment_id, status, artifact_uri, start_time and end_time (UTC), then
        `metrics.<key>` (NaN where a run has none), `params.<key>` and `tags.<key>` (text, None); or the list.

    Raises:
        InvalidValue: The filter, the order or another value is not understood.
    """
    from gittrack.query import search
    from gittrack.tracking.connection import check_view

    if output_format not in ("pandas", "list"):
        raise InvalidValue(f"output_format is {output_format!r:.80}", hint="'pandas' or 'list'")
    if not isinstance(max_results, int) or max_results < 1:
        raise InvalidValue(f"max_results is {max_results!r:.80}", hint="a number from 1 on")
    chosen = _asked(experiment_ids, experiment_names, search_all_experiments)
    query = search.RunQuery(chosen, filter_string, check_view(run_view_type), order_by)
    answer = search.frame if output_format == "pandas" else search.runs
    return answer(projects.session(), query, limit=max_results)


def _asked(
    experiment_ids: Sequence[str] | None, names: Sequence[str] | None, everything: bool
) -> list[str] | None:
    """Return the ids of the experiments that a search is about, None for all."""
    if experiment_ids and names:
        raise InvalidValue("search_runs takes experiment ids or names", hint="leave one of the two out")
    if names:
        found = (_client().get_experiment_by_name(name) for name in names)
        return [one.experiment_id for one in found if one is not None]
    if experiment_ids is not None and (experiment_ids or not everything):
        return [str(one) for one in experiment_ids]
    return None if everything else [_experiment_id()]


def _experiment_id() -> str:
    """Return the id of the experiment that a run started now would belong to."""
    around = config.surroundings()
    project = projects.current(around)
    chosen = _chosen(project, around, _running(), None, None) or project.config().experiment
    if isinstance(chosen, Group):
        return chosen.experiment_id
    found = _client().get_experiment_by_name(chosen)
    return DEFAULT_ID if found is None else found.experiment_id


def _pages(limit: int | None, ask: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while limit is None or len(found) < limit:
        answer: PagedList[Any] = ask(min(50_000, (limit or 50_000) - len(found) if limit else 50_000), token)
        found += answer
        token = answer.token
        if not token:
            break
    return found


def set_registry_uri(uri: str) -> None:
    """Do nothing: there is no registry apart from the repository."""
    del uri


def get_registry_uri() -> str:
    """Return the working tree that is recorded into; there is no registry apart from it."""
    return projects.get_tracking_uri()


def enable_system_metrics_logging() -> None:
    """Watch the machine while runs that are started from now on are active."""
    _state["system"]["enabled"] = True


def disable_system_metrics_logging() -> None:
    """Do not watch the machine while runs that are started from now on are active."""
    _state["system"]["enabled"] = False


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Set the seconds between two samples of the machine; None for what the environment says."""
    _choose("interval_s", None if interval is None else float(interval))


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Set how many samples of the machine are averaged into one point; None for what the environment says."""
    _choose("samples", samples)


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Set the name of this machine in the keys of system metrics; None for what the environment says."""
    _choose("node_id", node_id)


def _choose(name: str, value: Any) -> None:
    _state["system"].pop(name, None)
    if value is not None:
        _state["system"][name] = value


def sql(query: str, **params: Any) -> pd.DataFrame:
    """Answer SQL over every run that this clone knows.

    Args:
        query: SQL over the relations runs, params, metrics, points, tags, artifacts, data, datasets, experiments,
            environments, events and commits; `$name` stands for a parameter.
        params: The parameters by name.

    Raises:
        NotARepository: There is no git repository here.
        SqlError: The query is not understood; the message shows where.
    """
    return projects.session().sql(query, params).df()


def runs(**options: Any) -> pd.DataFrame:
    """Return every run as a row of a DataFrame, with columns `params.*`, `metrics.*` and `tags.*`."""
    from gittrack.query.runs import runs as all_runs  # the index is for those who read

    return all_runs(projects.session(), **options)


def points(run_id: str, key: str) -> pa.Table:
    """Return all points of a metric as an Arrow table; see `Client.points`."""
    return _client().points(run_id, key)
