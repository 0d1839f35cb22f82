"""Later facts about runs: tags put on afterwards, soft deletes. What holds now is a fold over all of them.

The order is one that clocks cannot forge: an event comes after every event that it has seen, whatever its time
says. Of two that have not seen each other the later one shows, and when they say different things the claim is
*contested*: both stay, and readers are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gittrack.entities.record import Digest, Event, RunId
from gittrack.record import format as formats
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

Claim = tuple[RunId, str | None]  # a tag of a run, or (None) whether the run is deleted


@dataclass
class State:
    """What the events about one run come to.

    Attributes:
        deleted: Whether the run is soft-deleted.
        tags: Tags that events set, and None for those that they deleted.
        contested: Keys about which two events disagree that have not seen each other; None stands for the
            deletion of the run.
        disagreeing: Digests of those events.
    """

    deleted: bool = False
    tags: dict[str, str | None] = field(default_factory=dict)
    contested: set[str | None] = field(default_factory=set)
    disagreeing: set[Digest] = field(default_factory=set)


def fold(events: Mapping[Digest, Event]) -> dict[RunId, State]:
    """Return the state of every run that events are about; the same for any order of `events`."""
    claims: dict[Claim, list[Digest]] = {}
    for digest, event in events.items():
        claims.setdefault((event.subject, event.key), []).append(digest)
    states: dict[RunId, State] = {}
    for (subject, key), made in claims.items():
        state = states.setdefault(subject, State())
        newest = sorted(_frontier(events, made), key=lambda digest: _order(events, digest))
        _apply(state, events[newest[-1]])
        if len({(events[digest].op, events[digest].value) for digest in newest}) > 1:
            state.contested.add(key)
            state.disagreeing.update(newest)
    return states


def apply(tags: Mapping[str, str], state: State) -> dict[str, str]:
    """Return a run's tags as its events leave them."""
    changed = {**tags, **state.tags}
    return {key: value for key, value in changed.items() if value is not None}


def new_event(
    subject: RunId,
    op: str,
    key: str | None,
    value: str | None,
    *,
    known: Mapping[Digest, Event],
    now_ms: int,
    user: str,
) -> Event:
    """Return an event that comes after all that its writer knows.

    Args:
        subject: The run.
        op: `set_tag`, `delete_tag`, `delete` or `restore`.
        key: The tag's key, None for `delete` and `restore`.
        value: The tag's value, None unless `op` is `set_tag`.
        known: All events about the run that the writer knows.
        now_ms: The time, milliseconds UTC.
        user: Who writes it.

    Source: Kulkarni et al. 2014, "Logical Physical Clocks" (hybrid logical clocks).
    """
    latest = max(((event.time, event.counter) for event in known.values()), default=(-1, 0))
    time, counter = (latest[0], latest[1] + 1) if latest[0] >= now_ms else (now_ms, 0)
    return Event(
        subject=subject,
        op=op,  # type: ignore[arg-type]
        key=key,
        value=value,
        time=time,
        counter=counter,
        seen=tuple(sorted(_frontier(known, list(known)))),
        user=user,
    )


def write_event(layout: Layout, event: Event) -> Digest:
    """Write an event into the working tree's store and into the second copies; return its digest.

    Raises:
        OSError: The disk does not take it.
    """
    content = formats.dump_event(event)
    digest = digests.of_bytes(content)
    for target in (layout.unsaved, layout):
        durable.write_once(target.event(digest), content, tmp=layout.tmp)
    return digest


def _frontier(events: Mapping[Digest, Event], made: Iterable[Digest]) -> list[Digest]:
    """Return those of `made` that no other of them comes after."""
    candidates = list(made)
    if len(candidates) == 1:
        return candidates
    overtaken: set[Digest] = set()
    ahead = [seen for digest in candidates for seen in events[digest].seen]
    while ahead:
        digest = ahead.pop()
        if digest not in overtaken and digest in events:
            overtaken.add(digest)
            ahead.extend(events[digest].seen)
    return [digest for digest in candidates if digest not in overtaken]


def _order(events: Mapping[Digest, Event], digest: Digest) -> tuple[int, int, Digest]:
    return events[digest].time, events[digest].counter, digest


def _apply(state: State, event: Event) -> None:
    if event.op == "set_tag" and event.key is not None:
        state.tags[event.key] = event.value or ""
    elif event.op == "delete_tag" and event.key is not None:
        state.tags[event.key] = None
    elif event.key is None:
        state.deleted = event.op == "delete"
