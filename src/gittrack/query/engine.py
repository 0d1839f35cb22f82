"""A DuckDB instance that answers for one view, closed to everything outside before any question is asked."""

# ruff: noqa: S608 - what is put into SQL text are names of our own tables; values are parameters

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.git.repo import Repository
from gittrack.query import derived, index, merging, places, relations
from gittrack.query import view as views
from gittrack.query.damage import Damage
from gittrack.query.index import Lost, Missing, Progress, Segments
from gittrack.query.places import Catalogue, Listing, Look, Scope
from gittrack.query.reader import Reader
from gittrack.query.segments import Batch, Builder, SealedRun
from gittrack.query.view import View
from gittrack.record import experiments
from gittrack.record.points import Points, SortedPoints
from gittrack.store import digest as digests
from gittrack.store.layout import Layout

if TYPE_CHECKING:
    import duckdb

    from gittrack.record.live import LiveRun

_TRIES = 5
_KEPT = 4  # engines that a long-lived process keeps open
_LOCKED = """
set python_enable_replacements = false;
set enable_external_access = false;
set lock_configuration = true;
"""


@dataclass(frozen=True)
class Overlaid:
    """A run of the overlay: what its parts came to, and the digests of those that are sealed.

    Attributes:
        digest: Of the latest part; None when that is live.
        run: The run.
        points: Its points.
        seals: Digests of the sealed parts.
    """

    digest: Digest | None
    run: RunRecord
    points: SortedPoints
    seals: tuple[Digest, ...]


@dataclass
class Engine:
    """Answers for one view.

    Attributes:
        connection: With the relations; questions are asked on cursors of it.
        look: What the view was made from.
        view: What is answered from.
        damaged: What was found damaged.
        overlaid: Live and merged runs.
    """

    connection: duckdb.DuckDBPyConnection
    look: Look
    view: View
    damaged: list[Damage]
    overlaid: dict[RunId, Overlaid] = field(default_factory=dict)
    commits_loaded: bool = False


_kept: dict[tuple[int, Layout, Scope], tuple[str, Engine]] = {}
_keeping = threading.Lock()


def opened(repo: Repository, layout: Layout, scope: Scope, progress: Progress | None) -> Engine:
    """Return an engine for what is there now; one that this process has kept when nothing has changed.

    Raises:
        NotFound: `scope.at` names no commit.
    """
    before = _live_state(layout, scope)
    look = places.look(repo, layout, scope)
    fingerprint = look.fingerprint()
    state = None if fingerprint is None else fingerprint + before
    name = (os.getpid(), layout, scope)
    with _keeping:
        kept = _kept.get(name)
    if kept is not None and kept[0] == state:
        return kept[1]
    live: Sequence[LiveRun] = ()
    if before:
        live = _live(layout, scope)
        look = places.look(repo, layout, scope)  # after it: a run that ends meanwhile is in one of the two
        fingerprint = look.fingerprint()
        state = None if fingerprint is None else fingerprint + before
    engine = _open(repo, layout, scope, look, live, progress)
    if state is not None and engine.view.complete and before == _live_state(layout, scope):
        with _keeping:
            _kept.pop(name, None)
            while len(_kept) >= _KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[name] = (state, engine)
    return engine


def discard(layout: Layout) -> None:
    """Throw away the index and every engine that reads it."""
    forget(layout)
    index.discard(layout)


def forget(layout: Layout) -> None:
    """Let go of the engines that this process keeps for a store."""
    with _keeping:
        for name in [name for name in _kept if name[1] == layout]:
            del _kept[name]


def _live_state(layout: Layout, scope: Scope) -> str:
    """Return a text that changes with every record of a live run, and when its last process dies; empty without any.

    Live runs are in no tree, so neither `here` nor `at` a commit.
    """
    if scope != Scope():
        return ""
    from gittrack.record import live

    return live.state(layout)


def _live(layout: Layout, scope: Scope) -> Sequence[LiveRun]:
    """Return the runs that have not ended."""
    if scope != Scope():
        return ()
    from gittrack.record import live

    return live.read_all(layout)


def _open(
    repo: Repository,
    layout: Layout,
    scope: Scope,
    look: Look,
    live: Sequence[LiveRun],
    progress: Progress | None,
) -> Engine:
    for _ in range(_TRIES):
        try:
            return _Opening(repo, layout, scope, look, live, progress).from_files()
        except Lost:
            continue
        except (OSError, UnicodeEncodeError):
            break
    return _Opening(repo, layout, scope, look, live, progress).from_memory()


class _Opening:
    """Makes one engine."""

    def __init__(
        self,
        repo: Repository,
        layout: Layout,
        scope: Scope,
        look: Look,
        live: Sequence[LiveRun],
        progress: Progress | None,
    ) -> None:
        self._repo = repo
        self._layout = layout
        self._scope = scope
        self._look = look
        self._live = live
        self._progress = progress
        self._catalogue = Catalogue(repo, layout)
        self._connection = index.connect()
        self._segments = Segments(self._connection, layout)

    def from_files(self) -> Engine:
        """Return an engine over the index in the repository's folder, brought up to date.

        Raises:
            Lost: A segment went away.
            OSError: The index cannot be written.
        """
        view = self._remembered()
        if view is not None:
            self._segments.attach([part.segment for part in view.parts])
            return self._finished(view)
        with self._reader() as reader:
            return self._finished(self._refreshed(reader))

    def from_memory(self) -> Engine:
        """Return an engine over an index in memory, for a disk that can only be read."""
        listing, here = self._listed()
        self._connection.execute("attach ':memory:' as fresh")
        with self._reader() as reader:
            missing = Missing.of(listing, views.Indexed())
            index.fill(Builder(self._connection, "fresh"), missing, reader, self._progress)
            self._segments.prefixes["fresh"] = "fresh.main"
            indexed = self._segments.indexed()
            return self._finished(index.view_of(self._segments, indexed, listing, here, reader))

    def _reader(self) -> Reader:
        return Reader(self._repo, self._layout, self._look.commits, self._catalogue)

    def _remembered(self) -> View | None:
        """Return the view that was made when everything was as it is now."""
        fingerprint = self._look.fingerprint()
        document = None if fingerprint is None else derived.load(self._view_path())
        if document is None or document.get("fingerprint") != fingerprint:
            return None
        view = views.from_document(document["view"])
        there = set(index.files(self._layout))
        return view if all(part.segment in there for part in view.parts) else None

    def _view_path(self) -> Path:
        place = repr((str(self._layout.committed), self._scope.here, self._scope.at is not None))
        return self._layout.index / f"view-{digests.of_bytes(place.encode())[:16]}.json"

    def _listed(self) -> tuple[Listing, Listing]:
        """Return what is seen, and what of it the checked-out tree holds."""
        listing, here = Listing(), Listing()
        for place, (layout, shards) in enumerate(self._look.folders):
            found = self._catalogue.folder(layout, shards)
            listing.add(found)
            if place == 0:
                here = found
        listing.add(self._catalogue.commits(self._look.commits))
        if self._scope.at is not None:
            shards = tuple(places.look(self._repo, self._layout, Scope(here=True)).folders[0][1])
            here = self._catalogue.folder(self._layout, shards)
        return listing, here

    def _refreshed(self, reader: Reader) -> View:
        listing, here = self._listed()
        self._segments.attach(index.files(self._layout))
        indexed = self._segments.indexed()
        if Missing.of(listing, indexed):
            indexed = self._write_missing(listing, reader)
        self._catalogue.save()
        view = index.view_of(self._segments, indexed, listing, here, reader)
        fingerprint = self._look.fingerprint()
        if fingerprint is not None and view.complete:
            document = {"fingerprint": fingerprint, "view": views.to_document(view)}
            derived.save(self._view_path(), document, tmp=self._layout.tmp)
        return view

    def _write_missing(self, listing: Listing, reader: Reader) -> views.Indexed:
        with index.writing(self._layout):
            self._segments.attach(index.files(self._layout))  # somebody else may have done it by now
            missing = Missing.of(listing, self._segments.indexed())
            if missing:
                name = index.write_segment(self._layout, missing, reader, self._progress)
                if name is not None:
                    self._segments.attach([name])
                    if index.merge(self._layout, self._segments):
                        raise Lost
        return self._segments.indexed()

    def _finished(self, view: View) -> Engine:
        damaged = list(view.damaged)
        overlaid = self._overlaid(view, damaged)
        builder = self._overlay()
        with self._reader() as reader:
            builder.add(Batch(runs=[_spilled(reader, one) for one in overlaid.values()]))
        builder.finish()
        relations.create(
            self._connection,
            view,
            self._segments.prefixes,
            replaced=list(overlaid),
            here=[run_id for run_id, _, here in view.merges if here],
            made_at=experiments.made_at(self._layout),
        )
        self._connection.execute(_LOCKED)
        return Engine(self._connection, self._look, view, damaged, overlaid)

    def _overlay(self) -> Builder:
        self._connection.execute(f"create schema {relations.OVERLAY}")
        catalog, schema = relations.OVERLAY.split(".")
        return Builder(self._connection, catalog, schema=schema)

    def _overlaid(self, view: View, damaged: list[Damage]) -> dict[RunId, Overlaid]:
        """Return the runs that the overlay has: the live ones, and those with several newest seals."""
        seals = {run_id: set(found) for run_id, found, _ in view.merges}
        live = {one.run.run_id: one for one in self._live}
        for run_id, digest in self._sealed_too(view, list(live)):
            seals.setdefault(run_id, set()).add(digest)
        overlaid = {}
        with self._reader() as reader:
            for run_id in sorted({*seals, *live}):
                one = live.get(run_id)
                old = set(one.run.supersedes) if one else set()
                parts = list(_read(reader, sorted(seals.get(run_id, set()) - old)))
                if one is not None:
                    parts.append((None, one.run, one.points))
                if parts:
                    sealed = tuple(digest for digest, _, _ in parts if digest is not None)
                    overlaid[run_id] = Overlaid(*merging.merge(parts), sealed)
            damaged += reader.damaged
        return overlaid

    def _sealed_too(self, view: View, live: list[RunId]) -> list[tuple[RunId, Digest]]:
        """Return the seals of live runs: they were resumed, or have just been sealed."""
        if not live:
            return []
        return [
            (RunId(run_id), Digest(digest))
            for part in view.parts
            for run_id, digest in self._connection.execute(
                f"select run_id, digest from {self._segments.prefixes[part.segment]}.runs"
                f" where {part.runs.sql()} and run_id in (select unnest($live::varchar[]))",
                {"live": live},
            ).fetchall()
        ]


def _read(
    reader: Reader, wanted: Sequence[Digest]
) -> Sequence[tuple[Digest | None, RunRecord, SortedPoints]]:
    from gittrack.record.points import read_parquet

    runs = list(reader.runs(wanted))
    files = reader.points(runs)
    return [
        (digest, run, read_parquet(files[digest].read_bytes()).sort() if digest in files else Points().sort())
        for digest, run in runs
        if run.series is None or digest in files
    ]


def _spilled(reader: Reader, one: Overlaid) -> SealedRun:
    points = reader.spill(one.points.to_parquet()) if len(one.points) else None
    return SealedRun(one.digest, one.run, points)
