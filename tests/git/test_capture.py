from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gittrack.errors import Conflict, GitFailed, InvalidValue
from gittrack.git import keep
from gittrack.git.objects import code_tree, read
from gittrack.git.repo import Repository
from tests.conftest import commit_all, git, write
from tests.git.helpers import CLONE, look

KEEP = f"refs/gittrack/keep/{CLONE}"


def files_of(root: Path, commit: str) -> dict[str, str]:
    lines = git(root, "ls-tree", "-r", "-z", commit).split("\0")
    return {line.split("\t", 1)[1]: line.split()[0] for line in lines if line}


def blob(root: Path, commit: str, path: str) -> bytes:
    (found,) = read(Repository.find(root), [f"{commit}:{path}"])
    assert found is not None
    assert found.content is not None
    return found.content


def test_a_clean_tree_is_its_commit(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    taken = look(repo)
    code = taken.code
    assert (code.commit, code.captured, code.base, code.branch) == (head, head, head, "main")
    assert code.code_tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert (code.dirty, code.patch_digest, code.patch_files, taken.patch) == (False, None, 0, None)
    assert (code.left_out, code.state, code.submodules) == ((), (), ())


def test_gittracks_own_folder_never_makes_a_tree_dirty_nor_changes_its_code_tree(repo: Path) -> None:
    before = look(repo).code
    write(repo, {".gittrack/runs/ab/run.yaml": "new\n"})
    assert look(repo).code == before
    git(repo, "add", ".gittrack")
    assert look(repo).code == before
    commit = commit_all(repo, "runs")
    after = look(repo).code
    assert after.commit == after.captured == commit
    assert after.code_tree == before.code_tree
    write(repo, {"new.py": "1", ".gittrack/runs/cd/run.yaml": "newer\n"})
    dirty = look(repo)
    assert ".gittrack/runs/cd/run.yaml" not in files_of(repo, dirty.code.captured)
    assert b".gittrack" not in (dirty.patch or b"")


def test_a_dirty_tree_is_taken_whole_and_nothing_of_the_users_is_touched(repo: Path) -> None:
    odd = os.fsdecode(b"odd \xff\n name")
    write(
        repo,
        {"gone.py": "1", "tool.sh": "echo\n", "binary": bytes(range(256)), "kind": "file", "staged.py": "a"},
    )
    write(repo, {"folder/a": "1", "was-file": "1"})
    commit_all(repo)
    (repo / "gone.py").unlink()
    (repo / "tool.sh").chmod(0o755)
    (repo / "kind").unlink()
    (repo / "kind").symlink_to("train.py")
    (repo / "folder" / "a").unlink()
    (repo / "folder").rmdir()
    (repo / "was-file").unlink()
    write(repo, {"binary": b"\0\xff" * 500, "src/untracked.py": "x = 1\n", odd: "y", "folder": "file now"})
    write(repo, {"was-file/inside": "1", "staged.py": "b", "intended.py": "z", "empty": ""})
    git(repo, "add", "staged.py")
    git(repo, "add", "-N", "intended.py")
    write(repo, {"staged.py": "c"})
    index = (repo / ".git" / "index").read_bytes()
    status = git(repo, "--no-optional-locks", "status", "--porcelain", "-z")
    head = git(repo, "rev-parse", "HEAD")
    taken = look(repo)
    assert (repo / ".git" / "index").read_bytes() == index
    assert git(repo, "status", "--porcelain", "-z") == status
    assert git(repo, "rev-parse", "HEAD") == head
    assert git(repo, "stash", "list") == ""
    code = taken.code
    assert code.dirty
    assert code.left_out == ()
    assert git(repo, "rev-parse", f"{code.captured}^") == head
    assert files_of(repo, code.captured) == {
        "binary": "100644",
        "empty": "100644",
        "folder": "100644",
        "intended.py": "100644",
        "kind": "120000",
        odd: "100644",
        "src/model.py": "100644",
        "src/untracked.py": "100644",
        "staged.py": "100644",
        "tool.sh": "100755",
        "train.py": "100644",
        "was-file/inside": "100644",
    }
    assert blob(repo, code.captured, "staged.py") == b"c"
    assert blob(repo, code.captured, "binary") == b"\0\xff" * 500
    assert code.patch_files == (taken.patch or b"").count(b"diff --git ")


def test_a_folder_that_became_a_link_is_taken_as_a_link(repo: Path) -> None:
    write(repo, {"elsewhere/model.py": "other\n"})
    commit_all(repo)
    (repo / "src" / "model.py").unlink()
    (repo / "src").rmdir()
    (repo / "src").symlink_to("elsewhere")
    captured = look(repo).code.captured
    assert files_of(repo, captured) == {"elsewhere/model.py": "100644", "src": "120000", "train.py": "100644"}


def test_a_change_in_the_very_second_of_the_index_is_seen(repo: Path) -> None:
    write(repo, {"train.py": "print('same len')\n"})
    git(repo, "add", "train.py")
    write(repo, {"train.py": "print('SAME len')\n"})
    assert blob(repo, look(repo).code.captured, "train.py") == b"print('SAME len')\n"


def test_a_file_that_was_removed_from_the_index_and_ignored_stays_out(repo: Path) -> None:
    git(repo, "rm", "-q", "--cached", "train.py")
    write(repo, {".gitignore": "train.py\n"})
    taken = look(repo)
    assert "train.py" not in files_of(repo, taken.code.captured)
    assert taken.ignored == ("train.py",)


def test_the_same_tree_on_the_same_commit_is_one_snapshot(repo: Path) -> None:
    write(repo, {"new.py": "1"})
    first = look(repo).code
    tip = git(repo, "rev-parse", KEEP)
    assert look(repo).code == first
    assert git(repo, "rev-parse", KEEP) == tip


def test_before_the_first_commit_the_whole_tree_is_the_snapshot(empty_repo: Path) -> None:
    write(empty_repo, {"train.py": "1"})
    taken = look(empty_repo)
    code = taken.code
    assert (code.commit, code.base, code.branch, code.state) == (None, None, "main", ("no-commit",))
    assert code.dirty
    assert files_of(empty_repo, code.captured) == {"train.py": "100644"}
    assert b"+1" in (taken.patch or b"")


def test_an_empty_repository_has_an_empty_code_tree(empty_repo: Path) -> None:
    code = look(empty_repo).code
    assert code.code_tree == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert not code.dirty


def test_a_detached_head_has_no_branch(repo: Path) -> None:
    git(repo, "checkout", "-q", "--detach")
    code = look(repo).code
    assert code.branch is None
    assert "detached" in code.state


def test_an_unfinished_merge_is_taken_as_it_stands(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, {"train.py": "side\n", "side.py": "1"})
    commit_all(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, {"train.py": "main\n"})
    commit_all(repo)
    assert subprocess.run(["git", "merge", "side"], cwd=repo, capture_output=True).returncode == 1
    index = (repo / ".git" / "index").read_bytes()
    code = look(repo).code
    assert code.state == ("merging",)
    assert blob(repo, code.captured, "train.py") == (repo / "train.py").read_bytes()
    assert b"<<<<<<<" in blob(repo, code.captured, "train.py")
    assert "side.py" in files_of(repo, code.captured)
    assert (repo / ".git" / "index").read_bytes() == index


def test_a_conflict_that_holds_a_secret_keeps_our_side(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, {"train.py": "side\n"})
    commit_all(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, {"train.py": "main\n"})
    commit_all(repo)
    subprocess.run(["git", "merge", "side"], cwd=repo, capture_output=True)
    write(repo, {"train.py": "key = 'AKIA" + "ABCDEFGHIJKLMNOP'\n"})
    code = look(repo).code
    assert [left.path for left in code.left_out] == ["train.py"]
    assert blob(repo, code.captured, "train.py") == b"main\n"


@pytest.mark.parametrize(
    ("begin", "word"),
    [
        (["rebase", "side"], "rebasing"),
        (["cherry-pick", "side"], "cherry-picking"),
        (["bisect", "start"], "bisecting"),
    ],
)
def test_what_is_unfinished_is_said(repo: Path, begin: list[str], word: str) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, {"train.py": "side\n"})
    commit_all(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, {"train.py": "main\n"})
    commit_all(repo)
    subprocess.run(["git", *begin], cwd=repo, capture_output=True)
    assert word in look(repo).code.state


def test_a_shallow_clone_needs_only_its_head(repo: Path, tmp_path: Path) -> None:
    commit_all(repo, "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo}", "shallow")
    write(tmp_path / "shallow", {"new.py": "1"})
    code = look(tmp_path / "shallow").code
    assert code.state == ("shallow",)
    assert code.base == code.commit
    assert "new.py" in files_of(tmp_path / "shallow", code.captured)


def test_a_linked_worktree_is_captured_through_its_own_index(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(repo, "worktree", "add", "-q", "-b", "side", str(other))
    write(repo, {"only-here.py": "1"})
    write(other, {"only-there.py": "1"})
    code = look(other).code
    assert code.branch == "side"
    assert "only-there.py" in files_of(repo, code.captured)
    assert "only-here.py" not in files_of(repo, code.captured)
    assert git(repo, "rev-parse", KEEP) == git(other, "rev-parse", KEEP)


def test_a_sha256_repository_is_captured(tmp_path: Path) -> None:
    root = tmp_path / "long"
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    write(root, {"a.py": "1", ".gittrack/config.yaml": "x"})
    commit_all(root)
    clean = look(root).code
    git(root, "rm", "-rq", "--cached", ".gittrack")
    assert clean.code_tree == git(root, "write-tree")
    write(root, {"b.py": "1"})
    git(root, "add", "-A", ":!.gittrack")
    assert look(root).code.code_tree == git(root, "write-tree")


def test_a_bare_repository_has_no_code_that_runs(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    with pytest.raises(Conflict, match="bare repository") as error:
        look(tmp_path / "bare.git")
    assert error.value.hint == f"git clone '{tmp_path / 'bare.git'}'"


def test_the_base_is_the_nearest_commit_that_a_remote_or_main_has(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo), "clone")
    clone = tmp_path / "clone"
    pushed = git(clone, "rev-parse", "HEAD")
    git(clone, "checkout", "-q", "-b", "feature")
    git(clone, "branch", "-q", "-D", "main")
    write(clone, {"one.py": "1"})
    commit_all(clone)
    write(clone, {"two.py": "2"})
    head = commit_all(clone)
    taken = look(clone)
    assert (taken.code.base, taken.code.captured, taken.code.dirty) == (pushed, head, False)
    assert taken.code.patch_files == 2
    assert b"one.py" in (taken.patch or b"")


def test_history_that_no_remote_and_no_main_has_is_its_own_base(repo: Path) -> None:
    git(repo, "branch", "-m", "trunk")
    head = commit_all(repo, "second")
    assert look(repo).code.base == head


def test_secrets_huge_and_special_files_are_left_out_and_named(repo: Path) -> None:
    write(repo, {"tracked.env": "OLD=1\n", "src/settings.py": "token = ''\n", ".env.example": "A=\n"})
    commit_all(repo)
    token = "ghp_" + "a1B2" * 9
    write(repo, {".env": "KEY=1", "deploy/id_ed25519": "x", "server.pem": "x", "aws_credentials": "x"})
    write(repo, {"notes.txt": f"use {token} here", "src/settings.py": f"token = '{token}'\n"})
    write(repo, {"tracked.env": "NEW=1\n", "big.bin": b"\0" * 2000, "credentials_page.py": "x = 1\n"})
    git(repo, "add", "src/settings.py")
    (repo / "nested").mkdir()
    git(repo / "nested", "init", "-q")
    write(repo / "nested", {"a": "1"})
    commit_all(repo / "nested")
    code = look(repo, max_bytes=1000).code
    left = {entry.path: entry for entry in code.left_out}
    assert set(left) == {
        ".env",
        "deploy/id_ed25519",
        "server.pem",
        "aws_credentials",
        "notes.txt",
        "src/settings.py",
        "big.bin",
        "nested/",
    }
    assert left["big.bin"].size == 2000
    assert left["big.bin"].reason == "larger than 1000 bytes"
    assert left["big.bin"].digest == hashlib.sha256(b"\0" * 2000).hexdigest()
    assert code.dirty
    taken = files_of(repo, code.captured)
    assert {"tracked.env", "credentials_page.py", "src/settings.py"} <= set(taken)
    assert blob(repo, code.captured, "src/settings.py") == b"token = ''\n"
    assert blob(repo, code.captured, "tracked.env") == b"NEW=1\n"
    assert token not in git(repo, "log", "-p", "--all", "--format=%H", "--", "src/settings.py", "notes.txt")


def test_a_tree_whose_changes_all_stay_out_is_still_its_commit_but_dirty(repo: Path) -> None:
    write(repo, {".env": "KEY=1"})
    code = look(repo).code
    assert code.captured == code.commit
    assert code.dirty
    assert [left.path for left in code.left_out] == [".env"]


def test_once_the_total_is_reached_the_rest_is_left_out(repo: Path) -> None:
    write(repo, {f"part{number}": b"\0" * 400 for number in range(5)})
    code = look(repo, max_total_bytes=1000).code
    assert [left.path for left in code.left_out] == ["part2", "part3", "part4"]


def test_pipes_and_sockets_do_not_stop_a_capture(repo: Path) -> None:
    os.mkfifo(repo / "pipe")
    (repo / "train.py").unlink()
    os.mkfifo(repo / "train.py")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(repo)
        server.bind("socket")
        code = look(repo).code
    assert [(left.path, left.reason) for left in code.left_out] == [("train.py", "not a regular file")]


def test_ignored_files_are_named_and_not_taken(repo: Path) -> None:
    write(repo, {".gitignore": "data/\n*.log\n", "data/a.csv": "1", "data/deep/b.csv": "1", "run.log": "x"})
    taken = look(repo)
    assert taken.ignored == ("data/", "run.log")
    assert set(files_of(repo, taken.code.captured)) == {".gitignore", "src/model.py", "train.py"}


def test_holds_says_which_files_the_capture_has(repo: Path) -> None:
    write(
        repo,
        {".gitignore": "data/\n*.log\n", "data/a.csv": "1", "run.log": "x", "kept.csv": "1", ".env": "K=1"},
    )
    (repo / "link").symlink_to("src")
    (repo / "link.py").symlink_to("train.py")
    time.sleep(0.01)
    taken = look(repo)
    write(repo, {"later.csv": "1"})
    answers = {
        "train.py": True,
        "src/model.py": True,
        "kept.csv": True,
        "data/a.csv": False,
        "run.log": False,
        ".env": False,
        "later.csv": False,
        "gone.csv": False,
        "src": False,
        "link/model.py": False,
        "link.py": False,
        "../outside": False,
        ".gittrack/config.yaml": False,
        "": False,
    }
    assert {path: taken.holds(path) for path in answers} == answers
    write(repo, {"train.py": "changed\n"})
    assert not taken.holds("train.py")


def test_hostile_settings_change_neither_snapshot_nor_patch(repo: Path, tmp_path: Path) -> None:
    write(repo, {"train.py": "print('changed')\n", "new.py": "one\ntwo\n"})
    plain = look(repo)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\nexit 1\n")
    trap.chmod(0o755)
    (repo / ".git" / "hooks").mkdir(exist_ok=True)
    for hook in ("pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        (repo / ".git" / "hooks" / hook).symlink_to(trap)
    settings = {
        "diff.external": str(trap),
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "diff.algorithm": "patience",
        "diff.context": "0",
        "diff.renames": "copies",
        "diff.indentHeuristic": "false",
        "color.ui": "always",
        "core.pager": str(trap),
        "core.fsmonitor": str(trap),
        "core.safecrlf": "true",
        "core.splitIndex": "true",
        "core.untrackedCache": "true",
        "status.relativePaths": "true",
        "status.showUntrackedFiles": "no",
        "status.renames": "copies",
        "commit.gpgSign": "true",
        "gpg.program": str(trap),
        "user.useConfigOnly": "true",
        "log.showSignature": "true",
        "i18n.commitEncoding": "latin1",
        "i18n.logOutputEncoding": "utf-16",
    }
    for key, value in settings.items():
        git(repo, "config", key, value)
    hostile = look(repo)
    assert hostile.code == plain.code
    assert hostile.patch == plain.patch
    assert not (tmp_path / "sprung").exists()


def test_line_end_settings_are_recorded_for_the_restore(repo: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    write(repo, {"train.py": "print('training')\r\n"})
    assert look(repo).code.state == ("autocrlf=true",)


@pytest.mark.parametrize(("setting", "value"), [("autocrlf", "true"), ("eol", "crlf")])
def test_line_end_settings_that_no_file_bears_out_are_not_recorded(
    repo: Path, setting: str, value: str
) -> None:
    write(repo, {".gitattributes": "*.sh text\n*.bat eol=crlf\n", "job.bat": "echo\r\n"})
    commit_all(repo)
    git(repo, "config", f"core.{setting}", value)
    write(repo, {"job.sh": "echo\n", "data/table.csv": "a,b\n"})
    assert look(repo).code.state == ()
    write(repo, {"job.sh": "echo\r\n"})
    assert look(repo).code.state == (f"{setting}={value}",)


def test_a_checkout_that_git_converted_is_recorded_as_converted(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(repo), "converted")
    assert (tmp_path / "converted" / "train.py").read_bytes().endswith(b"\r\n")
    code = look(tmp_path / "converted").code
    assert (code.state, code.dirty) == (("autocrlf=true",), False)


def test_without_any_identity_a_dirty_tree_is_captured(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    git(repo, "config", "user.useConfigOnly", "true")
    write(repo, {"new.py": "1"})
    code = look(repo).code
    assert git(repo, "log", "-1", "--format=%an <%ae>", code.captured) == "gittrack <gittrack@localhost>"


def test_inside_a_hook_the_users_index_is_left_alone(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their-index").write_bytes(b"theirs")
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "their-index"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    write(repo, {"new.py": "1"})
    found = look(repo)
    assert (tmp_path / "their-index").read_bytes() == b"theirs"
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert "new.py" in files_of(repo, found.code.captured)


def test_captures_survive_gc(repo: Path) -> None:
    seen = []
    for number in range(4):
        write(repo, {"new.py": f"{number}\n"})
        seen.append(look(repo).code.captured)
    git(repo, "checkout", "-q", "--detach")
    write(repo, {"lost.py": "1"})
    seen.append(commit_all(repo, "soon lost"))
    look(repo)
    git(repo, "checkout", "-q", "main")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    for commit in seen:
        git(repo, "cat-file", "-e", f"{commit}^{{tree}}")
    assert keep.kept(Repository.find(repo)) >= set(seen)
    git(repo, "fsck", "--strict")


def test_what_is_kept_can_be_pushed_to_a_repository_that_has_nothing(repo: Path, tmp_path: Path) -> None:
    write(repo, {"new.py": "1"})
    captured = look(repo).code.captured
    git(tmp_path, "init", "-q", "--bare", "server.git")
    git(repo, "push", "-q", str(tmp_path / "server.git"), KEEP)
    git(tmp_path / "server.git", "cat-file", "-e", captured)
    git(tmp_path / "server.git", "fsck", "--strict")


def test_a_keep_ref_that_was_deleted_is_made_again(repo: Path) -> None:
    first = look(repo).code.captured
    git(repo, "update-ref", "-d", KEEP)
    assert look(repo).code.captured == first
    assert first in keep.kept(Repository.find(repo))


def test_somebody_elses_lock_costs_the_keep_ref_and_nothing_more(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = repo / ".git" / "refs" / "gittrack" / "keep" / f"{CLONE}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    os.utime(lock, (now - 90.5, now - 90.5))
    code = look(repo).code
    assert code.state == (f"not-kept: .git/refs/gittrack/keep/{CLONE}.lock is 90 s old",)
    assert lock.exists()
    with pytest.raises(GitFailed, match=r"\.lock"):
        keep.keep(Repository.find(repo), CLONE, code.captured)
    lock.unlink()
    assert keep.keep(Repository.find(repo), CLONE, code.captured)
    assert not keep.keep(Repository.find(repo), CLONE, code.captured)
    assert look(repo).code.state == ()


@pytest.mark.parametrize("clone", ["", "a/b", "..", "-x", "a b", "x" * 65])
def test_a_clones_id_is_one_plain_word(clone: str) -> None:
    with pytest.raises(InvalidValue):
        keep.keep_ref(clone)


def test_a_patch_over_the_limit_is_not_made(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gittrack.git.patches.MAX_BYTES", 100)
    write(repo, {"new.py": "x = 1\n" * 100})
    taken = look(repo)
    assert taken.patch is None
    assert taken.code.state == ("patch-too-large",)
    assert taken.code.patch_digest is None


def test_the_copy_of_the_index_is_gone_afterwards_and_old_ones_are_swept(repo: Path) -> None:
    tmp = repo / ".git" / "gittrack" / "tmp"
    write(repo, {"new.py": "1", ".git/gittrack/tmp/index-1-dead": "x"})
    look(repo)
    assert [path.name for path in tmp.iterdir()] == ["index-1-dead"]


def test_the_code_tree_is_what_git_says_without_our_folder(repo: Path) -> None:
    write(repo, {".gittrack": "a file of that name", ".gittracker": "1", "x .gittrack": "1"})
    commit_all(repo)
    (tree,) = read(Repository.find(repo), ["HEAD^{tree}"])
    assert tree is not None
    git(repo, "rm", "-q", "--cached", ".gittrack")
    assert code_tree(tree.content or b"", "sha1") == git(repo, "write-tree")


PROGRAM = """
import sys
import time
from pathlib import Path
from gittrack.git.capture import capture
from gittrack.git.repo import Repository
sys.stdin.readline()
code = capture(Repository.find(Path(sys.argv[1])), clone="c10e").code
print(code.captured, *code.state)
"""


def test_32_processes_capture_a_repository_at_once_that_was_never_used(repo: Path) -> None:
    write(repo, {"new.py": "1"})
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(repo)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(32)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate()[0].strip() for process in started}
    assert answers == {look(repo).code.captured}
    assert keep.kept(Repository.find(repo)) == answers | {git(repo, "rev-parse", "HEAD")}


def test_a_capture_killed_at_any_moment_leaves_the_users_tree_as_it_was(repo: Path) -> None:
    write(repo, {f"new{number}.py": f"{number}\n" * 1000 for number in range(200)})
    write(repo, {"train.py": "2\n"})
    git(repo, "add", "train.py")
    index, status = (repo / ".git" / "index").read_bytes(), git(repo, "status", "--porcelain")
    for moment in range(12):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(repo)], stdin=subprocess.PIPE)
        assert process.stdin is not None
        time.sleep(0.05)
        process.stdin.write(b"go\n")
        process.stdin.close()
        time.sleep(0.01 * moment)
        process.kill()
        process.wait()
    assert (repo / ".git" / "index").read_bytes() == index
    assert git(repo, "status", "--porcelain") == status
    assert look(repo).code.state == ()
    git(repo, "fsck", "--strict")


def test_importing_the_capture_does_not_import_gitpython() -> None:
    program = "import sys, gittrack.git.capture; print('git' in sys.modules, 'logging' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_bytecode_that_python_made_of_the_sources_is_no_change(repo: Path) -> None:
    write(repo, {"__pycache__/train.cpython-311.pyc": "a", "src/__pycache__/model.cpython-311.pyc": "b"})
    taken = look(repo)
    assert not taken.code.dirty
    assert taken.code.left_out == ()
    assert not taken.holds("__pycache__/train.cpython-311.pyc")
