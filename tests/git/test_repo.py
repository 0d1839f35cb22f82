from __future__ import annotations

import os
from pathlib import Path

import pytest

from gittrack.errors import GitFailed, NotFound
from gittrack.git import command
from gittrack.git.objects import read, tree_entries
from gittrack.git.repo import ForeignRepository, NotARepository, Repository
from tests.conftest import commit_all, git, write


def test_a_repository_is_found_from_any_folder_in_it(repo: Path) -> None:
    found = Repository.find(repo / "src")
    assert (found.root, found.git_dir, found.common_dir) == (repo, repo / ".git", repo / ".git")
    assert (found.object_format, found.shallow, found.bare) == ("sha1", False, False)


def test_outside_git_the_error_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="not a git repository") as error:
        Repository.find(tmp_path)
    assert error.value.hint == "git init && gittrack init"


def test_a_linked_worktree_shares_the_common_folder(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    found = Repository.find(tmp_path / "other")
    assert found.root == tmp_path / "other"
    assert found.common_dir == repo / ".git"
    assert found.git_dir == repo / ".git" / "worktrees" / "other"


def test_a_bare_repository_has_no_root_but_can_be_read(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    found = Repository.find(tmp_path / "bare.git")
    assert found.bare
    assert found.head() == git(repo, "rev-parse", "HEAD")
    git(tmp_path, "config", "--file", str(tmp_path / "strict"), "safe.bareRepository", "explicit")
    assert [entry.kind for entry in read(found, ["HEAD"]) if entry] == ["commit"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_is_refused_with_gits_own_remedy(repo: Path) -> None:
    for path in (repo, repo / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(ForeignRepository, match="belongs to another user") as error:
        Repository.find(repo)
    assert error.value.hint == f"git config --global --add safe.directory '{repo}'"


def test_a_foreign_owner_is_noticed_without_being_root(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(ForeignRepository):
        Repository.find(repo)


def test_a_folder_with_a_line_feed_in_its_name_is_found(tmp_path: Path) -> None:
    root = tmp_path / "odd\nname"
    root.mkdir()
    git(root, "init", "-q")
    assert Repository.find(root).root == root


def test_a_sha256_repository_has_longer_ids(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    write(tmp_path / "long", {"a": "1"})
    commit = commit_all(tmp_path / "long")
    found = Repository.find(tmp_path / "long")
    assert found.object_format == "sha256"
    assert found.resolve("HEAD") == commit
    assert len(commit) == 64


def test_a_shallow_clone_says_that_it_is(repo: Path, tmp_path: Path) -> None:
    commit_all(repo, "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    assert Repository.find(tmp_path / "shallow").shallow


def test_head_is_none_before_the_first_commit(empty_repo: Path) -> None:
    assert Repository.find(empty_repo).head() is None


@pytest.mark.parametrize(
    "rev", ["nothing", "", "--output=stolen", "-x", "HEAD\nHEAD", "a\0b", "HEAD:train.py", "^HEAD"]
)
def test_what_is_not_a_commit_is_never_an_option_or_a_file(repo: Path, rev: str) -> None:
    with pytest.raises(NotFound):
        Repository.find(repo).resolve(rev)
    assert not (repo / "stolen").exists()


def test_a_branch_named_like_an_option_can_be_named(repo: Path) -> None:
    git(repo, "update-ref", "refs/heads/-x", "HEAD")
    assert Repository.find(repo).resolve("-x") == git(repo, "rev-parse", "HEAD")


def test_variables_that_move_git_elsewhere_are_ignored(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "trap")
    commit = git(repo, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "trap" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "trap-index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    found = Repository.find(repo)
    assert found.root == repo
    assert found.git("rev-parse", "HEAD").decode().strip() == commit
    assert found.ask("rev-parse", "HEAD").decode().strip() == commit


@pytest.mark.parametrize("door", [command.run, command.porcelain])
def test_both_doors_fail_alike(repo: Path, door) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GitFailed, match=r"^git cat-file: ") as error:
        door(["cat-file", "blob", "1" * 40], cwd=repo)
    assert error.value.exit_code == 6
    assert error.value.status == 128
    with pytest.raises(GitFailed, match="is gone"):
        door(["status"], cwd=repo / "gone")


@pytest.mark.parametrize("door", [command.run, command.porcelain])
def test_both_doors_take_input_and_give_bytes_back(repo: Path, door) -> None:  # type: ignore[no-untyped-def]
    oid = door(["hash-object", "-w", "--stdin"], cwd=repo, input=b"\xff\0\n\n").decode().strip()
    assert door(["cat-file", "blob", oid], cwd=repo) == b"\xff\0\n\n"


def test_a_repositorys_settings_start_nothing(repo: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\n")
    trap.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "reference-transaction", "post-checkout"):
        (hooks / hook).symlink_to(trap)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "core.editor"):
        git(repo, "config", key, str(trap))
    git(repo, "config", "core.hooksPath", str(hooks))
    found = Repository.find(repo)
    found.git("status")
    found.git("update-ref", "refs/gittrack/x", "HEAD")
    found.ask("diff-tree", "-p", "--root", "--no-ext-diff", "HEAD")
    assert not (tmp_path / "sprung").exists()


def test_objects_come_in_order_and_missing_ones_are_none(repo: Path) -> None:
    found = Repository.find(repo)
    specs = ["HEAD:train.py", "0" * 40, "HEAD:no\nsuch file", "HEAD", "HEAD:src/model.py"]
    kinds = [entry and (entry.kind, entry.size) for entry in read(found, specs)]
    assert kinds[:3] == [("blob", 18), None, None]
    assert kinds[4] == ("blob", 10)


def test_thousands_of_objects_pass_through_one_process(repo: Path) -> None:
    specs = ["HEAD:train.py", "HEAD:gone"] * 5000
    found = list(read(Repository.find(repo), specs))
    assert len(found) == 10_000
    assert found[1] is None
    assert found[9998] is not None
    assert found[9998].content == b"print('training')\n"


def test_reading_can_stop_early_and_skips_what_is_large(repo: Path) -> None:
    write(repo, {"large": b"x" * 100_000})
    commit_all(repo)
    answers = read(Repository.find(repo), ["HEAD:large", *["HEAD:train.py"] * 100_000], max_bytes=1000)
    first, second = next(answers), next(answers)
    answers.close()
    assert first is not None
    assert (first.size, first.content) == (100_000, None)
    assert second is not None
    assert second.content == b"print('training')\n"


def test_odd_names_survive_a_tree(repo: Path) -> None:
    names = ["with space", "line\nfeed", os.fsdecode(b"\xff\xfe"), "-rf", "é"]
    for name in names:
        (repo / name).write_text("x")
    commit_all(repo)
    found = Repository.find(repo)
    (tree,) = read(found, ["HEAD^{tree}"])
    assert tree is not None
    assert tree.content is not None
    assert {*names, "src", "train.py"} == {name for _, name, _ in tree_entries(tree.content, "sha1")}
