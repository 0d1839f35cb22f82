"""Later facts about runs and experiments: tags put on afterwards, new names, soft deletes. What holds now is a fold
over all of them.

The order is one that clocks cannot forge: an event comes after every event that it has seen, whatever its time
says. Of two that have not seen each other the later one shows, and when they say different things the claim is
*contested*: both stay, and readers are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gittrack.entities.record import Digest, Event, ExperimentId, Op, RunId
from gittrack.record import format as formats
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

Subject = RunId | ExperimentId
_CLAIMS = {
    "create": "name",
    "rename": "name",
    "set_tag": "tag",
    "delete_tag": "tag",
    "delete": "stage",
    "restore": "stage",
}


@dataclass
class State:
    """What the events about one subject come to.

    Attributes:
        deleted: Whether it is soft-deleted.
        name: The name that events gave an experiment, None without any.
        tags: Tags that events set, and None for those that they deleted.
        created: Time of the earliest event.
        changed: Time of the latest event.
        contested: Keys of tags about which two events disagree that have not seen each other.
        disagreeing: Digests of all events that disagree so, also about the name or the deletion.
    """

    deleted: bool = False
    name: str | None = None
    tags: dict[str, str | None] = field(default_factory=dict)
    created: int = 1 << 63
    changed: int = 0
    contested: set[str] = field(default_factory=set)
    disagreeing: set[Digest] = field(default_factory=set)


def fold(events: Mapping[Digest, Event]) -> dict[Subject, State]:
    """Return the state of every subject that events are about; the same for any order of `events`."""
    claims: dict[tuple[Subject, str, str | None], list[Digest]] = {}
    for digest, event in events.items():
        claims.setdefault((event.subject, _CLAIMS[event.op], event.key), []).append(digest)
    states: dict[Subject, State] = {}
    for (subject, _, key), made in claims.items():
        state = states.setdefault(subject, State())
        state.created = min(state.created, *(events[digest].time for digest in made))
        state.changed = max(state.changed, *(events[digest].time for digest in made))
        renames = [digest for digest in made if events[digest].op == "rename"]
        newest = sorted(_frontier(events, renames or made), key=lambda digest: _order(events, digest))
        _apply(state, events[newest[-1]])
        if len({(events[digest].op, events[digest].value) for digest in newest}) > 1:
            state.disagreeing.update(newest)
            if key is not None:
                state.contested.add(key)
    return states


def apply(tags: Mapping[str, str], state: State) -> dict[str, str]:
    """Return a subject's tags as its events leave them."""
    changed = {**tags, **state.tags}
    return {key: value for key, value in changed.items() if value is not None}


def closure(events: Mapping[Digest, Event], newest: Iterable[Digest]) -> set[Digest]:
    """Return those events and all that they have seen."""
    found: set[Digest] = set()
    ahead = list(newest)
    while ahead:
        digest = ahead.pop()
        if digest in events and digest not in found:
            found.add(digest)
            ahead.extend(events[digest].seen)
    return found


def frontier(events: Mapping[Digest, Event]) -> tuple[Digest, ...]:
    """Return the events that no other has seen, sorted."""
    return tuple(sorted(_frontier(events, list(events))))


def new_event(
    subject: Subject,
    op: Op,
    key: str | None,
    value: str | None,
    *,
    known: Mapping[Digest, Event],
    now_ms: int,
    user: str,
) -> Event:
    """Return an event that comes after all that its writer knows.

    Args:
        subject: The run or experiment.
        op: What is said of it.
        key: The tag's key, None where it is not about a tag.
        value: The tag's value, or the experiment's name.
        known: All events about the subject that the writer knows.
        now_ms: The time, milliseconds UTC.
        user: Who writes it.

    Source: Kulkarni et al. 2014, "Logical Physical Clocks" (hybrid logical clocks).
    """
    latest = max(((event.time, event.counter) for event in known.values()), default=(-1, 0))
    time, counter = (latest[0], latest[1] + 1) if latest[0] >= now_ms else (now_ms, 0)
    return Event(
        subject=subject,
        op=op,
        key=key,
        value=value,
        time=time,
        counter=counter,
        seen=frontier(known),
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
    overtaken = closure(events, [seen for digest in candidates for seen in events[digest].seen])
    return [digest for digest in candidates if digest not in overtaken]


def _order(events: Mapping[Digest, Event], digest: Digest) -> tuple[int, int, Digest]:
    return events[digest].time, events[digest].counter, digest


def _apply(state: State, event: Event) -> None:
    if event.key is not None:
        state.tags[event.key] = (event.value or "") if event.op == "set_tag" else None
    elif event.op in ("create", "rename"):
        state.name = event.value
    else:
        state.deleted = event.op == "delete"
