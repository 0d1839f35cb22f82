"""Which seals of which segments an answer is made from. A view is derived, and kept until what it saw changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gittrack.entities.record import Digest, Event, ExperimentId, RunId
from gittrack.query.damage import Damage
from gittrack.record import events as folding


@dataclass(frozen=True)
class Selection:
    """Some of a segment's items: those listed, or all but those."""

    listed: tuple[int, ...] = ()
    others: bool = True  # all but those listed

    @classmethod
    def of(cls, chosen: Iterable[int], everything: Iterable[int]) -> Selection:
        """Return the shorter way to say `chosen`."""
        inside = set(chosen)
        outside = set(everything) - inside
        if len(outside) <= len(inside):
            return cls(tuple(sorted(outside)), True)
        return cls(tuple(sorted(inside)), False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is selected."""
        return not self.others and not self.listed

    def sql(self, column: str = "item") -> str:
        """Return the condition on `column`; its numbers are ours, never from outside."""
        if not self.listed:
            return "true" if self.others else "false"
        numbers = ",".join(str(int(number)) for number in self.listed)
        return f"{column} {'not ' if self.others else ''}in ({numbers})"


EVERYTHING = Selection()
NOTHING = Selection((), False)


@dataclass(frozen=True)
class Part:
    """What a view takes from one segment.

    Attributes:
        segment: The segment's name.
        runs: Seals that are rows of their own.
        here: Seals that the checked-out tree holds.
        events: Events that are seen.
        environments: Environments that are seen.
    """

    segment: str
    runs: Selection
    here: Selection
    events: Selection
    environments: Selection


@dataclass(frozen=True)
class Change:
    """What events make of one run."""

    run_id: RunId
    deleted: bool
    tags: Mapping[str, str | None]
    contested: tuple[str, ...]


@dataclass(frozen=True)
class ExperimentChange:
    """What events make of one experiment."""

    experiment_id: ExperimentId
    name: str | None
    deleted: bool
    tags: Mapping[str, str | None]
    created: int
    changed: int


@dataclass(frozen=True)
class View:
    """What one answer is made from.

    Attributes:
        parts: What is taken from each segment.
        merges: Runs with several newest seals: id, the digests of these, whether one is in the checked-out tree.
        changes: What events make of runs.
        experiments: What events make of experiments.
        disagreeing: Digests of events that are contested.
        taken_in: Digests of events that resumed runs have taken in.
        damaged: What was found damaged.
        complete: Whether everything that was listed could be read.
    """

    parts: tuple[Part, ...] = ()
    merges: tuple[tuple[RunId, tuple[Digest, ...], bool], ...] = ()
    changes: tuple[Change, ...] = ()
    experiments: tuple[ExperimentChange, ...] = ()
    disagreeing: tuple[Digest, ...] = ()
    taken_in: tuple[Digest, ...] = ()
    damaged: tuple[Damage, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Seal:
    """One indexed seal: where its row is, and what it says of others."""

    segment: str
    item: int
    run_id: RunId
    supersedes: tuple[Digest, ...]
    seen: tuple[Digest, ...] = ()


@dataclass
class Indexed:
    """What the segments hold: for each digest the first row that has it, and all rows."""

    runs: dict[Digest, Seal] = field(default_factory=dict)
    events: dict[Digest, tuple[str, int, Event]] = field(default_factory=dict)
    environments: dict[Digest, tuple[str, int]] = field(default_factory=dict)
    items: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # by segment and table


def make(
    indexed: Indexed,
    segments: Sequence[str],
    *,
    runs: Iterable[Digest],
    here: set[Digest],
    events: Iterable[Digest],
    environments: Iterable[Digest],
    damaged: Sequence[Damage],
) -> View:
    """Return the view of what is seen.

    Args:
        indexed: What the segments hold.
        segments: Their names.
        runs: Digests of the seals that are seen; those that are not indexed are passed over, they are damaged.
        here: Digests of the seals in the checked-out tree.
        events: Digests of the events that are seen.
        environments: Digests of the environments that are seen.
        damaged: What could not be read.
    """
    seals = {digest: indexed.runs[digest] for digest in runs if digest in indexed.runs}
    newest = _newest(seals)
    merges = {run_id: found for run_id, found in newest.items() if len(found) > 1}
    alone = [found[0] for found in newest.values() if len(found) == 1]
    seen_events = {digest: indexed.events[digest] for digest in events if digest in indexed.events}
    taken_in = _taken_in(seals, newest, indexed)
    states = folding.fold(
        {digest: entry[2] for digest, entry in seen_events.items() if digest not in taken_in}
    )
    about_runs = {event.run_id for _, _, event in seen_events.values()}
    chosen = (
        _by_segment((seals[one].segment, seals[one].item) for one in alone),
        _by_segment((seals[one].segment, seals[one].item) for one in alone if one in here),
        _by_segment(entry[:2] for entry in seen_events.values()),
        _by_segment(indexed.environments[one] for one in environments if one in indexed.environments),
    )
    tables = ("runs", "runs", "events", "environments")
    parts = tuple(
        Part(
            segment,
            *(
                Selection.of(items.get(segment, ()), indexed.items.get((segment, table), ()))
                for items, table in zip(chosen, tables, strict=True)
            ),
        )
        for segment in segments
    )
    return View(
        parts=parts,
        merges=tuple(
            (run_id, tuple(found), any(digest in here for digest in found))
            for run_id, found in sorted(merges.items())
        ),
        changes=tuple(
            _change(RunId(subject), state)
            for subject, state in sorted(states.items())
            if subject in about_runs
        ),
        experiments=tuple(
            ExperimentChange(
                ExperimentId(subject),
                state.name,
                state.deleted,
                dict(state.tags),
                state.created,
                state.changed,
            )
            for subject, state in sorted(states.items())
            if subject not in about_runs
        ),
        disagreeing=tuple(sorted({one for state in states.values() for one in state.disagreeing})),
        taken_in=tuple(sorted(taken_in)),
        damaged=tuple(sorted(set(damaged))),
        complete=len(seals) == len(set(runs)),
    )


def _newest(seals: Mapping[Digest, Seal]) -> dict[RunId, list[Digest]]:
    """Return the seals of each run that no other seal of the same run supersedes."""
    by_run: dict[RunId, list[Digest]] = {}
    for digest in sorted(seals):
        by_run.setdefault(seals[digest].run_id, []).append(digest)
    for run_id, found in by_run.items():
        if len(found) > 1:
            old = {older for digest in found for older in seals[digest].supersedes}
            by_run[run_id] = [digest for digest in found if digest not in old] or found
    return by_run


def _taken_in(
    seals: Mapping[Digest, Seal], newest: Mapping[RunId, Sequence[Digest]], indexed: Indexed
) -> set[Digest]:
    """Return the events that resumed runs have taken in: what such a run says came after them."""
    resumed = [found for found in newest.values() if all(seals[digest].seen for digest in found)]
    if not resumed:
        return set()
    events = {digest: event for digest, (_, _, event) in indexed.events.items()}
    return {
        one
        for found in resumed
        for one in set.intersection(*(folding.closure(events, seals[digest].seen) for digest in found))
    }


def _by_segment(rows: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for segment, item in rows:
        found.setdefault(segment, []).append(item)
    return found


def _change(run_id: RunId, state: folding.State) -> Change:
    return Change(run_id, state.deleted, dict(state.tags), tuple(sorted(state.contested)))


def to_document(view: View) -> dict[str, Any]:
    """Return a view as JSON can hold it."""
    return {
        "parts": [
            [part.segment, *map(_selected, (part.runs, part.here, part.events, part.environments))]
            for part in view.parts
        ],
        "merges": [[run_id, list(found), here] for run_id, found, here in view.merges],
        "changes": [
            [change.run_id, change.deleted, dict(change.tags), list(change.contested)]
            for change in view.changes
        ],
        "experiments": [
            [one.experiment_id, one.name, one.deleted, dict(one.tags), one.created, one.changed]
            for one in view.experiments
        ],
        "disagreeing": list(view.disagreeing),
        "taken_in": list(view.taken_in),
        "damaged": [[one.code, one.path, one.what] for one in view.damaged],
        "complete": view.complete,
    }


def from_document(document: Mapping[str, Any]) -> View:
    """Return the view that `to_document` wrote; its checksum was right, so its form is."""
    return View(
        parts=tuple(
            Part(name, *(Selection(tuple(listed), others) for listed, others in selected))
            for name, *selected in document["parts"]
        ),
        merges=tuple((run_id, tuple(found), here) for run_id, found, here in document["merges"]),
        changes=tuple(
            Change(run_id, deleted, tags, tuple(contested))
            for run_id, deleted, tags, contested in document["changes"]
        ),
        experiments=tuple(ExperimentChange(*fields) for fields in document["experiments"]),
        disagreeing=tuple(document["disagreeing"]),
        taken_in=tuple(document["taken_in"]),
        damaged=tuple(Damage(*one) for one in document["damaged"]),
        complete=document["complete"],
    )


def _selected(selection: Selection) -> list[Any]:
    return [list(selection.listed), selection.others]
