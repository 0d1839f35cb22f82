"""Only what nothing needs is freed, and the plan says so before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gittrack.entities.record import Digest
from gittrack.housekeeping import gc, stored
from gittrack.housekeeping.commit import commit
from gittrack.housekeeping.fsck import fsck
from gittrack.store import digest as digests
from gittrack.store import durable, locking
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, git, write
from tests.housekeeping.helpers import begin, flip, opened, record


def freed(root: Path, kind: str = "content") -> set[str]:
    plan = gc.plan(*opened(root), older_than_s=0)
    return {str(item.digest) for item in plan.freed if item.kind == kind}


def orphan(root: Path, content: bytes = b"orphan") -> Digest:
    digest, _ = FileStore(opened(root)[1]).put_bytes(content)
    return digest


def test_content_that_no_run_needs_is_freed_and_the_rest_is_kept_with_a_reason(repo: Path) -> None:
    record(repo)
    lonely = orphan(repo)

    plan = gc.plan(*opened(repo), older_than_s=0)

    assert [item.digest for item in plan.freed if item.kind == "content"] == [lonely]
    assert plan.size == 6
    assert [(kept.what, kept.count, kept.size) for kept in plan.kept] == [
        ("content", 1, 7),
        ("second copies", 2, 0),
    ]
    assert gc.apply(plan) == 6
    assert freed(repo) == set()
    assert fsck(*opened(repo)).findings == []


def test_lock_files_and_patches_that_an_environment_names_stay(repo: Path) -> None:
    write(repo, {".gitignore": "uv.lock\n", "uv.lock": "pins"})
    record(repo)
    (lock,) = (digest for digest, size in FileStore(opened(repo)[1]).all() if size == 4)
    commit(*opened(repo))
    assert freed(repo) == set()
    for file in (repo / ".gittrack/envs").glob("*/*"):
        file.unlink()
    assert freed(repo) == set()
    assert lock == digests.of_bytes(b"pins")


def test_young_content_stays(repo: Path) -> None:
    record(repo)
    orphan(repo)

    plan = gc.plan(*opened(repo))

    assert plan.freed == ()
    assert any("a short while ago" in kept.why for kept in plan.kept)


def test_content_of_runs_on_other_branches_in_stashes_and_in_journals_stays(repo: Path) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    record(repo, text="on a branch")
    commit(*opened(repo))
    git(repo, "switch", "-q", "main")
    run = begin(repo)
    run.log_text("of a live run", "a.txt")

    assert freed(repo) == set()
    run.end()
    commit_all(repo)
    git(repo, "branch", "-q", "-D", "topic")
    assert freed(repo) == {digests.of_bytes(b"on a branch")}


def test_content_of_the_files_of_a_data_folder_stays(repo: Path) -> None:
    (repo / ".gitignore").write_text("data/\n")
    (repo / "data").mkdir()
    (repo / "data/a.txt").write_text("a")
    run = begin(repo)
    run.log_data(repo / "data")
    run.end()

    assert len(list(FileStore(opened(repo)[1]).all())) == 2
    assert freed(repo) == set()


def test_no_content_is_freed_while_a_run_cannot_be_read(repo: Path) -> None:
    run = record(repo)
    orphan(repo)
    _, layout = opened(repo)
    flip(layout.run(Digest(str(run.digest))) / "run.yaml")

    plan = gc.plan(*opened(repo), older_than_s=0)

    assert not any(item.kind == "content" for item in plan.freed)
    assert len(plan.unreadable) == 1
    assert any("cannot be read" in kept.why for kept in plan.kept)


def test_a_torn_second_copy_does_not_keep_content_where_the_run_itself_can_be_read(repo: Path) -> None:
    run = record(repo)
    lonely = orphan(repo)
    (opened(repo)[1].unsaved.run(run.digest) / "run.yaml").write_bytes(b"")  # a power cut tore it

    plan = gc.plan(*opened(repo), older_than_s=0)

    assert [item.digest for item in plan.freed if item.kind == "content"] == [lonely]


def test_content_that_a_run_took_up_after_the_plan_stays(repo: Path) -> None:
    record(repo)
    orphan(repo, b"wanted after all")
    plan = gc.plan(*opened(repo), older_than_s=0)
    record(repo, text="wanted after all")

    assert gc.apply(plan) == 0
    assert fsck(*opened(repo)).findings == []


@pytest.mark.parametrize("step", ["gc.set-aside", "gc.remove"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_gc_can_be_interrupted_at_any_step_and_repeated(
    repo: Path, monkeypatch: pytest.MonkeyPatch, step: str, count: int
) -> None:
    record(repo)
    for number in range(3):
        orphan(repo, b"orphan %d" % number)
    plan = gc.plan(*opened(repo), older_than_s=0)
    seen = 0

    def fail(name: str) -> None:
        nonlocal seen
        seen += name == step
        if seen == count:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable, "hook", fail)
        with pytest.raises(KeyboardInterrupt):
            gc.apply(plan)
    gc.apply(gc.plan(*opened(repo), older_than_s=0))

    assert freed(repo) == set()
    assert len(list(FileStore(opened(repo)[1]).all())) == 1
    assert fsck(*opened(repo)).findings == []


def test_second_copies_that_a_branch_holds_and_old_leftovers_go(repo: Path) -> None:
    record(repo)
    commit_all(repo)
    _, layout = opened(repo)
    old, locked = layout.tmp / "draft", layout.tmp / "repro.lock"
    old.mkdir(parents=True)
    (old / "run.yaml").write_bytes(b"12345")
    locked.touch()
    for path in (old, locked):
        os.utime(path, (1, 1))

    with locking.locked(locked):
        plan = gc.plan(*opened(repo), older_than_s=0)
        kinds = sorted(item.kind for item in plan.freed)
        size = gc.apply(plan)

    assert kinds == ["leftover", "second copy", "second copy"]
    assert size == plan.size
    assert locked.exists()
    assert not old.exists()
    assert list(stored.on_disk(layout.unsaved)) == []


def test_an_empty_repository_has_nothing_to_free(empty_repo: Path) -> None:
    plan = gc.plan(*opened(empty_repo))
    assert (plan.freed, plan.kept, gc.apply(plan)) == ((), (), 0)
