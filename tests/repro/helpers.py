"""Jobs that are recorded by a process of their own, and reproduced by this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gittrack.entities.record import RunId, RunRecord
from gittrack.git.repo import Repository
from gittrack.housekeeping import commit as commits
from gittrack.query.session import Session
from gittrack.record.project import layout_of
from gittrack.repro.options import Options
from gittrack.repro.plan import Plan, agree, plan
from gittrack.repro.report import Report
from gittrack.repro.reproduce import reproduce
from gittrack.store.layout import Layout
from tests.conftest import write

TRAIN = """\
import gittrack, model
with gittrack.start_run(run_name="trial"):
    gittrack.log_param("lr", 0.1)
    for step in range(5):
        gittrack.log_metric("loss", model.loss(step), step=step)
    gittrack.log_text("weights " + str(model.DEPTH), "model.txt")
"""
MODEL = """\
DEPTH = 3
def loss(step):
    return DEPTH / (step + 1)
"""


def opened(root: Path) -> tuple[Repository, Layout]:
    repo = Repository.find(root)
    return repo, layout_of(repo, repo.root)


def session_of(root: Path) -> Session:
    return Session.open(*opened(root))


def job(root: Path, *argv: str, check: bool = True, env: dict[str, str] | None = None) -> str:
    """Run a command in `root` as a user would; return what it printed."""
    words = [sys.executable, *argv[1:]] if argv[0] == "python" else list(argv)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    around = {**os.environ, "PATH": path, **(env or {})}
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, env=around)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def gittrack(root: Path, *argv: str, check: bool = True) -> str:
    return job(root, "python", "-P", "-m", "gittrack", *argv, check=check)


def runs(root: Path, where: str = "true") -> list[RunRecord]:
    session = session_of(root)
    ids = session.rows(f"select run_id from runs where {where} order by start_time, run_id")
    return [session.run(RunId(run_id)) for (run_id,) in ids]


def originals(root: Path) -> list[RunRecord]:
    return runs(root, "repro_of is null")


def planned(root: Path, run: RunRecord) -> Plan:
    repo, layout = opened(root)
    return plan(Session.open(repo, layout), repo, layout, run.run_id)


def again(root: Path, run: RunRecord, **options: object) -> Report:
    """Reproduce a run, agreeing to what another clone recorded."""
    return reproduce(agree(planned(root, run)), Options(**options))  # type: ignore[arg-type]


def commit(root: Path) -> str:
    made = commits.commit(*opened(root)).commit
    assert made is not None
    return made


def recorded(root: Path, files: dict[str, str | bytes] | None = None) -> RunRecord:
    """Write a small job, run it, and return its run."""
    write(root, files or {"train.py": TRAIN, "model.py": MODEL})
    job(root, "python", "train.py")
    return originals(root)[-1]
