"""`reproduce`: restore the inputs, run the command, compare, and give a verdict."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from gittrack import config as configs
from gittrack.entities.record import RunId, RunRecord
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.git import worktree
from gittrack.git.recover import CodeLost
from gittrack.git.worktree import checkout
from gittrack.record.job import STAGE_TAG
from gittrack.record.stages import address_of
from gittrack.repro import swap
from gittrack.repro.code_facts import CodeFacts, code_facts
from gittrack.repro.dvc import DvcSource
from gittrack.repro.environments import Interpreter, Mode, chosen, matters, planned
from gittrack.repro.execute import Execution, NewRun, Watch, moved, present_argv, run_process
from gittrack.repro.imports import moved_imports, recorded_imports
from gittrack.repro.judge import Judge, Outcome, recorded_points
from gittrack.repro.pins import EnvironmentLost
from gittrack.repro.plan import ConsentNeeded, Plan, Problem, Progress
from gittrack.repro.report import Report, Restored
from gittrack.repro.restore import DataLost, Sources, restore_data, restore_left_out
from gittrack.repro.spread import Repetition, Spread, spread
from gittrack.repro.suspects import Evidence, Suspect, rank
from gittrack.repro.tolerance import Given, Tolerance
from gittrack.repro.verify import worst
from gittrack.store import durable, locking
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore


def reproduce(
    plan: Plan,
    *,
    rtol: Given = 0.0,
    atol: Given = 0.0,
    times: int = 1,
    accept_spread: bool = False,
    keep: bool = False,
    env: Mode = "current",
    pass_env: Sequence[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Run a run again from its recorded inputs, compare the results with the record, and report.

    The new runs are recorded in the user's store with `repro_of`; nothing of the user's checkout is touched.

    Args:
        plan: What to execute.
        rtol: Relative tolerance, of the recorded value; 0 asks for equality bit for bit. A mapping gives one for
            each name or glob of metrics and artifacts; the most specific wins, `*` is the plain one.
        atol: Absolute tolerance, likewise.
        times: How often to run it. Two or more tell a random job from an input that changed.
        accept_spread: Call a record that lies within the spread of the repetitions equivalent.
        keep: Leave the worktree for the user to look at.
        env: The interpreter of the job: `current`, `rebuild` or `auto`; see `environments.chosen`.
        pass_env: Names of variables that the command gets besides those recorded and the machine's.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        ConsentNeeded: The command is someone else's, and nobody here has agreed to run it.
        Conflict: The same process is being reproduced right now.
        GitFailed: git could not write the files.
        NotFound: A variable to pass on is not set.
        InvalidValue: A tolerance is negative, infinite or not a number; `times` is below 1, or below 2 where the
            spread is to be accepted; a variable to pass on is the record's to say.
    """
    tolerance = Tolerance.of(rtol, atol)
    if times < 1 or (accept_spread and times < 2):
        what = "a spread" if accept_spread else "a reproduction"
        raise InvalidValue(f"{what} cannot come of {times} repetitions", hint="gittrack repro RUN --times 5")
    if plan.problem is None and not plan.trusted:
        raise ConsentNeeded(plan)
    how = _How(tolerance, keep, swap.mode_of(plan, env), configs.handed_down(pass_env))
    return _Reproduction(plan, how, progress).report(times, accept_spread=accept_spread)


def rehearse(plan: Plan, *, env: Mode = "current", progress: Progress | None = None) -> Report:
    """Restore a run's inputs as `reproduce` does, execute nothing, and report what would be done and what differs.

    The verdict is None, or `impossible`. No consent is needed: nothing of the run is executed, built or installed.
    Without it filters that the user configured are not started either, and nothing outside of the repository is read.
    """
    return _Reproduction(plan, _How(env=swap.mode_of(plan, env)), progress).report(0)


@dataclass(frozen=True)
class _How:
    """What the user has chosen: see `reproduce`."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    keep: bool = False
    env: Mode = "current"
    passed: Mapping[str, str] = field(default_factory=dict)


class _Reproduction:
    """Restores once, then executes and compares as often as it is asked to."""

    def __init__(self, plan: Plan, how: _How, progress: Progress | None) -> None:
        self._plan = plan
        self._how = how
        self._progress = progress
        self._interpreter = Interpreter(Path(sys.executable), "compared", plan.differences)
        self._begun = time.monotonic()
        self._restored = Restored(
            environment=plan.executed.environment,
            differences=plan.differences,
            passed=tuple(sorted(how.passed)),
        )
        self._kept: Path | None = None
        self._stopped: str | None = None

    def report(self, times: int, *, accept_spread: bool = False) -> Report:
        """Return the report, with the time that it took; nothing is executed where `times` is 0."""
        report = self._report(times)
        if accept_spread and report.verdict == "different" and report.spread and report.spread.within:
            report = replace(report, verdict="equivalent", reason=f"{report.reason}, which was accepted")
        seconds = time.monotonic() - self._begun
        return replace(report, seconds=seconds, kept=self._kept, swaps=self._plan.swaps)

    def _report(self, times: int) -> Report:
        plan = self._plan
        if plan.problem is not None:
            return self._impossible(plan.problem)
        with contextlib.ExitStack() as held:
            if times:
                held.enter_context(_alone(plan.layout, plan.executed))
            try:
                self._say("restoring the code")
                place = held.enter_context(
                    checkout(plan.repo, plan.code, plan.patch, keep=self._how.keep, filters=plan.trusted)
                )
                self._kept = place.path if self._how.keep else None
                self._restored = replace(
                    self._restored, code=place.how, commit=place.commit, unfiltered=place.unfiltered
                )
                self._restore_files(place.path)
                folder = _folder(place.path, plan.command.cwd)
                self._take_interpreter(held, execute=times > 0)
                argv = self._argv(place.path, folder)
                if not times:
                    return Report(plan.run, None, self._restored, command=tuple(plan.command.argv))
                outcomes = self._repeat(times, argv, place, folder)
                return self._conclude(outcomes, self._facts(argv, place.path, folder, outcomes))
            except (CodeLost, DataLost, EnvironmentLost) as lost:
                return self._impossible(self._problem(lost))

    def _repeat(self, times: int, argv: list[str], place: worktree.Restored, folder: Path) -> list[Outcome]:
        """Execute and compare, each time from the same inputs; a command that fails is not asked again."""
        outcomes: list[Outcome] = []
        judge = Judge(self._plan, self._how.tolerance, self._restored.left_out)
        while len(outcomes) < times and not any(outcome.verdict == "failed" for outcome in outcomes):
            if outcomes:
                try:
                    self._renew(place)
                    folder = _folder(place.path, self._plan.command.cwd)
                except (CodeLost, DataLost) as lost:
                    self._stopped = f"repetition {len(outcomes) + 1} was not run: {lost}"
                    break
            self._say("running the command", len(outcomes) if times > 1 else 0, times if times > 1 else 0)
            execution, new = self._execute(argv, place.path, folder)
            self._say("comparing")
            outcomes.append(judge.judge(execution, new))
        return outcomes

    def _renew(self, place: worktree.Restored) -> None:
        """Bring back what the job may have changed; data out of the store stays in its place and is hashed again."""
        plan = self._plan
        kept = [entry.path for entry in plan.data if entry.kept_by in ("cache", "dvc") and entry.how is None]
        spare = [path for path in kept if not (place.path / path).is_symlink()]
        worktree.renew(plan.repo, plan.code, plan.patch, place, spare=spare)
        swap.bring(plan, place.path)
        sources = self._sources(place.path)
        restore_data(plan.data, sources)
        restore_left_out(plan.left_out, sources)

    def _say(self, what: str, done: int = 0, of: int = 0) -> None:
        if self._progress is not None:
            self._progress(what, done, of)

    def _problem(self, lost: CodeLost | DataLost | EnvironmentLost) -> Problem:
        if not self._restored.unfiltered:
            return Problem(str(lost), lost.hint)
        names = ", ".join(self._restored.unfiltered)
        hint = f"gittrack show {self._plan.run.run_id[:8]}, then gittrack repro without --dry-run"
        return Problem(
            f"{lost}; the filter {names} was not started, because nobody has agreed to it yet", hint
        )

    def _impossible(self, problem: Problem) -> Report:
        return Report(self._plan.run, "impossible", self._restored, problem=problem)

    def _restore_files(self, target: Path) -> None:
        plan = self._plan
        self._say("restoring the data")
        swap.bring(plan, target)
        sources = self._sources(target)
        self._restored = replace(self._restored, data=tuple(restore_data(plan.data, sources)))
        missing = tuple(restore_left_out(plan.left_out, sources))
        self._restored = replace(self._restored, left_out=missing)

    def _sources(self, target: Path) -> Sources:
        plan = self._plan
        dvc = DvcSource(plan.repo, plan.layout, agreed=plan.trusted)
        return Sources(target, FileStore(plan.layout), plan.repo.root, dvc, agreed=plan.trusted)

    def _take_interpreter(self, held: contextlib.ExitStack, *, execute: bool) -> None:
        """Get the interpreter for the job; when nothing is executed, only see whether it could be had."""
        if execute:
            self._interpreter = held.enter_context(chosen(self._plan, self._how.env, self._progress))
        elif self._how.env == "rebuild" or (self._how.env == "auto" and matters(self._plan)):
            planned(self._plan)
        taken = self._interpreter
        self._restored = replace(
            self._restored, how=taken.how, seconds=taken.seconds, differences=taken.differences
        )

    def _argv(self, target: Path, folder: Path) -> list[str]:
        """Return the command; what `gittrack run` recorded goes through `gittrack run` again."""
        plan = self._plan
        program = str(self._interpreter.program)
        argv = present_argv(plan.command.argv, plan.repo.top, target, program=program)
        if not plan.is_command:
            return argv
        options = [f"--volatile={pattern}" for pattern in plan.executed.volatile]
        options += [
            f"--data={os.path.relpath(target / entry.path, folder)}"
            for entry in plan.executed.data
            if not entry.path.startswith("/") and (entry.how is None or entry.files is None)
        ]
        stage = address_of(plan.executed.tags.get(STAGE_TAG), target, folder)
        options += [f"--stage={stage}"] if stage else []
        # -P: a file of the repository must not stand in for a module that gittrack imports.
        return [str(self._interpreter.recorder), "-P", "-m", "gittrack", "run", *options, "--", *argv]

    def _execute(self, argv: list[str], target: Path, folder: Path) -> tuple[Execution, list[NewRun]]:
        plan = self._plan
        watch = Watch.begin(plan.layout)
        log = plan.layout.tmp / f"repro-{plan.run.run_id[:8]}-{uuid4().hex[:8]}.log"
        with _pairs_file(plan) as pairs:
            try:
                execution = run_process(argv, cwd=folder, env=self._environment(pairs, target), log=log)
            except NotFound as missing:
                raise DataLost(str(missing), hint=missing.hint) from missing
        return execution, watch.new_runs(frozenset(run.run_id for run in plan.originals))

    def _environment(self, pairs: Path, target: Path) -> dict[str, str]:
        plan = self._plan
        env = configs.repeated(
            plan.command.env,
            program=str(self._interpreter.program),
            pairs=pairs,
            worktree=plan.repo.top,
            depth=plan.depth + 1,
            experiment=plan.executed.experiment,
            passed=self._how.passed,
        )
        if self._interpreter.home is not None:
            env["VIRTUAL_ENV"] = str(self._interpreter.home)
            env.pop("PYTHONHOME", None)
        if self._interpreter.inside is None:
            imports = moved_imports(plan.repo.top, target)
        else:
            imports = recorded_imports(self._interpreter.inside, target)
        recorded = env.get("PYTHONPATH", "").split(os.pathsep)
        path = [*(moved(entry, plan.repo.top, target) for entry in recorded), *imports]
        if any(path):
            env["PYTHONPATH"] = os.pathsep.join(entry for entry in path if entry)
        return env

    def _facts(self, argv: list[str], target: Path, folder: Path, outcomes: list[Outcome]) -> CodeFacts:
        """Read the job's code where there is something to explain."""
        if all(outcome.verdict == "identical" for outcome in outcomes):
            return CodeFacts()
        return code_facts(target, folder, argv)

    def _conclude(self, outcomes: list[Outcome], facts: CodeFacts) -> Report:
        """Report the outcome with the worst verdict, and what all of them say together."""
        plan = self._plan
        verdict = worst([outcome.verdict for outcome in outcomes])
        shown = next(outcome for outcome in outcomes if outcome.verdict == verdict)
        together = self._spread(outcomes) if len(outcomes) > 1 and verdict != "failed" else None
        tail = verdict == "failed" or not shown.made
        return Report(
            run=plan.run,
            verdict=verdict,
            restored=self._restored,
            reason=self._reason(shown, together),
            comparisons=shown.comparisons,
            others=shown.others,
            suspects=() if verdict == "identical" or plan.swaps else self._suspects(shown, facts, together),
            command=tuple(plan.command.argv),
            exit_code_of_command=shown.execution.exit_code,
            tail=tuple(shown.execution.tail()) if tail else (),
            log=shown.execution.log,
            job_seconds=sum(outcome.execution.seconds for outcome in outcomes),
            spread=together,
        )

    def _reason(self, shown: Outcome, together: Spread | None) -> str | None:
        said = together.reason() if together is not None and shown.verdict == "different" else None
        return "; ".join(reason for reason in (shown.reason, said, self._stopped) if reason) or None

    def _spread(self, outcomes: list[Outcome]) -> Spread:
        repetitions = [
            Repetition(outcome.comparisons, {run_id: new.points() for run_id, new in outcome.repeats.items()})
            for outcome in outcomes
        ]
        recorded = {
            found.run.run_id: recorded_points(self._plan, found.run) for found in outcomes[0].comparisons
        }
        return spread(self._plan.run.run_id, repetitions, recorded)

    def _suspects(self, shown: Outcome, facts: CodeFacts, together: Spread | None) -> tuple[Suspect, ...]:
        random = together is not None and together.random
        return rank(
            Evidence(
                run=self._plan.executed,
                differences=self._restored.differences,
                left_out=self._restored.left_out,
                facts=facts,
                comparisons=shown.comparisons,
                random="its repetitions differ among themselves" if random else None,
            )
        )


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
    said = {"process": process, "runs": runs, "tags": swap.tags(plan.swaps)}
    durable.write_file(path, json.dumps(said).encode())
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
