"""Columns of sealed runs, events and environments: their tables, and how rows get into them.

The same tables are made in the files of the index and in memory. In an index file they are written once; the
file is then immutable, and DuckDB checks the sums of its blocks. Points never pass through Python: DuckDB reads
many `metrics.parquet` at once, 10,000 of 500 points in 2 seconds.
"""

# ruff: noqa: S608 - what is put into SQL text are names of our own tables; values are parameters

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import DataFile, Digest, Event, RunRecord, Scalar
from gittrack.errors import Damaged
from gittrack.query.damage import Damage
from gittrack.record import experiments
from gittrack.record.system_tags import CONTEXT

if TYPE_CHECKING:
    import duckdb

TABLES: Mapping[str, str] = {
    "runs": "item INTEGER, digest VARCHAR, supersedes VARCHAR[], seen VARCHAR[], run_id VARCHAR,"
    " experiment VARCHAR, experiment_id VARCHAR, name VARCHAR, status VARCHAR,"
    " start_time TIMESTAMP, end_time TIMESTAMP, commit VARCHAR, code_tree VARCHAR,"
    ' branch VARCHAR, dirty BOOLEAN, "user" VARCHAR, host VARCHAR, parent_run_id VARCHAR, repro_of VARCHAR,'
    " process VARCHAR, ordinal BIGINT, command VARCHAR, environment VARCHAR, data_digest VARCHAR,"
    " params MAP(VARCHAR, VARCHAR), metrics MAP(VARCHAR, DOUBLE), tags MAP(VARCHAR, VARCHAR)",
    "params": "item INTEGER, run_id VARCHAR, key VARCHAR, value VARCHAR, number DOUBLE",
    "metrics": "item INTEGER, run_id VARCHAR, key VARCHAR, last DOUBLE, step BIGINT, min DOUBLE, max DOUBLE,"
    " count BIGINT",
    "points": "item INTEGER, key VARCHAR, step BIGINT, timestamp TIMESTAMP, value DOUBLE",
    "tags": "item INTEGER, run_id VARCHAR, key VARCHAR, value VARCHAR",
    "artifacts": "item INTEGER, run_id VARCHAR, path VARCHAR, digest VARCHAR, size BIGINT",
    "data": "item INTEGER, run_id VARCHAR, path VARCHAR, digest VARCHAR, size BIGINT, files BIGINT,"
    " kept_by VARCHAR, how VARCHAR",
    "datasets": "item INTEGER, run_id VARCHAR, name VARCHAR, digest VARCHAR, source_type VARCHAR, source VARCHAR,"
    " schema VARCHAR, profile VARCHAR, context VARCHAR, tags MAP(VARCHAR, VARCHAR)",
    "models": "item INTEGER, run_id VARCHAR, model_id VARCHAR, role VARCHAR, step BIGINT",
    "events": "item INTEGER, digest VARCHAR, run_id VARCHAR, experiment_id VARCHAR, op VARCHAR,"
    " key VARCHAR, value VARCHAR, time BIGINT,"
    ' counter BIGINT, seen VARCHAR[], "user" VARCHAR',
    "environments": "item INTEGER, digest VARCHAR, python VARCHAR, platform VARCHAR,"
    " distributions MAP(VARCHAR, VARCHAR)",
    "meta": "format VARCHAR",
}
FORMAT = hashlib.sha256(repr(sorted(TABLES.items())).encode()).hexdigest()[:8]  # other columns, other files
IDENTIFIED = ("runs", "events", "environments")  # tables whose rows are objects with a digest
_OF_A_RUN = ("runs", "params", "metrics", "points", "tags", "artifacts", "data", "datasets", "models")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_TIME = """case when timestamp between -62135596800000 and 253402300799999 then epoch_ms(timestamp)
    when timestamp < 0 then '-infinity'::timestamp else 'infinity'::timestamp end"""
_METRICS = """insert into {to}.metrics
    select item, $ids[item - $first + 1], key, last, step, coalesce(least, 'nan'), coalesce(most, 'nan'), count
    from (select item, key,
        last(value order by step, timestamp, not isnan(value), value) as last,
        max(step) as step,
        min(value) filter (not isnan(value)) as least,
        max(value) filter (not isnan(value)) as most,
        count(*) as count
        from {to}.points where item >= $first group by item, key)
    order by item, key"""
_RUNS_WITH_METRICS = """insert into {to}.runs
    select staged.* replace (coalesce(found.metrics, staged.metrics) as metrics)
    from staged left join (
        select item, map(list(key order by key), list(last order by key)) as metrics
        from {to}.metrics where item >= $first group by item) found using (item)
    order by item"""
_POINT_COLUMNS = [("key", "VARCHAR"), ("step", "BIGINT"), ("timestamp", "BIGINT"), ("value", "DOUBLE")]


@dataclass
class SealedRun:
    """A run on its way into a segment.

    Attributes:
        digest: Of its seal; None for what is not sealed.
        run: What `run.yaml` says.
        points: A Parquet file with its points, checked already; None without.
    """

    digest: Digest | None
    run: RunRecord
    points: Path | None


@dataclass
class Batch:
    """Objects on their way into a segment."""

    runs: list[SealedRun] = field(default_factory=list)
    events: list[tuple[Digest, Event]] = field(default_factory=list)
    environments: list[tuple[Digest, dict[str, Any]]] = field(default_factory=list)


class Builder:
    """Fills the tables of one segment.

    Args:
        connection: With the database `catalog` attached, writable and empty.
        catalog: Its name.
        schema: The schema of that database that takes the tables.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, catalog: str, *, schema: str = "main") -> None:
        self._connection = connection
        self._to = f"{catalog}.{schema}"
        self._items = dict.fromkeys(IDENTIFIED, 0)
        for name, columns in TABLES.items():
            connection.execute(f"create table {self._to}.{name} ({columns})")

    def add(self, batch: Batch) -> list[Damage]:
        """Write a batch; return which runs could not be taken because of their points."""
        runs, damaged = self._add_points(batch.runs)
        connection = self._connection
        connection.execute("begin")
        try:
            self._add_runs(runs)
            self._add_events(batch.events)
            self._add_environments(batch.environments)
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")
        return damaged

    def finish(self) -> None:
        """Mark the segment as whole."""
        self._connection.execute(f"insert into {self._to}.meta values ('{FORMAT}')")

    def copy(self, catalog: str, kept: Mapping[str, Sequence[int]]) -> None:
        """Take over rows of another, finished segment.

        Args:
            catalog: Name of its database.
            kept: For each table of objects, the items to take.
        """
        shifts = dict(self._items)
        for name, items in kept.items():
            tables = _OF_A_RUN if name == "runs" else (name,)
            for table in tables:
                self._connection.execute(
                    f"""insert into {self._to}.{table}
                    select * replace ((item + $shift)::integer as item) from {catalog}.main.{table}
                    where item in (select unnest($items::integer[]))""",
                    {"shift": shifts[name], "items": list(items)},
                )
            self._items[name] += max(items, default=-1) + 1

    def _add_points(self, runs: Sequence[SealedRun]) -> tuple[list[SealedRun], list[Damage]]:
        """Write the points of runs; return those runs in the order of their items, and what was damaged."""
        quick = [run for run in runs if run.points is not None and _is_text(run.points)]
        first = self._items["runs"]
        if quick and self._add_many(first, [run.points for run in quick if run.points]):
            careful = [run for run in runs if run.points is not None and not _is_text(run.points)]
            good = quick
        else:
            careful, good = [run for run in runs if run.points is not None], []
        damaged = []
        for run in careful:
            try:
                self._add_one(first + len(good), run)
                good = [*good, run]
            except Damaged as error:
                damaged.append(Damage("bad-parquet", str(run.points), str(error)))
        return [*good, *(run for run in runs if run.points is None)], damaged

    def _add_many(self, first: int, files: Sequence[Path]) -> bool:
        """Let DuckDB read many files; False, with nothing written, when one of them is not as it should be."""
        import duckdb

        names = [_escaped(file) for file in files]
        cursor = self._connection.cursor()
        try:
            schema = cursor.execute(
                "describe select key, step, timestamp, value from read_parquet($files)", {"files": names[:1]}
            ).fetchall()
            if [tuple(column[:2]) for column in schema] != _POINT_COLUMNS:
                return False
            cursor.execute(
                f"""insert into {self._to}.points
                select ($first + file_index)::integer, key, step, {_TIME}, value from read_parquet($files)""",
                {"first": first, "files": names},
            )
        except duckdb.Error:
            return False
        finally:
            cursor.close()
        return True

    def _add_one(self, item: int, run: SealedRun) -> None:
        """Read one file with every check there is, then write it."""
        from gittrack.record import points

        if run.points is None:
            return
        try:
            table = points.read_parquet(run.points.read_bytes()).sort().to_arrow()
        except OSError as error:
            raise Damaged(f"metrics.parquet cannot be read: {error.strerror}") from error
        self._connection.register("points_of_one", table)
        try:
            self._connection.execute(
                f"""insert into {self._to}.points
                select $item::integer, key, step, {_TIME}, value from points_of_one""",
                {"item": item},
            )
        finally:
            self._connection.unregister("points_of_one")

    def _add_runs(self, sealed: Sequence[SealedRun]) -> None:
        first = self._items["runs"]
        self._items["runs"] += len(sealed)
        numbered = list(enumerate(sealed, first))
        self._sum_up(first, sealed)
        self._insert("staged", [_run_row(item, one) for item, one in numbered])
        self._connection.execute(_RUNS_WITH_METRICS.format(to=self._to), {"first": first})
        self._insert(
            "params",
            [
                (item, one.run.run_id, key, as_text(value), as_number(value))
                for item, one in numbered
                for key, value in one.run.params.items()
            ],
        )
        self._insert(
            "tags",
            [(item, one.run.run_id, *tag) for item, one in numbered for tag in one.run.tags.items()],
        )
        self._insert(
            "artifacts",
            [
                (item, one.run.run_id, artifact.path, artifact.digest, artifact.size)
                for item, one in numbered
                for artifact in one.run.artifacts
            ],
        )
        self._insert(
            "data",
            [
                (item, one.run.run_id, data.path, data.digest, data.size, data.files, data.kept_by, data.how)
                for item, one in numbered
                for data in one.run.data
            ],
        )

        self._insert(
            "datasets",
            [
                (item, one.run.run_id, used.name, used.digest, used.source_type, used.source, used.schema,
                 used.profile, used.tags.get(CONTEXT), _entries(used.tags))
                for item, one in numbered
                for used in one.run.datasets
            ],
        )  # fmt: skip
        self._insert(
            "models",
            [
                (item, one.run.run_id, used.model_id, used.role, used.step)
                for item, one in numbered
                for used in one.run.models
            ],
        )

    def _sum_up(self, first: int, sealed: Sequence[SealedRun]) -> None:
        """Write what the series of runs come to, whatever their `run.yaml` claims."""
        self._connection.execute(f"create or replace temp table staged ({TABLES['runs']})")
        self._connection.execute(
            _METRICS.format(to=self._to), {"first": first, "ids": [one.run.run_id for one in sealed]}
        )

    def _add_events(self, events: Iterable[tuple[Digest, Event]]) -> None:
        rows = [
            (item, digest, *_event_row(event))
            for item, (digest, event) in enumerate(events, self._items["events"])
        ]
        self._items["events"] += len(rows)
        self._insert("events", rows)

    def _add_environments(self, environments: Iterable[tuple[Digest, Mapping[str, Any]]]) -> None:
        rows = [
            (item, digest, _python(found), _platform(found), _entries(found["distributions"]))
            for item, (digest, found) in enumerate(environments, self._items["environments"])
        ]
        self._items["environments"] += len(rows)
        self._insert("environments", rows)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows column by column: fifty times as fast as one by one, and without NumPy."""
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        selected = ", ".join(
            _UNPACK.get(kind, "unnest(${place}::{kind}[])").format(place=place, kind=kind)
            for place, kind in enumerate(_kinds(table)[: len(columns)], 1)
        )
        names = ", ".join(f'"{name}"' for name in column_names(table)[: len(columns)])
        target = table if table == "staged" else f"{self._to}.{table}"
        self._connection.execute(
            f"insert into {target} ({names}) select {selected}",
            {str(place): list(column) for place, column in enumerate(columns, 1)},
        )


_UNPACK = {
    "TIMESTAMP": "epoch_ms(unnest(${place}::BIGINT[]))",
    "MAP(VARCHAR, VARCHAR)": "map_from_entries(unnest(${place}::STRUCT(k VARCHAR, v VARCHAR)[][]))",
    "MAP(VARCHAR, DOUBLE)": "map_from_entries(unnest(${place}::STRUCT(k VARCHAR, v DOUBLE)[][]))",
}
_COLUMN = re.compile(r"\"?(\w+)\"? ((?:MAP\([^)]*\)|[^,])+)(?:,|$)")


def column_names(table: str) -> list[str]:
    """Return the names of a table's columns."""
    return [name for name, _ in _columns(table)]


def _kinds(table: str) -> list[str]:
    return [kind for _, kind in _columns(table)]


def _columns(table: str) -> list[tuple[str, str]]:
    found = _COLUMN.findall(TABLES["runs" if table == "staged" else table])
    return [(name, kind.strip()) for name, kind in found]


def _run_row(item: int, sealed: SealedRun) -> tuple[Any, ...]:
    run, code = sealed.run, sealed.run.code
    host = run.host.get("name")
    return (
        item,
        sealed.digest,
        list(run.supersedes),
        list(run.seen),
        run.run_id,
        run.experiment,
        run.experiment_id or experiments.id_of(run.experiment),
        run.name,
        run.status,
        run.start_time,
        run.end_time,
        code and code.commit,
        code and code.code_tree,
        code and code.branch,
        code and code.dirty,
        run.user,
        host if isinstance(host, str) else None,
        run.parent_run_id,
        run.repro_of,
        run.process.id,
        run.process.ordinal,
        run.command and shlex.join(run.command.argv),
        run.environment,
        data_digest(run.data),
        _entries({key: as_text(value) for key, value in run.params.items()}),
        [],
        _entries(run.tags),
    )


def _event_row(event: Event) -> tuple[Any, ...]:
    return (
        event.run_id,
        event.experiment_id,
        event.op,
        event.key,
        event.value,
        event.time,
        event.counter,
        list(event.seen),
        event.user,
    )


def _entries(mapping: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"k": key, "v": value} for key, value in mapping.items()]


def data_digest(data: Sequence[DataFile]) -> str | None:
    """Return one digest over what a run read: SHA-256 of the lines `<digest>  <path>`, sorted by path."""
    if not data:
        return None
    lines = sorted((entry.path, f"{entry.digest}  {entry.path}\n") for entry in data)
    return hashlib.sha256("".join(line for _, line in lines).encode()).hexdigest()


def as_text(value: Scalar) -> str:
    """Return a param's value as MLflow shows it: `True`, `0.1`, `None`."""
    return str(value)


def as_number(value: Scalar) -> float | None:
    """Return a param's value as a number; None for booleans, None, and text that does not read as a number."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _python(environment: Mapping[str, Any]) -> str:
    python = environment["python"]
    return " ".join(filter(None, (python.get("implementation"), python.get("version"))))


def _platform(environment: Mapping[str, Any]) -> str:
    platform = environment["platform"]
    return " ".join(filter(None, (platform.get(part) for part in ("system", "release", "machine"))))


def _is_text(path: Path) -> bool:
    """Whether DuckDB can be given the path: its text is UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(path: Path) -> str:
    """Return a path as a pattern that fits it alone."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
