"""A process that has recorded nothing yet, and what a store holds byte for byte."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import gittrack
from gittrack.api import active, state
from gittrack.record import begin, exits, origin
from gittrack.tracking import open_runs
from tests.record.processes import layout_at

VARIABLES = ("EXPERIMENT_ID", "EXPERIMENT_NAME", "RUN_CONTEXT", "RUN_ID", "TRACKING_URI")


@pytest.fixture
def fresh(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the test a process of its own as far as gittrack can tell; what it leaves open ends with it."""
    for name in VARIABLES:
        monkeypatch.setenv(f"GITTRACK_{name}", "")  # so that it is put back, should the test set it
        monkeypatch.delenv(f"GITTRACK_{name}")
    forget()
    yield
    forget()


@pytest.fixture
def client(fresh: None) -> gittrack.Client:
    """A client of the current repository."""
    return gittrack.Client()


def forget() -> None:
    """End what is open, as the end of a process does, and know nothing of what was recorded."""
    exits._end_all("FINISHED", None)
    active._active.set(())
    state.forget()
    open_runs._borrowed.clear()
    open_runs._deleted.clear()
    begin._groups.clear()
    origin._forget()


def close_borrowed() -> None:
    """Close at once what is closed when nothing was logged to it for a second."""
    for run_id in list(open_runs._borrowed):
        open_runs.release(run_id)


def stored(root: Path) -> dict[str, str]:
    """Return the digest of every file that holds what was recorded; what is derived is none of them."""
    layout = layout_at(root)
    found = {}
    for top in (layout.committed, layout.live, layout.unsaved.committed, layout.files):
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder) / name
                found[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
