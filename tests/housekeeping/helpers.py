"""Runs without processes: sealed by hand, in a repository of the test's own."""

from __future__ import annotations

from pathlib import Path

from gittrack import config as configs
from gittrack.git.repo import Repository
from gittrack.record.project import Project, layout_of
from gittrack.record.run import ActiveRun
from gittrack.store.layout import Layout


def opened(root: Path) -> tuple[Repository, Layout]:
    repo = Repository.find(root)
    return repo, layout_of(repo, repo.root)


def begin(root: Path, name: str = "trial", experiment: str = "Default") -> ActiveRun:
    project = Project.find(root)
    return ActiveRun.begin(
        project, project.config(), configs.surroundings(), name=name, experiment=experiment
    )


def record(root: Path, name: str = "trial", experiment: str = "Default", text: str = "weights") -> ActiveRun:
    """Record a run with points, a param and an artifact, and seal it."""
    run = begin(root, name, experiment)
    run.log_param("lr", 0.1)
    for step in range(20):
        run.log_metric("loss", 1 / (step + 1), step)
    run.log_text(text, "model.txt")
    run.end()
    assert run.digest is not None
    return run


def flip(path: Path, at: int | None = None) -> None:
    """Flip one bit of a file, in the middle by default."""
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 4
    path.write_bytes(content)
