"""The folder of segments: what is new is written as one more, small ones are merged, damaged ones thrown away.

A segment appears by a rename and is never changed, so any number of processes may read and write at once: two
that index the same run make the same rows twice, and one of them is used. It is not synced: what a power cut
leaves of it fails DuckDB's checksums and is made again.
"""

# ruff: noqa: S608 - what is put into SQL text are names of our own tables; values are parameters

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from gittrack.entities.record import Digest, Event, RunId, RunRecord
from gittrack.query import view as views
from gittrack.query.places import ENVIRONMENTS, EVENTS, RUNS, Listing
from gittrack.query.reader import Reader
from gittrack.query.segments import FORMAT, Batch, Builder, SealedRun
from gittrack.query.view import Indexed, Seal
from gittrack.store import durable, locking
from gittrack.store.layout import Layout

if TYPE_CHECKING:
    import duckdb

Progress: TypeAlias = Callable[[str, int, int], None]

MAX_SEGMENTS = 8
_BATCH = 500
_LOCK_WAIT_S = 15.0
_SUFFIX = f".{FORMAT}.duckdb"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": max(1, min(8, os.cpu_count() or 1)),
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "temp_directory": "",
}


class Lost(Exception):
    """A segment went away or was damaged: begin again."""


def connect() -> duckdb.DuckDBPyConnection:
    """Return a connection to an empty database in memory that reads nothing and installs nothing unasked."""
    import duckdb

    return duckdb.connect(":memory:", config=_CONFIG)


def files(layout: Layout) -> list[str]:
    """Return the names of the segments that there are."""
    try:
        return sorted(path.name for path in layout.index.iterdir() if path.name.endswith(_SUFFIX))
    except OSError:
        return []


def discard(layout: Layout) -> None:
    """Throw the index away; it is made again from the files."""
    with contextlib.suppress(OSError):
        for path in layout.index.glob("*.duckdb"):
            _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


@dataclass
class Segments:
    """Segments attached to a connection.

    Attributes:
        connection: The connection.
        layout: Where the store is.
        prefixes: For each attached segment, what stands before its tables' names.
    """

    connection: duckdb.DuckDBPyConnection
    layout: Layout
    prefixes: dict[str, str] = field(default_factory=dict)
    _indexed: Indexed = field(default_factory=Indexed)
    _read: set[str] = field(default_factory=set)

    def attach(self, names: Sequence[str]) -> None:
        """Attach segment files for reading.

        Raises:
            Lost: One is gone, or cannot be read; such a one is removed.
        """
        import duckdb

        for name in names:
            if name in self.prefixes:
                continue
            catalog = f"s{len(self.prefixes)}"
            path = self.layout.index / name
            try:
                self.connection.execute(f"attach {_quoted(path)} as {catalog} (read_only)")
                found = self.connection.execute(f"select format from {catalog}.main.meta").fetchall()
            except duckdb.Error as error:
                _remove(path)
                raise Lost from error
            if found != [(FORMAT,)]:
                _remove(path)
                raise Lost
            self.prefixes[name] = f"{catalog}.main"

    def indexed(self) -> Indexed:
        """Return which objects are in the attached segments.

        Raises:
            Lost: A segment is damaged.
        """
        import duckdb

        for name in [name for name in self.prefixes if name not in self._read]:
            try:
                self._read_segment(self._indexed, name, self.prefixes[name])
                self._read.add(name)
            except duckdb.Error as error:
                _remove(self.layout.index / name)
                raise Lost from error
        return self._indexed

    def _read_segment(self, found: Indexed, name: str, prefix: str) -> None:
        ask = self.connection.execute
        for item, digest, run_id, supersedes, seen in ask(
            f"select item, digest, run_id, supersedes, seen from {prefix}.runs"
        ).fetchall():
            found.items.setdefault((name, "runs"), []).append(item)
            seal = Seal(name, item, RunId(run_id), tuple(supersedes), tuple(map(Digest, seen)))
            found.runs.setdefault(Digest(digest), seal)
        for item, digest, subject, op, key, value, when, counter, seen, user in ask(
            f"""select item, digest, coalesce(run_id, experiment_id), op, key, value, time, counter, seen, "user"
            from {prefix}.events"""
        ).fetchall():
            event = Event(subject, op, key, value, when, counter, tuple(map(Digest, seen)), user)
            found.items.setdefault((name, "events"), []).append(item)
            found.events.setdefault(Digest(digest), (name, item, event))
        for item, digest in ask(f"select item, digest from {prefix}.environments").fetchall():
            found.items.setdefault((name, "environments"), []).append(item)
            found.environments.setdefault(Digest(digest), (name, item))


@dataclass
class Missing:
    """Digests that no segment has."""

    runs: list[Digest]
    events: list[Digest]
    environments: list[Digest]

    @classmethod
    def of(cls, listing: Listing, indexed: Indexed) -> Missing:
        """Return what is listed and not indexed."""
        return cls(
            runs=sorted(listing.digests[RUNS] - indexed.runs.keys()),
            events=sorted(listing.digests[EVENTS] - indexed.events.keys()),
            environments=sorted(listing.digests[ENVIRONMENTS] - indexed.environments.keys()),
        )

    def __bool__(self) -> bool:
        return bool(self.runs or self.events or self.environments)


@contextlib.contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Let one process at a time index: the others find its work done. None waits for ever.

    Raises:
        OSError: The folder cannot be written to.
    """
    durable.make_folder(layout.index)
    durable.make_folder(layout.tmp)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        with locking.locked(layout.index / "lock", wait=False) as mine:
            if mine or time.monotonic() > deadline:
                yield
                return
        time.sleep(0.02)


def write_segment(layout: Layout, missing: Missing, reader: Reader, progress: Progress | None) -> str | None:
    """Write what is missing as one more segment; return its name, None when nothing of it could be read.

    Raises:
        OSError: The disk does not take it.
    """
    with _new_file(layout) as (connection, name):
        if not fill(Builder(connection, "fresh"), missing, reader, progress):
            raise _Nothing
    return name if (layout.index / name).exists() else None


class _Nothing(Exception):
    pass


@contextlib.contextmanager
def _new_file(layout: Layout) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """Yield a connection with a new database `fresh`, which becomes a segment of the name at the end."""
    import duckdb

    name = uuid4().hex + _SUFFIX
    draft = layout.tmp / name
    connection = connect()
    try:
        connection.execute(f"attach {_quoted(draft)} as fresh")
        yield connection, name
        connection.execute("detach fresh")
        draft.replace(layout.index / name)
    except _Nothing:
        pass
    except duckdb.Error as error:  # a full disk; a path that DuckDB takes for an address
        raise OSError(str(error)) from error
    finally:
        connection.close()
        for leftover in (draft, draft.with_name(f"{name}.wal")):
            _remove(leftover)


def fill(builder: Builder, missing: Missing, reader: Reader, progress: Progress | None) -> int:
    """Read what is missing and write it; return how many objects there were.

    While DuckDB writes one batch the next is read.
    """
    events, environments = (
        list(reader.events(missing.events)),
        list(reader.environments(missing.environments)),
    )
    written = len(events) + len(environments)
    builder.add(Batch(events=events, environments=environments))
    total = len(missing.runs)
    with ThreadPoolExecutor(1, thread_name_prefix="gittrack-index") as beside:
        pending: Future[object] | None = None
        for at in range(0, total, _BATCH):
            if progress is not None:
                progress("indexing runs", at, total)
            runs = _sealed(reader, list(reader.runs(missing.runs[at : at + _BATCH])))
            written += len(runs)
            if pending is not None:
                reader.damaged += pending.result()  # type: ignore[arg-type]
            pending = beside.submit(builder.add, Batch(runs=runs))
        if pending is not None:
            reader.damaged += pending.result()  # type: ignore[arg-type]
    if progress is not None and total:
        progress("indexing runs", total, total)
    builder.finish()
    return written


def _sealed(reader: Reader, runs: Sequence[tuple[Digest, RunRecord]]) -> list[SealedRun]:
    points = reader.points(runs)
    return [
        SealedRun(digest, run, points.get(digest))
        for digest, run in runs
        if run.series is None or digest in points
    ]


def merge(layout: Layout, segments: Segments) -> bool:
    """Make one segment of small ones when there are too many; whether that was done.

    Raises:
        OSError: The disk does not take it.
        Lost: A segment is damaged.
    """
    import duckdb

    if len(segments.prefixes) <= MAX_SEGMENTS:
        return False
    indexed = segments.indexed()
    chosen = _small(segments.prefixes, indexed)
    with _new_file(layout) as (connection, _):
        builder = Builder(connection, "fresh")
        for place, name in enumerate(chosen):
            try:
                connection.execute(f"attach {_quoted(layout.index / name)} as old{place} (read_only)")
                builder.copy(f"old{place}", _own_items(indexed, name))
                connection.execute(f"detach old{place}")
            except duckdb.Error as error:
                _remove(layout.index / name)
                raise Lost from error
        builder.finish()
    for name in chosen:
        _remove(layout.index / name)
    return True


def _small(names: Iterable[str], indexed: Indexed) -> list[str]:
    """Return the smallest segments, so many that each object is copied a logarithmic number of times."""
    sizes = sorted(
        (sum(len(indexed.items.get((name, table), ())) for table in ("runs", "events", "environments")), name)
        for name in names
    )
    chosen: list[str] = []
    total = 0
    for size, name in sizes:
        if size > total and len(chosen) > len(sizes) - MAX_SEGMENTS // 2:
            break
        chosen.append(name)
        total += size
    return chosen


def _own_items(indexed: Indexed, segment: str) -> dict[str, list[int]]:
    """Return the items of a segment that no other segment is used for."""
    return {
        "runs": [seal.item for seal in indexed.runs.values() if seal.segment == segment],
        "events": [item for name, item, _ in indexed.events.values() if name == segment],
        "environments": [item for name, item in indexed.environments.values() if name == segment],
    }


def view_of(
    segments: Segments, indexed: Indexed, listing: Listing, here: Listing, reader: Reader
) -> views.View:
    """Return the view of all that is listed."""
    return views.make(
        indexed,
        list(segments.prefixes),
        runs=listing.digests[RUNS],
        here=here.digests[RUNS],
        events=listing.digests[EVENTS],
        environments=listing.digests[ENVIRONMENTS],
        damaged=[*listing.damaged, *reader.damaged],
    )


def _quoted(path: Path) -> str:
    """Return a path as SQL text.

    Raises:
        UnicodeEncodeError: It is no UTF-8, which DuckDB cannot open.
    """
    return "'" + str(path).encode().decode().replace("'", "''") + "'"
