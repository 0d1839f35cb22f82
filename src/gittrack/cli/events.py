"""Writing later facts about runs, for `tag`, `delete` and `restore`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gittrack.cli.reading import find, reading
from gittrack.entities.record import Digest
from gittrack.record.events import Subject
from gittrack.tracking import facts
from gittrack.tracking.facts import Fact

__all__ = ["Fact", "write"]


def write(runs: Sequence[str], said: Sequence[Fact]) -> dict[Subject, list[Digest]]:
    """Write the facts about each of the runs; return the digests of the events by run.

    Raises:
        InvalidValue: A key cannot be one; nothing was written.
        NotFound: One of the names means no run, or more than one; nothing was written.
        OSError: The disk does not take it.
    """
    from gittrack.record.project import Project

    project = Project.find(Path.cwd())
    with reading() as session:
        return facts.write(project, session, [find(session, run) for run in runs], said)
