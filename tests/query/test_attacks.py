"""A query reads what was recorded, and can do nothing else (reliability A42 to A50)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.query.session import SqlError
from tests.query.helpers import ROWS, Store, a_run

SECRET = "a secret"
QUERIES = [
    "select * from read_text('{file}')",
    "select * from read_csv('{file}')",
    "select * from '{file}'",
    "select * from 'file:{file}'",
    "select * from read_blob(['{file}'])",
    "select * from read_json('{file}')",
    "select * from read_parquet('{file}')",
    "select * from glob('{folder}/*')",
    "select * from sniff_csv('{file}')",
    "select * from parquet_metadata('{file}')",
    "select * from query('select * from read_text(''{file}'')')",
    "select * from query_table('{file}')",
    "copy (select 1) to '{new}'",
    "copy runs from '{file}'",
    "with x as (copy (select 1) to '{new}') select * from x",
    "explain analyze copy (select 1) to '{new}'",
    "export database '{new}'",
    "import database '{folder}'",
    "attach '{new}' as other",
    "attach ':memory:' as other",
    "detach s0",
    "use s0",
    "install httpfs",
    "load httpfs",
    "load '{file}'",
    "select * from 'https://127.0.0.1:1/x.csv'",
    "set enable_external_access = true",
    "set memory_limit = '1TB'",
    "reset enable_external_access",
    "pragma enable_profiling",
    "set profiling_output = '{new}'",
    "call pragma_version()",
    "create table x (a int)",
    "create table memory.overlay.x (a int)",
    "create temp view runs as select 1",
    "create or replace view runs as select 1",
    "create macro abs(x) as 3",
    "drop view runs",
    "insert into memory.overlay.runs (run_id) values ('x')",
    "with x as (insert into memory.overlay.runs (run_id) values ('x') returning 1) select * from x",
    "with x as (delete from memory.overlay.runs returning 1) select * from x",
    "with x as (delete from s0.main.runs returning 1) select * from x",
    "update s0.main.runs set name = 'x'",
    "delete from s0.main.points",
    "checkpoint",
    "vacuum",
    "begin",
    "commit",
    "rollback",
    "prepare a as select 1",
    "set variable a = 1",
    "select 1; select 2",
    "commit; create table x (a int)",
    "",
    "-- nothing",
    "select * from os",
    "select * from some_frame",
    "select getenv('HOME')",
    "selct 1",
    "select nope from runs",
    "select * from runs where name = $nobody",
    "select '\x00'::int",
    "select cast('x' as int) from runs",
    "select error('x') from runs",
    "(" * 20_000,
    "explain",
    "describe nope",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:60])
def test_a_query_cannot_read_write_or_reconfigure(store: Store, tmp_path: Path, query: str) -> None:
    import os  # noqa: F401 - a name that Python replacement scans would find

    import pandas as pd

    some_frame = pd.DataFrame({"a": [SECRET]})  # noqa: F841
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "secret.csv").write_text(SECRET)
    store.put(a_run(1), ROWS)
    session = store.session()
    [segment] = store.segments()
    before = segment.read_bytes()
    with pytest.raises(SqlError) as refused:
        session.sql(
            query.format(file=folder / "secret.csv", folder=folder, new=tmp_path / "new")
            if "{" in query
            else query
        ).rows()
    assert SECRET not in str(refused.value)
    assert not (tmp_path / "new").exists()
    assert segment.read_bytes() == before
    assert session.rows("select name from runs") == [("trial-1",)]
    assert session.rows("select abs(-2)") == [(2,)]
    assert store.session().rows("select count(*) from points") == [(3,)]


def test_a_mistake_is_shown_with_its_place(store: Store) -> None:
    store.put(a_run(1))
    with pytest.raises(SqlError, match=r'^line 2, column 8: Referenced column "nope" not found') as mistake:
        store.session().sql("select name,\n       nope from runs")
    assert mistake.value.exit_code == 2
    assert "\n" not in str(mistake.value)
    with pytest.raises(SqlError, match="line 1, column 1: syntax error"):
        store.session().sql("selct 1")


def test_a_parameter_too_many_or_too_few_is_a_mistake(store: Store) -> None:
    session = store.session()
    assert session.rows("select $a", a="'; drop view runs") == [("'; drop view runs",)]
    with pytest.raises(SqlError, match="b"):
        session.sql("select $a", {"a": 1, "b": 2})
    with pytest.raises(SqlError, match="a"):
        session.sql("select $a")


def test_a_mistake_in_a_later_row_is_a_mistake_too(store: Store) -> None:
    query = "select case when i = 90000 then error('here') else i end from range(100000) t(i)"
    with pytest.raises(SqlError, match="here"):
        store.session().sql(query).rows()


def test_questions_in_any_form_are_answered(store: Store) -> None:
    store.put(a_run(1), ROWS)
    session = store.session()
    for query in (
        "from runs select name",
        "table params",
        "values (1)",
        "show tables",
        "describe runs",
        "summarize metrics",
        "explain select * from runs",
        "pivot metrics on key in ('auc', 'loss') using first(last)",
        "with a as (select 1 as x) select * from a;",
        "select user from runs",
    ):
        assert session.sql(query).rows()
    assert session.rows("select user from runs") == [("ada",)]
