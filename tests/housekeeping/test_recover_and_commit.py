"""No finished run is lost, and runs are committed alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.entities.record import Digest
from gittrack.errors import Conflict
from gittrack.housekeeping import stored
from gittrack.housekeeping.commit import commit
from gittrack.housekeeping.recover import drop_saved, restore_unsaved
from gittrack.store import durable
from gittrack.store.layout import Layout
from tests.conftest import commit_all, git, write
from tests.housekeeping.helpers import begin, flip, opened, record


def places(layout: Layout) -> set[str]:
    return set(stored.on_disk(layout))


@pytest.mark.parametrize(
    "command", [("clean", "-fdx"), ("stash", "-u"), ("switch", "-q", "bare-branch")], ids=lambda c: c[0]
)
def test_git_takes_no_finished_run(repo: Path, command: tuple[str, ...]) -> None:
    git(repo, "branch", "bare-branch")
    record(repo)
    _, layout = opened(repo)
    before = places(layout)
    assert {place.split("/")[0] for place in before} == {"runs", "envs"}

    git(repo, *command)
    restore_unsaved(*opened(repo), stashed=True)

    assert places(layout) == before


def test_a_stash_can_still_be_popped_after_a_reading_command_and_loses_nothing_when_dropped(
    repo: Path,
) -> None:
    record(repo)
    _, layout = opened(repo)
    before = places(layout)
    git(repo, "stash", "-u", "-q")

    assert restore_unsaved(*opened(repo)) == []
    git(repo, "stash", "pop", "-q")
    assert places(layout) == before

    git(repo, "stash", "-u", "-q")
    git(repo, "stash", "drop", "-q")
    restore_unsaved(*opened(repo))
    assert places(layout) == before


def test_runs_in_a_stash_are_committed(repo: Path) -> None:
    run = record(repo)
    git(repo, "stash", "-u", "-q")
    assert [found.run_id for found in commit(*opened(repo)).runs] == [run.run_id]


def test_what_a_branch_holds_is_not_put_back_into_another(repo: Path) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    record(repo)
    commit(*opened(repo))
    git(repo, "switch", "-q", "main")
    _, layout = opened(repo)

    assert restore_unsaved(*opened(repo)) == []
    assert places(layout) == set()


def test_a_run_committed_on_a_detached_head_alone_keeps_its_second_copy(repo: Path) -> None:
    git(repo, "switch", "-q", "--detach")
    run = record(repo)
    assert commit(*opened(repo)).dropped == ()
    git(repo, "switch", "-q", "main")

    assert any(str(run.digest)[2:] in place for place in restore_unsaved(*opened(repo)))


def test_what_another_working_tree_has_is_not_lost(repo: Path, tmp_path: Path) -> None:
    record(repo)
    git(repo, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "other")

    assert restore_unsaved(*opened(tmp_path / "other")) == []


@pytest.mark.parametrize("name", ["run.yaml", "metrics.parquet"])
def test_a_damaged_second_copy_is_not_put_back(repo: Path, name: str) -> None:
    run = record(repo)
    _, layout = opened(repo)
    git(repo, "clean", "-qfdx")
    flip(layout.unsaved.run(Digest(str(run.digest))) / name)

    restore_unsaved(*opened(repo))

    assert not layout.run(Digest(str(run.digest))).exists()


@pytest.mark.parametrize("step", ["recover.write run.yaml", "recover.rename", "recover.sync"])
def test_putting_back_can_be_interrupted_and_repeated(
    repo: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    record(repo)
    _, layout = opened(repo)
    before = places(layout)
    git(repo, "clean", "-qfdx")

    def fail(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(durable, "hook", fail)
        with pytest.raises(KeyboardInterrupt):
            restore_unsaved(*opened(repo))
    restore_unsaved(*opened(repo))

    assert places(layout) == before


def test_commit_takes_runs_alone_whatever_else_is_staged_or_changed(repo: Path) -> None:
    write(repo, {"staged.py": "1\n", "src/model.py": "depth = 4\n", "untracked.py": "2\n"})
    git(repo, "add", "staged.py")
    before = git(repo, "status", "--porcelain", "--", ":!.gittrack")
    first, second = record(repo, "a"), record(repo, "b", experiment="other\nline")

    made = commit(*opened(repo))

    assert made.commit == git(repo, "rev-parse", "HEAD")
    assert [run.run_id for run in made.runs] == [first.run_id, second.run_id]
    names = git(repo, "show", "--name-only", "--format=", "HEAD").splitlines()
    assert names
    assert all(name.startswith(".gittrack/") for name in names)
    assert git(repo, "status", "--porcelain", "--", ":!.gittrack") == before
    subject = git(repo, "log", "-1", "--format=%s")
    assert subject == f"gittrack: 2 runs of Default, other line ({first.run_id[:8]}…)"
    assert second.run_id in git(repo, "log", "-1", "--format=%b")


def test_committing_twice_is_nothing_new_and_the_second_copies_go(repo: Path) -> None:
    record(repo)
    _, layout = opened(repo)

    made = commit(*opened(repo))

    assert len(made.dropped) == 2
    assert places(layout.unsaved) == set()
    assert commit(*opened(repo)).commit is None


def test_second_copies_go_when_the_user_commits(repo: Path) -> None:
    record(repo)
    commit_all(repo)

    assert len(drop_saved(*opened(repo))) == 2


def test_a_second_copy_stays_while_the_commit_has_other_bytes(repo: Path) -> None:
    run = record(repo)
    _, layout = opened(repo)
    flip(layout.run(Digest(str(run.digest))) / "metrics.parquet")
    commit_all(repo)

    assert [place.split("/")[0] for place in drop_saved(*opened(repo))] == ["envs"]


def test_a_message_of_the_users_own_is_taken(repo: Path) -> None:
    record(repo)
    commit(*opened(repo), message="Runs for the paper")
    assert git(repo, "log", "-1", "--format=%s") == "Runs for the paper"


def test_commit_seals_runs_whose_process_has_died_and_puts_back_what_was_cleaned(repo: Path) -> None:
    record(repo, "cleaned")
    git(repo, "clean", "-qfdx")
    run = begin(repo, "dead")
    run.log_metric("loss", 0.5, 1)
    run._journal.close()

    made = commit(*opened(repo))

    assert made.sealed == 1
    assert made.put_back
    assert {found.name: found.status for found in made.runs} == {"cleaned": "FINISHED", "dead": "KILLED"}


def test_commit_refuses_in_a_bare_repository_and_in_a_merge(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    with pytest.raises(Conflict, match="bare"):
        commit(*opened(tmp_path / "bare.git"))
    record(repo)
    (repo / ".git/MERGE_HEAD").write_text(git(repo, "rev-parse", "HEAD") + "\n")
    with pytest.raises(Conflict, match="merge"):
        commit(*opened(repo))
