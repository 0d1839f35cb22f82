"""A command line in a repository of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gittrack.cli.group import gittrack

HOSTILE_NAME = "=evil\x1b]52;c;cm0gLXJm\x07\u202etxt\r\x9b2J\u200b|<b>\n"


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "_GITTRACK_")) or name in ("NO_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)


@pytest.fixture
def work(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a repository with one commit and nothing recorded."""
    monkeypatch.chdir(repo)
    return repo


@pytest.fixture
def cli() -> Callable[..., Result]:
    """Run a command in this process, with the exit codes of the program."""

    def run(*arguments: str, **options: object) -> Result:
        return CliRunner().invoke(gittrack, arguments, **options)  # type: ignore[arg-type]

    return run


def program(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run gittrack as a process of its own."""
    given = {"capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run([sys.executable, "-m", "gittrack", *arguments], **given)  # type: ignore[call-overload, no-any-return]
