"""`gittrack keep`: data that runs read and nobody kept, brought into the store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.housekeeping import gc
from gittrack.housekeeping.keep import KeptPath, keep
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, git, write
from tests.repro.helpers import again, gittrack, job, opened, originals, session_of

JOB = """\
import gittrack, pathlib
with gittrack.start_run():
    found = [file.read_text() for file in sorted(pathlib.Path("data").rglob("*.txt"))]
    gittrack.log_metric("n", sum(map(len, found)))
"""
SMALL = "format: gittrack/config/1\ncapture_data_max_bytes: 3\n"


@pytest.fixture
def project(repo: Path) -> Path:
    """The current folder: a repository with a run that read more than it may keep."""
    write(repo, {".gitignore": "data/\n", "job.py": JOB, "data/a.txt": "much", "data/b.txt": "b"})
    gittrack(repo, "init")
    write(repo, {".gittrack/config.yaml": SMALL})
    commit_all(repo)
    job(repo, "python", "job.py")
    return repo


def kept(root: Path, name: str) -> KeptPath:
    return keep(session_of(root), root / name)


def test_what_was_kept_later_makes_a_run_reproducible(project) -> None:
    [run] = originals(project)
    assert {entry.path: entry.kept_by for entry in run.data} == {
        "data/a.txt": "nobody",
        "data/b.txt": "cache",
    }
    found = kept(project, "data/a.txt")
    assert found == KeptPath("data/a.txt", digests.of_bytes(b"much"), 4, None, (run.run_id,), ())
    (project / "data/a.txt").unlink()
    assert again(project, run).verdict == "identical"


def test_without_it_the_report_names_the_file_and_the_command(project) -> None:
    [run] = originals(project)
    (project / "data/a.txt").unlink()
    report = again(project, run)
    assert report.verdict == "impossible"
    assert report.problem.what == (
        "the data file 'data/a.txt' cannot be restored: the run read it, and nobody keeps it"
    )
    assert report.problem.hint.startswith("gittrack keep data/a.txt")


def test_other_content_than_a_run_has_read_is_kept_and_said(project) -> None:
    [run] = originals(project)
    (project / "data/a.txt").write_text("more")
    found = kept(project, "data/a.txt")
    assert (found.runs, found.others) == ((), (run.run_id,))
    assert FileStore(opened(project)[1]).has(digests.of_bytes(b"more"))


def test_a_folder_is_kept_for_the_files_that_runs_name_in_it(project) -> None:
    [run] = originals(project)
    found = kept(project, "data")
    assert (found.files, found.runs, found.others) == (2, (run.run_id,), ())
    (project / "data/a.txt").unlink()
    assert again(project, run).verdict == "identical"


def test_the_command_says_it_in_words_and_in_json(project) -> None:
    [run] = originals(project)
    said = gittrack(project, "keep", "data/a.txt", "job.py")
    assert "kept data/a.txt (4 B), read by 1 run\n" in said
    assert "no run names this content of job.py: 'gittrack gc' frees it after a day" in said
    argv = [sys.executable, "-P", "-m", "gittrack", "keep", "data/a.txt", "--json"]
    document = json.loads(subprocess.run(argv, cwd=project, capture_output=True, check=True).stdout)
    assert document[0]["runs"] == [run.run_id]
    assert "there is no file or folder 'nowhere'" in gittrack(project, "keep", "nowhere", check=False)


def test_gc_does_not_free_what_was_kept_by_hand(project) -> None:
    kept(project, "data/a.txt")
    gc.apply(gc.plan(*opened(project), older_than_s=0))
    assert FileStore(opened(project)[1]).has(digests.of_bytes(b"much"))


def test_a_later_run_that_reads_it_finds_it_kept(project) -> None:
    kept(project, "data/a.txt")
    job(project, "python", "job.py")
    assert {entry.kept_by for entry in originals(project)[-1].data} == {"cache"}


def test_very_many_files_come_back_in_a_clone_that_has_only_the_store(project, tmp_path) -> None:
    write(project, {".gittrack/config.yaml": "format: gittrack/config/1\n"})
    write(project, {f"data/many/{number}.txt": str(number) for number in range(120)})
    job(project, "python", "job.py")
    run = originals(project)[-1]
    assert [(entry.path, entry.files) for entry in run.data if entry.files] == [("data/many", 120)]
    git(project, "clean", "-qfdx", "data")
    report = again(project, run)
    assert report.verdict == "identical"
    assert [found.how for found in report.restored.data if found.path == "data/many"] == ["cache"]


def test_a_repetition_names_its_data_as_the_record_does(project) -> None:
    job(project, "python", "job.py")
    run = originals(project)[-1]
    again(project, run)
    rows = session_of(project).rows(
        "select path, data.digest from data join runs using (run_id) where repro_of = $id order by path",
        id=run.run_id,
    )
    assert rows == [(entry.path, entry.digest) for entry in run.data]
