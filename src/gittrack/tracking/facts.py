"""Writing later facts about runs and experiments."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gittrack import config
from gittrack.entities.record import Digest, Op
from gittrack.record import begin, events
from gittrack.record.events import Subject
from gittrack.record.project import Project
from gittrack.record.values import as_text, check_key

if TYPE_CHECKING:
    from gittrack.query.session import Session
    from gittrack.query.standing import Standing

Fact = tuple[Op, str | None, str | None]  # what is said, a tag's key, its value or a name


def write(
    project: Project, known_by: Session | Standing, subjects: Sequence[Subject], facts: Sequence[Fact]
) -> dict[Subject, list[Digest]]:
    """Write the facts about each of the subjects; return the digests of the events by subject.

    Args:
        project: Where they are.
        known_by: Knows the events that there are, which the new ones come after.
        subjects: Runs or experiments.
        facts: What is said of each.

    Raises:
        InvalidValue: A key cannot be one, or a value is too long; nothing was written.
        OSError: The disk does not take it.
    """
    facts = [
        (
            op,
            key and check_key(key, "tag"),
            None if value is None else as_text(value, f"the value of '{key or op}'"),
        )
        for op, key, value in facts
    ]
    known = {subject: known_by.events(subject) for subject in subjects}
    project.init()
    begin.forget_groups()
    user = config.surroundings().user
    written: dict[Subject, list[Digest]] = {}
    for subject, seen in known.items():
        for op, key, value in facts:
            now_ms = time.time_ns() // 1_000_000
            event = events.new_event(subject, op, key, value, known=seen, now_ms=now_ms, user=user)
            digest = events.write_event(project.layout, event)
            seen[digest] = event
            written.setdefault(subject, []).append(digest)
    return written
