from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gittrack.errors import Conflict, GitFailed
from gittrack.git import bulk
from gittrack.git.commit import commit_paths
from gittrack.git.repo import Repository
from gittrack.store.durable import DRAFT
from tests.conftest import commit_all, git, write


def commit(root: Path, message: str = "runs") -> str | None:
    return commit_paths(Repository.find(root), message)


def status(root: Path) -> list[str]:
    done = subprocess.run(
        ["git", "status", "--porcelain", "-z", "-uall"], cwd=root, capture_output=True, check=True
    )
    return sorted(filter(None, os.fsdecode(done.stdout).split("\0")))


RUN = {".gittrack/runs/ab/cd/run.yaml": "run\n", ".gittrack/runs/ab/cd/metrics.parquet": b"PAR1\0\r\n"}


def test_runs_are_committed_alone_whatever_else_is_staged_or_dirty(repo: Path) -> None:
    before = git(repo, "rev-parse", "HEAD")
    write(repo, {"staged.py": "1", "src/model.py": "staged\n", "untracked.py": "1", "intended.py": "1"})
    git(repo, "add", "staged.py", "src/model.py")
    git(repo, "add", "-N", "intended.py")
    git(repo, "rm", "-q", "--cached", "train.py")
    write(repo, {"src/model.py": "and changed again\n"})
    others = status(repo)
    write(repo, RUN)
    made = commit(repo, "gittrack: 1 run\n\nits body")
    assert made == git(repo, "rev-parse", "refs/heads/main")
    assert git(repo, "rev-parse", "HEAD^") == before
    assert git(repo, "diff", "--name-only", "HEAD^", "HEAD").split() == sorted(RUN)
    assert git(repo, "log", "-1", "--format=%an/%cn/%B") == "Ada/Ada/gittrack: 1 run\n\nits body"
    assert status(repo) == others
    assert git(repo, "show", ":src/model.py") == "staged"
    assert (repo / "src" / "model.py").read_text() == "and changed again\n"
    assert commit(repo) is None


def test_the_first_commit_of_a_repository_can_be_one_of_runs(empty_repo: Path) -> None:
    write(empty_repo, RUN | {"train.py": "1"})
    made = commit(empty_repo)
    assert made == git(empty_repo, "rev-parse", "refs/heads/main")
    assert git(empty_repo, "ls-tree", "-r", "--name-only", "HEAD").split() == sorted(RUN)
    assert status(empty_repo) == ["?? train.py"]


def test_a_detached_head_moves_and_no_branch_does(repo: Path) -> None:
    git(repo, "checkout", "-q", "--detach")
    main = git(repo, "rev-parse", "main")
    write(repo, RUN)
    assert commit(repo) == git(repo, "rev-parse", "HEAD")
    assert git(repo, "rev-parse", "main") == main


def test_a_linked_worktree_commits_on_its_own_branch(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "other"))
    write(tmp_path / "other", RUN)
    assert commit(tmp_path / "other") == git(repo, "rev-parse", "side")
    assert git(repo, "rev-parse", "main") != git(repo, "rev-parse", "side")
    assert status(tmp_path / "other") == []


def test_files_that_are_gone_stay_in_the_commit_and_sealed_ones_never_change(repo: Path) -> None:
    write(repo, RUN | {".gittrack/config.yaml": "a: 1\n"})
    commit(repo)
    (repo / ".gittrack/runs/ab/cd/metrics.parquet").unlink()
    write(repo, {".gittrack/runs/ab/cd/run.yaml": "tampered\n", ".gittrack/config.yaml": "a: 2\n"})
    write(repo, {".gittrack/events/ab/e.yaml": "event\n"})
    commit(repo)
    assert git(repo, "diff", "--name-status", "HEAD^", "HEAD").split() == [
        "M",
        ".gittrack/config.yaml",
        "A",
        ".gittrack/events/ab/e.yaml",
    ]


def test_bytes_go_in_as_they_are_past_filters_and_ignore_rules(repo: Path) -> None:
    write(
        repo,
        {".gitignore": ".gittrack/\n*.parquet\n", ".gitattributes": "*.yaml filter=upper text eol=crlf\n"},
    )
    commit_all(repo)
    git(repo, "config", "filter.upper.clean", "tr a-z A-Z")
    git(repo, "config", "core.autocrlf", "true")
    write(repo, RUN | {".gittrack/runs/ab/cd/run.yaml": "a\r\nb\n"})
    commit(repo)
    raw = subprocess.run(
        ["git", "cat-file", "blob", "HEAD:.gittrack/runs/ab/cd/run.yaml"],
        cwd=repo,
        capture_output=True,
        check=True,
    )
    assert raw.stdout == b"a\r\nb\n"
    assert git(repo, "ls-tree", "-r", "--name-only", "HEAD", ".gittrack").split() == sorted(RUN)


def test_links_special_files_and_odd_names_are_never_added(repo: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside", {"secret": "1"})
    write(
        repo, RUN | {".gittrack/runs/with\nfeed": "1", ".gittrack/live/x/journal": "1", ".gittrack/a b": "1"}
    )
    (repo / ".gittrack" / "link").symlink_to(tmp_path / "outside" / "secret")
    (repo / ".gittrack" / "runs" / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(repo / ".gittrack" / "pipe")
    git(repo / ".gittrack" / "runs", "init", "-q", "nested")
    commit(repo)
    assert git(repo, "ls-tree", "-r", "--name-only", "HEAD", ".gittrack").split() == sorted(RUN)


def test_what_is_not_whole_yet_is_never_added(repo: Path) -> None:
    drafts = {f".gittrack/runs/ab/{DRAFT}12/run.yaml": "ru", f".gittrack/events/ab/{DRAFT}34": "ev"}
    write(repo, RUN | drafts)
    assert commit(repo)
    assert git(repo, "diff", "--name-only", "HEAD^", "HEAD").split() == sorted(RUN)


def test_a_store_that_is_a_link_is_not_followed(repo: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"runs/x": "1"})
    (repo / ".gittrack").symlink_to(tmp_path / "elsewhere")
    assert commit(repo) is None


@pytest.mark.parametrize(
    ("begin", "hint"), [("merge", "git merge --continue"), ("rebase", "git rebase --continue")]
)
def test_an_unfinished_merge_or_rebase_is_finished_first(repo: Path, begin: str, hint: str) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, {"train.py": "side\n"})
    commit_all(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, {"train.py": "main\n"})
    head = commit_all(repo)
    subprocess.run(["git", begin, "side"], cwd=repo, capture_output=True)
    write(repo, RUN)
    with pytest.raises(Conflict, match="unfinished") as error:
        commit(repo)
    assert error.value.hint == hint
    assert git(repo, "rev-parse", "main") == head


def test_a_bare_repository_takes_no_commit(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    with pytest.raises(Conflict, match="bare"):
        commit(tmp_path / "bare.git")


def test_a_locked_index_is_waited_for_and_then_named(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gittrack.git.commit._WAIT_S", 0.05)
    head = git(repo, "rev-parse", "HEAD")
    write(repo, RUN)
    lock = repo / ".git" / "index.lock"
    lock.touch()
    with pytest.raises(Conflict, match=r"index\.lock"):
        commit(repo)
    assert git(repo, "rev-parse", "HEAD") == head
    assert lock.exists()
    lock.unlink()
    assert commit(repo) is not None


def test_without_an_identity_runs_are_committed_all_the_same(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    git(repo, "config", "user.useConfigOnly", "true")
    write(repo, RUN)
    commit(repo)
    assert git(repo, "log", "-1", "--format=%an <%ae>") == "gittrack <gittrack@localhost>"
    git(repo, "config", "user.name", "Grace")
    git(repo, "config", "user.email", "grace@example.org")
    write(repo, {".gittrack/events/ab/e.yaml": "event\n"})
    commit(repo)
    assert git(repo, "log", "-1", "--format=%an <%ae>") == "Grace <grace@example.org>"


def test_the_users_hooks_do_not_run(repo: Path, tmp_path: Path) -> None:
    hooks = repo / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\nexit 1\n")
        (hooks / name).chmod(0o755)
    write(repo, RUN)
    assert commit(repo)
    assert not (tmp_path / "sprung").exists()


def test_eight_committers_at_once_lose_nothing(repo: Path) -> None:
    import threading

    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            write(repo, {f".gittrack/runs/ab/{number}/run.yaml": f"{number}\n"})
            commit(repo, f"run {number}")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(git(repo, "ls-tree", "-r", "--name-only", "HEAD", ".gittrack").split()) == 8
    assert status(repo) == []


def test_two_branches_of_runs_merge_without_a_conflict(repo: Path) -> None:
    git(repo, "branch", "side")
    write(repo, RUN)
    commit(repo)
    git(repo, "checkout", "-q", "side")
    write(repo, {".gittrack/runs/ef/gh/run.yaml": "other\n"})
    commit(repo)
    git(repo, "merge", "-q", "--no-edit", "main")
    assert len(git(repo, "ls-tree", "-r", "--name-only", "HEAD", ".gittrack").split()) == 3


def test_many_files_become_one_pack_and_no_ref_is_left(repo: Path) -> None:
    refs = git(repo, "for-each-ref", "--format=%(refname)")
    runs = [f".gittrack/runs/ab/{number:062x}/run.yaml" for number in range(200)]
    files: dict[str, str | bytes] = {path: f"{path}\n" for path in runs}
    files |= {f".gittrack/runs/cd/{0:062x}/metrics.parquet": bytes(range(256)), ".gittrack/empty": ""}
    write(repo, files)
    made = commit(repo)
    assert made is not None
    assert len(list((repo / ".git" / "objects" / "pack").glob("*.pack"))) == 1
    assert git(repo, "for-each-ref", "--format=%(refname)") == refs
    assert git(repo, "ls-tree", "-r", "--name-only", made).splitlines() == sorted(
        [*files, "src/model.py", "train.py"]
    )
    assert git(repo, "status", "--porcelain") == ""
    git(repo, "fsck", "--strict")
    git(repo, "diff", "--exit-code", "HEAD", "--")


def test_few_files_leave_no_pack_behind(repo: Path) -> None:
    write(repo, {".gittrack/runs/ab/01/run.yaml": "run"})
    assert commit(repo) is not None
    assert not list((repo / ".git" / "objects" / "pack").iterdir())


def test_a_repository_of_sha256_takes_runs_too(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "new")
    write(tmp_path / "new", {".gittrack/config.yaml": "format: 1\n", ".gittrack/runs/ab/01/run.yaml": "run"})
    made = commit(tmp_path / "new")
    assert made is not None
    assert len(made) == 64
    assert git(tmp_path / "new", "status", "--porcelain") == ""
    assert commit(tmp_path / "new") is None


def test_a_file_that_vanishes_meanwhile_is_named_and_nothing_is_committed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repo, {".gittrack/runs/ab/01/run.yaml": "run", ".gittrack/runs/ab/02/run.yaml": "run"})
    head = git(repo, "rev-parse", "HEAD")
    real = bulk.read

    def read(path: Path) -> bytes:
        (repo / ".gittrack/runs/ab/02/run.yaml").unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(bulk, "read", read)
    with pytest.raises(GitFailed, match=r"02/run\.yaml"):
        commit(repo)
    assert git(repo, "rev-parse", "HEAD") == head
    assert git(repo, "status", "--porcelain") == "?? .gittrack/"
