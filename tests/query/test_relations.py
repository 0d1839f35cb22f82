"""What the relations say about runs made by hand."""

from __future__ import annotations

import math
import struct
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gittrack.entities.record import Artifact, Code, Command, DataFile, Digest
from gittrack.query.relations import RELATIONS
from gittrack.record import experiments
from tests.query.helpers import ROWS, START, Store, a_run, run_id
from tests.record.strategies import ROWS as ANY_ROWS
from tests.record.strategies import to_points

HEX = Digest("ab" * 32)


def bits(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def test_a_run_is_one_row_with_everything_that_was_recorded(store: Store) -> None:
    code = Code("1" * 40, "main", "1" * 40, "2" * 40, dirty=True)
    command = Command(("python", "train.py", "--name", "a b"), ".", {}, 0)
    digest = store.put(
        a_run(1, code=code, command=command, environment=HEX, tags={"team": "red"}, params={"lr": 0.1}), ROWS
    )
    [row] = store.session().sql("select * from runs").arrow().to_pylist()
    assert row == {
        "run_id": run_id(1),
        "digest": digest,
        "experiment": "churn",
        "experiment_id": experiments.id_of("churn"),
        "name": "trial-1",
        "status": "FINISHED",
        "start_time": row["start_time"],
        "end_time": row["end_time"],
        "duration_s": 0.5,
        "commit": "1" * 40,
        "code_tree": "2" * 40,
        "branch": "main",
        "dirty": True,
        "user": "ada",
        "host": "engine",
        "parent_run_id": None,
        "repro_of": None,
        "process": f"{1:032x}",
        "ordinal": 0,
        "command": "python train.py --name 'a b'",
        "environment": HEX,
        "data_digest": None,
        "deleted": False,
        "here": True,
        "params": [("lr", "0.1")],
        "metrics": [("auc", 0.75), ("loss", 2.0)],
        "tags": [("team", "red")],
    }
    assert row["start_time"] == datetime(2026, 9, 21, 14, 13, 21)
    assert row["end_time"] == datetime(2026, 9, 21, 14, 13, 21, 500_000)


def test_relations_have_the_columns_that_are_promised(store: Store) -> None:
    session = store.session()
    for relation, columns in RELATIONS.items():
        expected = [column.strip().strip('"') for column in columns.split(",")]
        assert session.sql(f"select * from {relation}").columns == expected


def test_an_empty_repository_has_empty_relations(store: Store) -> None:
    session = store.session()
    assert all(
        not session.rows(f"select * from {relation}") for relation in RELATIONS if relation != "experiments"
    )
    assert session.damaged == []


@pytest.mark.parametrize(
    ("value", "text", "number"),
    [
        (6, "6", 6.0),
        (0.1, "0.1", 0.1),
        (True, "True", None),
        (None, "None", None),
        ("adam", "adam", None),
        ("1e-3", "1e-3", 0.001),
        ("nan", "nan", None),
        ("", "", None),
        (2**70, str(2**70), float(2**70)),
        (math.inf, "inf", math.inf),
    ],
)
def test_params_are_text_as_mlflow_shows_it_and_a_number_where_they_are_one(
    store: Store, value: object, text: str, number: float | None
) -> None:
    store.put(a_run(params={"p": value}))
    assert store.session().rows("select key, value, number from params") == [("p", text, number)]


def test_data_has_one_digest_whatever_order_it_was_read_in(store: Store) -> None:
    entries = (DataFile("b.csv", HEX, 3, "git"), DataFile("a", Digest("cd" * 32), 9, "cache", files=2))
    store.put(a_run(1, data=entries))
    store.put(a_run(2, data=entries[::-1]))
    store.put(a_run(3))
    session = store.session()
    first, second, none = (one for (one,) in session.rows("select data_digest from runs order by name"))
    assert first == second
    assert none is None
    assert ("a", "cd" * 32, 9, 2, "cache") in session.rows(
        "select path, digest, size, files, kept_by from data"
    )


def test_artifacts_and_environments_are_rows(store: Store) -> None:
    digest = store.put_environment()
    store.put(a_run(environment=digest, artifacts=(Artifact("plots/a.png", HEX, 8123),)))
    session = store.session()
    assert session.rows("select * from artifacts") == [(run_id(1), "plots/a.png", HEX, 8123)]
    assert session.rows("select * from environments") == [
        (digest, "cpython 3.11.2", "Linux 6.1 x86_64", {"numpy": "2.0", "duckdb": "1.4"})
    ]
    found = session.environment(digest)
    assert found is not None
    assert found["distributions"]["numpy"] == "2.0"


def test_summaries_come_from_the_points_whatever_the_file_claims(store: Store) -> None:
    digest = store.put(a_run(), ROWS)
    path = store.layout.run(digest) / "run.yaml"
    lying = path.read_bytes().replace(b"last: 0.75", b"last: 0.99")
    assert lying != path.read_bytes()
    path.write_bytes(lying)
    import hashlib

    renamed = store.layout.run(Digest(hashlib.sha256(lying).hexdigest()))
    renamed.parent.mkdir(exist_ok=True)
    path.parent.rename(renamed)
    session = store.session()
    assert session.rows("select last from metrics where key = 'auc'") == [(0.75,)]
    assert session.rows("select metrics['auc'] from runs") == [(0.75,)]
    assert session.run(run_id(1)).metrics["auc"].last == 0.75


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ANY_ROWS)
def test_points_and_summaries_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, int, float]]
) -> None:
    from tests.conftest import git

    root = tmp_path_factory.mktemp("exact")
    git(root, "init", "-q")
    store = Store(root)
    store.put(a_run(), rows)
    session = store.session()
    assert session.damaged == []
    expected = to_points(rows).sort()
    found = session.rows("select key, step, value from points")
    assert sorted((key, step, bits(value)) for key, step, value in found) == sorted(
        (one.key, one.step, bits(one.value)) for one in expected.metrics()
    )
    summaries = {
        key: (bits(last), step, bits(least), bits(most), count)
        for key, last, step, least, most, count in session.rows(
            "select key, last, step, min, max, count from metrics"
        )
    }
    assert summaries.keys() == expected.summaries().keys()
    for key, summary in expected.summaries().items():
        _, step, _, _, count = summaries[key]
        assert (step, count) == (summary.step, summary.count)
        for found_bits, number in zip(
            (summaries[key][0], summaries[key][2], summaries[key][3]),
            (summary.last, summary.min, summary.max),
            strict=True,
        ):
            # 0.0 and -0.0 are equal, so either may be the least
            assert found_bits == bits(number) or number == 0.0 == struct.unpack("<d", found_bits)[0]
    points = session.points(run_id(1))
    assert points.digest() == expected.digest()


def test_times_outside_the_years_of_a_calendar_are_infinite(store: Store) -> None:
    store.put(a_run(), [("auc", 1, 2**62, 1.0), ("auc", 2, START, 1.0)])
    session = store.session()
    assert session.rows("select step from points where isinf(timestamp)") == [(1,)]
    assert session.points(run_id(1)).timestamp[0] == 2**62


def test_keys_with_quotes_dots_and_comments_come_back(store: Store) -> None:
    keys = ["a'b", 'a"b', "a.b", "-- x", "größe", "指标", "$a", "a;b", "a\x00b"]
    store.put(
        a_run(params=dict.fromkeys(keys, 1), tags=dict.fromkeys(keys, "it's")),
        [(key, 1, START, 1.0) for key in keys],
    )
    session = store.session()
    for relation in ("params", "metrics", "tags", "points"):
        assert sorted(key for (key,) in session.rows(f"select key from {relation}")) == sorted(keys)
    [(tags,)] = session.rows("select tags from runs")
    assert tags == dict.fromkeys(keys, "it's")


def test_results_come_as_rows_arrow_and_data_frame(store: Store) -> None:
    store.put(a_run(), ROWS)
    session = store.session()
    query = "select key, last from metrics order by key"
    assert session.sql(query).rows() == [("auc", 0.75), ("loss", 2.0)]
    assert session.sql(query).arrow().column_names == ["key", "last"]
    assert list(session.sql(query).df()["last"]) == [0.75, 2.0]
    result = session.sql("select i from range(100000) t(i)")
    assert sum(1 for _ in result) == 100_000
    assert result.types == ["BIGINT"]


def test_the_points_of_a_big_run_are_read_too(store: Store, tmp_path: Path) -> None:
    rows = [("loss", step, START + step, step / 3) for step in range(10_000)]
    store.put(a_run(), rows)
    session = store.session()
    assert session.rows("select count(*), max(value) from points") == [(10_000, 9999 / 3)]
    assert len(session.points(run_id(1))) == 10_000


def test_the_sign_of_zero_is_kept_in_summaries(store: Store) -> None:
    store.put(a_run(1), [("loss", 4, START, 1.0), ("loss", 5, START, -0.0)])
    question = "select m.last, r.metrics['loss'] from metrics m join runs r using (run_id)"
    [(last, mapped)] = store.session().rows(question)
    assert math.copysign(1, last) == math.copysign(1, mapped) == -1
