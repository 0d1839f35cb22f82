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
from gittrack.entities.record import RunId, RunRecord
from gittrack.errors import Conflict, NotFound
from gittrack.git import worktree
from gittrack.git.recover import CodeLost
from gittrack.git.worktree import checkout
from gittrack.record.job import STAGE_TAG
from gittrack.record.stages import address_of
from gittrack.repro import containers, environments, swap
from gittrack.repro.code_facts import CodeFacts, code_facts
from gittrack.repro.dvc import DvcSource
from gittrack.repro.environments import Interpreter
from gittrack.repro.execute import Execution, NewRun, Watch, moved, present_argv, run_process
from gittrack.repro.imports import moved_imports, recorded_imports
from gittrack.repro.judge import Judge, Outcome, recorded_points
from gittrack.repro.options import AS_RECORDED, Mode, Options
from gittrack.repro.pins import EnvironmentLost
from gittrack.repro.plan import ConsentNeeded, Plan, Problem, Progress, with_nested
from gittrack.repro.report import Report, Restored
from gittrack.repro.restore import DataLost, Sources, restore_data, restore_left_out
from gittrack.repro.spread import Repetition, Spread, spread
from gittrack.repro.suspects import Evidence, Suspect, rank
from gittrack.repro.verify import Comparison, worst
from gittrack.store import durable, locking
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore


def reproduce(plan: Plan, options: Options = AS_RECORDED, *, progress: Progress | None = None) -> Report:
    """Run a run again from its recorded inputs, compare the results with the record, and report.

    The new runs are recorded in the user's store with `repro_of`; nothing of the user's checkout is touched.

    Args:
        plan: What to execute.
        options: How.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Raises:
        ConsentNeeded: The command is someone else's, and nobody here has agreed to run it.
        Conflict: The same process is being reproduced right now.
        GitFailed: git could not write the files.
        NotFound: A variable to pass on is not set.
        InvalidValue: A variable to pass on is the record's to say.
    """
    if plan.problem is None and not plan.trusted:
        raise ConsentNeeded(plan)
    return _Reproduction(plan, options, progress).report(execute=True)


def rehearse(plan: Plan, options: Options = AS_RECORDED, *, progress: Progress | None = None) -> Report:
    """Restore a run's inputs as `reproduce` does, execute nothing, and report what would be done and what differs.

    The verdict is None, or `impossible`. No consent is needed: nothing of the run is executed, built or installed.
    Without it filters that the user configured are not started either, and nothing outside of the repository is read.

    Raises:
        NotFound: A variable to pass on is not set.
        InvalidValue: A variable to pass on is the record's to say.
    """
    return _Reproduction(plan, replace(options, keep=False), progress).report(execute=False)


class _Reproduction:
    """Restores once, then executes and compares as often as it is asked to."""

    def __init__(self, plan: Plan, options: Options, progress: Progress | None) -> None:
        self._plan = plan
        self._options = options
        self._progress = progress
        self._passed = configs.handed_down(options.pass_env)
        self._interpreter = Interpreter(Path(sys.executable), "compared", plan.differences)
        self._begun = time.monotonic()
        self._restored = Restored(
            environment=plan.executed.environment,
            differences=plan.differences,
            passed=tuple(sorted(self._passed)),
        )
        self._kept: Path | None = None
        self._stopped: str | None = None

    def report(self, *, execute: bool) -> Report:
        """Return the report, with the time that it took."""
        report = self._report(execute=execute)
        if report.verdict == "different" and report.run_id in report.accepted:
            report = replace(report, verdict="equivalent", reason=f"{report.reason}, which was accepted")
        seconds = time.monotonic() - self._begun
        return replace(report, seconds=seconds, kept=self._kept, swaps=self._plan.swaps)

    def _report(self, *, execute: bool) -> Report:
        plan = self._plan
        if plan.problem is not None:
            return self._impossible(plan.problem)
        with contextlib.ExitStack() as held:
            if execute:
                held.enter_context(_alone(plan.layout, plan.executed))
            try:
                self._say("restoring the code")
                place = held.enter_context(
                    checkout(plan.repo, plan.code, plan.patch, keep=self._options.keep, filters=plan.trusted)
                )
                self._kept = place.path if self._options.keep else None
                self._restored = replace(
                    self._restored, code=place.how, commit=place.commit, unfiltered=place.unfiltered
                )
                self._restore_files(place.path)
                folder = _folder(place.path, plan.command.cwd)
                self._take_interpreter(held, place.path, execute=execute)
                argv = self._argv(place.path, folder)
                if not execute:
                    return Report(plan.run, None, self._restored, command=tuple(plan.command.argv))
                outcomes = self._repeat(argv, place, folder)
                return self._conclude(outcomes, self._facts(argv, place.path, folder, outcomes))
            except (CodeLost, DataLost, EnvironmentLost) as lost:
                return self._impossible(self._problem(lost))

    def _repeat(self, argv: list[str], place: worktree.Restored, folder: Path) -> list[Outcome]:
        """Execute and compare, each time from the same inputs; a command that fails is not asked again."""
        outcomes: list[Outcome] = []
        times = self._options.times
        judge = Judge(self._plan, self._options.tolerance, self._restored.left_out)
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
        in_image = self._options.env is Mode.IMAGE and containers.holds_all(plan)
        return Sources(
            target, FileStore(plan.layout), plan.repo.root, dvc, agreed=plan.trusted, in_image=in_image
        )

    def _take_interpreter(self, held: contextlib.ExitStack, target: Path, *, execute: bool) -> None:
        """Get the interpreter for the job; when nothing is executed, only see whether it could be had."""
        way = environments.way(self._plan, swap.mode_of(self._plan, self._options.env))
        if execute:
            self._interpreter = held.enter_context(way.hold(self._plan, self._progress))
        else:
            way.see(self._plan)
        taken, differences = self._interpreter, self._interpreter.differences
        if taken.container is not None and taken.container.holds_all:
            env = self._environment(Path(os.devnull), target)
            seen = containers.look(taken.container, self._plan, target, self._restored.data, env)
            differences = (*seen, *differences)
        self._restored = replace(
            self._restored,
            how=taken.how,
            seconds=taken.seconds,
            differences=differences,
            image=None if taken.container is None else taken.container.in_words,
        )

    def _argv(self, target: Path, folder: Path) -> list[str]:
        """Return the command; what `gittrack run` recorded goes through `gittrack run` again."""
        plan = self._plan
        held = self._interpreter.container
        from_outside = held is not None and not held.holds_all
        program = None if from_outside else str(self._interpreter.program)
        argv = present_argv(plan.command.argv, plan.repo.top, target, program=program)
        if not plan.is_command:
            return argv
        options = [f"--name={plan.executed.name}"]
        options += [f"--image={held.reference}"] if held is not None and from_outside else []
        options += [f"--volatile={pattern}" for pattern in plan.executed.volatile]
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
                argv, env = self._contained(argv, self._environment(pairs, target), target, folder)
                execution = run_process(argv, cwd=folder, env=env, log=log)
            except NotFound as missing:
                raise DataLost(str(missing), hint=missing.hint) from missing
        return execution, watch.new_runs(frozenset(run.run_id for run in plan.originals))

    def _contained(
        self, argv: list[str], env: dict[str, str], target: Path, folder: Path
    ) -> tuple[list[str], dict[str, str]]:
        """Return command and environment as they are started on this machine."""
        held, data = self._interpreter.container, self._restored.data
        if held is None:
            return argv, env
        if not held.holds_all:
            return argv, held.around(env, containers.outside(self._plan, data), self._passed)
        gpus = bool(self._plan.executed.host.get("gpus"))
        return held.put(argv, env, folder, containers.mounts(self._plan, target, data), gpus=gpus)

    def _environment(self, pairs: Path, target: Path) -> dict[str, str]:
        plan = self._plan
        held = self._interpreter.container
        env = configs.repeated(
            plan.command.env,
            program=str(self._interpreter.program),
            pairs=pairs,
            worktree=plan.repo.top,
            depth=plan.depth + 1,
            experiment=plan.executed.experiment,
            passed=self._passed,
            here=held is None or not held.holds_all,
        )
        if self._interpreter.home is not None:
            env["VIRTUAL_ENV"] = str(self._interpreter.home)
            env.pop("PYTHONHOME", None)
        if self._interpreter.inside is None:
            imports = moved_imports(plan.repo.top, target, self._interpreter.python)
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
        together = self._spread(outcomes, plan.run) if len(outcomes) > 1 and verdict != "failed" else None
        ordered = [shown, *(outcome for outcome in outcomes if outcome is not shown)]
        tail = verdict == "failed" or not shown.made
        return Report(
            run=plan.run,
            verdict=verdict,
            restored=self._restored,
            reason=self._reason(shown, together),
            comparisons=_worst_of_each([outcome.comparisons for outcome in ordered]),
            others=_worst_of_each([outcome.others for outcome in ordered]),
            accepted={} if together is None else self._accepted(outcomes),
            suspects=() if verdict == "identical" or plan.swaps else self._suspects(shown, facts, together),
            command=tuple(plan.command.argv),
            exit_code_of_command=shown.execution.exit_code,
            tail=tuple(shown.execution.tail()) if tail else (),
            log=shown.execution.log,
            job_seconds=sum(outcome.execution.seconds for outcome in outcomes),
            spread=together,
            idle=self._options.tolerance.idle(self._names()),
        )

    def _names(self) -> set[str]:
        """Return what the metrics and artifacts that are compared are called."""
        runs = self._plan.originals
        return {name for run in runs for name in (*run.metrics, *(kept.path for kept in run.artifacts))}

    def _reason(self, shown: Outcome, together: Spread | None) -> str | None:
        said = together.reason() if together is not None and shown.verdict == "different" else None
        return "; ".join(reason for reason in (shown.reason, said, self._stopped) if reason) or None

    def _spread(self, outcomes: list[Outcome], run: RunRecord) -> Spread:
        """Return what the repetitions of a run, and of those nested in it, say together."""
        subjects = {one.run_id for one in with_nested(run, self._plan.originals)}
        repetitions = [
            Repetition(
                tuple(found for found in outcome.compared if found.run.run_id in subjects),
                {run_id: new.points() for run_id, new in outcome.repeats.items() if run_id in subjects},
            )
            for outcome in outcomes
        ]
        recorded = {
            found.run.run_id: recorded_points(self._plan, found.run) for found in repetitions[0].comparisons
        }
        return spread(run.run_id, repetitions, recorded)

    def _accepted(self, outcomes: list[Outcome]) -> dict[RunId, str]:
        """Return the runs that lie within their spread, and why, where that is to be accepted."""
        if not self._options.accept_spread:
            return {}
        spreads = {run.run_id: self._spread(outcomes, run) for run in self._plan.originals}
        return {
            run_id: f"{found.reason()}, which was accepted"
            for run_id, found in spreads.items()
            if found.within
        }

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


def _worst_of_each(found: list[tuple[Comparison, ...]]) -> tuple[Comparison, ...]:
    """Return of each run the worst of its repetitions, the first of several."""
    chosen = []
    for repetitions in zip(*found, strict=True):
        verdict = worst([one.verdict for one in repetitions])
        chosen.append(next(one for one in repetitions if one.verdict == verdict))
    return tuple(chosen)


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
