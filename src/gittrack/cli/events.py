"""Writing later facts about runs, for `tag`, `delete` and `restore`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from gittrack.cli.reading import find, reading
from gittrack.entities.record import Digest, RunId

Fact = tuple[str, str | None, str | None]  # op, key, value


def write(runs: Sequence[str], facts: Sequence[Fact]) -> dict[RunId, list[Digest]]:
    """Write the facts about each of the runs; return the digests of the events by run.

    Raises:
        InvalidValue: A key cannot be one; nothing was written.
        NotFound: One of the names means no run, or more than one; nothing was written.
        OSError: The disk does not take it.
    """
    from gittrack import config
    from gittrack.record import events
    from gittrack.record.project import Project
    from gittrack.record.values import as_text, check_key

    facts = [
        (op, key and check_key(key, "tag"), value and as_text(value, f"the tag '{key}'"))
        for op, key, value in facts
    ]
    project = Project.find(Path.cwd())
    with reading() as session:
        known = {run_id: session.events(run_id) for run_id in [find(session, run) for run in runs]}
    project.init()
    user = config.surroundings().user
    written: dict[RunId, list[Digest]] = {}
    for run_id, seen in known.items():
        for op, key, value in facts:
            now_ms = time.time_ns() // 1_000_000
            event = events.new_event(run_id, op, key, value, known=seen, now_ms=now_ms, user=user)
            digest = events.write_event(project.layout, event)
            seen[digest] = event
            written.setdefault(run_id, []).append(digest)
    return written
