"""`reproduce`: restore the inputs, run the command, compare, and give a verdict."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from gittrack import config as configs
from gittrack.entities.record import LeftOut, RunId, RunRecord
from gittrack.errors import Conflict, NotFound
from gittrack.git.recover import CodeLost
from gittrack.git.worktree import checkout
from gittrack.record.points import Points
from gittrack.repro.artifact_diff import Contents
from gittrack.repro.execute import Execution, NewRun, Watch, moved, present_argv, run_process
from gittrack.repro.imports import moved_imports
from gittrack.repro.pages import same_points
from gittrack.repro.pairs import pair
from gittrack.repro.plan import ConsentNeeded, Plan, Problem, Progress
from gittrack.repro.report import Report, Restored
from gittrack.repro.restore import (
    DataLost,
    Difference,
    Sources,
    incomplete,
    restore_data,
    restore_left_out,
)
from gittrack.repro.tolerance import Given, Tolerance
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
from gittrack.store import durable, locking
from gittrack.store.layout import METRICS_FILE, Layout
from gittrack.store.objects import FileStore


def reproduce(
    plan: Plan, *, rtol: Given = 0.0, atol: Given = 0.0, keep: bool = False, progress: Progress | None = None
) -> Report:
    """Run a run again from its recorded inputs, compare the results with the record, and report.

    The new runs are recorded in the user's store with `repro_of`; nothing of the user's checkout is touched.

    Args:
        plan: What to execute.
        rtol: Relative tolerance, of the recorded value; 0 asks for equality bit for bit. A mapping gives one for
            each name or glob of metrics and artifacts; the most specific wins, `*` is the plain one.
        atol: Absolute tolerance, likewise.
        keep: Leave the worktree for the user to look at.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        ConsentNeeded: The command is someone else's, and nobody here has agreed to run it.
        Conflict: The same process is being reproduced right now.
        GitFailed: git could not write the files.
        InvalidValue: A tolerance is negative, infinite or not a number.
    """
    tolerance = Tolerance.of(rtol, atol)
    if plan.problem is None and not plan.trusted:
        raise ConsentNeeded(plan)
    return _Attempt(plan, tolerance, keep, progress).report(execute=True)


def rehearse(plan: Plan, *, progress: Progress | None = None) -> Report:
    """Restore a run's inputs as `reproduce` does, execute nothing, and report what would be done and what differs.

    The verdict is None, or `impossible`. No consent is needed: nothing of the run is executed.
    """
    return _Attempt(plan, Tolerance(), False, progress).report(execute=False)


class _Attempt:
    """One way through restore, execute, verify."""

    def __init__(self, plan: Plan, tolerance: Tolerance, keep: bool, progress: Progress | None) -> None:
        self._plan = plan
        self._tolerance = tolerance
        self._keep = keep
        self._progress = progress
        self._begun = time.monotonic()
        self._restored = Restored(environment=plan.executed.environment, differences=plan.differences)
        self._kept: Path | None = None

    def report(self, *, execute: bool) -> Report:
        """Return the report, with the time that it took."""
        report = self._report(execute=execute)
        return replace(report, seconds=time.monotonic() - self._begun, kept=self._kept)

    def _report(self, *, execute: bool) -> Report:
        plan = self._plan
        if plan.problem is not None:
            return self._impossible(plan.problem)
        with contextlib.ExitStack() as held:
            if execute:
                held.enter_context(_alone(plan.layout, plan.executed))
            try:
                self._say("restoring the code")
                place = held.enter_context(checkout(plan.repo, plan.code, plan.patch, keep=self._keep))
                self._kept = place.path if self._keep else None
                self._restored = replace(self._restored, code=place.how, commit=place.commit)
                self._say("restoring the data")
                self._restore_files(place.path)
                folder = _folder(place.path, plan.command.cwd)
            except (CodeLost, DataLost) as lost:
                return self._impossible(Problem(str(lost), lost.hint))
            argv = self._argv(place.path, folder)
            if not execute:
                return Report(plan.run, None, self._restored, command=tuple(plan.command.argv))
            return self._execute(argv, place.path, folder)

    def _say(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, 0, 0)

    def _impossible(self, problem: Problem) -> Report:
        return Report(self._plan.run, "impossible", self._restored, problem=problem)

    def _restore_files(self, target: Path) -> None:
        plan = self._plan
        sources = Sources(target, FileStore(plan.layout), plan.repo.root)
        self._restored = replace(self._restored, data=tuple(restore_data(plan.data, sources)))
        missing = tuple(restore_left_out(plan.left_out, sources))
        self._restored = replace(self._restored, left_out=missing)

    def _argv(self, target: Path, folder: Path) -> list[str]:
        """Return the command; what `gittrack run` recorded goes through `gittrack run` again."""
        plan = self._plan
        argv = present_argv(plan.command.argv, plan.repo.top, target)
        if not plan.is_command:
            return argv
        options = [f"--volatile={pattern}" for pattern in plan.executed.volatile]
        options += [
            f"--data={os.path.relpath(target / entry.path, folder)}"
            for entry in plan.executed.data
            if not entry.path.startswith("/")
        ]
        # -P: a file of the repository must not stand in for a module that gittrack imports.
        return [sys.executable, "-P", "-m", "gittrack", "run", *options, "--", *argv]

    def _execute(self, argv: list[str], target: Path, folder: Path) -> Report:
        plan = self._plan
        watch = Watch.begin(plan.layout)
        log = plan.layout.tmp / f"repro-{plan.run.run_id[:8]}-{uuid4().hex[:8]}.log"
        self._say("running the command")
        with _pairs_file(plan) as pairs:
            env = self._environment(pairs, target)
            try:
                execution = run_process(argv, cwd=folder, env=env, log=log)
            except NotFound as missing:
                return self._impossible(Problem(str(missing), missing.hint))
        self._say("comparing")
        originals = frozenset(run.run_id for run in plan.originals)
        return self._verify(execution, watch.new_runs(originals))

    def _environment(self, pairs: Path, target: Path) -> dict[str, str]:
        plan = self._plan
        env = configs.repeated(
            plan.command.env,
            program=sys.executable,
            pairs=pairs,
            worktree=plan.repo.top,
            depth=plan.depth + 1,
            experiment=plan.executed.experiment,
        )
        imports = moved_imports(plan.repo.top, target)
        recorded = env.get("PYTHONPATH", "").split(os.pathsep)
        path = [*(moved(entry, plan.repo.top, target) for entry in recorded), *imports]
        if any(path):
            env["PYTHONPATH"] = os.pathsep.join(entry for entry in path if entry)
        return env

    def _verify(self, execution: Execution, new: list[NewRun]) -> Report:
        plan = self._plan
        repeats = pair(plan.originals, new)
        subjects = _with_nested(plan.run, plan.originals)
        others = [run for run in plan.originals if run not in subjects]
        comparisons = tuple(self._compare(run, repeats.get(run.run_id), execution) for run in subjects)
        verdict, reason = _overall(comparisons, execution)
        failed = verdict == "failed"
        return Report(
            run=plan.run,
            verdict=verdict,
            restored=self._restored,
            reason=reason,
            comparisons=comparisons,
            others=tuple(self._compare(run, repeats.get(run.run_id), execution) for run in others),
            suspects=() if verdict == "identical" else (*plan.differences, *self._left_out()),
            command=tuple(plan.command.argv),
            exit_code_of_command=execution.exit_code,
            tail=tuple(execution.tail()) if failed or not new else (),
            log=execution.log,
            job_seconds=execution.seconds,
        )

    def _compare(self, run: RunRecord, found: NewRun | None, execution: Execution) -> Comparison:
        result = compare(
            run,
            None if found is None else found.run,
            self._series(run, found),
            tolerance=self._tolerance,
            incomplete=incomplete(run, self._restored.left_out),
            contents=Contents(self._plan.layout, self._tolerance),
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
        points = self._plan.session.points(run.run_id) if run.series is not None else Points().sort()
        return compare_points(points, found.points(), self._tolerance)

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

    def _left_out(self) -> tuple[Difference, ...]:
        return tuple(
            Difference("code", left.path, _left_in_words(left), None) for left in self._restored.left_out
        )


def _left_in_words(left: LeftOut) -> str:
    return f"{left.size} bytes, left out: {left.reason}"


def _overall(comparisons: tuple[Comparison, ...], execution: Execution) -> tuple[Verdict, str | None]:
    verdict = worst([found.verdict for found in comparisons])
    if verdict is None:
        return "inconclusive", "there is nothing to compare: the run has neither metrics nor artifacts"
    reason = next((found.reason for found in comparisons if found.verdict == verdict and found.reason), None)
    if verdict in ("failed", "different") and execution.exit_code:
        reason = f"{reason or 'the results differ'}; the command ended with exit code {execution.exit_code}"
    return verdict, reason


def _with_nested(run: RunRecord, originals: tuple[RunRecord, ...]) -> list[RunRecord]:
    """Return a run and those nested in it, at any depth."""
    found = [run]
    ids = {run.run_id}
    more = True
    while more:
        children = [child for child in originals if child.parent_run_id in ids and child.run_id not in ids]
        found += children
        ids.update(child.run_id for child in children)
        more = bool(children)
    return found


def _folder(target: Path, cwd: str) -> Path:
    """Return where the command runs; git knows no empty folders, so it may have to be made.

    Raises:
        DataLost: It lies behind a link.
    """
    folder = target
    for part in () if cwd == "." else cwd.split("/"):
        folder = folder / part
        if folder.is_symlink():
            raise DataLost(f"the folder '{cwd}' that the command ran in lies behind a link")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _alone(layout: Layout, executed: RunRecord) -> Iterator[None]:
    """Keep others from reproducing the same process meanwhile: the new runs of the two could not be told apart."""
    durable.make_folder(layout.tmp)
    with locking.locked(layout.tmp / f"repro-{executed.run_id}.lock", wait=False) as mine:
        if not mine:
            raise Conflict(f"run {executed.run_id[:8]} is being reproduced by another process")
        yield


@contextlib.contextmanager
def _pairs_file(plan: Plan) -> Iterator[Path]:
    """Yield the file that tells the command's process which runs it repeats."""
    process = plan.executed.process.id
    runs: dict[str, RunId] = {
        str(run.process.ordinal): run.run_id for run in plan.originals if run.process.id == process
    }
    path = plan.layout.tmp / f"repro-{uuid4().hex}.json"
    durable.write_file(path, json.dumps({"process": process, "runs": runs}).encode())
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
