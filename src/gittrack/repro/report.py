"""What came of a reproduction, for people and for programs."""

from __future__ import annotations

import json
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.entities.record import Digest, LeftOut, RunId, RunRecord
from gittrack.repro import swap as swapping
from gittrack.repro.growth import Growth
from gittrack.repro.plan import Plan, Problem
from gittrack.repro.restore import Difference, Returned
from gittrack.repro.spread import SeriesSpread, Spread
from gittrack.repro.suspects import LIKELY, Suspect
from gittrack.repro.swap import Swap
from gittrack.repro.verify import (
    EXIT_CODES,
    ArtifactResult,
    Comparison,
    SeriesResult,
    Verdict,
)

_SHOWN = 8
_LABEL = 13  # width of the first column


@dataclass(frozen=True)
class Restored:
    """How the inputs came back.

    Attributes:
        code: `commit`, `fetched`, `same tree in …`, `base + patch`; None when it did not.
        commit: The commit in the worktree.
        data: The inputs that are back.
        left_out: Files that the record lacks and that are not in the worktree.
        environment: Digest of the recorded environment.
        how: What became of the environment: `compared` only, `current`, `rebuilt` or `reused`.
        seconds: How long it took to have the environment.
        differences: What is not as recorded.
        unfiltered: Filters of git that its files should have gone through, not started because nobody has agreed.
        passed: Variables that the user handed down to the command.
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
        if self.verdict != "different" or self.spread is not None:
            return None
        return f"gittrack repro {self.run_id[:8]} --times 3"

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
            "runs": [_run(found) for found in (*self.comparisons, *self.others)],
            "suspects": [_suspect(found) for found in self.suspects],
            "spread": None if self.spread is None else _spread(self.spread),
            "hint": self.hint,
            "seconds": round(self.seconds, 3),
            "job_seconds": round(self.job_seconds, 3),
            **swapping.document(self.swaps, self.comparisons),
        }

    def to_json(self) -> str:
        """Return the report as one JSON object on one line."""
        return json.dumps(self.document(), separators=(", ", ": "), allow_nan=False)

    def lines(self) -> list[str]:
        """Return the report for a person, a list of lines."""
        return _Words(self).lines()


def _difference(found: Difference) -> dict[str, Any]:
    return {"kind": found.kind, "name": found.name, "recorded": found.old, "present": found.new}


def _run(found: Comparison) -> dict[str, Any]:
    return {
        "run_id": found.run.run_id,
        "repro_run_id": None if found.repeat is None else found.repeat.run_id,
        "verdict": found.verdict,
        "reason": found.reason,
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
                "recorded": _number(found.recorded),
                "low": _number(found.low),
                "high": _number(found.high),
                "z": _number(found.z),
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
        "recorded": _number(series.old),
        "repeated": _number(series.new),
        "max_abs": _number(series.max_abs),
        "max_rel": _number(series.max_rel),
        "growth": None if series.growth is None else _growth(series.growth),
    }


def _growth(growth: Growth) -> dict[str, Any]:
    return {
        "shape": growth.shape,
        "first": {"step": growth.first_step, "size": _number(growth.first)},
        "largest": {"step": growth.largest_step, "size": _number(growth.largest)},
        "last": {"step": growth.last_step, "size": _number(growth.last)},
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
            return _number(value)
        case _:
            return value


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class _Words:
    """Puts a report into words."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lines: list[str] = []

    def lines(self) -> list[str]:
        report = self._report
        self._lines = [self._title()]
        if report.problem is not None:
            self._say("because", report.problem.what)
            if report.problem.hint:
                self._say("this helps", report.problem.hint)
        elif report.reason:
            self._say("because", report.reason)
        self._say_all("exchanged", swapping.exchanged(report.swaps, report.verdict))
        self._inputs()
        self._results()
        self._say_all("moved", swapping.moves(report.swaps, report.comparisons))
        if report.spread is not None:
            self._spread(report.spread)
        self._suspects()
        if report.verdict in ("different", "failed") and self._could_be_rebuilt():
            self._say("this helps", f"gittrack repro {report.run.run_id[:8]} --env rebuild")
        if report.tail:
            self._say("it printed", f"(the end of {report.log})")
            self._lines += [f"    {line}" for line in report.tail]
        if report.kept is not None:
            self._say("worktree", f"{report.kept}  (git worktree remove --force '{report.kept}')")
        if report.exit_code_of_command is not None:
            self._say("time", f"{report.seconds:.2f} s, the command {report.job_seconds:.2f} s of it")
        return self._lines

    def _could_be_rebuilt(self) -> bool:
        """Whether the job ran in an environment that is not the recorded one, and uv could make that."""
        found = [one.name for one in self._report.suspects if one.kind == "environment"]
        fixed = [name for name in found if not name.startswith("platform ") and name != "environment"]
        return self._report.restored.how == "current" and bool(fixed)

    def _title(self) -> str:
        report = self._report
        name = f"run {report.run.run_id[:8]} ({report.run.name})"
        if report.verdict is None:
            swaps = "".join(f" and {swap.words}" for swap in report.swaps)
            return f"not run: {name} can be reproduced with {shlex.join(report.command)}{swaps}"
        again = f", again as {report.repro_run_id[:8]}" if report.repro_run_id else ""
        again += "".join(f", with {swap.words}" for swap in report.swaps)
        return f"{report.verdict}: {name}{again}"

    def _say(self, label: str, text: str) -> None:
        self._lines.append(f"  {label:<{_LABEL}}{text}")

    def _say_all(self, label: str, texts: Sequence[str]) -> None:
        for place, text in enumerate(texts[:_SHOWN]):
            self._say("" if place else label, text)
        if len(texts) > _SHOWN:
            self._say("", f"and {len(texts) - _SHOWN} more")

    def _spread(self, spread: Spread) -> None:
        words = f"{spread.times} times, {_plural(spread.results, 'result')}"
        if spread.matching:
            words += f", {spread.matching} of them identical to the record"
        self._say("repeated", words)
        if spread.results == 1:
            return
        self._say_all("spread", [_spread_in_words(found, spread.times) for found in spread.series])
        if any(found.outside for found in spread.series):
            share = f"{100 * spread.outside_expected:.0f} %"
            self._say(
                "", f"one more repetition of a random job would have about {share} of its points outside"
            )

    def _suspects(self) -> None:
        report = self._report
        suspects = report.suspects
        likely = bool(suspects) and suspects[0].weight >= LIKELY
        self._say_all(
            "most likely" if likely else "suspect", [_suspect_in_words(found) for found in suspects]
        )
        if report.verdict != "different" or report.swaps:
            return
        if not likely and report.spread is None:
            inputs = "or the job itself" if suspects else "the job itself: all inputs are those of the record"
            self._say("" if suspects else "suspect", f"{inputs} (a seed, time, threads?)")
        if report.hint is not None:
            self._say("find out", f"{report.hint} tells randomness from a changed input")

    def _inputs(self) -> None:
        report, restored = self._report, self._report.restored
        if restored.code is not None:
            self._say("code", _code_in_words(report.run, restored))
        self._say_all(
            "left out", [f"{left.path}: {left.reason}, and not in the worktree" for left in restored.left_out]
        )
        if restored.unfiltered:
            self._say("filters", f"{', '.join(restored.unfiltered)}: not started before you agree")
        self._say_all("data", [f"{entry.path} ({entry.how})" for entry in restored.data])
        differences = [found for found in restored.differences if found.kind == "environment"]
        if restored.passed:
            self._say("passed on", f"{', '.join(restored.passed)} (not in the record)")
        how = {
            "rebuilt": f"rebuilt in {restored.seconds:.1f} s, ",
            "reused": f"rebuilt before, found in {restored.seconds:.2f} s, ",
        }.get(restored.how, "")
        if restored.environment is None:
            self._say("environment", "not recorded")
        elif not differences:
            self._say("environment", f"{how}as recorded")
        elif report.suspects or report.verdict is None or how:
            self._say("environment", f"{how}{_plural(len(differences), 'difference')} to the record")
        else:
            self._say_all("environment", [_difference_in_words(found) for found in differences])
        if report.verdict is None:
            self._say_all("differs", [_difference_in_words(found) for found in restored.differences])

    def _results(self) -> None:
        report = self._report
        for found in report.comparisons:
            if found.reason and found.reason != report.reason:
                self._say("because", found.reason)
        self._metrics([series for found in report.comparisons for series in found.series])
        self._artifacts([kept for found in report.comparisons for kept in found.artifacts])
        volatile = sum(found.volatile for found in report.comparisons)
        if volatile:
            self._say("not compared", f"{volatile} declared volatile")
        nested = len(report.comparisons) - 1
        if nested > 0:
            self._say(
                "nested", f"{_plural(nested, 'nested run')} compared too: {_tally(report.comparisons[1:])}"
            )
        if report.others:
            others = _plural(len(report.others), "other run")
            self._say("others", f"{others} of the same process: {_tally(report.others)}")

    def _metrics(self, series: Sequence[SeriesResult]) -> None:
        if not series:
            return
        points = sum(found.points for found in series)
        apart = [found for found in series if found.outcome != "identical"]
        if not apart:
            self._say("metrics", f"{len(series)} series, {_plural(points, 'point')}, equal bit for bit")
            return
        self._say("metrics", f"{len(apart)} of {len(series)} series not equal bit for bit")
        self._say_all("", [_series_in_words(found) for found in apart])

    def _artifacts(self, artifacts: Sequence[ArtifactResult]) -> None:
        if not artifacts:
            return
        apart = [found for found in artifacts if found.outcome != "identical"]
        if not apart:
            self._say("artifacts", f"{_plural(len(artifacts), 'file')}, same digests")
            return
        self._say("artifacts", f"{len(apart)} of {_plural(len(artifacts), 'file')} not the same")
        self._say_all("", [_artifact_in_words(found) for found in apart])


def _tally(comparisons: Sequence[Comparison]) -> str:
    counted = Counter(found.verdict or "nothing to compare" for found in comparisons)
    if len(counted) == 1:
        return next(iter(counted))
    return ", ".join(f"{count} {verdict}" for verdict, count in counted.most_common())


def _code_in_words(run: RunRecord, restored: Restored) -> str:
    commit = (restored.commit or "")[:12]
    how = {
        "commit": f"commit {commit}",
        "fetched": f"commit {commit}, fetched from a remote",
        "base + patch": f"rebuilt from commit {((run.code and run.code.base) or 'nothing')[:12]} and the run's patch",
    }.get(restored.code or "", restored.code or "")
    if run.code is not None and run.code.dirty and restored.code in ("commit", "fetched"):
        how += ", a snapshot of uncommitted changes"
    return how


def _series_in_words(series: SeriesResult) -> str:
    if series.outcome == "missing":
        return f"{series.key}: not logged again ({_plural(series.points, 'point')} in the record)"
    if series.outcome == "new":
        return f"{series.key}: not in the record ({_plural(series.repeated, 'point')} now)"
    old = "no point" if series.old is None else f"{series.old!r}"
    new = "none" if series.new is None else f"{series.new!r}"
    words = [f"{series.key}: parts at step {series.first_step}, {old} recorded, {new} now"]
    words.append(f"{series.differing} of {_plural(max(series.points, series.repeated), 'point')} differ")
    if series.max_abs:
        words.append(f"by at most {series.max_abs:.3g}{_percent(series.max_rel)}")
    if series.growth is not None:
        words += _growth_in_words(series.growth)
    if series.outcome == "equivalent":
        words.append("within the tolerance")
    return "; ".join(words)


def _growth_in_words(growth: Growth) -> list[str]:
    words = [_course_in_words(growth)]
    if growth.looks_like == "rounding":
        words.append("begins as rounding does")
    elif growth.looks_like == "input" and growth.shape != "once":
        words.append("there at once, as with another input or seed")
    return words


def _course_in_words(growth: Growth) -> str:
    if growth.shape == "once":
        return "at this step alone"
    since = "from the first point on" if growth.from_start else f"from step {growth.first_step} on"
    if growth.shape == "stays":
        return f"stays about {growth.first:.3g} {since}"
    if growth.shape == "varies":
        return f"varies {since}, most at step {growth.largest_step}"
    to, step = (
        (growth.largest, growth.largest_step) if growth.shape == "grows" else (growth.last, growth.last_step)
    )
    rate = f" (x2 every {_steps(1 / growth.doublings)})" if growth.doublings else ""
    return (
        f"{growth.shape} from {growth.first:.3g} at step {growth.first_step} to {to:.3g} at step {step}{rate}"
    )


def _steps(count: float) -> str:
    return "step" if abs(count - 1) < 0.005 else f"{count:.3g} steps"


def _artifact_in_words(artifact: ArtifactResult) -> str:
    words = {
        "different": "differs",
        "equivalent": "is within the tolerance",
        "missing": "was not made",
        "new": "is not in the record",
    }
    text = f"{artifact.path} {words.get(artifact.outcome, artifact.outcome)}"
    if artifact.how is None:
        return text
    how = artifact.how
    said = [*([how.problem] if how.problem else []), *how.words]
    if how.only_times:
        said.insert(0, "in nothing but times")
    return f"{text}: {'; '.join(said)}"


def _percent(relative: float | None) -> str:
    return "" if relative is None or not math.isfinite(relative) else f" ({100 * relative:.3g} %)"


def _difference_in_words(found: Difference) -> str:
    if found.old is None:
        return f"{found.name} {found.new}: not in the record"
    if found.new is None:
        return f"{found.name}: {found.old} in the record, missing here"
    return f"{found.name}: {found.old} in the record, {found.new} here"


def _suspect_in_words(found: Suspect) -> str:
    why = f", {found.why}" if found.why else ""
    if found.recorded is None and found.present is None:
        return f"{found.name}: {found.why}" if found.why else found.name
    return _difference_in_words(Difference(found.kind, found.name, found.recorded, found.present)) + why


def _spread_in_words(found: SeriesSpread, times: int) -> str:
    where = "" if found.within else ", outside"
    spread = f"{found.low:.6g} to {found.high:.6g} in {times} repetitions{where}"
    words = f"{found.key}: {found.recorded:.6g} recorded, {spread}"
    if found.z is not None:
        words += f" (z {found.z:.2g})"
    if found.points is not None and found.points > 1:
        words += f"; {found.outside} of {_plural(found.points, 'point')} outside"
    return words


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def plan_lines(plan: Plan) -> list[str]:
    """Return all that a plan would execute, for a person who is asked to agree; nothing is cut short."""
    words = [f"run {plan.run.run_id[:8]} ({plan.run.name}) was recorded in another clone. It would execute:"]
    if plan.swaps:
        swaps = " and ".join(swap.words for swap in plan.swaps)
        words = [f"run {plan.run.run_id[:8]} ({plan.run.name}) with {swaps} would execute:"]
    if plan.problem is not None:
        return [*words, f"  nothing: {plan.problem.what}"]
    code, command = plan.code, plan.command
    patch = f" and a patch of {_plural(code.patch_files, 'file')}" if plan.patch else ""
    facts = {
        "command": shlex.join(command.argv),
        "folder": command.cwd,
        "variables": " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items()),
        "code": f"tree {code.code_tree} of commit {code.captured}{patch}",
        "data": ", ".join(entry.path for entry in plan.data),
        "recorded by": f"{plan.run.user} on {plan.run.host.get('name', '?')}, as it says",
        "consent": plan.consent or "",
    }
    if plan.differences:
        facts["differs"] = f"{_plural(len(plan.differences), 'thing')} here from the record"
    return words + [f"  {label:<{_LABEL}}{text}" for label, text in facts.items() if text]
