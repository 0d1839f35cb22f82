"""What all tests share: a git that knows nothing of this machine, and repositories to work in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.record import opens
from tests.engines import _empty_image, plain, podman_image  # noqa: F401 - fixtures

DATE = "2026-01-02T03:04:05+00:00"


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty home, no settings of user or system, one fixed identity and time."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("GIT_", "GITTRACK_", "MLFLOW_", "XDG_")):
            monkeypatch.delenv(name)
    settings = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
    }
    for role in ("AUTHOR", "COMMITTER"):
        settings |= {
            f"GIT_{role}_NAME": "Ada",
            f"GIT_{role}_EMAIL": "ada@example.org",
            f"GIT_{role}_DATE": DATE,
        }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    opens.seen.clear()  # what pytest has read is no data of a run


def git(where: Path, *args: str | Path, input: bytes | None = None) -> str:  # noqa: A002
    """Run git as a user would; returns what it wrote."""
    done = subprocess.run(["git", *args], cwd=where, input=input, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return os.fsdecode(done.stdout).strip()


def python(
    where: Path, code: str, *args: str, check: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, started in `where`; its warnings are errors, as ours are."""
    argv = [sys.executable, "-W", "error", "-c", code, *args]
    done = subprocess.run(
        argv, cwd=where, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def write(root: Path, files: dict[str, str | bytes]) -> None:
    """Write files below `root`, with the folders that they need."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def commit_all(root: Path, message: str = "work") -> str:
    """Commit everything and return the commit's id."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def empty_repo(tmp_path: Path) -> Path:
    """A repository before its first commit."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


@pytest.fixture
def repo(empty_repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a repository with two files in one commit on `main`."""
    monkeypatch.chdir(empty_repo)
    write(empty_repo, {"train.py": "print('training')\n", "src/model.py": "depth = 3\n"})
    commit_all(empty_repo, "first")
    return empty_repo


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An environment beside the repository, with the distribution `ghost` and without gittrack."""
    from tests import other_python

    return other_python.made(tmp_path / "other")
