"""What this clone knows, seen at one moment: SQL over it, and the objects behind its rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gittrack.entities.record import Digest, Event, ExperimentId, MetricSummary, RunId, RunRecord
from gittrack.errors import Damaged, NotFound
from gittrack.git.repo import Repository
from gittrack.query import commits
from gittrack.query import engine as engines
from gittrack.query import sql as questions
from gittrack.query.damage import Damage
from gittrack.query.engine import Engine
from gittrack.query.index import Progress
from gittrack.query.places import Catalogue, Look, Scope
from gittrack.query.reader import Reader
from gittrack.query.sql import Result, SqlError
from gittrack.record.points import Points, SortedPoints
from gittrack.record.system_tags import RUN_NAME
from gittrack.store.layout import PATCH_FILE, Layout

__all__ = ["Damage", "Result", "Scope", "Session", "SqlError"]

_PREFIX = re.compile(r"[0-9a-f]{4,32}", re.ASCII)
_TOO_SHORT = re.compile(r"[0-9a-f]{1,3}", re.ASCII)
_COMMITS = re.compile(r"\bcommits\b", re.IGNORECASE)
_CANDIDATES = 5


class Session:
    """One consistent view of all that this clone knows. Cheap to open again, and thrown away after use.

    Attributes:
        damaged: What was found damaged; answers are given without it.
        scope: What is asked.
        layout: Where the store is.
        repo: The repository.
    """

    def __init__(
        self, repo: Repository, layout: Layout, scope: Scope, engine: Engine, progress: Progress | None
    ) -> None:
        self.repo = repo
        self.layout = layout
        self.scope = scope
        self._engine = engine
        self._progress = progress

    @classmethod
    def open(
        cls,
        repo: Repository,
        layout: Layout,
        *,
        scope: Scope = Scope(),  # noqa: B008 - frozen
        progress: Progress | None = None,
    ) -> Session:
        """Return a session; what is new since the last one is indexed first.

        Args:
            repo: The repository.
            layout: Where the store is.
            scope: Everything, the checked-out tree, or one commit.
            progress: Called with what is done, how much of it, of how much.

        Raises:
            NotFound: `scope.at` names no commit.
        """
        return cls(repo, layout, scope, engines.opened(repo, layout, scope, progress), progress)

    @property
    def damaged(self) -> list[Damage]:
        """What was found damaged; answers are given without it."""
        return self._engine.damaged

    @property
    def look(self) -> Look:
        """What was there when it was opened."""
        return self._engine.look

    @property
    def taken_in(self) -> tuple[Digest, ...]:
        """Digests of events that resumed runs have taken in: what such a run says came after them."""
        return self._engine.view.taken_in

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> Result:
        """Answer one SQL question; `$name` stands for a parameter.

        Raises:
            SqlError: It is not understood, not one question, or cannot be answered; the message says where.
        """
        questions.check(query, params)
        try:
            cursor = self._ask(query, params)
        except questions.Damaged:
            cursor = self._ask_again(query, params)
        return Result(cursor, lambda: self._ask_again(query, params))

    def rows(self, query: str, **params: Any) -> list[tuple[Any, ...]]:
        """Return all rows of the answer to a question."""
        return self.sql(query, params).rows()

    def find(self, text: str) -> RunId:
        """Return the run that `text` means: its id, at least four first digits of it, or its name.

        Raises:
            NotFound: There is none, or more than one.
        """
        found: list[tuple[Any, ...]] = []
        if _PREFIX.fullmatch(text):
            found = self.rows(
                "select run_id, name from runs where starts_with(run_id, $text) order by run_id", text=text
            )
        found = found or self.rows(  # a repetition has the name of what it repeats, and does not hide it
            """select run_id, name from runs where name = $text
            qualify (repro_of is null) = max(repro_of is null) over () order by start_time desc, run_id""",
            text=text,
        )
        if not found:
            short = ", an id takes at least four digits" if _TOO_SHORT.fullmatch(text) else ""
            raise NotFound(f"no run is called '{text}'{short}", hint="gittrack ls")
        if len(found) > 1:
            raise _ambiguous(text, found)
        return RunId(found[0][0])

    def run(self, run_id: RunId) -> RunRecord:
        """Return a run: its seals merged, its tags as events left them, its metrics as the points come to.

        Raises:
            NotFound: It is not seen here.
            Damaged: It cannot be read any more.
        """
        overlaid = self._engine.overlaid.get(run_id)
        run = overlaid.run if overlaid else self._sealed(run_id)[1]
        for change in self._engine.view.changes:
            if change.run_id == run_id:
                tags = {**run.tags, **change.tags}
                name = tags.pop(RUN_NAME, None)
                kept = {key: value for key, value in tags.items() if value is not None}
                run = replace(run, tags=kept, name=name or run.name)
        return replace(run, metrics=self._summaries(run_id))

    def points(self, run_id: RunId) -> SortedPoints:
        """Return a run's metric points.

        Raises:
            NotFound: It is not seen here.
            Damaged: They cannot be read any more.
        """
        from gittrack.record.points import read_parquet

        overlaid = self._engine.overlaid.get(run_id)
        if overlaid:
            return overlaid.points
        digest, run = self._sealed(run_id)
        if run.series is None:
            return Points().sort()
        with self._reader() as reader:
            files = reader.points([(digest, run)])
            if digest not in files:
                raise _gone(run_id, reader.damaged)
            return read_parquet(files[digest].read_bytes()).sort()

    def patch(self, run_id: RunId) -> bytes | None:
        """Return the content of a run's `code.patch`; None when it has none, or no copy is as recorded.

        Raises:
            NotFound: The run is not seen here.
        """
        run = self.run(run_id)
        if run.code is None or run.code.patch_digest is None:
            return None
        live = self.layout.live_run(run_id) / PATCH_FILE
        with self._reader() as reader:
            for digest in self.seals(run_id):
                content = reader.patch(digest, run.code.patch_digest)
                if content is not None:
                    return content
            return reader.patch_file(live, run.code.patch_digest)

    def seals(self, run_id: RunId) -> list[Digest]:
        """Return the digests of a run's newest seals; more than one when it was resumed on two branches.

        Raises:
            NotFound: The run is not seen here.
        """
        overlaid = self._engine.overlaid.get(run_id)
        return list(overlaid.seals) if overlaid else [self._digest(run_id)]

    def environment(self, digest: Digest) -> dict[str, Any] | None:
        """Return python, platform and distributions of an environment; None when no copy can be read."""
        with self._reader() as reader:
            return next((found for _, found in reader.environments([digest])), None)

    def events(self, subject: RunId | ExperimentId) -> dict[Digest, Event]:
        """Return the events about a run or an experiment by digest: what a new one has to come after."""
        rows = self.rows(
            """select digest, op, key, value, time, counter, seen, "user" from _events where subject = $subject""",
            subject=subject,
        )
        return {
            Digest(digest): Event(subject, op, key, value, time, counter, tuple(map(Digest, seen)), user)
            for digest, op, key, value, time, counter, seen, user in rows
        }

    def _ask(self, query: str, params: Mapping[str, Any] | None) -> Any:
        if _COMMITS.search(query) and not self._engine.commits_loaded:
            commits.load(self.repo, self._engine)
        return questions.ask(self._engine.connection, query, params)

    def _ask_again(self, query: str, params: Mapping[str, Any] | None) -> Any:
        """Throw a damaged index away, make it again, and ask it."""
        engines.discard(self.layout)
        self._engine = engines.opened(self.repo, self.layout, self.scope, self._progress)
        try:
            return self._ask(query, params)
        except questions.Damaged as error:
            raise SqlError(f"DuckDB cannot answer: {error}", detail=str(error)) from error

    def _reader(self) -> Reader:
        return Reader(self.repo, self.layout, self._engine.look.commits, Catalogue(self.repo, self.layout))

    def _digest(self, run_id: RunId) -> Digest:
        found = self.rows("select digest from runs where run_id = $run_id", run_id=run_id)
        if not found:
            raise NotFound(f"no run has the id '{run_id}'", hint="gittrack ls")
        return Digest(found[0][0])

    def _sealed(self, run_id: RunId) -> tuple[Digest, RunRecord]:
        with self._reader() as reader:
            for digest, run in reader.runs([self._digest(run_id)]):
                return digest, run
            raise _gone(run_id, reader.damaged)

    def _summaries(self, run_id: RunId) -> dict[str, MetricSummary]:
        found = self.rows(
            "select key, last, step, min, max, count from metrics where run_id = $run_id order by key",
            run_id=run_id,
        )
        return {key: MetricSummary(*summary) for key, *summary in found}


def _ambiguous(text: str, found: list[tuple[Any, ...]]) -> NotFound:
    named = ", ".join(f"{run_id[:12]} ({name})" for run_id, name in found[:_CANDIDATES])
    more = f" and {len(found) - _CANDIDATES} more" if len(found) > _CANDIDATES else ""
    return NotFound(f"'{text}' could be {len(found)} runs: {named}{more}", hint="gittrack ls")


def _gone(run_id: RunId, damaged: list[Damage]) -> Damaged:
    where = f": {damaged[0].path} {damaged[0].what}" if damaged else ""
    return Damaged(f"the record of run {run_id[:12]} cannot be read{where}", hint="gittrack fsck")
