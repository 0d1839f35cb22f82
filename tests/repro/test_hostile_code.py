"""Nothing in the code of somebody else starts by being checked out: hooks, filters, submodules, LFS."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.entities.record import RunRecord
from gittrack.git.worktree import pool
from gittrack.repro.report import Report
from gittrack.repro.reproduce import rehearse
from tests.conftest import commit_all, git, write
from tests.repro.helpers import TRAIN, again, commit, opened, planned, recorded

MODEL = "DEPTH = 3\ndef loss(step):\n    return DEPTH / (step + 1)\n"


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """A folder in which all that is started leaves a file."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def bait(repo: Path, marks: Path) -> Path:
    """A repository with all in it that git could be brought to start."""
    hook = f"#!/bin/sh\ntouch {marks}/hook\n"
    write(
        repo,
        {
            "hooks/post-checkout": hook,
            "hooks/post-index-change": hook,
            "hooks/reference-transaction": hook,
            "hooks/fsmonitor": hook,
            ".gitattributes": "*.bin filter=own diff=own merge=own\n*.dat filter=named\n",
            ".lfsconfig": "[lfs]\n\turl = https://evil.example/\n",
            ".gitconfig": f'[filter "named"]\n\tsmudge = touch {marks}/named\n',
            ".gitmodules": f'[submodule "sub"]\n\tpath = sub\n\turl = ext::sh -c "touch {marks}/url"\n'
            f"\tupdate = !touch {marks}/update\n",
            "model.bin": "payload\n",
            "other.dat": "payload\n",
        },
    )
    for path in (repo / "hooks").iterdir():
        path.chmod(0o755)
    sub = "0123456789" * 4
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{sub},sub")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "bait")
    return repo


def settle(clone: Path, marks: Path) -> None:
    """Settings of a user who has a filter and looks for hooks where the repository has some."""
    settings = {
        "core.hooksPath": "hooks",
        "core.fsmonitor": "hooks/fsmonitor",
        "filter.own.smudge": f"touch {marks}/smudge; cat",
        "filter.own.clean": f"touch {marks}/clean; cat",
        "filter.own.required": "true",
        "diff.own.textconv": f"touch {marks}/textconv; cat",
        "diff.external": f"touch {marks}/external",
        "merge.own.driver": f"touch {marks}/merge",
    }
    for name, value in settings.items():
        git(clone, "config", name, value)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def fresh(bait: Path, marks: Path, tmp_path: Path) -> tuple[Path, RunRecord]:
    """A clone in which nobody has agreed to anything, and the run in it."""
    run = recorded(bait, {"train.py": TRAIN, "model.py": MODEL})
    commit(bait)
    git(tmp_path, "clone", "-q", "--no-checkout", f"file://{bait}", "fresh")
    clone = tmp_path / "fresh"
    git(clone, "reset", "-q", "--hard")
    settle(clone, marks)
    for mark in marks.iterdir():
        mark.unlink()
    return clone, run


def test_a_dry_run_of_somebody_elses_run_starts_nothing(fresh: tuple[Path, RunRecord], marks: Path) -> None:
    clone, run = fresh

    report = rehearse(planned(clone, run))

    assert names(marks) == set()
    assert report.restored.unfiltered == ("own",)
    assert any("own: not started before you agree" in line for line in report.lines())
    assert report.document()["restored"]["code"]["filters_not_started"] == ["own"]
    assert pool(opened(clone)[0]) == []  # what no filter has filled must not be taken for what one has


def test_after_consent_the_users_own_filters_run_and_nothing_else(
    fresh: tuple[Path, RunRecord], marks: Path
) -> None:
    clone, run = fresh
    rehearse(planned(clone, run))

    report: Report = again(clone, run)

    assert report.verdict == "identical", report.lines()
    assert names(marks) <= {"smudge", "clean"}
    assert "smudge" in names(marks)
    assert report.restored.unfiltered == ()


def test_a_clone_without_filters_uses_the_pool_for_a_dry_run(repo: Path, tmp_path: Path) -> None:
    run = recorded(repo)
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")

    assert rehearse(planned(tmp_path / "fresh", run)).restored.unfiltered == ()
    assert len(pool(opened(tmp_path / "fresh")[0])) == 1


def test_a_filter_that_runs_as_a_process_is_not_started_either(
    fresh: tuple[Path, RunRecord], marks: Path
) -> None:
    clone, run = fresh
    for way in ("smudge", "clean"):
        git(clone, "config", "--unset", f"filter.own.{way}")
    git(clone, "config", "filter.own.process", f"touch {marks}/process")

    assert rehearse(planned(clone, run)).restored.unfiltered == ("own",)
    assert names(marks) == set()


def test_data_that_only_a_filter_brings_is_said_to_wait_for_consent(repo: Path, tmp_path: Path) -> None:
    code = """\
import gittrack
with gittrack.start_run():
    gittrack.log_data("big.bin")
    gittrack.log_metric("x", 1)
"""
    git(repo, "config", "filter.own.clean", "tr a-z A-Z")
    git(repo, "config", "filter.own.smudge", "tr A-Z a-z")
    write(repo, {".gitattributes": "*.bin filter=own\n", "big.bin": "content\n", "train.py": code})
    commit_all(repo)
    run = recorded(repo, {"train.py": code})
    commit(repo)
    git(tmp_path, "clone", "-q", f"file://{repo}", "fresh")
    clone = tmp_path / "fresh"
    git(clone, "config", "filter.own.smudge", "tr A-Z a-z")

    report = rehearse(planned(clone, run))

    assert report.verdict == "impossible"
    assert "the filter own was not started, because nobody has agreed" in report.lines()[1]
    assert again(clone, run).verdict == "identical"
