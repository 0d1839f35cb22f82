"""Programs that record and then end in some way, and what is left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gittrack.entities.record import RunRecord
from gittrack.git.repo import Repository
from gittrack.record import format as formats
from gittrack.record import seal
from gittrack.record.points import read_parquet
from gittrack.record.project import Project, layout_of
from gittrack.store import digest as digests
from gittrack.store.layout import Layout

STEPS = "\nimport os, signal, sys, threading, time\nimport gittrack\n"


def layout_at(root: Path) -> Layout:
    """Return the store of the repository at `root`."""
    return layout_of(Repository.find(root), root)


def script(
    root: Path, code: str, *args: str, name: str = "job.py", **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a Python script that git does not see; a `-c` would have no frame that a person writes."""
    path = root / ".git" / name
    path.write_text(STEPS + code)
    return subprocess.run(
        [sys.executable, str(path), *args],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def sealed_runs(root: Path) -> list[RunRecord]:
    """Seal the dead and return the sealed runs of a working tree, oldest first, each checked against its digest."""
    layout = layout_at(root)
    seal.seal_dead(layout)
    found = []
    for file in sorted(layout.runs.glob("*/*/run.yaml")):
        content = file.read_bytes()
        assert digests.of_bytes(content) == file.parent.parent.name + file.parent.name
        found.append(formats.load_run(content))
    return sorted(found, key=lambda run: (run.process.id, run.process.ordinal))


def only_run(root: Path) -> RunRecord:
    """Return the one sealed run there is; no other is live."""
    [run] = sealed_runs(root)
    assert os.listdir(layout_at(root).live) == []
    return run


def steps_of(root: Path, key: str) -> list[int]:
    """Return the steps of a metric over all sealed runs."""
    files = layout_at(root).runs.glob("*/*/metrics.parquet")
    return sorted(m.step for file in files for m in read_parquet(file.read_bytes()).metrics() if m.key == key)


def project_at(root: Path) -> Project:
    """Return the project at `root`."""
    return Project.find(root)
