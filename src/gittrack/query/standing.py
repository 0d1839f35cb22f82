"""How single runs and experiments stand now, for those who say something of them.

A question takes what is new into the index first, as a segment of its own: 150 ms, and whoever tags a hundred runs
in a row would pay them a hundred times. Here what came after the last question is read from its files.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import replace

from gittrack.entities.record import Digest, Event, ExperimentId, RunId
from gittrack.entities.tracking import Experiment, LifecycleStage, Run, ViewType
from gittrack.git.repo import Repository
from gittrack.query import filters, places, search
from gittrack.query.places import EVENTS, RUNS, Catalogue, Look, Scope, Shard
from gittrack.query.reader import Reader
from gittrack.query.session import Session
from gittrack.record import events as folding
from gittrack.record.events import Subject
from gittrack.record.system_tags import RUN_NAME
from gittrack.store.layout import Layout

MAX_LATER = 1000  # objects that came after the session: then one segment takes them in
_KEPT = 4  # repositories
_kept: dict[tuple[int, Layout], Standing] = {}
_lock = threading.Lock()


def of(repo: Repository, layout: Layout, subject: Subject, *, whole: bool = False) -> Standing:
    """Return what tells how a run or an experiment stands now.

    Args:
        repo: The repository.
        layout: Where the store is.
        subject: The run or experiment; of no other may be asked.
        whole: Its session has to know all of it, also what was said later.
    """
    place = (os.getpid(), layout)
    with _lock:
        kept = _kept.get(place)
        if (
            kept is None
            or not kept.follows(places.look(repo, layout, Scope()))
            or not kept.tells_of(subject, whole)
        ):
            _kept.pop(place, None)
            while len(_kept) >= _KEPT:
                _kept.pop(next(iter(_kept)))
            kept = _kept[place] = Standing(Session.open(repo, layout))
        return kept


class Standing:
    """A session, and what came after it.

    Attributes:
        session: Tells of everything that was there when it was opened.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._look = session.look
        self._known = {
            digest for (digest,) in session.rows("select digest from _seals union select digest from _events")
        }
        self._outdated: set[Subject] = (
            set()
        )  # runs with later seals, or that lost what was put over a fact of theirs
        self._later: dict[Subject, dict[Digest, Event]] = {}
        self._earlier: dict[Subject, dict[Digest, Event]] = {}
        self._runs: dict[RunId, Run | None] = {}
        self._experiments: dict[str, Experiment] | None = None
        self._count = 0

    def follows(self, now: Look) -> bool:
        """Take in what has come; whether that can be told apart: no branch has moved, and it is not too much."""
        if now.commits != self._look.commits:
            return False
        fresh: dict[str, set[Digest]] = {RUNS: set(), EVENTS: set()}
        for (layout, shards), (_, before) in zip(now.folders, self._look.folders, strict=True):
            for shard in _changed(shards, before):
                fresh[shard.kind].update(places.shard(layout, shard))
        runs, events = (sorted(fresh[kind] - self._known) for kind in (RUNS, EVENTS))
        self._count += len(runs) + len(events)
        if self._count > MAX_LATER:
            return False
        self._read(runs, events)
        self._look = now
        return True

    def _read(self, runs: list[Digest], events: list[Digest]) -> None:
        self._known.update(runs, events)
        session = self.session
        with Reader(session.repo, session.layout, (), Catalogue(session.repo, session.layout)) as reader:
            self._outdated.update(run.run_id for _, run in reader.runs(runs))
            for digest, event in reader.events(events):
                self._later.setdefault(event.subject, {})[digest] = event
                if event.op == "delete_tag" and event.key in filters.VIRTUAL_TAGS:
                    self._outdated.add(event.subject)

    def tells_of(self, subject: Subject, whole: bool) -> bool:
        """Whether the session knows all of a run but its later events, these too if asked, or an experiment."""
        if subject in self._outdated or (whole and subject in self._later):
            return False
        return self._run(RunId(subject)) is not None or subject in self._all_experiments()

    def events(self, subject: Subject) -> dict[Digest, Event]:
        """Return the events about a run or an experiment by digest: what a new one has to come after."""
        if subject not in self._earlier:
            self._earlier[subject] = self.session.events(subject)
        return {**self._earlier[subject], **self._later.get(subject, {})}

    def run(self, run_id: RunId) -> Run | None:
        """Return a run as its events leave it; None when it is not seen here."""
        run = self._run(run_id)
        if run is None or not self._later.keys() & {run_id, run.info.experiment_id}:
            return run
        state, group = self._state(run_id), self.experiment(ExperimentId(run.info.experiment_id))
        deleted = state.deleted or (group is not None and group.lifecycle_stage == LifecycleStage.DELETED)
        for key in filters.VIRTUAL_TAGS.keys() & state.tags.keys():
            if state.tags[key] is None:  # the session shows the fact that it was put over
                del state.tags[key]
        tags = folding.apply(run.data.tags, state)
        info = replace(run.info, run_name=tags[RUN_NAME], lifecycle_stage=_stage(deleted))
        return replace(run, info=info, data=replace(run.data, tags=tags))

    def experiment(self, experiment_id: ExperimentId) -> Experiment | None:
        """Return an experiment as its events leave it; None when there is none with this id."""
        one = self._all_experiments().get(experiment_id)
        if one is None or experiment_id not in self._later:
            return one
        state = self._state(experiment_id)
        return replace(
            one,
            name=state.name or one.name,
            lifecycle_stage=_stage(state.deleted),
            tags=folding.apply({}, state),
            last_update_time=state.changed,
        )

    def _state(self, subject: Subject) -> folding.State:
        taken_in = set(self.session.taken_in)
        counted = {one: event for one, event in self.events(subject).items() if one not in taken_in}
        return folding.fold(counted).get(subject, folding.State())

    def _run(self, run_id: RunId) -> Run | None:
        if run_id not in self._runs:
            self._runs[run_id] = search.run(self.session, run_id)
        return self._runs[run_id]

    def _all_experiments(self) -> dict[str, Experiment]:
        if self._experiments is None:
            found = search.experiments(self.session, view_type=ViewType.ALL, limit=1 << 31)
            self._experiments = {one.experiment_id: one for one in found}
        return self._experiments


def _stage(deleted: bool) -> str:
    return LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE


def _changed(shards: Iterable[Shard], before: Iterable[Shard]) -> list[Shard]:
    """Return the shards of runs and events that may hold something new."""
    old = set(before)
    return [one for one in shards if one.kind in (RUNS, EVENTS) and (not one.changed_ns or one not in old)]


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
