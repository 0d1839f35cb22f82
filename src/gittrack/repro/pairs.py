"""Which of the new runs repeats which of the recorded ones."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.entities.record import RunId, RunRecord
from gittrack.repro.execute import NewRun


def pair(originals: Sequence[RunRecord], new: Sequence[NewRun]) -> dict[RunId, NewRun]:
    """Return the repetition of each recorded run that was repeated.

    The runs of one process are paired by their ordinals. Runs that other processes nested in them, workers of a
    sweep, are paired below their parents: those with the same params first, then by ordinal and start.

    Args:
        originals: As recorded, the first run of the process that was executed first.
        new: What the execution made, by start.
    """
    ids = {run.run_id for run in originals}
    first = next((found for found in new if found.run.repro_of in ids), None)
    if first is None:
        return {}
    process = originals[0].process.id
    by_ordinal = {
        found.run.process.ordinal: found for found in new if found.run.process.id == first.run.process.id
    }
    pairs = {
        run.run_id: by_ordinal[run.process.ordinal]
        for run in originals
        if run.process.id == process and run.process.ordinal in by_ordinal
    }
    waiting = [run for run in originals if run.run_id not in pairs and run.process.id != process]
    _pair_nested(waiting, list(new), pairs)
    return pairs


def _pair_nested(waiting: list[RunRecord], new: list[NewRun], pairs: dict[RunId, NewRun]) -> None:
    """Go down from paired parents to their children until nothing is found any more."""
    taken = {found.run.run_id for found in pairs.values()}
    found_one = True
    while found_one:
        found_one = False
        for run in [run for run in waiting if run.run_id not in pairs and run.parent_run_id in pairs]:
            parent = pairs[RunId(run.parent_run_id or "")].run.run_id
            children = [
                child for child in new if child.run.parent_run_id == parent and child.run.run_id not in taken
            ]
            child = min(children, key=lambda child: _distance(run, child.run), default=None)
            if child is not None:
                pairs[run.run_id] = child
                taken.add(child.run.run_id)
                found_one = True


def _distance(run: RunRecord, child: RunRecord) -> tuple[bool, bool, bool, int]:
    return (
        dict(child.params) != dict(run.params),
        child.name != run.name,
        child.process.ordinal != run.process.ordinal,
        child.start_time,
    )
