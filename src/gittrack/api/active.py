"""The active run and the active experiment of the place where they are asked for.

The active run lives in a context variable: threads and tasks keep apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from gittrack import config
from gittrack.api import machine
from gittrack.api.state import STATE
from gittrack.entities.record import ExperimentId, RunId, Status
from gittrack.errors import Conflict, InvalidValue, RecordingNotice
from gittrack.record import begin, exits
from gittrack.record.experiments import Experiments, Group
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.record.system_tags import NOTE, RUN_NAME, SEED
from gittrack.record.value_log import texts_of
from gittrack.record.values import check_mapping
from gittrack.tracking import open_runs, projects

if TYPE_CHECKING:
    from gittrack.entities.tracking import Experiment, Run, RunOperations
    from gittrack.tracking.client import Client

_active: ContextVar[tuple[ActiveRun, ...]] = ContextVar("gittrack_active_runs", default=())


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
    STATE.experiment = group
    config.pass_on("EXPERIMENT_ID", group.experiment_id)
    return _experiment(project, group)


def _group(project: Project, experiment_id: str) -> Group:
    """Return an active experiment by its id; the index is asked only about one that other branches know."""
    group = Experiments(project.layout).of_id(str(experiment_id))
    if group is None:
        one = client().get_experiment(experiment_id)
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
    if not nested and not all(run.is_mine for run in stack):
        stack = ()  # a forked child: the runs of its parent do not stand in its way
    around = config.surroundings()
    seed = {} if STATE.seed is None else {SEED: STATE.seed}
    given = {**seed, **around.context, **_with_note(tags, description)}
    if run_name is not None:
        given.pop(RUN_NAME, None)  # as in MLflow: the argument counts
    joining = None
    if around.run_id and not STATE.joined and run_id is None:
        run_id = joining = around.run_id
    if stack and not nested and not parent_run_id:
        raise Conflict(
            f"run '{stack[-1].info.run_name}' is active", hint="gittrack.end_run(), or start_run(nested=True)"
        )
    make_watcher = machine.prepared(log_system_metrics)
    project = projects.current(around)
    _announce(project)
    if run_id is not None:
        group: Group | None = STATE.experiment
        asked = experiment_id or (group.experiment_id if group and not joining else None)
        name = None if joining and around.is_named else run_name  # `gittrack run --name` counts for more
        run = _rejoin(project, run_id, stack, asked, name, given)
        STATE.joined = STATE.joined or joining is not None
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
    if make_watcher is not None:
        machine.watch(run, make_watcher, resumed=run_id is not None)
    _active.set((*stack, run))
    STATE.last = run.run_id
    return run


def _with_note(tags: Mapping[str, Any] | None, description: str | None) -> dict[str, Any]:
    given = dict(check_mapping({} if tags is None else tags, "tag"))
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
    group: Group | None = STATE.experiment
    if group is None and around.experiment_id is not None:
        group = _group(project, around.experiment_id)
    if group is not None:
        open_runs.check_experiment(project, group)
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
    texts_of(tags)
    if asked is not None and str(asked) != (experiment := open_runs.experiment_of(project, wanted)):
        raise InvalidValue(
            f"run '{run_id}' belongs to the experiment {experiment}, not to {asked}",
            hint=f"gittrack.set_experiment(experiment_id='{experiment}')",
        )
    run = open_runs.resumed(project, wanted)
    if name is not None:
        run.set_name(name)
    if tags:
        run.set_tags(tags)
    return run


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
    if run is not None or STATE.last is None:
        return run
    return client().get_run(STATE.last)


def current() -> ActiveRun:
    """Return the active run; start one where there is none, as MLflow does."""
    stack = _active.get()
    if stack and not stack[-1].has_ended:
        return stack[-1]
    return active_run() or start_run()


def run_of(run_id: str | None) -> ActiveRun:
    """Return the run of an id, or the active run."""
    return current() if run_id is None else open_runs.opened(projects.current(), run_id)


def end_run(status: Status = "FINISHED") -> None:
    """End the active run; without one, do nothing."""
    stack = _running()
    if stack:
        stack[-1].end(status)
        _active.set(stack[:-1])


def client() -> Client:
    """Return a client of the repository that is recorded into now."""
    from gittrack.tracking.client import Client  # loads what only those who read need

    return Client()


def done(synchronous: bool | None) -> RunOperations | None:
    """Return what an asynchronous call answers; None for any other."""
    if config.is_waited_for(synchronous):
        return None
    from gittrack.entities.tracking import RunOperations

    return RunOperations()


def experiment_id_now() -> str:
    """Return the id of the experiment that a run started now would belong to."""
    around = config.surroundings()
    project = projects.current(around)
    settings = project.config()
    chosen = _chosen(project, around, _running(), None, None) or settings.experiment
    return begin.group(project, settings, chosen, user=around.user).experiment_id
