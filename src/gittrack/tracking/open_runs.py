"""Runs by their id, opened for logging: this process's own, those of other processes, and those that have ended.

A run that is not this process's own is closed again when nothing was logged to it for a second, so that many calls
in a row make one seal and the run does not wait for this process.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path

from gittrack.entities.record import RunId, parse_run_id
from gittrack.errors import AlreadyExists, InvalidValue, NotFound
from gittrack.record import exits, journal
from gittrack.record.experiments import Group
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.record.seal import seal

IDLE_S = 1.0
_CHANCES = 20  # to open a run that other processes open and end again at the same moment
_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}")
_borrowed: dict[RunId, tuple[ActiveRun, float]] = {}
_deleted: set[RunId] = set()
_deleted_experiments: set[tuple[Path, str]] = set()
_lock = threading.RLock()


def id_of(text: object) -> RunId:
    """Return the run id that `text` spells.

    Raises:
        InvalidValue: It could be nobody's run id.
        NotFound: It could be one, though none of ours.
    """
    try:
        return parse_run_id(text)
    except InvalidValue:
        if isinstance(text, str) and _ID.fullmatch(text):
            raise unknown(text) from None
        raise


def unknown(run_id: str) -> NotFound:
    """Return what to raise for a run that is not seen here."""
    return NotFound(f"no run has the id '{run_id}'", hint="gittrack ls")


def opened(project: Project, run_id: str) -> ActiveRun:
    """Return a run that can be logged to, whoever started it and whether or not it has ended.

    Raises:
        InvalidValue: It is deleted, or `run_id` could be nobody's.
        NotFound: This clone knows no such run.
        Damaged: The record of the run cannot be read.
    """
    wanted = id_of(run_id)
    if wanted in _deleted:
        raise journal.deleted(run_id)
    with _lock:
        run = exits.open_here(wanted)
        if run is None:
            return _borrow(project, wanted)
        if wanted in _borrowed:
            _borrowed[wanted] = (run, time.monotonic())
        return run


def _borrow(project: Project, run_id: RunId) -> ActiveRun:
    run = _joined(project, run_id, amend=True)
    _borrowed[run_id] = (run, time.monotonic())
    threading.Thread(target=_give_back, args=(run_id,), name="gittrack-close", daemon=True).start()
    return run


def must_be_there(project: Project, run_id: RunId) -> None:
    """Check that a run is there and not deleted; the index is asked only about one that has ended.

    Raises:
        InvalidValue: It is deleted.
        NotFound: This clone knows no such run.
    """
    found: list[tuple[bool]] = [(run_id in _deleted,)]
    if exits.open_here(run_id) is None and not project.layout.live_run(run_id).is_dir():
        from gittrack.tracking import projects

        found = projects.session(project).rows(
            "select deleted from runs where run_id = $run_id", run_id=run_id
        )
    if not found:
        raise unknown(run_id)
    if found[0][0]:
        raise journal.deleted(run_id)


def resumed(project: Project, run_id: RunId) -> ActiveRun:
    """Return a run that goes on: one that has ended is RUNNING again.

    Raises:
        InvalidValue: It is deleted.
        NotFound: This clone knows no such run.
        Damaged: The record of the run cannot be read.
    """
    run = exits.open_here(run_id)
    if run is not None and not run.is_amended:
        return run  # one handle a process: two would not know of each other's params
    release(run_id)
    return _joined(project, run_id, amend=False)


def experiment_of(project: Project, run_id: RunId) -> str:
    """Return the id of the experiment that a run belongs to.

    Raises:
        NotFound: This clone knows no such run.
    """
    run = exits.open_here(run_id)
    if run is not None:
        return run.experiment_group.experiment_id
    from gittrack.tracking import projects

    rows = projects.session(project).rows(
        "select experiment_id from runs where run_id = $run_id", run_id=run_id
    )
    if not rows:
        raise unknown(run_id)
    return str(rows[0][0])


def _joined(project: Project, run_id: RunId, *, amend: bool) -> ActiveRun:
    """Return a run that another process has open, or one that is opened again where it ended."""
    settings = project.config()
    for chance in reversed(range(_CHANCES)):
        seal(project.layout, project.layout.live_run(run_id))  # one whose process died goes on from its seal
        try:
            run = ActiveRun.attach(project, settings, run_id)
            break
        except NotFound:
            from gittrack.query import sealed  # the index is for those who read; a new run never loads it

            try:
                run = sealed.resume(project, settings, run_id, amend=amend)
                break
            except AlreadyExists:  # another process was faster, and may have ended it again
                if not chance:
                    raise
    exits.watch(run)
    return run


def release(run_id: RunId) -> None:
    """Close a run that was opened only to be logged to."""
    with _lock:
        entry = _borrowed.pop(run_id, None)
        if entry is not None and entry[0].is_mine:
            entry[0].leave()


def deleted(run_id: RunId, *, is_deleted: bool) -> None:
    """Note that this process deleted or restored a run: recording itself never asks."""
    if is_deleted:
        release(run_id)
        _deleted.add(run_id)
    else:
        _deleted.discard(run_id)
    run = exits.open_here(run_id)
    if run is not None:
        run.mark_deleted(is_deleted)


def deleted_with(project: Project, experiment_id: str, *, is_deleted: bool) -> None:
    """Note that this process deleted or restored an experiment, with its runs."""
    place = (project.layout.private, experiment_id)  # another repository may have one of the same name
    (_deleted_experiments.add if is_deleted else _deleted_experiments.discard)(place)
    for run in exits.all_open():
        if run.is_of(project) and run.experiment_group.experiment_id == experiment_id:
            deleted(run.run_id, is_deleted=is_deleted)


def check_experiment(project: Project, group: Group) -> None:
    """Check that this process has not deleted an experiment.

    Raises:
        InvalidValue: It has.
    """
    if (project.layout.private, group.experiment_id) in _deleted_experiments:
        raise InvalidValue(
            f"the experiment '{group.name}' is deleted",
            hint=f"gittrack.Client().restore_experiment('{group.experiment_id}')",
        )


def _give_back(run_id: RunId) -> None:
    idle = 0.0
    while idle < IDLE_S:
        time.sleep(IDLE_S - idle + 0.01)
        with _lock:
            entry = _borrowed.get(run_id)
            if entry is None:
                return
            idle = 0.0 if entry[0].is_storing else time.monotonic() - max(entry[1], entry[0].stored_at)
            if idle >= IDLE_S:
                release(run_id)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    _borrowed.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
