"""Runs as a DataFrame, two runs compared, commits with their runs."""

from __future__ import annotations

import math

import pytest

from gittrack.entities.record import Code, Command, DataFile, Digest
from gittrack.errors import NotFound
from gittrack.query import compare, history, runs
from tests.conftest import commit_all, git, write
from tests.query.helpers import ROWS, START, Store, a_run, run_id


def code_of(store: Store, commit: str) -> Code:
    return Code(commit, "main", commit, git(store.root, "rev-parse", f"{commit}^{{tree}}"))


def test_runs_are_a_frame_in_the_shape_of_mlflow(store: Store) -> None:
    store.put(a_run(1, tags={"team": "red"}), ROWS)
    store.put(a_run(2, params={"lr": 0.1}, experiment="other"))
    store.put(a_run(3))
    store.tell(run_id(3), "delete")
    frame = runs.runs(store.session())
    assert list(frame["name"]) == ["trial-2", "trial-1"]
    assert list(frame.columns)[-5:] == [
        "params.depth",
        "params.lr",
        "metrics.auc",
        "metrics.loss",
        "tags.team",
    ]
    assert frame["params.depth"].tolist() == [None, "1"]
    assert frame["metrics.auc"].tolist()[1] == 0.75
    assert math.isnan(frame["metrics.auc"].tolist()[0])
    assert frame["tags.team"].tolist() == [None, "red"]
    assert list(runs.runs(store.session(), experiment="other")["name"]) == ["trial-2"]
    assert len(runs.runs(store.session(), deleted=True, limit=2)) == 2
    assert runs.runs(store.session(), experiment="none").empty


def test_two_runs_are_compared(store: Store) -> None:
    first = git(store.root, "rev-parse", "HEAD")
    write(store.root, {"src/model.py": "depth = 4\n", "new.py": "x"})
    second = commit_all(store.root)
    data = DataFile("data.csv", Digest("a" * 64), 1, "git")
    environment = store.put_environment()
    store.put(
        a_run(1, code=code_of(store, first), data=(data,), params={"same": 1, "type": 1, "nan": math.nan}),
        ROWS,
    )
    store.put(
        a_run(
            2,
            code=code_of(store, second),
            data=(DataFile("data.csv", Digest("b" * 64), 1, "git"),),
            params={"same": 1, "type": 1.0, "nan": math.nan, "only": True},
            command=Command(("python", "x.py"), "."),
            environment=environment,
        ),
        [*ROWS, ("auc", 9, START, 0.9)],
    )
    found = compare.diff(store.session(), run_id(1), run_id(2))
    assert [(one.key, one.a, one.b) for one in found.params] == [("type", 1, 1.0), ("only", None, True)]
    assert [(one.key, one.a, one.b) for one in found.metrics] == [("auc", 0.75, 0.9)]
    assert [(one.key, one.a, one.b) for one in found.data] == [("data.csv", "a" * 64, "b" * 64)]
    assert found.code.same is False
    assert found.code.files == (("A", "new.py"), ("M", "src/model.py"))
    assert "-depth = 3\n+depth = 4\n" in found.code.text
    assert ("numpy", None, "2.0") in [(one.key, one.a, one.b) for one in found.environment]
    assert ("argv", None, ("python", "x.py")) in [(one.key, one.a, one.b) for one in found.facts]
    same = compare.diff(store.session(), run_id(1), run_id(1))
    assert same.code.same
    assert (same.params, same.metrics, same.data, same.environment, same.facts) == ((), (), (), (), ())


def test_code_that_is_not_here_is_said_to_be_unknown(store: Store) -> None:
    store.put(a_run(1, code=Code("1" * 40, "main", "1" * 40, "2" * 40)))
    store.put(a_run(2, code=code_of(store, git(store.root, "rev-parse", "HEAD"))))
    store.put(a_run(3))
    session = store.session()
    assert (
        compare.diff(session, run_id(1), run_id(2)).code.unknown == "commit 111111111111 is not in this clone"
    )
    assert compare.diff(session, run_id(1), run_id(3)).code.same is None
    with pytest.raises(NotFound):
        compare.diff(session, run_id(1), run_id(9))


def test_the_log_shows_the_runs_made_from_each_commit_and_added_by_it(store: Store) -> None:
    first = git(store.root, "rev-parse", "HEAD")
    old = store.put(a_run(1, code=code_of(store, first)))
    second = commit_all(store.root, "one run")
    store.put(a_run(2, code=code_of(store, second)))
    store.put(a_run(1, supersedes=(old,), code=code_of(store, first)))
    third = commit_all(store.root, "two more")
    write(store.root, {"x": "y"})
    commit_all(store.root, "nothing to see")
    logged = history.log(store.session())
    assert [
        (one.commit.commit, [run.name for run in one.made], [run.name for run in one.committed])
        for one in logged
    ] == [(third, [], ["trial-1", "trial-2"]), (second, ["trial-2"], ["trial-1"]), (first, ["trial-1"], [])]
    assert logged[0].commit.branches == ("main",)
    assert [one.commit.commit for one in history.log(store.session(), 1)] == [third]


def test_commits_with_runs_and_their_ancestors_are_rows(store: Store) -> None:
    first = git(store.root, "rev-parse", "HEAD")
    second = commit_all(store.root, "it's 'second'")
    store.put(a_run(1, code=code_of(store, second)))
    store.put(a_run(2, code=Code("1" * 40, "gone", "1" * 40, "2" * 40)))
    commit_all(store.root, "later")
    git(store.root, "branch", "side", second)
    session = store.session()
    found = session.rows(
        "select commit, parents, author, subject, list_sort(branches) from commits order by subject desc"
    )
    assert found == [
        (second, [first], "Ada", "it's 'second'", ["main", "side"]),
        (first, [], "Ada", "first", ["main", "side"]),
    ]
    assert session.rows("select runs.name from COMMITS join runs using (commit)") == [("trial-1",)]


def test_a_repository_without_commits_has_a_log_of_nothing(empty_repo: object) -> None:
    store = Store(empty_repo)  # type: ignore[arg-type]
    store.put(a_run(1))
    assert history.log(store.session()) == []
    assert store.session().rows("select * from commits") == []
