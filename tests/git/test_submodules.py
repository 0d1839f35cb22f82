from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gittrack.git.repo import Repository
from gittrack.git.worktree import CodeLost, checkout, restore_code
from tests.conftest import commit_all, git, write
from tests.git.helpers import CLONE, contents, look


@pytest.fixture
def project(repo: Path, tmp_path: Path) -> Path:
    """A repository with a submodule `libs/core` that has a submodule `inner`."""
    for name in ("inner", "core"):
        git(tmp_path, "init", "-q", "-b", "main", name)
        write(tmp_path / name, {f"{name}.py": f"name = '{name}'\n"})
        commit_all(tmp_path / name)
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(tmp_path / "core", *add, str(tmp_path / "inner"), "inner")
    commit_all(tmp_path / "core")
    git(repo, *add, str(tmp_path / "core"), "libs/core")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    commit_all(repo)
    return repo


def test_clean_submodules_are_recorded_and_restored_without_the_network(
    project: Path, tmp_path: Path
) -> None:
    taken, before = look(project), contents(project)
    assert not taken.code.dirty
    assert taken.patch is None
    assert [(sub.path, sub.commit == sub.captured) for sub in taken.code.submodules] == [
        ("libs/core", True),
        ("libs/core/inner", True),
    ]
    restore_code(Repository.find(project), taken.code, None, tmp_path / "again", fetch=False)
    assert contents(tmp_path / "again") == before


def test_changes_in_submodules_are_captured_and_restored(project: Path, tmp_path: Path) -> None:
    write(project, {"train.py": "2\n", "libs/core/core.py": "changed\n", "libs/core/new.py": "1\n"})
    write(project, {"libs/core/inner/odd name": "x", "libs/core/.env": "K=1"})
    taken, before = look(project), contents(project)
    assert taken.code.dirty
    assert [left.path for left in taken.code.left_out] == ["libs/core/.env"]
    assert [sub.commit == sub.captured for sub in taken.code.submodules] == [False, False]
    assert not taken.holds("libs/core/core.py")
    found = Repository.find(project)
    del before["libs/core/.env"]
    with checkout(found, taken.code, taken.patch, fetch=False) as put:
        assert put.how == "commit"
        assert contents(put.path) == before
        write(put.path, {"libs/core/debris": "1"})
    with checkout(found, taken.code, taken.patch, fetch=False) as put:
        assert contents(put.path) == before


def test_a_fresh_clone_restores_changed_submodules_from_the_patch(project: Path, tmp_path: Path) -> None:
    write(project, {"libs/core/core.py": "changed\n", "libs/core/inner/new.bin": b"\0\1\xff"})
    git(project / "libs" / "core", "add", "core.py")
    taken, before = look(project), contents(project)
    git(tmp_path, "clone", "-q", str(project), "clone")
    clone = tmp_path / "clone"
    with pytest.raises(CodeLost, match="submodule 'libs/core' is not in this clone") as error:
        restore_code(Repository.find(clone), taken.code, taken.patch, tmp_path / "again", fetch=False)
    assert error.value.hint == "git submodule update --init --recursive -- 'libs/core'"
    git(clone, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    put = restore_code(Repository.find(clone), taken.code, taken.patch, tmp_path / "once more", fetch=False)
    assert contents(tmp_path / "once more") == before
    assert "libs/core: base + patch" in put.how
    assert "libs/core/inner: base + patch" in put.how


def test_a_submodule_that_is_not_checked_out_any_more_comes_from_gits_store(
    project: Path, tmp_path: Path
) -> None:
    write(project, {"libs/core/new.py": "1\n"})
    taken, before = look(project), contents(project)
    git(project, "submodule", "--quiet", "deinit", "--all", "--force")
    restore_code(Repository.find(project), taken.code, taken.patch, tmp_path / "again", fetch=False)
    assert contents(tmp_path / "again") == before


def test_a_submodule_that_moved_is_captured_where_it_is(project: Path, tmp_path: Path) -> None:
    write(project, {"libs/core/more.py": "1\n"})
    moved = commit_all(project / "libs" / "core")
    taken = look(project)
    assert taken.code.dirty
    assert taken.code.submodules[0].commit == moved
    assert git(project, "rev-parse", f"{taken.code.captured}:libs/core") == moved
    restore_code(Repository.find(project), taken.code, taken.patch, tmp_path / "again", fetch=False)
    assert contents(tmp_path / "again") == contents(project)


def test_what_a_submodule_holds_survives_gc(project: Path) -> None:
    write(project, {"libs/core/new.py": "1\n"})
    captured = look(project).code.submodules[0].captured
    inside = project / "libs" / "core"
    git(inside, "gc", "-q", "--prune=now")
    git(inside, "cat-file", "-e", captured)
    assert git(inside, "rev-parse", f"refs/gittrack/keep/{CLONE}") != captured


@pytest.mark.parametrize("place", ["../outside", "/tmp/outside", ".git", "link/x", "", "a//b"])
def test_a_record_cannot_put_a_submodule_elsewhere(project: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    write(outside, {"x/precious": "1"})
    (project / "link").symlink_to(outside)
    commit_all(project)
    taken = look(project)
    hostile = dataclasses.replace(taken.code.submodules[0], path=place)
    code = dataclasses.replace(taken.code, submodules=(hostile,))
    with pytest.raises(CodeLost):
        restore_code(Repository.find(project), code, None, tmp_path / "again", fetch=False)
    assert contents(outside) == {"x/precious": ("file", b"1")}
