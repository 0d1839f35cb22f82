"""A run with several seals is one row: resumed once, resumed on two branches, or forged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.entities.record import Artifact, Digest, UsedModel
from gittrack.query import sealed
from gittrack.query.merging import union
from gittrack.record.project import Project
from gittrack.store.layout import RUN_FILE
from tests.conftest import commit_all, git
from tests.query.helpers import ROWS, START, Store, a_run, flip, run_id
from tests.record.strategies import ROWS as ANY_ROWS
from tests.record.strategies import to_points

FIRST = UsedModel("first", "input")
ONE, TWO = Digest("1" * 64), Digest("2" * 64)


def counted(points: object) -> Counter[tuple[object, ...]]:
    import struct

    return Counter(
        (one.key, one.step, one.timestamp, struct.pack("<d", one.value) if one.value == one.value else "nan")
        for one in points.metrics()  # type: ignore[attr-defined]
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_ROWS, min_size=2, max_size=3))
def test_the_union_of_series_has_each_point_as_often_as_the_one_that_has_it_most(
    parts: list[list[tuple[str, int, int, float]]],
) -> None:
    series = [to_points(rows).sort() for rows in parts]
    expected: Counter[tuple[object, ...]] = Counter()
    for one in series:
        expected |= counted(one)
    found = union(series)
    assert counted(found) == expected
    assert found.digest() == union(series[::-1]).digest()


def test_a_resumed_run_shows_its_last_seal_alone(store: Store) -> None:
    first = store.put(a_run(1), ROWS)
    more = [*ROWS, ("auc", 3, START + 9, 0.9)]
    last = store.put(a_run(1, supersedes=(first,), end_time=START + 9000), more)
    session = store.session()
    assert session.rows("select digest, metrics['auc'] from runs") == [(last, 0.9)]
    assert session.rows("select count(*) from points") == [(4,)]
    assert session.seals(run_id(1)) == [last]


def test_before_it_was_resumed_the_first_seal_shows(store: Store) -> None:
    first = store.put(a_run(1), ROWS)
    before = commit_all(store.root)
    store.put(a_run(1, supersedes=(first,), name="again"), ROWS)
    commit_all(store.root)
    assert store.names() == ["again"]
    assert store.names(at=before) == ["trial-1"]


@pytest.fixture
def resumed_twice(store: Store) -> Store:
    """A run that was resumed on two branches, which were merged then."""
    first = store.put(a_run(1, artifacts=(Artifact("a.txt", ONE, 1),), models=(FIRST,)), ROWS)
    commit_all(store.root)
    for name, number, artifact in (("left", 3, "l.txt"), ("right", 4, "r.txt")):
        git(store.root, "switch", "-q", "-c", name, "main")
        store.put(
            a_run(
                1,
                supersedes=(first,),
                end_time=START + 9000 + number,
                params={"depth": 1, name: number, "both": number},
                tags={"side": name},
                artifacts=(Artifact("a.txt", ONE, 1), Artifact(artifact, TWO, 2)),
                models=(FIRST, UsedModel(name, "output", number)),
            ),
            [*ROWS, ("auc", number, START + number, number / 10)],
        )
        commit_all(store.root)
    git(store.root, "merge", "-q", "-m", "both", "left")
    return store


def test_two_resumes_merge_into_one_run(resumed_twice: Store) -> None:
    for scope in ({}, {"here": True}, {"at": "right"}):
        session = resumed_twice.session(**scope)
        [(params, tags, metrics, end)] = session.rows(
            "select params, tags, metrics, epoch_ms(end_time) from runs"
        )
        assert params == {"depth": "1", "left": "3", "right": "4", "both": "4"}
        assert tags == {"side": "right"}
        assert metrics == {"auc": 0.4, "loss": 2.0}
        assert end == START + 9004
        assert session.rows("select step from points where key = 'auc' order by step") == [
            (1,),
            (2,),
            (3,),
            (4,),
        ]
        assert session.rows("select path from artifacts order by path") == [
            ("a.txt",),
            ("l.txt",),
            ("r.txt",),
        ]
        assert session.rows("select model_id, role, step from models order by model_id") == [
            ("first", "input", None),
            ("left", "output", 3),
            ("right", "output", 4),
        ]
        assert session.rows("select count(*) from params") == [(4,)]
        run = session.run(run_id(1))
        assert set(run.models) == {FIRST, UsedModel("left", "output", 3), UsedModel("right", "output", 4)}
        assert run.params == {"depth": 1, "left": 3, "right": 4, "both": 4}
        assert run.series is not None
        assert run.series.rows == 5
        assert len(session.points(run_id(1))) == 5
        assert len(session.seals(run_id(1))) == 2
    assert resumed_twice.session().rows("select here from runs") == [(True,)]


def test_a_run_that_was_merged_can_be_resumed(resumed_twice: Store) -> None:
    project = Project.find(resumed_twice.root)
    with sealed.resume(project, project.config(), run_id(1)) as run:
        run.log_metric("auc", 0.5, 9)
    session = resumed_twice.session()
    steps = session.rows("select step from points where key = 'auc' order by step")
    assert steps == [(1,), (2,), (3,), (4,), (9,)]
    assert session.seals(run_id(1)) == [run.digest]


def test_a_seal_supersedes_only_seals_of_its_own_run(store: Store) -> None:
    honest = store.put(a_run(1), ROWS)
    store.put(a_run(2, supersedes=(honest,)), ROWS)
    assert store.names() == ["trial-1", "trial-2"]


def test_a_damaged_second_seal_does_not_hide_the_honest_one(store: Store) -> None:
    honest = store.put(a_run(1), ROWS)
    bad = store.put(a_run(1, supersedes=(honest,), name="forged"), ROWS)
    flip(store.layout.run(bad) / RUN_FILE)
    session = store.session()
    assert session.rows("select name, digest from runs") == [("trial-1", honest)]
    assert [damage.code for damage in session.damaged] == ["digest-mismatch"]


def test_a_second_seal_that_was_not_resumed_adds_and_hides_nothing(store: Store) -> None:
    store.put(a_run(1), ROWS)
    store.put(a_run(1, end_time=START, params={"forged": True}), [("auc", 9, START, 1.0)])
    session = store.session()
    assert session.rows("select params from runs") == [({"forged": "True", "depth": "1"},)]
    assert session.rows("select count(*) from points") == [(4,)]


def test_the_patch_comes_from_wherever_the_run_is(store: Store, tmp_path: Path) -> None:
    from gittrack.entities.record import Code
    from gittrack.store.digest import of_bytes

    patch = b"diff --git a/x b/x\n"
    code = Code("1" * 40, "main", "1" * 40, "2" * 40, patch_digest=of_bytes(patch), patch_files=1)
    digest = store.put(a_run(1, code=code), patch=patch)
    git(store.root, "switch", "-qc", "side")
    commit_all(store.root)
    assert store.session().patch(run_id(1)) == patch
    git(store.root, "switch", "-q", "main")
    assert store.session().patch(run_id(1)) == patch
    git(store.root, "switch", "-q", "side")
    flip(store.layout.run(digest) / "code.patch", 0)
    assert store.session().patch(run_id(1)) == patch
    store.put(replace(a_run(2), code=None))
    assert store.session().patch(run_id(2)) is None
