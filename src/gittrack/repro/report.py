"""What came of a reproduction, and the same as plain values for programs; `report_lines` has the words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.entities.record import Digest, LeftOut, RunId, RunRecord
from gittrack.repro import report_lines
from gittrack.repro import swap as swapping
from gittrack.repro.differences import Difference
from gittrack.repro.exchange import Swap
from gittrack.repro.growth import Growth
from gittrack.repro.phrases import plain
from gittrack.repro.plan import Problem
from gittrack.repro.restore import Returned
from gittrack.repro.spread import Spread
from gittrack.repro.suspects import Suspect
from gittrack.repro.verify import (
    EXIT_CODES,
    ArtifactResult,
    Comparison,
    SeriesResult,
    Verdict,
)


@dataclass(frozen=True)
class Restored:
    """How the inputs came back.

    Attributes:
        code: `commit`, `fetched`, `same tree in …`, `base + patch`; None when it did not.
        commit: The commit in the worktree.
        data: The inputs that are back.
        left_out: Files that the record lacks and that are not in the worktree.
        environment: Digest of the recorded environment.
        how: What became of the environment: `compared` only, `current`, `rebuilt`, `reused` or `image`.
        seconds: How long it took to have the environment.
        differences: What is not as recorded.
        unfiltered: Filters of git that its files should have gone through, not started because nobody has agreed.
        passed: Variables that the user handed down to the command.
        image: The container image that the command ran in, and the engine; None for none.
    """

    code: str | None = None
    commit: str | None = None
    data: tuple[Returned, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    environment: Digest | None = None
    how: str = "compared"
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()
    unfiltered: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    image: str | None = None


@dataclass(frozen=True)
class Report:
    """What came of a reproduction.

    Attributes:
        run: The run that was asked for.
        verdict: None when nothing was executed and nothing stands against it (`--dry-run`).
        reason: Why, where the comparisons do not say it.
        restored: How the inputs came back.
        comparisons: The run, and the runs nested in it, against their repetitions.
        others: The other runs of the same process against theirs.
        suspects: What may be behind a result that is not identical, the most likely first.
        problem: What cannot be restored, or None.
        command: What was, or would be, run, and from where.
        exit_code_of_command: None when it was not run.
        tail: The last lines that the command printed, when it failed.
        log: The file with all that it printed.
        kept: The worktree that was left for the user.
        seconds: All of it.
        job_seconds: The command alone.
        spread: What several repetitions say together; None for a single one.
        swaps: Inputs that were exchanged for others.
        idle: Names and globs of tolerances that fit no metric and no artifact.
        accepted: Runs of the process that lie within the spread of their repetitions, where that is to be accepted,
            and why, in words.
    """

    run: RunRecord
    verdict: Verdict | None
    restored: Restored
    reason: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    others: tuple[Comparison, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    problem: Problem | None = None
    command: tuple[str, ...] = ()
    exit_code_of_command: int | None = None
    tail: tuple[str, ...] = ()
    log: Path | None = None
    kept: Path | None = None
    seconds: float = 0.0
    job_seconds: float = 0.0
    spread: Spread | None = None
    swaps: tuple[Swap, ...] = ()
    idle: tuple[str, ...] = ()
    accepted: Mapping[RunId, str] = field(default_factory=dict)

    @property
    def run_id(self) -> RunId:
        """The run that was asked for."""
        return self.run.run_id

    @property
    def repro_run_id(self) -> RunId | None:
        """The run that repeats it, None when there is none."""
        repeats = [found.repeat for found in self.comparisons if found.run.run_id == self.run.run_id]
        return repeats[0].run_id if repeats and repeats[0] else None

    @property
    def exit_code(self) -> int:
        """What the command line exits with."""
        return 0 if self.verdict is None else EXIT_CODES[self.verdict]

    @property
    def hint(self) -> str | None:
        """The command that tells more, None when there is none."""
        again = f"gittrack repro {self.run_id[:8]}"
        if self.verdict != "different":
            return None
        if self.spread is None:
            return f"{again} --times 3"
        if self.spread.within and not self.swaps:
            return f"{again} --times {self.spread.times} --spread"
        return f"{again} --times 10" if self.spread.is_close_call else None

    def document(self) -> dict[str, Any]:
        """Return the report as plain values; numbers that JSON has not are the texts NaN and (-)Infinity."""
        return {
            "run_id": self.run_id,
            "repro_run_id": self.repro_run_id,
            "verdict": self.verdict,
            "reason": self.reason,
            "restored": {
                "code": {
                    "how": self.restored.code,
                    "commit": self.restored.commit,
                    "left_out": [left.path for left in self.restored.left_out],
                    "filters_not_started": list(self.restored.unfiltered),
                },
                "data": [
                    {"path": entry.path, "digest": entry.digest, "how": entry.how}
                    for entry in self.restored.data
                ],
                "environment": {
                    "digest": self.restored.environment,
                    "how": self.restored.how,
                    "image": self.restored.image,
                    "seconds": round(self.restored.seconds, 3),
                    "differences": [
                        _difference(found)
                        for found in self.restored.differences
                        if found.kind == "environment"
                    ],
                },
                "passed_variables": list(self.restored.passed),
                "problem": None
                if self.problem is None
                else {"what": self.problem.what, "hint": self.problem.hint},
            },
            "metrics": [
                _series(found.run.run_id, series) for found in self.comparisons for series in found.series
            ],
            "artifacts": [
                _artifact(found.run.run_id, kept) for found in self.comparisons for kept in found.artifacts
            ],
            "runs": [
                _run(found, self.accepted.get(found.run.run_id))
                for found in (*self.comparisons, *self.others)
            ],
            "suspects": [_suspect(found) for found in self.suspects],
            "spread": None if self.spread is None else _spread(self.spread),
            "hint": self.hint,
            "seconds": round(self.seconds, 3),
            "job_seconds": round(self.job_seconds, 3),
            **({"idle_tolerances": list(self.idle)} if self.idle else {}),
            **swapping.document(self.swaps, self.comparisons),
        }

    def to_json(self) -> str:
        """Return the report as one JSON object on one line."""
        return json.dumps(self.document(), separators=(", ", ": "), allow_nan=False)

    def lines(self) -> list[str]:
        """Return the report for a person, a list of lines."""
        return report_lines.lines(self)


def _difference(found: Difference) -> dict[str, Any]:
    return {"kind": found.kind, "name": found.name, "recorded": found.old, "present": found.new}


def _run(found: Comparison, accepted: str | None) -> dict[str, Any]:
    return {
        "run_id": found.run.run_id,
        "repro_run_id": None if found.repeat is None else found.repeat.run_id,
        "verdict": found.verdict,
        "reason": found.reason,
        "accepted": accepted,
        "metrics_differ": [series.key for series in found.series if series.outcome != "identical"],
        "artifacts_differ": [kept.path for kept in found.artifacts if kept.outcome != "identical"],
    }


def _suspect(found: Suspect) -> dict[str, Any]:
    facts = {"kind": found.kind, "name": found.name, "recorded": found.recorded, "present": found.present}
    return facts | {"weight": round(found.weight, 2), "why": found.why}


def _spread(spread: Spread) -> dict[str, Any]:
    return {
        "times": spread.times,
        "repro_run_ids": list(spread.repeats),
        "results": spread.results,
        "matching": spread.matching,
        "random": spread.random,
        "within": spread.within,
        "outside_expected": round(spread.outside_expected, 3),
        "metrics": [
            {
                "run_id": found.run_id,
                "key": found.key,
                "recorded": plain(found.recorded),
                "low": plain(found.low),
                "high": plain(found.high),
                "z": plain(found.z),
                "points": found.points,
                "outside": found.outside if found.points is not None else None,
                "within": found.within,
            }
            for found in spread.series
        ],
    }


def _series(run_id: RunId, series: SeriesResult) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "key": series.key,
        "outcome": series.outcome,
        "points": series.points,
        "repeated_points": series.repeated,
        "differing": series.differing,
        "first_step": series.first_step,
        "recorded": plain(series.old),
        "repeated": plain(series.new),
        "max_abs": plain(series.max_abs),
        "max_rel": plain(series.max_rel),
        "growth": None if series.growth is None else _growth(series.growth),
    }


def _growth(growth: Growth) -> dict[str, Any]:
    return {
        "shape": growth.shape,
        "first": {"step": growth.first_step, "size": plain(growth.first)},
        "largest": {"step": growth.largest_step, "size": plain(growth.largest)},
        "last": {"step": growth.last_step, "size": plain(growth.last)},
        "from_start": growth.from_start,
        "doublings_per_step": growth.doublings,
        "looks_like": growth.looks_like,
    }


def _artifact(run_id: RunId, artifact: ArtifactResult) -> dict[str, Any]:
    how = artifact.how
    return {
        "run_id": run_id,
        "path": artifact.path,
        "outcome": artifact.outcome,
        "recorded": artifact.old,
        "repeated": artifact.new,
        "how": how
        and {"kind": how.kind, **_plain(how.facts), "only_times": how.only_times, "problem": how.problem},
    }


def _plain(value: Any) -> Any:
    """Return facts with every number in a form that JSON has."""
    match value:
        case Mapping():
            return {key: _plain(entry) for key, entry in value.items()}
        case list():
            return [_plain(entry) for entry in value]
        case float():
            return plain(value)
        case _:
            return value
