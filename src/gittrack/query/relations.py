"""The relations that a query sees, as SQL over segments and the overlay. Their columns are a promise: design 5."""

# ruff: noqa: S608 - what is put into SQL text are names of our own tables; values are parameters

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gittrack.query.view import Part, Selection, View
from gittrack.record.experiments import DEFAULT, DEFAULT_ID
from gittrack.record.system_tags import RUN_NAME

if TYPE_CHECKING:
    import duckdb

RELATIONS: Mapping[str, str] = {
    "runs": "run_id, digest, experiment, experiment_id, name, status, start_time, end_time, duration_s, commit,"
    ' code_tree, branch, dirty, "user", host, parent_run_id, repro_of, process, ordinal, command, environment,'
    " data_digest, deleted, here, params, metrics, tags",
    "params": "run_id, key, value, number",
    "metrics": "run_id, key, last, step, min, max, count",
    "points": "run_id, key, step, timestamp, value",
    "tags": "run_id, key, value, contested",
    "artifacts": "run_id, path, digest, size",
    "data": "run_id, path, digest, size, files, kept_by, how",
    "datasets": "run_id, name, digest, source_type, source, schema, profile, context, tags",
    "models": "run_id, model_id, role, step",
    "experiments": "experiment_id, name, lifecycle_stage, creation_time, last_update_time, tags",
    "environments": "digest, python, platform, distributions",
    "events": 'run_id, experiment_id, op, key, value, time, "user", digest, contested, future',
    "commits": "commit, parents, author, time, subject, branches",
}
OVERLAY = "memory.overlay"
_EVENT = 'digest, coalesce(run_id, experiment_id) as subject, op, key, value, time, counter, seen, "user"'
_INLINE = 100  # longer lists go into a table: the text of a view is parsed at every query
_FUTURE_MS = 24 * 3600 * 1000  # clocks of two machines differ, by less than a day
_STATE_TABLES = f"""
create table {OVERLAY}.changes (run_id VARCHAR, deleted BOOLEAN, touched VARCHAR[], kept MAP(VARCHAR, VARCHAR));
create table {OVERLAY}.tag_changes (run_id VARCHAR, key VARCHAR, value VARCHAR, contested BOOLEAN);
create table {OVERLAY}.experiments (experiment_id VARCHAR, name VARCHAR, deleted BOOLEAN,
    created BIGINT, changed BIGINT, tags MAP(VARCHAR, VARCHAR));
create table {OVERLAY}.disagreeing (digest VARCHAR);
create table {OVERLAY}.commits (commit VARCHAR, parents VARCHAR[], author VARCHAR, "time" TIMESTAMP,
    subject VARCHAR, branches VARCHAR[]);
"""


@dataclass(frozen=True)
class _Source:
    """One place that rows come from: the prefix of its tables, and which of its runs are seen."""

    prefix: str
    runs: str
    here: str
    events: str
    environments: str


def create(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    prefixes: Mapping[str, str],
    *,
    replaced: Collection[str],
    here: Collection[str],
    made_at: int | None,
) -> None:
    """Make the relations as views.

    Args:
        connection: With all segments attached, and the overlay's tables made.
        view: What is taken from each segment.
        prefixes: For each segment, what stands before its tables' names.
        replaced: Ids of runs that the overlay has instead of the segments.
        here: Ids of the overlay's runs that the checked-out tree holds.
        made_at: When this clone got its store, milliseconds since 1970 UTC.
    """
    connection.execute(_STATE_TABLES)
    _fill_experiments(connection, view)
    _fill_state(connection, view)
    tables = _Lists(connection)
    gone = tables.texts("run_id", replaced, exclude=True)
    sources = [_source(part, prefixes[part.segment], gone, tables) for part in view.parts]
    sources.append(_Source(OVERLAY, "true", tables.texts("run_id", here), "false", "false"))
    changed = bool(view.changes)
    grouped = bool(view.experiments)
    now = int(time.time() * 1000)
    connection.execute(
        ";\n".join(
            (
                f"create view _all_runs as {_union(sources, 'runs', '*, {here} as here')}",
                f"create view runs as {_runs(changed, grouped)}",
                f"create view experiments as {_experiments(made_at)}",
                f"create view points as {_points(sources)}",
                f"create view tags as {_tags(sources, changed)}",
                *(
                    f"create view {name} as {_union(sources, name, RELATIONS[name])}"
                    for name in ("params", "metrics", "artifacts", "data", "datasets", "models")
                ),
                f"create view environments as {_union(sources, 'environments', RELATIONS['environments'])}",
                f"create view events as {_events(sources, now)}",
                f"create view _seals as {_seals(sources)}",
                f"create view _events as {_union(sources, 'events', _EVENT)}",
                f"create view commits as select * from {OVERLAY}.commits",
            )
        )
    )


class _Lists:
    """Makes conditions out of lists, short ones as text, long ones as tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._made = 0

    def items(self, selection: Selection) -> str:
        if len(selection.listed) <= _INLINE:
            return selection.sql()
        name = self._table("INTEGER", selection.listed)
        return f"item {'not ' if selection.others else ''}in (select entry from {name})"

    def texts(self, column: str, texts: Collection[str], *, exclude: bool = False) -> str:
        if not texts:
            return "true" if exclude else "false"
        name = self._table("VARCHAR", texts)
        return f"{column} {'not ' if exclude else ''}in (select entry from {name})"

    def _table(self, kind: str, entries: Collection[int] | Collection[str]) -> str:
        name = f"{OVERLAY}.list_{self._made}"
        self._made += 1
        self._connection.execute(
            f"create table {name} as select unnest($entries::{kind}[]) as entry", {"entries": list(entries)}
        )
        return name


def _source(part: Part, prefix: str, gone: str, lists: _Lists) -> _Source:
    runs = lists.items(part.runs)
    return _Source(
        prefix,
        runs if gone == "true" else f"({runs}) and {gone}",
        lists.items(part.here),
        lists.items(part.events),
        lists.items(part.environments),
    )


def _union(sources: list[_Source], table: str, columns: str) -> str:
    """Return all rows of a table that are seen."""
    kind = table if table in ("events", "environments") else "runs"
    return " union all ".join(
        f"select {columns.replace('{here}', f'({source.here})')} from {source.prefix}.{table}"
        f" where {getattr(source, kind)}"
        for source in sources
    )


def _runs(changed: bool, grouped: bool) -> str:
    """Return the view of runs; what no event is about costs no join."""
    now = {"duration_s": "(epoch_ms(end_time) - epoch_ms(start_time)) / 1000.0"}
    deleted = []
    joins = ""
    if changed:
        joins += f" left join {OVERLAY}.changes using (run_id)"
        deleted.append("changes.deleted")
        now["name"] = f"coalesce(changes.kept['{RUN_NAME}'], _all_runs.name)"
        now["tags"] = f"""case when len(changes.touched) > 0 then map_from_entries(list_concat(
            list_filter(map_entries(_all_runs.tags), lambda entry: not list_contains(changes.touched, entry.key)),
            list_filter(map_entries(changes.kept), lambda entry: entry.key <> '{RUN_NAME}')))
            else _all_runs.tags end"""
    if grouped:
        joins += f" left join {OVERLAY}.experiments using (experiment_id)"
        deleted.append("experiments.deleted")
        now["experiment"] = "coalesce(experiments.name, _all_runs.experiment)"
    now["deleted"] = " or ".join(f"coalesce({column}, false)" for column in deleted) or "false"
    columns = [name.strip() for name in RELATIONS["runs"].split(",")]
    if joins:
        now = {**{name: f"_all_runs.{name}" for name in columns}, **now}
    selected = ", ".join(f"{now[name]} as {name}" if name in now else name for name in columns)
    return f"select {selected} from _all_runs{joins}"


def _experiments(made_at: int | None) -> str:
    """Return what events tell of experiments, completed by what runs do; `Default` is there before both."""
    return f"""
    select experiment_id, coalesce(later.name, recorded.name) as name,
        case when later.deleted then 'deleted' else 'active' end as lifecycle_stage,
        epoch_ms(least(later.created, recorded.created)) as creation_time,
        epoch_ms(coalesce(later.changed, recorded.created)) as last_update_time,
        coalesce(later.tags, map([]::VARCHAR[], []::VARCHAR[])) as tags
    from {OVERLAY}.experiments as later full join (
        select experiment_id, first(experiment order by start_time, run_id) as name,
            min(epoch_ms(start_time)) as created
        from (select experiment_id, experiment, start_time, run_id from _all_runs
            union all select '{DEFAULT_ID}', '{DEFAULT}', epoch_ms({"null" if made_at is None else int(made_at)}), null)
        group by experiment_id) as recorded using (experiment_id)"""


def _points(sources: list[_Source]) -> str:
    """Points know their item only: the join with the few rows of runs costs less than an id on every point."""
    return " union all ".join(
        f"select runs.run_id, points.key, points.step, points.timestamp, points.value"
        f" from {source.prefix}.points as points join"
        f" (select item, run_id from {source.prefix}.runs where {source.runs}) as runs using (item)"
        for source in sources
    )


def _seals(sources: list[_Source]) -> str:
    """Every indexed seal with its run, superseded ones too: what old commits have is old."""
    return " union all ".join(f"select digest, run_id from {source.prefix}.runs" for source in sources)


def _tags(sources: list[_Source], changed: bool) -> str:
    plain = _union(sources, "tags", "run_id, key, value, false as contested")
    if not changed:
        return plain
    return f"""select * from ({plain}) as plain
        where not exists (select 1 from {OVERLAY}.tag_changes as changed
            where changed.run_id = plain.run_id and changed.key = plain.key)
        union all select run_id, key, value, contested from {OVERLAY}.tag_changes
        where value is not null and run_id in (select run_id from _all_runs)"""


def _events(sources: list[_Source], now_ms: int) -> str:
    columns = """run_id, experiment_id, op, key, value, epoch_ms(time) as time, "user", digest,
        digest in (select digest from {overlay}.disagreeing) as contested, time > {future} as future"""
    filled = columns.format(overlay=OVERLAY, future=now_ms + _FUTURE_MS)
    return _union(sources, "events", filled)


def _fill_experiments(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    if not view.experiments:
        return
    connection.execute(
        f"""insert into {OVERLAY}.experiments select unnest($ids::varchar[]), unnest($names::varchar[]),
        unnest($deleted::boolean[]), unnest($created::bigint[]), unnest($changed::bigint[]),
        map_from_entries(unnest($tags::struct(k varchar, v varchar)[][]))""",
        {
            "ids": [one.experiment_id for one in view.experiments],
            "names": [one.name for one in view.experiments],
            "deleted": [one.deleted for one in view.experiments],
            "created": [one.created for one in view.experiments],
            "changed": [one.changed for one in view.experiments],
            "tags": [_kept(one.tags) for one in view.experiments],
        },
    )


def _kept(tags: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"k": key, "v": value} for key, value in tags.items() if value is not None]


def _fill_state(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    if not view.changes:
        return
    connection.execute(
        f"""insert into {OVERLAY}.changes select unnest($ids::varchar[]), unnest($deleted::boolean[]),
        unnest($touched::varchar[][]), map_from_entries(unnest($kept::struct(k varchar, v varchar)[][]))""",
        {
            "ids": [change.run_id for change in view.changes],
            "deleted": [change.deleted for change in view.changes],
            "touched": [list(change.tags) for change in view.changes],
            "kept": [_kept(change.tags) for change in view.changes],
        },
    )
    rows = [
        (change.run_id, key, value, key in change.contested)
        for change in view.changes
        for key, value in change.tags.items()
        if key != RUN_NAME
    ]
    if rows:
        ids, keys, values, contested = (list(column) for column in zip(*rows, strict=True))
        connection.execute(
            f"""insert into {OVERLAY}.tag_changes select unnest($ids::varchar[]), unnest($keys::varchar[]),
            unnest($values::varchar[]), unnest($contested::boolean[])""",
            {"ids": ids, "keys": keys, "values": values, "contested": contested},
        )
    connection.execute(
        f"insert into {OVERLAY}.disagreeing select unnest($found::varchar[])",
        {"found": list(view.disagreeing)},
    )
