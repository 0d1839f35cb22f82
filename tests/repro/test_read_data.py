"""Reproductions of jobs whose data was found by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import write
from tests.repro.helpers import again, job, originals

MANY = 120  # files of one folder: more than are named one by one
TWO_RUNS = f"""\
import gittrack
for part in range(2):
    with gittrack.start_run():
        found = [open(f"data/{{number}}.txt").read() for number in range({MANY} * part, {MANY} * (part + 1))]
        gittrack.log_metric("sum", sum(map(int, found)))
"""
GROWING = f"""\
import gittrack, os
with gittrack.start_run():
    for number in range({MANY}):
        open(f"data/{{number}}.txt").read()
    gittrack.log_metric("files", len(os.listdir("data")))
    open("data/new.txt", "w").write("more")
"""


@pytest.fixture
def project(repo: Path) -> Path:
    files = {f"data/{number}.txt": str(number) for number in range(2 * MANY)}
    write(repo, {".gitignore": "data/\n", **files})
    return repo


def test_each_run_of_a_process_finds_the_files_that_it_read(project: Path) -> None:
    write(project, {"train.py": TWO_RUNS})
    job(project, "python", "train.py")

    for run in originals(project):
        report = again(project, run)
        assert report.verdict == "identical", report.lines()


def test_a_repetition_finds_nothing_of_what_the_one_before_added_to_its_data(project: Path) -> None:
    for number in range(MANY, 2 * MANY):
        (project / f"data/{number}.txt").unlink()
    write(project, {"train.py": GROWING})
    job(project, "python", "train.py")

    report = again(project, originals(project)[0], times=3)

    assert (report.verdict, report.spread and report.spread.matching) == ("identical", 3), report.lines()
