"""A command that names another Python than gittrack's is repeated in that, while it is here."""

from __future__ import annotations

import shutil
from pathlib import Path

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
