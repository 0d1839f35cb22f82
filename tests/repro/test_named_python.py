"""A command that names another Python than gittrack's is repeated in that, while it is here."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.repro.differences import Difference
from gittrack.repro.environments import way
from gittrack.repro.options import Mode
from tests.conftest import commit_all, write
from tests.other_python import put, run_of
from tests.repro.helpers import again, planned


def test_a_command_is_repeated_in_the_python_that_it_names(repo: Path, other: Path) -> None:
    write(repo, {"job.py": "import ghost, sys; print(sys.prefix)"})
    run = run_of(repo, other / "bin/python", "job.py")
    assert len(planned(repo, run).differences) > 1

    report = again(repo, run)

    assert (report.verdict, report.restored.how) == ("identical", "named")
    assert [found for found in report.restored.differences if found.kind == "environment"] == []
    assert "of the Python that the command names, as recorded" in "\n".join(report.lines())


def test_what_was_installed_there_since_is_a_difference(repo: Path, other: Path) -> None:
    write(repo, {"job.py": "import ghost"})
    run = run_of(repo, other / "bin/python", "job.py")
    put(other, "spook", "2.0")
    found = again(repo, run).restored.differences
    assert [(one.name, one.old, one.new) for one in found] == [("spook", None, "2.0")]


def test_without_it_the_job_fails_and_what_is_missing_is_named(repo: Path, other: Path) -> None:
    write(repo, {"job.py": "import ghost"})
    run = run_of(repo, other / "bin/python", "job.py")
    shutil.rmtree(other)
    report = again(repo, run)
    assert (report.verdict, report.restored.how) == ("failed", "current")
    assert "ghost" in {one.name for one in report.suspects}


def test_what_it_imports_from_the_working_tree_is_imported_from_the_restored_code(
    repo: Path, other: Path
) -> None:
    [packages] = other.glob("lib/*/site-packages")
    (packages / "mine.pth").write_text(str(repo / "src"))
    write(repo, {"jobs/job.py": "import model; print(model.depth)"})
    commit_all(repo)
    run = run_of(repo, other / "bin/python", "jobs/job.py")
    write(repo, {"src/model.py": "depth = 4\n"})
    assert again(repo, run).verdict == "identical"


@pytest.mark.parametrize("linked", [False, True], ids=["program", "link"])
def test_a_program_that_git_holds_is_not_started_as_the_checkout_has_it_by_now(
    repo: Path, tmp_path: Path, linked: bool
) -> None:
    """It is code, and consent is for that of the run."""
    place = repo / ("places/tools" if linked else "tools")
    write(place, {"python": f'#!/bin/sh\nexec {sys.executable} "$@"\n'})
    (place / "python").chmod(0o755)
    if linked:
        (repo / "tools").symlink_to("places/tools")
    write(repo, {"job.py": "print(1)"})
    commit_all(repo)
    run = run_of(repo, "tools/python", "job.py")
    write(place, {"python": f'#!/bin/sh\ntouch {tmp_path}/started\nexec {sys.executable} "$@"\n'})
    plan = planned(repo, run)
    plan = replace(plan, differences=(Difference("environment", "ghost", "1.0", None),))

    with way(plan, Mode.CURRENT).hold(plan, None) as interpreter:
        assert interpreter.how == "current"
    assert not (tmp_path / "started").exists()
