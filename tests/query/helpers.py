"""Runs made by hand, and what a session answers about them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gittrack.entities.record import Digest, Event, Process, RunId, RunRecord
from gittrack.git.repo import Repository
from gittrack.query.session import Scope, Session
from gittrack.record import events
from gittrack.record import live as lives
from gittrack.record.format import dump_environment
from gittrack.record.points import SortedPoints
from gittrack.record.project import layout_of
from gittrack.store import digest as digests
from gittrack.store.layout import RUN_FILE, Layout
from tests.record.strategies import to_points

START = 1_790_000_000_000
ENVIRONMENT = dump_environment(
    {
        "python": {"version": "3.11.2", "implementation": "cpython"},
        "platform": {"system": "Linux", "release": "6.1", "machine": "x86_64"},
        "distributions": {"numpy": "2.0", "duckdb": "1.4"},
    }
)
Row = tuple[str, int, int, float]
ROWS: list[Row] = [("auc", 1, START, 0.5), ("auc", 2, START + 1, 0.75), ("loss", 1, START, 2.0)]


def run_id(number: int) -> RunId:
    """Return the id of run number `number`."""
    return RunId(f"{number:08x}" + f"{number * 7919:024x}")


def a_run(number: int = 1, **facts: Any) -> RunRecord:
    """Return a run as its process ended it."""
    made = RunRecord(
        run_id=run_id(number),
        experiment="churn",
        name=f"trial-{number}",
        status="FINISHED",
        start_time=START + number * 1000,
        end_time=START + number * 1000 + 500,
        user="ada",
        host={"name": "engine", "cores": 2},
        process=Process(f"{number:032x}", 0),
        code=None,
        command=None,
        environment=None,
        params={"depth": number},
    )
    return replace(made, **facts)


class Store:
    """A repository's store, filled by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def repository(self) -> Repository:
        return Repository.find(self.root)

    @property
    def layout(self) -> Layout:
        return layout_of(self.repository, self.repository.root)

    def put(
        self,
        run: RunRecord,
        rows: Sequence[Row] = (),
        *,
        patch: bytes | None = None,
        into: Layout | None = None,
    ) -> Digest:
        """Put a sealed run into the working tree, or into another folder."""
        points: SortedPoints = to_points(list(rows)).sort()
        digest, files = lives.sealed_files(replace(run, metrics=points.summaries()), points, patch)
        folder = (into or self.layout).run(digest)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return digest

    def put_environment(self) -> Digest:
        digest = digests.of_bytes(ENVIRONMENT)
        path = self.layout.environment(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ENVIRONMENT)
        return digest

    def tell(
        self, subject: RunId, op: str, key: str | None = None, value: str | None = None, now: int = START
    ) -> Event:
        """Write an event that comes after all that this clone knows."""
        known = self.session().events(subject)
        event = events.new_event(subject, op, key, value, known=known, now_ms=now, user="ada")
        events.write_event(self.layout, event)
        return event

    def session(self, *, here: bool = False, at: str | None = None) -> Session:
        return Session.open(self.repository, self.layout, scope=Scope(here, at))

    def names(self, **scope: Any) -> list[str]:
        """Return the names of the runs that are seen."""
        return [name for (name,) in self.session(**scope).rows("select name from runs order by name")]

    def segments(self) -> list[Path]:
        return sorted(self.layout.index.glob("*.duckdb"))


def flip(path: Path, at: int = -20) -> None:
    """Change one bit of a file, as a dying disk would: nothing else about it changes."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def run_file(layout: Layout, digest: Digest) -> Path:
    return layout.run(digest) / RUN_FILE


EVERYTHING = {
    "runs": "select * exclude (digest) from runs order by run_id",
    "params": "select * from params order by all",
    "metrics": "select * from metrics order by all",
    "points": "select * from points order by all",
    "tags": "select * from tags order by all",
    "artifacts": "select * from artifacts order by all",
    "data": "select * from data order by all",
    "events": "select * from events order by all",
    "environments": "select * from environments order by all",
}


def answers(session: Session, *, without_here: bool = False) -> dict[str, str]:
    """Return every row of every relation as text, so that NaN is like NaN."""
    found = {}
    for name, query in EVERYTHING.items():
        text = query.replace("(digest)", "(digest, here)") if without_here else query
        found[name] = repr(session.rows(text))
    return found
