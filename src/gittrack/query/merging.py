"""One run out of several newest seals: it was resumed on two branches, and they were merged."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from gittrack.entities.record import Digest, RunRecord, Series
from gittrack.record import live
from gittrack.record.points import SortedPoints
from gittrack.store import digest as digests

T = TypeVar("T")


def merge(
    parts: Sequence[tuple[Digest | None, RunRecord, SortedPoints]],
) -> tuple[Digest | None, RunRecord, SortedPoints]:
    """Return the run that seals come to: the union of points, inputs and outputs; of what has one key the later.

    Later is the later end, then the greater digest; a run that has not ended is the latest.

    Args:
        parts: Digest (None of a live run), run and points of each; at least one.
    """
    ordered = sorted(parts, key=lambda part: (_end(part[1]), part[0] or "~"))
    digest, latest, _ = ordered[-1]
    runs = [run for _, run, _ in ordered]
    points = union([points for _, _, points in ordered])
    artifacts = {artifact.path: artifact for run in runs for artifact in run.artifacts}
    merged = replace(
        latest,
        start_time=min(run.start_time for run in runs),
        params={key: value for run in runs for key, value in run.params.items()},
        tags={key: value for run in runs for key, value in run.tags.items()},
        artifacts=tuple(artifacts[path] for path in sorted(artifacts)),
        data=tuple(sorted(_distinct(runs, "data"), key=lambda one: (one.path, one.digest))),
        datasets=tuple({live.use(one): one for run in runs for one in run.datasets}.values()),
        models=_distinct(runs, "models"),
        supersedes=tuple(sorted(_distinct(runs, "supersedes"))),
        volatile=_distinct(runs, "volatile"),
        imports=_imports(runs),
        lost=_distinct(runs, "lost"),
        metrics=points.summaries(),
        series=_series(points) if len(parts) > 1 else latest.series,
    )
    return digest, merged, points


def _series(points: SortedPoints) -> Series | None:
    if not len(points):
        return None
    return Series(len(points), points.digest(), digests.of_bytes(points.to_parquet()))


def _end(run: RunRecord) -> float:
    return float("inf") if run.end_time is None else run.end_time


def _imports(runs: Sequence[RunRecord]) -> tuple[str, ...] | None:
    known = [run.imports for run in runs if run.imports is not None]
    return tuple(sorted({name for names in known for name in names})) if len(known) == len(runs) else None


def _distinct(runs: Iterable[RunRecord], name: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(entry for run in runs for entry in getattr(run, name)))


def union(series: Sequence[SortedPoints]) -> SortedPoints:
    """Return every point as often as the series has it that has it most often.

    Points are the same when key, step, timestamp and the bits of the value are.
    """
    if len(series) == 1:
        return series[0]
    import numpy as np

    keys = sorted({key for points in series for key in points.keys}, key=str.encode)
    place = {key: at for at, key in enumerate(keys)}
    columns = [
        np.concatenate(column)
        for column in zip(
            *(
                (
                    np.full(len(points), part, np.int64),
                    np.frombuffer(points.value, np.uint64),
                    np.frombuffer(points.timestamp, np.int64),
                    np.frombuffer(points.step, np.int64),
                    np.repeat(np.array([place[key] for key in points.keys], np.int64), points.counts),
                )
                for part, points in enumerate(series)
            ),
            strict=True,
        )
    ]
    order = np.lexsort(columns)
    part, value, timestamp, step, key = (column[order] for column in columns)
    if not len(part):
        return series[0]
    new_point = np.ones(len(part), bool)
    new_point[1:] = (
        (key[1:] != key[:-1])
        | (step[1:] != step[:-1])
        | (timestamp[1:] != timestamp[:-1])
        | (value[1:] != value[:-1])
    )
    new_run = new_point.copy()
    new_run[1:] |= part[1:] != part[:-1]
    starts = np.flatnonzero(new_run)
    lengths = np.diff(np.append(starts, len(part)))
    firsts = np.flatnonzero(new_point)
    most = np.maximum.reduceat(lengths, np.searchsorted(starts, firsts))
    rows = np.repeat(firsts, most)
    counts = np.bincount(key[rows], minlength=len(keys))
    taken = []
    for code, column in (("q", step), ("q", timestamp), ("d", value)):
        whole: array[Any] = array(code)
        whole.frombytes(np.ascontiguousarray(column[rows]).tobytes())
        taken.append(whole)
    return SortedPoints(keys, counts.tolist(), *taken)
