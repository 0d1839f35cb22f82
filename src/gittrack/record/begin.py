"""What happens before a process can log to a run: its record is begun, and its live folder is made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gittrack import config as configs
from gittrack.config import Config, Surroundings
from gittrack.entities.record import Code, Command, Digest, RunId, RunRecord, parse_run_id
from gittrack.errors import AlreadyExists, GittrackError, InvalidValue
from gittrack.git.capture import Capture
from gittrack.record import environment as environments
from gittrack.record import live, names, origin, values
from gittrack.record import trust as trusting
from gittrack.record.environment import host
from gittrack.record.experiments import DEFAULT, DEFAULT_ID, Experiments, Group, check_name, id_of
from gittrack.record.journal import KEEPING, Journal, ended
from gittrack.record.project import Project
from gittrack.record.system_tags import PARENT_RUN_ID, RUN_NAME, SOURCE, SOURCE_COMMAND
from gittrack.record.value_log import texts_of
from gittrack.record.warning import warn
from gittrack.store.digest import random_hex
from gittrack.store.layout import Layout


def record(
    project: Project,
    config: Config,
    around: Surroundings,
    *,
    experiment: str | Group | None = None,
    name: str | None = None,
    parent: RunId | None = None,
    tags: Mapping[str, Any] | None = None,
    command: Command | None = None,
    image: Mapping[str, str] | None = None,
    start_time: int | None = None,
) -> tuple[RunRecord, Capture | None]:
    """Return a new run as it is at its start, and its code as far as it could be captured.

    `ActiveRun.begin` says what it is given.

    Raises:
        InvalidValue: The experiment cannot have that name, a tag cannot be one, or two names are given.
    """
    if start_time is not None:
        start_time = values.as_time(start_time, "the start of the run")
    kept = texts_of({} if tags is None else tags)
    name = _one_name(name, kept.pop(RUN_NAME, None))
    parent = parent or _parent(kept)
    belongs = group(
        project, config, config.experiment if experiment is None else experiment, user=around.user
    )
    lost: list[str] = []
    capture = code(project, config, lost)
    process = origin.next_process()
    repeats = origin.repro_of(around, process)
    run = RunRecord(
        run_id=RunId(random_hex()),
        experiment=belongs.name,
        experiment_id=None if belongs.experiment_id == id_of(belongs.name) else belongs.experiment_id,
        name=values.as_text(name or names.made_up(), "the run's name"),
        status="RUNNING",
        start_time=time.time_ns() // 1_000_000 if start_time is None else start_time,
        end_time=None,
        user=around.user,
        host=host(),
        process=process,
        code=None if capture is None else capture.code,
        command=command or origin.command(project.root, around.variables),
        environment=environment(project, capture, lost, command, image),
        parent_run_id=parent,
        repro_of=repeats,
        tags={**kept, **origin.repro_tags(around, repeats)},
        lost=tuple(map(values.shortened, lost)),
    )
    return run, capture


def again(project: Project, config: Config, run: RunRecord) -> tuple[RunRecord, Capture | None]:
    """Return a run that goes on after its end, and the code that is here now; its record keeps that of its start."""
    lost: list[str] = []
    capture = code(project, config, lost)
    if capture is not None and run.code is not None and capture.code.code_tree != run.code.code_tree:
        lost.append("code: it changed before the run was resumed")
    known = (*run.lost, *map(values.shortened, lost))
    return replace(
        run, status="RUNNING", end_time=None, error=None, lost=tuple(dict.fromkeys(known))
    ), capture


def _one_name(given: str | None, tagged: str | None) -> str | None:
    if given and tagged and given != tagged:
        raise InvalidValue(
            f"the run is called '{given}' by run_name and '{tagged}' by the tag {RUN_NAME}",
            hint="give it one of the two",
        )
    return given or tagged


def _parent(tags: dict[str, str]) -> RunId | None:
    """Return the parent that a tag names; a tag that names no run stays a tag."""
    try:
        parent = parse_run_id(tags.get(PARENT_RUN_ID))
    except InvalidValue:
        return None
    del tags[PARENT_RUN_ID]
    return parent


def code(project: Project, config: Config, lost: list[str]) -> Capture | None:
    """Return the captured code, or None; what could not be captured is warned of, and added to `lost`."""
    try:
        capture = origin.code(project, config)
    except (GittrackError, OSError) as error:
        warn(f"gittrack could not capture the code: {error}")
        lost.append(f"code: {error}")
        return None
    if capture.code.left_out:
        shown = ", ".join(f"{left.path} ({left.reason})" for left in capture.code.left_out[:5])
        more = len(capture.code.left_out) - 5
        warn(f"gittrack left out of the code capture: {shown}" + (f" and {more} more" if more > 0 else ""))
    return capture


def group(project: Project, config: Config, experiment: str | Group, *, user: str) -> Group:
    """Return the experiment that a run goes to, created where there is none; looked up at most once a second.

    Raises:
        InvalidValue: It cannot have that name, or a deleted experiment keeps the name.
    """
    if isinstance(experiment, Group):
        return experiment
    if check_name(experiment) == DEFAULT:
        return Group(DEFAULT_ID, DEFAULT)
    place = (project.layout.committed, experiment)
    known = _groups.get(place)
    if known is None or time.monotonic() - known[0] > _FRESH_S:
        with suppress(OSError):  # told when the run itself cannot be recorded
            project.init()
        found = Experiments(project.layout).ensure(
            experiment, user=user, reserve_deleted=config.reserve_deleted_names
        )
        _groups[place] = known = (time.monotonic(), found)
    return known[1]


def forget_groups() -> None:
    """Look experiments up again: something was said of one."""
    _groups.clear()


_FRESH_S = 1.0
_groups: dict[tuple[Path, str], tuple[float, Group]] = {}


def environment(
    project: Project,
    capture: Capture | None,
    lost: list[str],
    command: Command | None = None,
    image: Mapping[str, str] | None = None,
) -> Digest | None:
    """Return the digest of the environment, or None with the reason added to `lost`.

    It is that of the Python that a command runs in, as far as its words tell; else that of this process.
    """
    try:
        folder = Path.cwd() if command is None else project.root / command.cwd
        python = None
        if command is not None and image is None:
            from gittrack.record import interpreters  # a script pays nothing for what `gittrack run` needs

            python = interpreters.of_command(command.argv, folder, project.layout)
        return environments.record(
            project.layout,
            (project.root, project.home),
            folder=folder,
            holds=None if capture is None else capture.holds,
            python=python,
            image=image,
        )
    except (OSError, GittrackError) as error:
        lost.append(f"environment: {error}")
        return None


def joined(project: Project, start: RunRecord) -> Digest | None:
    """Return the environment of this process where a command has started it; None where the record has it.

    Whoever watches a command knows its Python by the command's words at best. Who joins a run that is resumed is no
    child of its command, which may be one that nobody has started here.
    """
    is_child = configs.surroundings().run_id == start.run_id and not start.supersedes
    if not is_child or start.command is None or start.tags.get(SOURCE) != SOURCE_COMMAND:
        return None
    with suppress(OSError, GittrackError):  # then what the watcher found is all there is
        roots = (project.root, project.home)
        folder = project.root / start.command.cwd
        digest = environments.record(project.layout, roots, folder=folder)
        return None if digest == start.environment else digest
    return None


def create(
    project: Project, config: Config, run: RunRecord, *, patch: bytes | None, base: bytes | None = None
) -> Journal:
    """Make the live folder of a run and return this process's journal of it; a failing disk is warned of.

    Args:
        project: What the run is recorded into.
        config: The project's settings.
        run: The run at its start.
        patch: Content of `code.patch`, or None.
        base: `metrics.parquet` of the seal that is resumed, or None.

    Raises:
        AlreadyExists: The run is resumed, and another process has just done the same.
    """
    layout = project.layout

    def make(first: Journal | None) -> None:
        live.create(layout, run, first, patch=patch, worktree=project.home, base=base)

    journal = Journal(
        opener(layout, run.run_id, lambda: make(None)),
        {"run_id": run.run_id, "owner": True},
        strict=config.durability == "strict",
    )
    try:
        project.init()
        make(journal)
    except AlreadyExists:
        journal.close()
        raise
    except OSError as error:
        warn(f"gittrack cannot record run {run.run_id[:8]} yet ({error}); {KEEPING}")
    return journal


def opener(layout: Layout, run_id: RunId, make: Callable[[], None]) -> Callable[[], Path]:
    """Return what gives a run's live folder: made anew in the process that opened the run, never in a child of it.

    To a child a folder that has gone means that the run has ended; made anew, it would be a second, killed run.
    """
    process = os.getpid()

    def open_folder() -> Path:
        folder = layout.live_run(run_id)
        if not folder.is_dir():
            if os.getpid() != process:
                raise ended(run_id)
            with suppress(AlreadyExists):  # it is there by now
                make()  # it could not be made at the start, or somebody removed it
        return folder

    return open_folder


def trust(project: Project, code: Code | None, command: Command | None, env: Digest | None) -> None:
    """Note that this clone's user started this command, so that a reproduction here need not ask."""
    if code is None or command is None:
        return
    consent = trusting.consent_digest(code, command, env)
    place = (project.layout.private, consent)
    if place not in _trusted:
        try:
            trusting.trust(project.layout, consent)
        except OSError:
            return  # the reproduction will ask
        _trusted.add(place)


_trusted: set[tuple[Path, Digest]] = set()
