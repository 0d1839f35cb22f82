"""Comparing a run with its repetition: every metric point, bit for bit, and every artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gittrack.entities.record import Artifact, Digest, RunRecord
from gittrack.record.points import SortedPoints
from gittrack.repro.artifact_diff import Contents
from gittrack.repro.contents.finding import ArtifactDiff
from gittrack.repro.growth import Growth, growth
from gittrack.repro.tolerance import Tolerance, distances

if TYPE_CHECKING:
    from array import array

Verdict: TypeAlias = Literal["identical", "equivalent", "different", "failed", "impossible", "inconclusive"]
Outcome: TypeAlias = Literal["identical", "equivalent", "different", "missing", "new"]

EXIT_CODES: dict[Verdict, int] = {
    "identical": 0,
    "equivalent": 0,
    "different": 7,
    "failed": 8,
    "impossible": 9,
    "inconclusive": 10,
}
_WORST_FIRST: tuple[Verdict, ...] = (
    "impossible",
    "failed",
    "different",
    "inconclusive",
    "equivalent",
    "identical",
)
_LOOKED_INTO = 100  # artifacts of one run


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """One metric of a run, against the repetition.

    Attributes:
        key: The metric.
        outcome: `missing` when only the record has it, `new` when only the repetition has.
        points: How many the record has.
        repeated: How many the repetition has.
        differing: Points of the longer side that the other has not, bit for bit.
        first_step: The first step at which the two part; None when they do not.
        old: The recorded value there, None when the record has no such point.
        new: The repeated value there, None when the repetition has no such point.
        max_abs: The greatest difference of two values of one step; None when no two were compared.
        max_rel: The greatest difference relative to the recorded value.
        growth: How the difference goes on after its first point; None when no two values of one step differ.
    """

    key: str
    outcome: Outcome
    points: int
    repeated: int
    differing: int = 0
    first_step: int | None = None
    old: float | None = None
    new: float | None = None
    max_abs: float | None = None
    max_rel: float | None = None
    growth: Growth | None = None


@dataclass(frozen=True, slots=True)
class ArtifactResult:
    """One artifact of a run, against the repetition; digests are None where there is none.

    Attributes:
        how: How the two contents differ; None when they do not, or when they were not looked into.
    """

    path: str
    outcome: Outcome
    old: Digest | None
    new: Digest | None
    how: ArtifactDiff | None = None


@dataclass(frozen=True)
class Comparison:
    """A run against its repetition.

    Attributes:
        run: As recorded.
        repeat: Its repetition, None when the process did not make it again.
        verdict: None when there was nothing to compare.
        reason: Why the verdict is not what the points and artifacts alone would give, in words.
        series: One for each metric that is not volatile.
        artifacts: One for each artifact that is not volatile.
        volatile: How many metrics and artifacts were not compared, because the run declared them volatile.
    """

    run: RunRecord
    repeat: RunRecord | None
    verdict: Verdict | None
    reason: str | None = None
    series: tuple[SeriesResult, ...] = ()
    artifacts: tuple[ArtifactResult, ...] = ()
    volatile: int = 0


def compare(
    run: RunRecord,
    repeat: RunRecord | None,
    series: Sequence[SeriesResult],
    *,
    tolerance: Tolerance,
    incomplete: str | None = None,
    contents: Contents | None = None,
) -> Comparison:
    """Return how a run and its repetition relate.

    An artifact that differs in nothing but numbers within the tolerance is equivalent. Where a tolerance was asked
    for and the contents say nothing of numbers, as a model or an image, the metrics decide: such an artifact is
    named and does no harm. One with other numbers does, and one that is missing or new.

    Args:
        run: As recorded.
        repeat: The run that repeats it, None when there is none.
        series: What `compare_points` says of the two runs' points.
        tolerance: Within which values count as equivalent.
        incomplete: Why the record is not whole, in words; None when it is.
        contents: Looks into artifacts that differ; None leaves them at their digests.
    """
    if repeat is None:
        return Comparison(run, None, "different", "the process did not make this run again")
    volatile = (*run.volatile, *repeat.volatile)
    artifacts = compare_artifacts(run.artifacts, repeat.artifacts)
    kept_series = tuple(found for found in series if not is_volatile(found.key, volatile))
    kept_artifacts = tuple(found for found in artifacts if not is_volatile(found.path, volatile))
    if contents is not None:
        kept_artifacts = _looked_into(kept_artifacts, contents, tolerance)
    left = len(series) + len(artifacts) - len(kept_series) - len(kept_artifacts)
    verdict, reason = _verdict(run, repeat, _results(kept_series, kept_artifacts, tolerance), incomplete)
    return Comparison(run, repeat, verdict, reason, kept_series, kept_artifacts, left)


def worst(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Return the worst of some verdicts; None when none of them compared anything."""
    return next((verdict for verdict in _WORST_FIRST if verdict in verdicts), None)


def is_volatile(name: str, patterns: Sequence[str]) -> bool:
    """Whether a metric's key or an artifact's path matches one of the globs; `*` matches `/` too."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _results(
    series: Sequence[SeriesResult], artifacts: Sequence[ArtifactResult], tolerance: Tolerance
) -> Verdict | None:
    """Return what points and artifacts say by themselves."""
    if not series and not artifacts:
        return None
    outcomes = {found.outcome for found in series}
    if outcomes - {"identical", "equivalent"}:
        return "different"
    changed = [found for found in artifacts if found.outcome != "identical"]
    if not all(_harmless(found, decided=bool(series) and tolerance.asked) for found in changed):
        return "different"
    return "equivalent" if changed or "equivalent" in outcomes else "identical"


def _harmless(found: ArtifactResult, *, decided: bool) -> bool:
    """Whether an artifact that changed leaves the verdict to the metrics, which have `decided` within a tolerance."""
    if found.outcome == "equivalent":
        return True
    return decided and found.outcome == "different" and (found.how is None or found.how.close is None)


def _looked_into(
    artifacts: Sequence[ArtifactResult], contents: Contents, tolerance: Tolerance
) -> tuple[ArtifactResult, ...]:
    """Say how artifacts differ: all of them where it decides, otherwise as many as a person reads."""
    found, looked = [], 0
    for artifact in artifacts:
        old, new = artifact.old, artifact.new
        if artifact.outcome == "different" and old and new and (tolerance.asked or looked < _LOOKED_INTO):
            looked += 1
            how = contents.compare(artifact.path, old, new)
            outcome: Outcome = "equivalent" if how.close else "different"
            artifact = replace(artifact, outcome=outcome, how=how)
        found.append(artifact)
    return tuple(found)


def _verdict(
    run: RunRecord, repeat: RunRecord, results: Verdict | None, incomplete: str | None
) -> tuple[Verdict | None, str | None]:
    if run.status == "FINISHED" and repeat.status != "FINISHED":
        return "failed", f"the record's run is FINISHED, this one {repeat.status}"
    if _ended(run) != _ended(repeat):
        reason = f"the record's run is {_ended(run)}, this one {_ended(repeat)}"
        return ("inconclusive" if incomplete else "different"), reason
    if results == "different" and incomplete:
        return "inconclusive", incomplete
    return results, None


def _ended(run: RunRecord) -> str:
    code = run.command.exit_code if run.command else None
    return run.status if not code else f"{run.status} with exit code {code}"


def compare_artifacts(old: Sequence[Artifact], new: Sequence[Artifact]) -> list[ArtifactResult]:
    """Return one result for each path, in order."""
    before = {artifact.path: artifact.digest for artifact in old}
    after = {artifact.path: artifact.digest for artifact in new}
    results = []
    for path in sorted({*before, *after}):
        recorded, repeated = before.get(path), after.get(path)
        outcome: Outcome = "identical" if recorded == repeated else "different"
        if repeated is None:
            outcome = "missing"
        elif recorded is None:
            outcome = "new"
        results.append(ArtifactResult(path, outcome, recorded, repeated))
    return results


def compare_points(old: SortedPoints, new: SortedPoints, tolerance: Tolerance) -> list[SeriesResult]:
    """Return one result for each metric, in order; timestamps are not compared.

    A series is a multiset of (step, value): the order in which a step's values came does not matter. Every NaN
    equals every other.
    """
    before, after = dict(old.series()), dict(new.series())
    results = []
    for key in sorted({*before, *after}, key=str.encode):
        mine, other = before.get(key), after.get(key)
        if mine is None or other is None:
            results.append(_one_sided(key, old, mine, new, other))
        elif _same(old, mine, new, other):
            count = mine.stop - mine.start
            results.append(SeriesResult(key, "identical", count, count))
        else:
            results.append(_compare_series(key, old, mine, new, other, tolerance.for_name(key)))
    return results


def all_identical(run: RunRecord) -> list[SeriesResult]:
    """Return the results of a run whose points are known to be the same, in order."""
    counts = {key: run.metrics[key].count for key in sorted(run.metrics, key=str.encode)}
    return [SeriesResult(key, "identical", count, count) for key, count in counts.items()]


def _one_sided(
    key: str, old: SortedPoints, mine: slice | None, new: SortedPoints, other: slice | None
) -> SeriesResult:
    if mine is not None:
        count = mine.stop - mine.start
        return SeriesResult(key, "missing", count, 0, count, old.step[mine.start], old=old.value[mine.start])
    assert other is not None
    count = other.stop - other.start
    return SeriesResult(key, "new", 0, count, count, new.step[other.start], new=new.value[other.start])


def _same(old: SortedPoints, mine: slice, new: SortedPoints, other: slice) -> bool:
    """Whether two series are the same bytes in the same order, which most are; spares numpy."""
    if mine.stop - mine.start != other.stop - other.start:
        return False
    columns: list[tuple[array[Any], array[Any]]] = [(old.step, new.step), (old.value, new.value)]
    return all(a[mine].tobytes() == b[other].tobytes() for a, b in columns)


def _compare_series(
    key: str, old: SortedPoints, mine: slice, new: SortedPoints, other: slice, tolerance: Tolerance
) -> SeriesResult:

    steps, values, ranks = by_step_and_value(old, mine)
    new_steps, new_values, new_ranks = by_step_and_value(new, other)
    both = min(len(steps), len(new_steps))
    apart = (steps[:both] != new_steps[:both]) | (ranks[:both] != new_ranks[:both])
    if len(steps) == len(new_steps) and not apart.any():
        return SeriesResult(key, "identical", len(steps), len(new_steps))
    at = int(apart.argmax()) if apart.any() else both
    here = int(steps[at]) if at < len(steps) else None
    there = int(new_steps[at]) if at < len(new_steps) else None
    first = min(step for step in (here, there) if step is not None)
    rows, new_rows = _aligned(steps, new_steps)
    a, b = values[rows], new_values[new_rows]
    size, relative = distances(a, b)
    within = tolerance.asked and len(a) == len(steps) == len(new_steps) and bool(tolerance.close(a, b).all())
    return SeriesResult(
        key=key,
        outcome="equivalent" if within else "different",
        points=len(steps),
        repeated=len(new_steps),
        differing=max(len(steps), len(new_steps)) - _common(steps, ranks, new_steps, new_ranks),
        first_step=first,
        old=float(values[at]) if here == first else None,
        new=float(new_values[at]) if there == first else None,
        max_abs=float(size.max()) if len(a) else None,
        max_rel=float(relative.max()) if len(a) else None,
        growth=growth(steps[rows], size, a),
    )


def by_step_and_value(points: SortedPoints, part: slice) -> tuple[Any, Any, Any]:
    """Return steps, values and ranks of one series, by step, then rank.

    The rank of a value is an integer that orders as the values do, -0.0 before 0.0 and NaN last: two values have
    one rank when their bits are the same.
    """
    import numpy as np

    steps = np.frombuffer(points.step, np.int64)[part]
    values = np.frombuffer(points.value, np.float64)[part]
    bits = values.view(np.int64)
    ranks = bits ^ ((bits >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))
    order = np.lexsort((ranks, steps))
    return steps[order], values[order], ranks[order]


def _common(steps: Any, ranks: Any, new_steps: Any, new_ranks: Any) -> int:
    """Return how many points two series have in common, as multisets of step and value."""
    import numpy as np

    all_steps, all_ranks = np.concatenate([steps, new_steps]), np.concatenate([ranks, new_ranks])
    order = np.lexsort((all_ranks, all_steps))
    changes = (np.diff(all_steps[order]) != 0) | (np.diff(all_ranks[order]) != 0)
    codes = np.empty(len(order), np.int64)
    codes[order] = np.concatenate([[0], np.cumsum(changes)])
    size = int(codes.max()) + 1
    mine, other = (np.bincount(part, minlength=size) for part in (codes[: len(steps)], codes[len(steps) :]))
    return int(np.minimum(mine, other).sum())


def _aligned(steps: Any, new_steps: Any) -> tuple[Any, Any]:
    """Return the places of the rows that belong together: the n-th value of a step with its n-th value."""
    import numpy as np

    if len(steps) == len(new_steps) and bool((steps == new_steps).all()):
        return slice(None), slice(None)
    _, codes = np.unique(np.concatenate([steps, new_steps]), return_inverse=True)
    mine, other = codes[: len(steps)], codes[len(steps) :]
    turns, new_turns = (np.arange(len(part)) - np.searchsorted(part, part) for part in (mine, other))
    width = 1 + max(int(turns.max(initial=0)), int(new_turns.max(initial=0)))
    _, rows, new_rows = np.intersect1d(
        mine * width + turns, other * width + new_turns, assume_unique=True, return_indices=True
    )
    return rows, new_rows
