"""A report, and a plan, in words for a person."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gittrack.entities.record import RunRecord
from gittrack.record.container import in_words
from gittrack.repro import swap as swapping
from gittrack.repro.differences import IMAGE, Difference, is_of_conda
from gittrack.repro.growth import Growth
from gittrack.repro.options import Mode
from gittrack.repro.phrases import plural
from gittrack.repro.plan import Plan
from gittrack.repro.spread import SeriesSpread, Spread
from gittrack.repro.suspects import LIKELY, Suspect
from gittrack.repro.verify import ArtifactResult, Comparison, SeriesResult

if TYPE_CHECKING:
    from gittrack.repro.report import Report, Restored

_SHOWN = 8
_LABEL = 13  # width of the first column


def lines(report: Report) -> list[str]:
    """Return what came of a reproduction, for a person."""
    return _Words(report).lines()


def plan_lines(plan: Plan) -> list[str]:
    """Return all that a plan would execute, for a person who is asked to agree; nothing is cut short."""
    words = [f"run {plan.run.run_id[:8]} ({plan.run.name}) was recorded in another clone. It would execute:"]
    if plan.swaps:
        swaps = " and ".join(swap.words for swap in plan.swaps)
        words = [f"run {plan.run.run_id[:8]} ({plan.run.name}) with {swaps} would execute:"]
    if plan.problem is not None:
        return [*words, f"  nothing: {plan.problem.what}"]
    code, command = plan.code, plan.command
    image = in_words((plan.environment or {}).get("image", {}))
    patch = f" and a patch of {plural(code.patch_files, 'file')}" if plan.patch else ""
    facts = {
        "command": shlex.join(command.argv),
        "folder": command.cwd,
        "variables": " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items()),
        "code": f"tree {code.code_tree} of commit {code.captured}{patch}",
        "data": ", ".join(entry.path for entry in plan.data),
        "image": f"{image} (with --env image)" if image else "",
        "recorded by": f"{plan.run.user} on {plan.run.host.get('name', '?')}, as it says",
        "consent": plan.consent or "",
    }
    if plan.differences:
        facts["differs"] = f"{plural(len(plan.differences), 'thing')} here from the record"
    return words + [f"  {label:<{_LABEL}}{text}" for label, text in facts.items() if text]


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
        self._say_all("moved", swapping.moves(report.swaps, report.comparisons))
        self._inputs()
        self._results()
        if report.idle:
            self._say("tolerance", f"no metric or artifact is called {', '.join(map(repr, report.idle))}")
        if report.spread is not None:
            self._spread(report.spread)
        self._suspects()
        helps = self._exact_environment() if report.verdict in ("different", "failed") else None
        if helps is not None:
            self._say("this helps", f"gittrack repro {report.run.run_id[:8]} --env {helps}")
        if report.tail:
            self._say("it printed", f"(the end of {report.log})")
            self._lines += [f"    {line}" for line in report.tail]
        if report.kept is not None:
            self._say("worktree", f"{report.kept}  (git worktree remove --force '{report.kept}')")
        if report.exit_code_of_command is not None:
            self._say("time", f"{report.seconds:.2f} s, the command {report.job_seconds:.2f} s of it")
        return self._lines

    def _exact_environment(self) -> Mode | None:
        """Return what would give the recorded environment to a job that had another one, None where nothing would."""
        found = [one.name for one in self._report.suspects if one.kind == "environment"]
        if IMAGE in found and self._report.restored.how != "image":
            return Mode.IMAGE
        lasting = [name for name in found if name.startswith("platform ") or is_of_conda(name)]
        fixed = {*found} - {*lasting, IMAGE, "environment"}
        return Mode.REBUILD if self._report.restored.how in ("current", "named") and fixed else None

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
        words = f"{spread.times} times, {plural(spread.results, 'result')}"
        if spread.matching:
            words += f", {spread.matching} of them identical to the record"
        self._say("repeated", words)
        if spread.results == 1:
            return
        self._say_all("spread", [_spread_in_words(found, spread) for found in spread.series])

    def _suspects(self) -> None:
        report = self._report
        suspects = report.suspects
        likely = bool(suspects) and suspects[0].weight >= LIKELY
        self._say_all(
            "most likely" if likely else "suspect", [_suspect_in_words(found) for found in suspects]
        )
        if report.verdict == "different" and not report.swaps and not likely and report.spread is None:
            inputs = "or the job itself" if suspects else "the job itself: all inputs are those of the record"
            self._say("" if suspects else "suspect", f"{inputs} (a seed, time, threads?)")
        if report.hint is not None:
            self._say("find out", f"{report.hint} {_told(report)}")

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
            "named": "of the Python that the command names, ",
            "rebuilt": f"rebuilt in {restored.seconds:.1f} s, ",
            "reused": f"rebuilt before, found in {restored.seconds:.2f} s, ",
            "image": f"in {restored.image}, ",
        }.get(restored.how, "")
        if restored.environment is None:
            self._say("environment", "not recorded")
        elif not differences:
            self._say("environment", f"{how}as recorded")
        elif report.suspects or report.verdict is None or how:
            self._say("environment", f"{how}{plural(len(differences), 'difference')} to the record")
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
                "nested", f"{plural(nested, 'nested run')} compared too: {_tally(report.comparisons[1:])}"
            )
        if report.others:
            others = plural(len(report.others), "other run")
            self._say("others", f"{others} of the same process: {_tally(report.others)}")

    def _metrics(self, series: Sequence[SeriesResult]) -> None:
        if not series:
            return
        points = sum(found.points for found in series)
        apart = [found for found in series if found.outcome != "identical"]
        if not apart:
            self._say("metrics", f"{len(series)} series, {plural(points, 'point')}, equal bit for bit")
            return
        self._say("metrics", f"{len(apart)} of {len(series)} series not equal bit for bit")
        self._say_all("", [_series_in_words(found) for found in apart])

    def _artifacts(self, artifacts: Sequence[ArtifactResult]) -> None:
        if not artifacts:
            return
        apart = [found for found in artifacts if found.outcome != "identical"]
        if not apart:
            self._say("artifacts", f"{plural(len(artifacts), 'file')}, same digests")
            return
        self._say("artifacts", f"{len(apart)} of {plural(len(artifacts), 'file')} not the same")
        self._say_all("", [_artifact_in_words(found) for found in apart])


def _told(report: Report) -> str:
    """Return what a report's hint is good for."""
    if report.spread is not None and report.spread.within:
        return "counts that as equivalent"
    if report.swaps:
        return "tells how far it moves by chance"
    return "tells randomness from a changed input"


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
        return f"{series.key}: not logged again ({plural(series.points, 'point')} in the record)"
    if series.outcome == "new":
        return f"{series.key}: not in the record ({plural(series.repeated, 'point')} now)"
    old = "no point" if series.old is None else f"{series.old!r}"
    new = "none" if series.new is None else f"{series.new!r}"
    words = [f"{series.key}: parts at step {series.first_step}, {old} recorded, {new} now"]
    words.append(f"{series.differing} of {plural(max(series.points, series.repeated), 'point')} differ")
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
    if relative is None or not math.isfinite(relative):
        return ""
    percent = 100 * relative
    return f" ({percent:,.0f} %)" if 1000 <= percent < 1e6 else f" ({percent:.3g} %)"


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


def _spread_in_words(found: SeriesSpread, spread: Spread) -> str:
    where = "" if found.within else ", outside"
    values = f"{found.low:.6g} to {found.high:.6g} in {spread.times} repetitions{where}"
    words = f"{found.key}: {found.recorded:.6g} recorded, {values}"
    if found.z is not None:
        words += f" (z {found.z:.2g})"
    if found.points is not None and found.points > 1:
        words += f"; {found.outside} of {plural(found.points, 'point')} outside"
        words += f", {round(found.points * spread.outside_expected)} expected by chance"
    return words
