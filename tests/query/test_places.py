"""Runs are seen wherever they are: branches, git tags, remotes, the working tree, the second copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gittrack.errors import NotFound
from tests.conftest import commit_all, git
from tests.query.helpers import ROWS, Store, a_run, run_id


def test_a_run_on_another_branch_is_seen_without_a_checkout(store: Store) -> None:
    git(store.root, "switch", "-qc", "side")
    store.put(a_run(1), ROWS)
    commit_all(store.root)
    git(store.root, "switch", "-q", "main")
    assert not store.layout.runs.exists()
    session = store.session()
    assert session.rows("select name, here from runs") == [("trial-1", False)]
    assert session.rows("select count(*) from points") == [(3,)]
    assert len(session.points(run_id(1))) == 3
    assert session.run(run_id(1)).params == {"depth": 1}


def test_the_same_object_in_several_places_is_one_run(store: Store) -> None:
    digest = store.put(a_run(1), ROWS)
    store.put(a_run(1), ROWS, into=store.layout.unsaved)
    commit_all(store.root)
    git(store.root, "branch", "copy")
    session = store.session()
    assert session.rows("select digest, here from runs") == [(digest, True)]
    assert session.rows("select count(*) from points") == [(3,)]


def test_second_copies_are_seen_when_the_working_tree_lost_them(store: Store) -> None:
    store.put(a_run(1), ROWS)
    store.put(a_run(1), ROWS, into=store.layout.unsaved)
    assert store.session().rows("select here from runs") == [(True,)]
    shutil.rmtree(store.layout.committed)
    session = store.session()
    assert session.rows("select name, here from runs") == [("trial-1", False)]
    assert len(session.points(run_id(1))) == 3


def test_here_is_the_checked_out_tree_alone(store: Store) -> None:
    git(store.root, "switch", "-qc", "side")
    store.put(a_run(1))
    commit_all(store.root)
    git(store.root, "switch", "-q", "main")
    store.put(a_run(2))
    assert store.names() == ["trial-1", "trial-2"]
    assert store.names(here=True) == ["trial-2"]


def test_at_a_commit_is_what_was_known_then(store: Store) -> None:
    store.put(a_run(1))
    store.tell(run_id(1), "set_tag", "team", "red")
    commit_all(store.root)
    git(store.root, "tag", "-a", "v1", "-m", "one")
    store.put(a_run(2))
    store.tell(run_id(1), "set_tag", "team", "blue")
    commit_all(store.root)
    assert store.names(at="v1") == ["trial-1"]
    assert store.names(at="HEAD") == ["trial-1", "trial-2"]
    assert store.session(at="v1").rows("select tags['team'] from runs") == [("red",)]
    assert store.session().rows("select tags['team'] from runs where name = 'trial-1'") == [("blue",)]
    with pytest.raises(NotFound, match="v9"):
        store.session(at="v9")


@pytest.mark.parametrize("rev", ["--output=x", "-x", "HEAD:file", ""])
def test_an_odd_revision_is_no_option(store: Store, rev: str) -> None:
    with pytest.raises(NotFound):
        store.session(at=rev)
    assert not (store.root / "x").exists()


def test_a_detached_head_a_git_tag_and_a_remote_branch_are_seen(store: Store, tmp_path: Path) -> None:
    for number, ways in enumerate((["tag", "v1"], ["update-ref", "refs/remotes/origin/x"]), 1):
        git(store.root, "switch", "-q", "--detach", "main")
        store.put(a_run(number))
        commit = commit_all(store.root)
        git(store.root, *ways, commit)
    git(store.root, "switch", "-q", "--detach", "main")
    store.put(a_run(3))
    commit_all(store.root)
    assert store.names() == ["trial-1", "trial-2", "trial-3"]


def test_a_deleted_branch_takes_its_runs_with_it(store: Store) -> None:
    git(store.root, "switch", "-qc", "side")
    store.put(a_run(1))
    commit_all(store.root)
    git(store.root, "switch", "-q", "main")
    assert store.names() == ["trial-1"]
    git(store.root, "branch", "-qD", "side")
    assert store.names() == []


def test_a_bare_repository_is_read(store: Store, tmp_path: Path) -> None:
    store.put(a_run(1), ROWS)
    commit_all(store.root)
    git(tmp_path, "clone", "-q", "--bare", store.root, "bare.git")
    bare = Store(tmp_path / "bare.git")
    assert bare.session().rows("select name, here from runs") == [("trial-1", False)]


def test_a_linked_worktree_has_a_here_of_its_own(store: Store, tmp_path: Path) -> None:
    git(store.root, "worktree", "add", "-q", tmp_path / "wt", "-b", "side")
    other = Store(tmp_path / "wt")
    store.put(a_run(1))
    other.put(a_run(2))
    commit_all(other.root)
    for _ in range(2):
        assert store.names(here=True) == ["trial-1"]
        assert other.names(here=True) == ["trial-2"]
    assert store.session().rows("select name, here from runs order by name") == [
        ("trial-1", True),
        ("trial-2", False),
    ]


def test_a_repository_with_sha256_names_is_read(tmp_path: Path) -> None:
    root = tmp_path / "new"
    root.mkdir()
    git(root, "init", "-q", "--object-format=sha256", "-b", "main")
    store = Store(root)
    store.put(a_run(1), ROWS)
    commit_all(root)
    shutil.rmtree(store.layout.committed)
    assert store.session().rows("select name, here from runs") == [("trial-1", False)]


def test_a_path_that_looks_like_a_pattern_is_a_path(tmp_path: Path) -> None:
    root = tmp_path / "old [v1]* 'x'"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    store = Store(root)
    store.put(a_run(1), ROWS)
    session = store.session()
    assert session.damaged == []
    assert session.rows("select count(*) from points") == [(3,)]
    assert len(store.segments()) == 1


@pytest.mark.parametrize("name", ["caf\udce9", "what?"])
def test_a_path_that_duckdb_cannot_open_is_read_with_the_index_in_memory(tmp_path: Path, name: str) -> None:
    root = Path(f"{tmp_path}/{name}")
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    store = Store(root)
    store.put(a_run(1), ROWS)
    commit_all(root)
    for _ in range(2):
        session = store.session()
        assert session.damaged == []
        assert session.rows("select count(*) from points") == [(3,)]


def test_a_run_is_found_by_id_prefix_and_name(store: Store) -> None:
    for number in (1, 2, 0xABCD0001):
        store.put(a_run(number))
    store.put(a_run(3, name="trial-1"))
    session = store.session()
    assert session.find(run_id(2)) == run_id(2)
    assert session.find("abcd") == run_id(0xABCD0001)
    assert session.find("trial-2") == run_id(2)
    with pytest.raises(NotFound, match=r"could be 2 runs: 00000003.*00000001"):
        session.find("trial-1")
    with pytest.raises(NotFound, match="no run is called '00', an id takes at least four digits"):
        session.find("00")
    with pytest.raises(NotFound, match="could be 3 runs"):
        session.find("0000000")
    for nobody in ("abc", "zzzz", "*", "", "%", "abcd\n"):
        with pytest.raises(NotFound):
            session.find(nobody)


def test_a_repetition_does_not_hide_the_run_that_it_repeats(store: Store) -> None:
    store.put(a_run(1, name="best"), [])
    store.put(a_run(2, name="best", repro_of=run_id(1)), [])
    assert store.session().find("best") == run_id(1)


def test_a_name_of_hex_digits_does_not_hide_an_id(store: Store) -> None:
    store.put(a_run(0xABCD0001))
    store.put(a_run(2, name="abcd"))
    assert store.session().find("abcd") == run_id(0xABCD0001)
