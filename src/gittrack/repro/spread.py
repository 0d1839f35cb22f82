"""What several repetitions of a run say together: whether the job is random, and whether the record is one of them.

Repetitions that are the same among themselves and not the record's say that something outside the job changed.
Repetitions that differ among themselves say that the job is random; then the record may lie within their spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gittrack.entities.record import RunId, RunRecord
from gittrack.record.points import SortedPoints
from gittrack.repro.verify import Comparison, by_step_and_value, is_volatile
from gittrack.store import digest as digests

MEASURED = 5
"""Fewer repetitions have no standard deviation worth the name."""

_FAR = 3.0  # a z-score up to which a value is one of the spread


@dataclass(frozen=True, slots=True)
class SeriesSpread:
    """One metric over the repetitions, where they and the record are not all the same.

    Attributes:
        run_id: The recorded run.
        key: The metric.
        recorded: Its last value in the record.
        low: The smallest last value of the repetitions.
        high: The largest.
        z: How many standard deviations of a further repetition the recorded value is from their mean; None for
            fewer than five repetitions, and where they do not vary.
        points: How many points were compared with the smallest and largest of the repetitions; None when they do
            not all have the same steps.
        outside: How many of these lie outside.
    """

    run_id: RunId
    key: str
    recorded: float
    low: float
    high: float
    z: float | None
    points: int | None = None
    outside: int = 0

    @property
    def within(self) -> bool:
        """Whether the last value lies between those of the repetitions, or three standard deviations around them."""
        return self.low <= self.recorded <= self.high or (self.z is not None and abs(self.z) <= _FAR)


@dataclass(frozen=True)
class Spread:
    """Several repetitions of a run, together.

    Attributes:
        times: How many there are.
        repeats: The runs that repeat the one that was asked for.
        results: How many different results they have: 1 says that the job is not random.
        matching: How many of them are the record's, bit for bit.
        series: Metrics that are not the same in all of them and the record.
        within: Whether the record lies within their spread; None when they have no metrics to say so, or are all
            the same.
        only_times: Whether all that differs is artifacts, and in those nothing but times.
    """

    times: int
    repeats: tuple[RunId, ...]
    results: int
    matching: int
    series: tuple[SeriesSpread, ...]
    within: bool | None
    only_times: bool

    @property
    def outside_expected(self) -> float:
        """The share of a further repetition's points that lie outside of these, if the job is random."""
        return 2 / (self.times + 1)

    def reason(self) -> str:
        """Return what the repetitions say, in words."""
        if self.matching == self.times:
            return f"all {self.times} repetitions are the record's"
        if self.results == 1:
            same = f"the {self.times} repetitions are the same among themselves"
            return f"{same}: the job is not random, something outside of it changed"
        if self.only_times:
            return f"the {self.times} repetitions and the record differ in nothing but times: the job writes them down"
        if self.within:
            return (
                f"the record lies within the spread of {self.times} repetitions: the job is random by nature"
            )
        random = f"the {self.times} repetitions have {self.results} results: the job is random"
        if self.within is None:
            return f"{random}, and no metric says where the record lies"
        if self.is_close_call:
            share = f"{100 * self.outside_expected:.0f} %"
            return f"{random}; the record lies outside of their spread, as the next one would in {share} of all cases"
        return f"{random}, but the record lies outside of their spread"

    @property
    def is_close_call(self) -> bool:
        """Whether the record lies outside of a few repetitions, by values that vary, so that chance may do it."""
        outside = [found for found in self.series if not found.within]
        return (
            self.within is False
            and bool(outside)
            and all(one.z is None and one.low < one.high for one in outside)
        )

    @property
    def random(self) -> bool:
        """Whether the repetitions show that the job is random."""
        return self.results > 1 and not self.only_times


@dataclass(frozen=True)
class Repetition:
    """One repetition, as far as it is compared with others.

    Attributes:
        comparisons: The recorded runs against it.
        points: The points of each recorded run's repetition.
    """

    comparisons: tuple[Comparison, ...]
    points: Mapping[RunId, SortedPoints]


def spread(
    asked_for: RunId, repetitions: Sequence[Repetition], recorded: Mapping[RunId, SortedPoints]
) -> Spread:
    """Return what repetitions say together.

    Args:
        asked_for: The run that is repeated.
        repetitions: Two or more, each with the same recorded runs.
        recorded: The points of each recorded run.
    """
    results = len({_fingerprint(repetition) for repetition in repetitions})
    series = tuple(
        found
        for comparison in repetitions[0].comparisons
        for found in _series(comparison.run, repetitions, recorded[comparison.run.run_id])
    )
    return Spread(
        times=len(repetitions),
        repeats=tuple(
            found.repeat.run_id
            for repetition in repetitions
            for found in repetition.comparisons
            if found.run.run_id == asked_for and found.repeat is not None
        ),
        results=results,
        matching=sum(all(c.verdict in ("identical", None) for c in r.comparisons) for r in repetitions),
        series=series,
        within=None if results == 1 or not series else _within(repetitions, series),
        only_times=_only_times([found for repetition in repetitions for found in repetition.comparisons]),
    )


def _only_times(comparisons: Sequence[Comparison]) -> bool:
    artifacts = [one for found in comparisons for one in found.artifacts if one.outcome != "identical"]
    timed = [one for one in artifacts if one.how is not None and one.how.only_times]
    series = [one for found in comparisons for one in found.series if one.outcome != "identical"]
    return bool(timed) and len(timed) == len(artifacts) and not series


def _within(repetitions: Sequence[Repetition], series: Sequence[SeriesSpread]) -> bool:
    """Whether the record could be one more repetition: by its metrics, and in what it has at all."""
    comparisons = [found for repetition in repetitions for found in repetition.comparisons]
    outcomes = {one.outcome for found in comparisons for one in found.series}
    outcomes |= {one.outcome for found in comparisons for one in found.artifacts}
    otherwise = any(
        found.verdict == "different" and found.reason for found in comparisons
    )  # ended, or not made
    if otherwise or outcomes & {"missing", "new"} or _settled(repetitions):
        return False
    return all(found.within for found in series)


def _settled(repetitions: Sequence[Repetition]) -> bool:
    """Whether an artifact is the same in all repetitions, and not the record's: chance does not do that."""
    contents: dict[tuple[RunId, str], list[str | None]] = {}
    for repetition in repetitions:
        for comparison in repetition.comparisons:
            for kept in comparison.artifacts:
                if kept.outcome == "different":
                    contents.setdefault((comparison.run.run_id, kept.path), []).append(kept.new)
    return any(len(found) == len(repetitions) and len(set(found)) == 1 for found in contents.values())


def _fingerprint(repetition: Repetition) -> tuple[Any, ...]:
    """Return what two repetitions share exactly when they have the same result, what is volatile aside."""
    parts: list[Any] = []
    for comparison in repetition.comparisons:
        repeat = comparison.repeat
        if repeat is None:
            parts.append(None)
            continue
        volatile = (*comparison.run.volatile, *repeat.volatile)
        points = repetition.points[comparison.run.run_id]
        series = [
            (key, _identity(points, part)) for key, part in points.series() if not is_volatile(key, volatile)
        ]
        artifacts = [
            (kept.path, kept.digest) for kept in repeat.artifacts if not is_volatile(kept.path, volatile)
        ]
        exit_code = repeat.command.exit_code if repeat.command else None
        parts.append((repeat.status, exit_code, tuple(series), tuple(sorted(artifacts))))
    return tuple(parts)


def _identity(points: SortedPoints, part: slice) -> str:
    """Return a digest over steps and values, in whatever order they came."""
    steps, _, ranks = by_step_and_value(points, part)
    return digests.of_bytes(steps.tobytes() + ranks.tobytes())


def _series(run: RunRecord, repetitions: Sequence[Repetition], recorded: SortedPoints) -> list[SeriesSpread]:
    """Return the metrics of one run that are not the same everywhere, and that the record and all others have."""
    found_of = [found for r in repetitions for found in r.comparisons if found.run is run]
    repeats = [found.repeat for found in found_of if found.repeat is not None]
    if len(repeats) < len(repetitions):
        return []
    pairs = [(found, r.points[run.run_id]) for found, r in zip(found_of, repetitions, strict=True)]
    apart = {one.key for found, _ in pairs for one in found.series if one.outcome != "identical"}
    keys = [key for key in run.metrics if key in apart and all(key in repeat.metrics for repeat in repeats)]
    return [
        _one(
            run,
            key,
            recorded,
            [repeat.metrics[key].last for repeat in repeats],
            [points for _, points in pairs],
        )
        for key in keys
    ]


def _one(
    run: RunRecord, key: str, recorded: SortedPoints, last: Sequence[float], points: Sequence[SortedPoints]
) -> SeriesSpread:
    compared = _outside(key, recorded, points)
    value = run.metrics[key].last
    return SeriesSpread(
        run_id=run.run_id,
        key=key,
        recorded=value,
        low=min(last),
        high=max(last),
        z=_z(value, last),
        points=None if compared is None else compared[0],
        outside=0 if compared is None else compared[1],
    )


def _z(value: float, others: Sequence[float]) -> float | None:
    """Return how far a value is from the mean, in standard deviations of one further value."""
    if len(others) < MEASURED or not all(map(math.isfinite, (value, *others))):
        return None
    mean = math.fsum(others) / len(others)
    variance = math.fsum((other - mean) ** 2 for other in others) / (len(others) - 1)
    return (value - mean) / math.sqrt(variance * (1 + 1 / len(others))) if variance > 0 else None


def _outside(key: str, recorded: SortedPoints, points: Sequence[SortedPoints]) -> tuple[int, int] | None:
    """Count points, and those outside the least and greatest of the repetitions; None when the steps differ."""
    import numpy as np

    columns = [by_step_and_value(found, dict(found.series())[key])[:2] for found in (recorded, *points)]
    steps, values = columns[0]
    if not all(np.array_equal(steps, others) for others, _ in columns[1:]):
        return None
    others = np.stack([other for _, other in columns[1:]])
    low, high = others.min(axis=0), others.max(axis=0)
    inside = ((low <= values) & (values <= high)) | np.isnan(low)
    return len(values), int((~inside).sum())
