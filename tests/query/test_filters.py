"""Filters and orders: what they find, in which order, and where a mistake is said to stand."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gittrack.errors import InvalidValue
from gittrack.query import filters
from gittrack.query.filter_text import MAX_DEPTH, MAX_LENGTH
from gittrack.query.filters import FilterError
from gittrack.query.segments import as_number
from gittrack.record import presented
from tests.query import filter_cases as cases

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
NAN, INF = math.nan, math.inf


@dataclass
class Made:
    """A run as a test makes it; times in milliseconds, metrics with all their values."""

    name: str
    start: int
    end: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[tuple[str, str, str | None]] = field(default_factory=list)  # name, digest, context
    status: str = "FINISHED"
    facts: dict[str, Any] = field(default_factory=dict)


RUNS = [
    Made(
        "one",
        1000,
        1500,
        {"lr": "0.1", "depth": "6", "model": "Forest"},
        {"auc": [0.9, 0.5], "val-loss": [1.0], "a/b c": [3.0], "nan_one": [NAN]},
        {"team": "red", "mlflow.note.content": "a note"},
        [("train", "d1", "training")],
        facts={
            "commit": "abc1",
            "branch": "main",
            "dirty": True,
            "command": "python -m pdb 'my train.py' x.py",
        },
    ),
    Made(
        "two",
        2000,
        2500,
        {"lr": "0.01", "depth": "10", "model": "forest"},
        {"auc": [0.1, 0.9], "inf_one": [INF]},
        {"team": "Blue", "mlflow.user": "grace"},
        [("train", "d2", "eval"), ("test", "d3", None)],
        facts={"commit": "abd2", "branch": "topic", "dirty": False, "command": "make all", "ordinal": 3},
    ),
    Made(
        "three",
        3000,
        3500,
        {"lr": "abc", "model": "it's"},
        {"val-loss": [-0.5], "nan_one": [2.0]},
        status="FAILED",
        facts={"deleted": True, "repro_of": "1000"},
    ),
    Made("four", 4000, status="RUNNING"),
]
COLUMNS = """run_id VARCHAR, digest VARCHAR, experiment VARCHAR, experiment_id VARCHAR, name VARCHAR, status VARCHAR,
    start_time TIMESTAMP, end_time TIMESTAMP, duration_s DOUBLE, commit VARCHAR, code_tree VARCHAR, branch VARCHAR,
    dirty BOOLEAN, "user" VARCHAR, host VARCHAR, parent_run_id VARCHAR, repro_of VARCHAR, process VARCHAR,
    ordinal BIGINT, command VARCHAR, environment VARCHAR, data_digest VARCHAR, deleted BOOLEAN, here BOOLEAN,
    params MAP(VARCHAR, VARCHAR), metrics MAP(VARCHAR, DOUBLE), tags MAP(VARCHAR, VARCHAR)"""


def insert(connection: duckdb.DuckDBPyConnection, table: str, row: dict[str, Any]) -> None:
    """Put a row into a table; a dictionary becomes a map."""
    columns, values = [], {}
    for number, value in enumerate(row.values()):
        columns.append(f"$v{number}")
        values[f"v{number}"] = value
        if isinstance(value, dict):
            kind = "double" if any(isinstance(entry, float) for entry in value.values()) else "varchar"
            columns[-1] = f"map($k{number}, $v{number}::{kind}[])"
            values[f"k{number}"] = list(value)
            values[f"v{number}"] = [
                str(entry) for entry in value.values()
            ]  # DuckDB 1 takes NaN for null here
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f"insert into {table} ({names}) select {', '.join(columns)}", values)


def add(connection: duckdb.DuckDBPyConnection, run: Made) -> None:
    run_id = str(run.start)
    last = {key: values[-1] for key, values in run.metrics.items()}
    row = {
        "run_id": run_id,
        "name": run.name,
        "status": run.status,
        "experiment": "churn",
        "start_time": EPOCH + timedelta(milliseconds=run.start),
        "end_time": None if run.end is None else EPOCH + timedelta(milliseconds=run.end),
        "duration_s": None if run.end is None else (run.end - run.start) / 1000,
        "user": "ada",
        "deleted": False,
        "here": True,
        **run.facts,
        "params": run.params,
        "metrics": last,
        "tags": run.tags,
    }
    insert(connection, "runs", row)
    for key, value in run.params.items():
        insert(
            connection, "params", {"run_id": run_id, "key": key, "value": value, "number": as_number(value)}
        )
    for key, values in run.metrics.items():
        numbers = [value for value in values if not math.isnan(value)] or [NAN]
        summary = (last[key], len(values) - 1, min(numbers), max(numbers), len(values))
        named = dict(zip(("last", "step", "min", "max", "count"), summary, strict=True))
        insert(connection, "metrics", {"run_id": run_id, "key": key, **named})
    for name, digest, context in run.datasets:
        insert(connection, "datasets", {"run_id": run_id, "name": name, "digest": digest, "context": context})


def database(runs: list[Made]) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with the relations that filters speak of."""
    connection = duckdb.connect()
    connection.execute(f"""create table runs ({COLUMNS});
        create table params (run_id VARCHAR, key VARCHAR, value VARCHAR, number DOUBLE);
        create table metrics (run_id VARCHAR, key VARCHAR, last DOUBLE, step BIGINT, min DOUBLE, max DOUBLE,
            count BIGINT);
        create table datasets (run_id VARCHAR, name VARCHAR, digest VARCHAR, source_type VARCHAR, source VARCHAR,
            context VARCHAR);
        create table experiments (experiment_id VARCHAR, name VARCHAR, lifecycle_stage VARCHAR,
            tags MAP(VARCHAR, VARCHAR), creation_time TIMESTAMP, last_update_time TIMESTAMP)""")
    for run in runs:
        add(connection, run)
    for number, (name, created) in enumerate([("Default", 0), ("churn", 5), ("fraud", 5), ("old", 2)]):
        insert(
            connection,
            "experiments",
            {
                "experiment_id": str(8 + number),
                "name": name,
                "lifecycle_stage": "deleted" if name == "old" else "active",
                "tags": {"team": "red"} if name == "churn" else {},
                "creation_time": EPOCH + timedelta(seconds=created),
                "last_update_time": EPOCH + timedelta(seconds=created + number),
            },
        )
    return connection


@pytest.fixture(scope="module")
def few() -> Iterator[duckdb.DuckDBPyConnection]:
    with database(RUNS) as connection:
        yield connection


def found(
    connection: duckdb.DuckDBPyConnection, where: str | None = None, order_by: list[str] | None = None
) -> list[str]:
    """Return the names of the runs that a filter lets through, in order."""
    condition, order = filters.runs_where(where), filters.runs_order(order_by)
    rows = connection.execute(
        f"select name from runs where {condition.sql} order by {order.sql}",
        {**condition.params, **order.params} or None,
    )
    return [name for (name,) in rows.fetchall()]


def experiments(
    connection: duckdb.DuckDBPyConnection, where: str | None = None, order_by: list[str] | None = None
) -> list[str]:
    condition, order = filters.experiments_where(where), filters.experiments_order(order_by)
    rows = connection.execute(
        f"select name from experiments where {condition.sql} order by {order.sql}",
        {**condition.params, **order.params} or None,
    )
    return [name for (name,) in rows.fetchall()]


def mistake(call: Callable[[Any], object], text: Any) -> FilterError:
    with pytest.raises(FilterError) as caught:
        call(text)
    return caught.value


@pytest.mark.parametrize("text", cases.RIGHT, ids=repr)
def test_what_mlflow_understands_is_understood(few: duckdb.DuckDBPyConnection, text: str) -> None:
    assert set(found(few, text)) <= {run.name for run in RUNS}


@pytest.mark.parametrize(
    "text", [text for text, _ in (*cases.WRONG_IN_MLFLOW_ONLY, *cases.READ_OTHERWISE)], ids=repr
)
def test_more_is_understood_than_mlflow_does(few: duckdb.DuckDBPyConnection, text: str) -> None:
    assert set(found(few, text)) <= {run.name for run in RUNS}


@pytest.mark.parametrize(
    "text", [*cases.WRONG_IN_BOTH, *(text for text, _ in cases.RIGHT_IN_MLFLOW_ONLY)], ids=repr
)
def test_a_wrong_filter_is_refused_with_an_example_of_a_right_one(text: str) -> None:
    error = mistake(filters.runs_where, text)
    assert str(error).startswith(f"column {error.column}: ")
    assert 1 <= error.column <= len(text) + 1
    assert filters.runs_where(error.hint).sql != "true"


@pytest.mark.parametrize("order_by", cases.ORDER_RIGHT, ids=repr)
def test_an_order_of_mlflow_is_understood(few: duckdb.DuckDBPyConnection, order_by: list[str]) -> None:
    assert sorted(found(few, None, order_by)) == sorted(run.name for run in RUNS)


@pytest.mark.parametrize("order_by", [order for order, _ in cases.ORDER_WRONG_IN_MLFLOW_ONLY], ids=repr)
def test_more_orders_are_understood_than_mlflow_does(
    few: duckdb.DuckDBPyConnection, order_by: list[str]
) -> None:
    assert sorted(found(few, None, order_by)) == sorted(run.name for run in RUNS)


@pytest.mark.parametrize("order_by", cases.ORDER_WRONG_IN_BOTH, ids=repr)
def test_a_wrong_order_is_refused_with_an_example_of_a_right_one(order_by: list[str]) -> None:
    error = mistake(filters.runs_order, order_by)
    assert str(error).startswith(f"column {error.column}: ")
    assert error.hint is not None
    assert filters.runs_order([error.hint]).sql != filters.runs_order([]).sql


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("metrics.auc > 0.5", ["two"]),
        ("metrics.auc != 0.5", ["two"]),
        ("NOT metrics.auc = 0.5", ["four", "three", "two"]),
        ("metrics.auc IS NULL", ["four", "three"]),
        ("metrics.auc IN (0.5, 7)", ["one"]),
        ("metrics.auc NOT IN (0.5, 7)", ["two"]),
        ("metrics.auc BETWEEN 0.5 AND 0.8 AND params.depth = 6", ["one"]),
        ("metrics.auc NOT BETWEEN 0.5 AND 0.8", ["two"]),
        ("metrics.nan_one != 2", ["one"]),
        ("metrics.nan_one > 0 OR metrics.nan_one <= 0 OR metrics.nan_one = 0", ["three"]),
        ("metrics.nan_one NOT BETWEEN 0 AND 5", ["one"]),
        ("metrics.nan_one IS NOT NULL", ["three", "one"]),
        ("metrics.inf_one > 1e308", ["two"]),
        ("min(metrics.auc) < 0.2", ["two"]),
        ("MAX(metrics.auc) = 0.9", ["two", "one"]),
        ("max(metrics.`val-loss`) < 0", ["three"]),
        ("max(metrics.nan_one) != 3", ["three", "one"]),
        ("count(metrics.auc) >= 2 AND last(metrics.auc) < 0.6", ["one"]),
        ("step(metrics.auc) IS NULL", ["four", "three"]),
        ("step(metrics.auc) IS NOT NULL", ["two", "one"]),
        ("params.lr < 0.05", ["two"]),
        ("params.lr != 0.1", ["two"]),
        ("params.depth > 7", ["two"]),
        ("params.depth IN (6, 7)", ["one"]),
        ("NOT params.depth > 7", ["four", "three", "one"]),
        ("params.lr = '0.1' OR params.lr = 'abc' AND params.model = 'x'", ["one"]),
        ("(params.lr = '0.1' OR params.lr = 'abc') AND params.model = 'it''s'", ["three"]),
        ('params.model = "it\'s"', ["three"]),
        ("params.model IN ('Forest', 'it''s',)", ["three", "one"]),
        ("params.model NOT LIKE 'F%'", ["three", "two"]),
        ("params.model ILIKE 'F_REST'", ["two", "one"]),
        ("tags.team NOT IN ('red')", ["two"]),
        ("tags.mlflow.user = 'ada'", ["four", "three", "one"]),
        ("tags.mlflow.user = 'grace'", ["two"]),
        ("tags.mlflow.source.git.commit LIKE 'ab%' AND git.commit LIKE 'abd%'", ["two"]),
        ("tags.mlflow.source.git.branch IS NULL", ["four", "three"]),
        ("tags.mlflow.source.type = 'LOCAL' AND tags.mlflow.source.name = 'x.py'", ["one"]),
        ("tags.mlflow.source.name = 'make all'", ["two"]),
        ("status IN ('FAILED', 'RUNNING')", ["four", "three"]),
        ("user_id = 'ada' AND `user` = 'ada' AND run_name = 'one'", ["one"]),
        ("artifact_uri = 'runs:/1000'", ["one"]),
        ("end_time IS NULL AND NOT end_time > 0", ["four"]),
        ("start_time = 2000 OR created = '1970-01-01T00:00:01Z'", ["two", "one"]),
        ("start_time >= '1970-01-01 01:00:03+01:00'", ["four", "three"]),
        ("start_time BETWEEN '1970-01-01' AND 2000", ["two", "one"]),
        ("start_time IN (1000, '1970-01-01T00:00:04')", ["four", "one"]),
        ("dirty = true", ["one"]),
        ("git.dirty != TRUE", ["two"]),
        ("dirty IS NULL AND deleted = false", ["four"]),
        ("lifecycle_stage = 'deleted' AND repro_of = '1000'", ["three"]),
        ("ordinal > 2 AND duration_s = 0.5", ["two"]),
        ("datasets.name = 'train'", ["two", "one"]),
        ("datasets.name != 'train'", ["two"]),
        ("NOT datasets.name = 'train'", ["four", "three"]),
        ("datasets.context NOT IN ('eval')", ["one"]),
        ("datasets.context IS NULL", ["four", "three"]),
        ("dataset.name IN ('test') AND dataset.digest = 'd2'", ["two"]),
        ("NOT NOT dirty = true", ["one"]),
        ("NOT (dirty = true OR (tags.team IS NULL AND NOT status = 'FAILED'))", ["three", "two"]),
        ("\n", ["four", "three", "two", "one"]),
    ],
)
def test_a_filter_finds(few: duckdb.DuckDBPyConnection, text: str, names: list[str]) -> None:
    assert found(few, text) == names


@pytest.mark.parametrize(
    ("order_by", "names"),
    [
        (["metrics.nan_one"], ["three", "one", "four", "two"]),
        (["metrics.nan_one DESC"], ["three", "one", "four", "two"]),
        (["metrics.nan_one NULLS FIRST"], ["four", "two", "three", "one"]),
        (["metrics.nan_one DESC NULLS LAST"], ["three", "one", "four", "two"]),
        (["metrics.auc"], ["one", "two", "four", "three"]),
        (["max(metrics.auc)", "start_time ASC"], ["one", "two", "three", "four"]),
        (["min(metrics.auc) DESC"], ["one", "two", "four", "three"]),
        (["params.depth"], ["two", "one", "four", "three"]),
        (["params.lr DESC"], ["three", "one", "two", "four"]),
        (["tags.mlflow.user DESC", "start_time"], ["two", "one", "three", "four"]),
        (["end_time NULLS FIRST"], ["four", "one", "two", "three"]),
        (["git.dirty DESC", "created"], ["one", "two", "three", "four"]),
        (None, ["four", "three", "two", "one"]),
    ],
)
def test_an_order_puts(few: duckdb.DuckDBPyConnection, order_by: list[str] | None, names: list[str]) -> None:
    assert found(few, None, order_by) == names


def test_experiments_are_filtered_and_ordered(few: duckdb.DuckDBPyConnection) -> None:
    assert experiments(few) == ["churn", "fraud", "old", "Default"]
    assert experiments(few, "name LIKE '%u%'", ["name DESC"]) == ["fraud", "churn", "Default"]
    assert experiments(few, "tags.team = 'red' OR attribute.experiment_id IN ('11')") == ["churn", "old"]
    assert experiments(few, "tags.team IS NULL AND creation_time >= 5000") == ["fraud"]
    assert experiments(few, None, ["experiment_id"]) == ["Default", "churn", "fraud", "old"]
    assert experiments(few, None, ["creation_time"]) == ["Default", "old", "fraud", "churn"]
    assert experiments(few, None, ["last_update_time DESC"]) == ["fraud", "churn", "old", "Default"]


@pytest.mark.parametrize("text", ["metrics.auc > 1", "status = 'x'", "params.lr = 'x'", "git.dirty = true"])
def test_experiments_have_no_facts_of_runs(text: str) -> None:
    error = mistake(filters.experiments_where, text)
    assert error.column == 1
    assert filters.experiments_where(error.hint).params


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("metrics.auc > 0.5 AND metric5.auc > 1", 23, "'metric5' is no prefix; did you mean 'metric'?"),
        ("statsu = 'x'", 1, "'statsu' is no attribute of a run; did you mean 'status'?"),
        ("params.a = '1' AND zzzz > 1", 20, "'zzzz' is no attribute of a run"),
        ("git.comit = 'x'", 1, "did you mean 'commit'?"),
        ("datasets.nam = 'x'", 1, "did you mean 'name'?"),
        ("mim(metrics.auc) > 1", 1, "'mim' is no function; did you mean 'min'?"),
        ("min(params.lr) > 1", 1, "'min(params.lr)' is not of a metric"),
        ("params.model = Forest", 16, "'Forest' needs quotes"),
        ("tags.team = 5", 13, "'5' needs quotes"),
        ("status IN ('x', FINISHED)", 17, "'FINISHED' needs quotes"),
        ("metrics.val-loss > 1", 1, "metrics.`val-loss`"),
        ("params.model = 'it's'", 20, "'s' stands where AND, OR or the end should be"),
        ("params.model = 'Forest", 16, "the quote in 'Forest is not closed"),
        ("params.model 'x'", 14, "an operator is missing after 'params.model', before ''x''"),
        ("params.model NOT 'x'", 18, "an operator is missing after NOT"),
        ("params.model =", 15, "a value is missing before the end"),
        ("metrics.auc BETWEEN 1 5", 23, "AND is missing before '5'"),
        ("run_id IN ()", 12, "is empty"),
        ("run_id IN ('a' 'b')", 16, "')' is missing before ''b''"),
        ("metrics.auc > 1 metrics.b > 2", 17, "'metrics.b' stands where AND, OR or the end should be"),
        ("(dirty = true", 14, "')' is missing before the end"),
        ("dirty = true)", 13, "')' stands where"),
        ("metrics.auc LIKE '5'", 13, "'LIKE' is not for 'metrics.auc', which is a number"),
        ("tags.team not  between 'a' and 'b'", 11, "'not between'"),
        ("status > 'x'", 8, "'>' is not for 'status', which is text"),
        ("dirty > true", 7, "'>' is not for 'dirty', which is true or false"),
        ("metrics.auc > '0.9'", 15, "'metrics.auc' is compared with a number, not with '0.9'"),
        ("params.depth > '5'", 16, "'params.depth' is compared with a number, not with '5'"),
        ("params.depth IN (5, 'x')", 21, "compared with a number, not with 'x'"),
        ("start_time > 'tomorrow'", 14, "'start_time' is compared with a time, not with 'tomorrow'"),
        ("git.dirty = 'true'", 13, "compared with true or false, not with 'true'"),
        ("metrics.auc ~ 5", 13, "'~' is not understood"),
        ("metrics. > 5", 9, "a key is missing after '.'"),
        ("dirty = true AND", 0, ""),
        ("dirty = true OR", 16, "a name is missing before the end"),
        ("dirty = true OR AND", 17, "a name is missing before 'AND'"),
        ("params.a = '\ud800'", 13, "is half a character"),
    ],
)
def test_a_mistake_is_said_to_stand_where_it_stands(text: str, column: int, part: str) -> None:
    if not column:
        assert filters.runs_where(text).params
        return
    error = mistake(filters.runs_where, text)
    assert (error.column, part in str(error)) == (column, True), str(error)


@pytest.mark.parametrize(
    ("order_by", "column", "part"),
    [
        (["metrics.auc sideways"], 13, "'sideways' stands where ASC, DESC or the end should be"),
        (["start_time", "created"], 1, "'created' is ordered by twice"),
        (["metrics.auc", "last(metrics.auc) DESC"], 1, "'last(metrics.auc)' is ordered by twice"),
        (["metrics.auc NULLS"], 18, "FIRST or LAST is missing before the end"),
        (["datasets.name"], 1, "'datasets.name' has many values"),
        ([None], 1, "an order is text, not 'None'"),
        ("metrics.auc", 1, "an order is a list, not the text 'metrics.auc'"),
    ],
)
def test_a_mistake_in_an_order_is_said_to_stand_where_it_stands(
    order_by: Any, column: int, part: str
) -> None:
    error = mistake(filters.runs_order, order_by)
    assert (error.column, part in str(error)) == (column, True), str(error)


def test_a_mistake_in_a_filter_is_an_invalid_value() -> None:
    error = mistake(filters.runs_where, 5)
    assert isinstance(error, InvalidValue)
    assert error.error_code == "INVALID_PARAMETER_VALUE"


MARKED = [
    "metrics.x7531 > 0.57531 OR max(metrics.x7531) IN (0.57531)",
    "params.x7531 = 'y7531' OR params.x7531 BETWEEN 0.57531 AND 7531",
    "tags.`x7531` LIKE 'y7531' OR datasets.name NOT IN ('y7531', \"z7531\")",
    "start_time > 7531 AND NOT run_id = '\"; drop table runs; --7531'",
]


@pytest.mark.parametrize("text", MARKED)
def test_nothing_of_a_filter_gets_into_the_sql(text: str) -> None:
    assert "7531" not in filters.runs_where(text).sql


def test_nothing_of_an_order_gets_into_the_sql() -> None:
    assert "7531" not in filters.runs_order(["metrics.x7531", "max(metrics.y7531)", "tags.z7531"]).sql


def test_a_filter_may_be_as_deep_and_as_long_as_it_says(few: duckdb.DuckDBPyConnection) -> None:
    deep = "NOT ((dirty = true OR " * (MAX_DEPTH // 2) + "here = true" + "))" * (MAX_DEPTH // 2)
    assert found(few, deep) == ["four", "three", "two"]
    assert found(few, "(" * MAX_DEPTH + "dirty = true" + ")" * MAX_DEPTH) == ["one"]
    assert found(few, "NOT " * (MAX_LENGTH // 4 - 10) + "dirty = true") == ["one"]
    for word in ("OR", "AND"):
        assert found(few, f" {word} ".join(["dirty = true"] * filters.MAX_NAMES)) == ["one"]
        assert found(few, f" {word} ".join(["params.lr > 0.05"] * filters.MAX_LOOKUPS)) == ["one"]
    many = ", ".join(f"'{number}'" for number in range(1000, 10_000))
    assert found(few, f"run_id IN ({many})") == ["four", "three", "two", "one"]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("(" * (MAX_DEPTH + 1) + "dirty = true", MAX_DEPTH + 2),
        ("(" * MAX_LENGTH, MAX_DEPTH + 2),
        ("NOT (" * 10_000, 5 * (MAX_DEPTH + 1) + 1),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH + 1),
        (" AND ".join(["params.x > 1"] * (filters.MAX_LOOKUPS + 1)), 17 * filters.MAX_LOOKUPS + 1),
        (" OR ".join(["dirty = true"] * (filters.MAX_NAMES + 1)), 16 * filters.MAX_NAMES + 1),
    ],
    ids=["depth", "only depth", "depth of NOT", "length", "lookups", "names"],
)
def test_a_filter_beyond_that_is_refused(text: str, column: int) -> None:
    assert mistake(filters.runs_where, text).column == column


def test_an_order_may_be_as_long_as_it_says(few: duckdb.DuckDBPyConnection) -> None:
    names = [f"max(metrics.m{number})" for number in range(filters.MAX_LOOKUPS)]
    names += [f"metrics.m{number}" for number in range(filters.MAX_NAMES - len(names))]
    assert found(few, None, names) == ["four", "three", "two", "one"]
    assert "'status' is one too many" in str(mistake(filters.runs_order, [*names, "status"]))
    assert "'min(metrics.a)' is one too many" in str(
        mistake(filters.runs_order, [*names[: filters.MAX_LOOKUPS], "min(metrics.a)"])
    )


def test_a_filter_of_any_depth_leaves_room_on_the_stack() -> None:
    frame, used = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]
        used += 1
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(used + 4 * MAX_DEPTH)
    try:
        filters.runs_where("NOT (dirty = true OR " * (MAX_DEPTH - 1) + "here = true" + ")" * (MAX_DEPTH - 1))
    finally:
        sys.setrecursionlimit(limit)


# The law: a filter made from a tree finds what plain Python finds when it walks the tree.

WORDS = ["red", "Red", "re%d", "it's", 'say "x"', "", "é_", "6", "0.5", "a\\b"]
NUMBERS = [0.0, 0.5, -1.0, 6.0, 1e10, 2.0]
Test = Callable[[Made], bool]
Piece = tuple[str, Test]  # a filter, and what it means


def many_runs() -> list[Made]:
    """Return runs that hold every mixture of present, absent, textual, infinite and NaN."""
    values = [None, [0.5], [NAN], [6.0, 0.5], [INF, NAN], [NAN, -1.0], [-INF]]
    return [
        Made(
            f"run-{number}",
            1000 + number,
            None if number % 3 == 0 else 1000 + number * 2,
            {"p": WORDS[number % 10], "odd key/": WORDS[number % 7]} if number % 4 else {},
            {
                key: made
                for shift, key in enumerate(("m", "odd-metric"))
                if (made := values[(number + shift) % 7])
            },
            {"t": WORDS[number // 3 % 10]} if number % 5 else {},
            [("train", f"d{number % 3}", "training" if number % 2 else None)][: number % 4],
            status=("FINISHED", "FAILED")[number % 2],
            facts={
                "dirty": (None, True, False)[number % 3],
                "branch": (None, "Red", "main")[number // 2 % 3],
            },
        )
        for number in range(60)
    ]


MANY = many_runs()


@pytest.fixture(scope="module")
def many() -> Iterator[duckdb.DuckDBPyConnection]:
    with database(MANY) as connection:
        yield connection


def like(value: str, pattern: str, *, same_case: bool) -> bool:
    if not same_case:
        value, pattern = value.lower(), pattern.lower()
    if not pattern:
        return not value
    first, rest = pattern[0], pattern[1:]
    if first == "%":
        return any(like(value[at:], rest, same_case=True) for at in range(len(value) + 1))
    return bool(value) and first in ("_", value[0]) and like(value[1:], rest, same_case=True)


def quoted(draw: st.DrawFn, text: str) -> str:
    quote = draw(st.sampled_from("'\""))
    return quote + text.replace(quote, quote * 2) + quote


def numeric(read: Callable[[Made], float | None], value: Callable[[float], bool], *, opposite: bool) -> Test:
    def test(run: Made) -> bool:
        number = read(run)
        if number is None:
            return False
        return (not math.isnan(number) and value(number)) != opposite

    return test


def cased(draw: st.DrawFn, words: str) -> str:
    return draw(st.sampled_from([words, words.lower(), words.title()]))


def values_of(key: str) -> Callable[[Made], list[float] | None]:
    return lambda run: run.metrics.get(key)


def least(values: list[float]) -> float:
    return min((value for value in values if not math.isnan(value)), default=NAN)


def metric(key: str, reduce: Callable[[list[float]], float]) -> Callable[[Made], float | None]:
    def read(run: Made) -> float | None:
        values = run.metrics.get(key)
        return None if values is None else reduce(values)

    return read


def number_of(key: str) -> Callable[[Made], float | None]:
    return lambda run: as_number(run.params[key]) if key in run.params else None


NUMERIC: dict[str, Callable[[Made], float | None]] = {
    "metrics.m": metric("m", lambda values: values[-1]),
    "metric.`odd-metric`": metric("odd-metric", lambda values: values[-1]),
    "metrics.none": lambda run: None,
    "min(metrics.m)": metric("m", least),
    "count(metrics.'odd-metric')": metric("odd-metric", len),
    "params.p": number_of("p"),
    'params."odd key/"': number_of("odd key/"),
    "start_time": lambda run: run.start,
    "attributes.end_time": lambda run: run.end,
    "duration_s": lambda run: None if run.end is None else (run.end - run.start) / 1000,
}
TEXTUAL: dict[str, Callable[[Made], str | None]] = {
    "params.p": lambda run: run.params.get("p"),
    'params."odd key/"': lambda run: run.params.get("odd key/"),
    "tags.t": lambda run: run.tags.get("t"),
    "tag.none": lambda run: None,
    "tags.mlflow.source.git.branch": lambda run: run.facts["branch"],
    "git.branch": lambda run: run.facts["branch"],
    "status": lambda run: run.status,
    "`run name`": lambda run: run.name,
}


@st.composite
def number_pieces(draw: st.DrawFn) -> Piece:
    name, read = draw(st.sampled_from(sorted(NUMERIC.items(), key=lambda item: item[0])))
    a, b = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(NUMBERS))
    kinds: list[tuple[str, Callable[[float], bool], bool]] = [
        (f"= {a}", lambda x: x == a, False),
        (f"=={a}", lambda x: x == a, False),
        (f"!= {a}", lambda x: x == a, True),
        (f"<>{a}", lambda x: x == a, True),
        (f"< {a}", lambda x: x < a, False),
        (f"<={a}", lambda x: x <= a, False),
        (f"> {a}", lambda x: x > a, False),
        (f">= {a}", lambda x: x >= a, False),
        (cased(draw, f"BETWEEN {a} AND {b}"), lambda x: a <= x <= b, False),
        (cased(draw, f"NOT BETWEEN {a} AND {b}"), lambda x: a <= x <= b, True),
        (cased(draw, f"IN ({a},{b})"), lambda x: x in (a, b), False),
        (cased(draw, f"NOT IN ( {a} , )"), lambda x: x == a, True),
    ]
    text, value, opposite = draw(st.sampled_from(kinds))
    return f"{name} {text}", numeric(read, value, opposite=opposite)


@st.composite
def text_pieces(draw: st.DrawFn) -> Piece:
    name, read = draw(st.sampled_from(sorted(TEXTUAL.items(), key=lambda item: item[0])))
    words = st.sampled_from([*WORDS, "FINISHED", "%", "r_d", "RUN-1%"])
    a, b = draw(words), draw(words)
    one, other = quoted(draw, a), quoted(draw, b)
    kinds: list[tuple[str, Callable[[str], bool]]] = [
        (f"= {one}", lambda x: x == a),
        (f"!={one}", lambda x: x != a),
        (f"{cased(draw, 'LIKE')} {one}", lambda x: like(x, a, same_case=True)),
        (f"{cased(draw, 'NOT LIKE')} {one}", lambda x: not like(x, a, same_case=True)),
        (f"{cased(draw, 'ILIKE')} {one}", lambda x: like(x, a, same_case=False)),
        (f"{cased(draw, 'IN')} ({one}, {other})", lambda x: x in (a, b)),
        (f"{cased(draw, 'NOT IN')} ({one})", lambda x: x != a),
    ]
    text, value = draw(st.sampled_from(kinds))

    def test(run: Made) -> bool:
        content = read(run)
        return content is not None and value(content)

    return f"{name} {text}", test


@st.composite
def other_pieces(draw: st.DrawFn) -> Piece:
    name, read = draw(st.sampled_from(sorted({**NUMERIC, **TEXTUAL}.items(), key=lambda item: item[0])))
    digest = draw(st.sampled_from(["d0", "d1", "d9"]))
    kinds: list[Piece] = [
        (f"{name} {cased(draw, 'IS NULL')}", lambda run: read(run) is None),
        (f"{name} {cased(draw, 'IS NOT NULL')}", lambda run: read(run) is not None),
        ("dirty = true", lambda run: run.facts["dirty"] is True),
        ("git.dirty != TRUE", lambda run: run.facts["dirty"] is False),
        ("dirty IS NULL", lambda run: run.facts["dirty"] is None),
        (f"datasets.digest = '{digest}'", lambda run: any(d == digest for _, d, _ in run.datasets)),
        (f"dataset.digest != '{digest}'", lambda run: any(d != digest for _, d, _ in run.datasets)),
        ("datasets.context IS NULL", lambda run: not any(context for _, _, context in run.datasets)),
        ("datasets.context IS NOT NULL", lambda run: any(context for _, _, context in run.datasets)),
    ]
    return draw(st.sampled_from(kinds))


def all_of(pieces: list[Piece]) -> Piece:
    return " AND ".join(text for text, _ in pieces), lambda run: all(test(run) for _, test in pieces)


def any_of(pieces: list[Piece]) -> Piece:
    return "(" + " or ".join(text for text, _ in pieces) + ")", lambda run: any(
        test(run) for _, test in pieces
    )


def opposite(piece: Piece) -> Piece:
    text, test = piece
    return f"NOT ({text})", lambda run: not test(run)


PIECES = st.recursive(
    number_pieces() | text_pieces() | other_pieces(),
    lambda pieces: (
        st.lists(pieces, min_size=2, max_size=3).map(any_of)
        | st.lists(pieces.map(lambda piece: (f"({piece[0]})", piece[1])), min_size=2, max_size=3).map(all_of)
        | pieces.map(opposite)
    ),
    max_leaves=8,
)
UNHURRIED = settings(
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@UNHURRIED
@given(piece=PIECES)
def test_a_filter_finds_what_plain_python_finds(many: duckdb.DuckDBPyConnection, piece: Piece) -> None:
    text, test = piece
    assert sorted(found(many, text)) == sorted(run.name for run in MANY if test(run))


@UNHURRIED
@given(pieces=st.lists(number_pieces() | text_pieces() | other_pieces(), min_size=3, max_size=3))
def test_and_binds_tighter_than_or(many: duckdb.DuckDBPyConnection, pieces: list[Piece]) -> None:
    (a, is_a), (b, is_b), (c, is_c) = pieces
    expected = sorted(run.name for run in MANY if is_a(run) or (is_b(run) and not is_c(run)))
    assert sorted(found(many, f"{a} OR {b} AND NOT {c}")) == expected


@UNHURRIED
@given(data=st.data())
def test_an_order_puts_what_plain_python_puts(many: duckdb.DuckDBPyConnection, data: st.DataObject) -> None:
    readers: dict[str, Callable[[Made], Any]] = {
        **{k: v for k, v in NUMERIC.items() if "param" not in k},
        **TEXTUAL,
    }
    chosen = data.draw(st.lists(st.sampled_from(sorted(readers)), unique_by=readers.__getitem__, max_size=3))
    if {"tags.mlflow.source.git.branch", "git.branch"} <= set(chosen):
        chosen.remove("git.branch")
    expected = sorted(MANY, key=lambda run: -run.start)
    order_by = []
    for name in chosen:
        descending, first = data.draw(st.booleans()), data.draw(st.booleans())
        nulls = " NULLS FIRST" if first else data.draw(st.sampled_from(["", " nulls last"]))
        order_by.append(f"{name} {'DESC' if descending else 'asc'}{nulls}")
    for text, name in reversed(list(zip(order_by, chosen, strict=True))):
        read, missing = readers[name], "FIRST" in text
        expected.sort(key=lambda run: _sortable(read(run)), reverse="DESC" in text)
        expected.sort(key=lambda run: _place(read(run), missing))
    assert found(many, None, order_by) == [run.name for run in expected]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _sortable(value: Any) -> tuple[Any, ...]:
    """Return a key for values of one kind; those that have none are all alike."""
    return () if value is None or _is_nan(value) else (value,)


def _place(value: object, missing_first: bool) -> int:
    if value is None:
        return 0 if missing_first else 3
    return 2 if _is_nan(value) else 1


FRAGMENTS = [
    *"metrics params tags datasets attributes git min max count auc".split(),
    *"lr and or not in is null like ilike between true asc nulls".split(),
    *". ( ) , = != < <= > >= == <> ' \" ` '' - / ; ~ -- \0 \n é 0 1 -1 .5 1e5 1e999 'x' \"x\" `x`".split(),
    "metrics.auc", "params.lr", "tags.`a b`", "status", "start_time", "dirty", "run_id", "datasets.name", " ", "  ",
    "> 0.5", "= 'x'", "IN ('a', 'b')", "IS NOT NULL", "= true", "'2026-11-21'", "name", "$f0", "{}", "%s",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=14).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), "".join(parts)])
)


@UNHURRIED
@given(
    text=TEXTS | st.text(max_size=40) | st.builds("{0} = '{1}' or {0}{1}".format, TEXTS, st.text(max_size=20))
)
def test_any_text_is_a_filter_or_a_mistake_with_a_place(few: duckdb.DuckDBPyConnection, text: str) -> None:
    error = tried(lambda: found(few, text))
    if error:
        assert 1 <= error.column <= len(text) + 1
        assert str(error).startswith(f"column {error.column}: ")
        assert filters.runs_where(error.hint).params


@UNHURRIED
@given(text=TEXTS | st.text(max_size=40))
def test_any_text_is_an_order_or_a_mistake_with_a_place(few: duckdb.DuckDBPyConnection, text: str) -> None:
    error = tried(lambda: found(few, None, [text]))
    if error:
        assert 1 <= error.column <= len(text) + 1
        assert error.hint is not None
        assert found(few, None, [error.hint])


def tried(call: Callable[[], object]) -> FilterError | None:
    try:
        call()
    except FilterError as error:
        return error
    return None


def test_a_virtual_tag_is_what_a_client_hands_out(few: duckdb.DuckDBPyConnection) -> None:
    commands = ["python train.py", "python -u 'a b.py' x.py", "make", "x.pyx y.py\tz.py", ".py", "", None]
    expression = filters.VIRTUAL_TAGS["mlflow.source.name"]
    for command in commands:
        query = f"select {expression} from (select $command::varchar as command)"
        assert few.execute(query, {"command": command}).fetchall() == [(presented.source_name(command),)]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("metrics.auc > 0.9", False),
        ("tags.team = 'red'", False),
        ("repro_of IS NOT NULL", True),
        ("run_id = 'a'", True),
        ("tags.mlflow.parentRunId = 'a'", True),
        ("NOT parent_run_id = 'a'", True),
    ],
)
def test_reproductions_are_left_out_unless_the_filter_asks_for_them_or_for_runs_by_id(text, asked) -> None:
    assert filters.unrepeated(filters.runs_where(text)) == ("true" if asked else "repro_of is null")
