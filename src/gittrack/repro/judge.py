"""One execution of a process against the record of it: every run that it made against the one it repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gittrack.entities.record import LeftOut, RunId, RunRecord
from gittrack.record.points import Points, SortedPoints
from gittrack.repro.artifact_diff import Contents
from gittrack.repro.execute import Execution, NewRun
from gittrack.repro.pages import same_points
from gittrack.repro.pairs import pair
from gittrack.repro.plan import Plan, with_nested
from gittrack.repro.restore import incomplete
from gittrack.repro.tolerance import Tolerance
from gittrack.repro.verify import (
    Comparison,
    SeriesResult,
    Verdict,
    all_identical,
    compare,
    compare_points,
    worst,
)
from gittrack.store import digest as digests
from gittrack.store.layout import METRICS_FILE


@dataclass(frozen=True)
class Outcome:
    """What came of one execution.

    Attributes:
        execution: How the command ended.
        repeats: The repetition of each recorded run that was repeated.
        comparisons: The run that was asked for, and those nested in it, against their repetitions.
        others: The other runs of the same process against theirs.
        verdict: Over `comparisons`.
        reason: Why, where the comparisons do not say it.
        made: Whether the command made any run.
    """

    execution: Execution
    repeats: Mapping[RunId, NewRun]
    comparisons: tuple[Comparison, ...]
    others: tuple[Comparison, ...]
    verdict: Verdict
    reason: str | None
    made: bool

    @property
    def compared(self) -> tuple[Comparison, ...]:
        """All runs of the process against their repetitions."""
        return (*self.comparisons, *self.others)


class Judge:
    """Compares executions of a plan with the record."""

    def __init__(self, plan: Plan, tolerance: Tolerance, left_out: Sequence[LeftOut]) -> None:
        self._plan = plan
        self._tolerance = tolerance
        self._left_out = left_out
        self._contents = Contents(plan.layout, tolerance)

    def judge(self, execution: Execution, new: Sequence[NewRun]) -> Outcome:
        """Return what came of an execution that made the runs `new`."""
        plan = self._plan
        repeats = pair(plan.originals, new)
        subjects = with_nested(plan.run, plan.originals)
        others = [run for run in plan.originals if run not in subjects]
        comparisons = tuple(self._compare(run, repeats.get(run.run_id), execution) for run in subjects)
        verdict, reason = _overall(comparisons, execution)
        return Outcome(
            execution=execution,
            repeats=repeats,
            comparisons=comparisons,
            others=tuple(self._compare(run, repeats.get(run.run_id), execution) for run in others),
            verdict=verdict,
            reason=reason,
            made=bool(new),
        )

    def _compare(self, run: RunRecord, found: NewRun | None, execution: Execution) -> Comparison:
        result = compare(
            run,
            None if found is None else found.run,
            self._series(run, found),
            tolerance=self._tolerance,
            incomplete=incomplete(run, self._left_out),
            contents=self._contents,
        )
        if found is None and execution.exit_code != 0 and run.status == "FINISHED":
            return replace(result, verdict="failed", reason="the command failed before it made this run")
        return result

    def _series(self, run: RunRecord, found: NewRun | None) -> list[SeriesResult]:
        if found is None:
            return []
        old, new = self._recorded_file(run), found.metrics_file()
        if old is not None and new is not None and same_points(old, new):
            return all_identical(run)
        return compare_points(recorded_points(self._plan, run), found.points(), self._tolerance)

    def _recorded_file(self, run: RunRecord) -> bytes | None:
        """Return the recorded `metrics.parquet` when it is on disk, and the bytes that were sealed."""
        digests_ = self._plan.session.seals(run.run_id)
        if run.series is None or len(digests_) != 1:
            return None
        for layout in (self._plan.layout, self._plan.layout.unsaved):
            try:
                content = (layout.run(digests_[0]) / METRICS_FILE).read_bytes()
            except OSError:
                continue
            if digests.of_bytes(content) == run.series.file:
                return content
        return None


def recorded_points(plan: Plan, run: RunRecord) -> SortedPoints:
    """Return the points of a recorded run."""
    return Points().sort() if run.series is None else plan.session.points(run.run_id)


def _overall(comparisons: tuple[Comparison, ...], execution: Execution) -> tuple[Verdict, str | None]:
    verdict = worst([found.verdict for found in comparisons])
    if verdict is None:
        return "inconclusive", "there is nothing to compare: the run has neither metrics nor artifacts"
    reason = next((found.reason for found in comparisons if found.verdict == verdict and found.reason), None)
    if verdict in ("failed", "different") and execution.exit_code:
        reason = f"{reason or 'the results differ'}; the command ended with exit code {execution.exit_code}"
    return verdict, reason
