"""Many runs reproduced, some at a time: each by a process of its own, so that what kills one costs one.

The processes share the pool of worktrees, the index and the content of data. Runs that one process made are
reproduced once, however many of them are asked about.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.errors import NotFound
from gittrack.query import filters
from gittrack.query.places import RUNS, Catalogue
from gittrack.record import trust
from gittrack.record.system_tags import IN_REPRODUCTION
from gittrack.repro.execute import terminated_as_interrupted
from gittrack.repro.options import AS_RECORDED, Options
from gittrack.repro.plan import Plan, Progress, consents_of, family, plan, with_nested
from gittrack.repro.recorded import verified_by
from gittrack.repro.report_lines import plan_lines
from gittrack.repro.verify import EXIT_CODES, Verdict, worst
from gittrack.store.layout import Layout

if TYPE_CHECKING:
    from gittrack.git.repo import Repository
    from gittrack.query.session import Session

INTERRUPTED = 130
_PATIENCE_S = 15.0  # a process that is interrupted ends its command first, and asks that politely too
_REPETITIONS = f"""
    with recursive repetitions as (
        select run_id, process from runs where repro_of is not null or tags['{IN_REPRODUCTION}'] is not null
        union
        select runs.run_id, runs.process from runs
            join repetitions on runs.parent_run_id = repetitions.run_id or runs.process = repetitions.process
    )
"""  # noqa: S608 - the key is a constant


@dataclass(frozen=True)
class Job:
    """A process to run again.

    Attributes:
        executed: Its first run, which is reproduced.
        originals: All runs that it made, and those nested in them.
        asked: Those of them that were asked about.
    """

    executed: RunRecord
    originals: tuple[RunRecord, ...]
    asked: tuple[RunRecord, ...]


@dataclass(frozen=True)
class Result:
    """What came of one run.

    Attributes:
        run: As recorded.
        state: The verdict; `restored` for one that was only rehearsed; `error` when there is no verdict, because the
            reproduction itself went wrong; `not run` when it was not begun.
        reason: Why, in words, where the comparison does not say it.
        repro_run_id: The run that repeats it.
        metrics: Those that differ.
        artifacts: Those that differ.
        seconds: What the reproduction of its process took.
        hint: What would help where it could not be run again, None where nothing is known to.
    """

    run: RunRecord
    state: str
    reason: str | None = None
    repro_run_id: RunId | None = None
    metrics: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    seconds: float = 0.0
    hint: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing stands against it."""
        return self.state in ("identical", "equivalent", "restored")

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "run_id": self.run.run_id,
            "name": self.run.name,
            "experiment": self.run.experiment,
            "repro_run_id": self.repro_run_id,
            "state": self.state,
            "reason": self.reason,
            "hint": self.hint,
            "metrics_differ": list(self.metrics),
            "artifacts_differ": list(self.artifacts),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Many:
    """What came of many reproductions.

    Attributes:
        results: One for each run that was asked about.
        seconds: All of it.
        interrupted: Whether it was ended before its end; what was done until then is there.
    """

    results: tuple[Result, ...]
    seconds: float
    interrupted: bool = False

    @property
    def verdict(self) -> Verdict | None:
        """The worst verdict, None when there is none."""
        states = {result.state for result in self.results}
        return worst([verdict for verdict in EXIT_CODES if verdict in states])

    @property
    def exit_code(self) -> int:
        """What the command line exits with: the worst verdict's, 1 when there is only an error."""
        if self.interrupted:
            return INTERRUPTED
        code = 0 if self.verdict is None else EXIT_CODES[self.verdict]
        return code or int(not all(result.is_good for result in self.results))

    @property
    def tally(self) -> dict[str, int]:
        """How many runs there are of each state, the most frequent first."""
        return dict(Counter(result.state for result in self.results).most_common())

    @property
    def hints(self) -> dict[str, list[RunId]]:
        """What would help, and the runs that it is for."""
        found: dict[str, list[RunId]] = {}
        for result in self.results:
            if result.hint is not None:
                found.setdefault(result.hint, []).append(result.run.run_id)
        return found

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "runs": [result.document() for result in self.results],
            "summary": {
                "runs": len(self.results),
                "states": self.tally,
                "verdict": self.verdict,
                "exit_code": self.exit_code,
                "interrupted": self.interrupted,
                "seconds": round(self.seconds, 3),
            },
        }


def choose(
    session: Session,
    *,
    experiment: str | None = None,
    filter_string: str | None = None,
    since: str | None = None,
) -> list[RunId]:
    """Return the runs to reproduce, the oldest first; reproductions, deleted and unfinished runs are none.

    Args:
        session: What to ask.
        experiment: Only those of this one.
        filter_string: Only those that it lets through.
        since: Only those that the checked-out tree has, and the commit of this name has not.

    Raises:
        FilterError: The filter is not understood.
        NotFound: There is no such experiment; `since` names no commit.
    """
    chosen = filters.runs_where(filter_string)
    conditions = ["not deleted", "status in ('FINISHED', 'FAILED', 'KILLED')", f"({chosen.sql})"]
    conditions.append("run_id not in (select run_id from repetitions)")
    params: dict[str, Any] = dict(chosen.params)
    if experiment is not None:
        if not session.rows("select 1 from runs where experiment = $experiment", experiment=experiment):
            raise NotFound(
                f"no run is of the experiment '{experiment}'",
                hint="gittrack sql 'SELECT name FROM experiments'",
            )
        conditions.append("experiment = $experiment")
        params["experiment"] = experiment
    if since is not None:
        conditions.append("here and not list_contains($known, digest)")
        params["known"] = sorted(_known_at(session, since))
    query = (
        f"{_REPETITIONS} select run_id from runs where {' and '.join(conditions)} order by start_time, run_id"  # noqa: S608
    )
    return [RunId(run_id) for (run_id,) in session.rows(query, **params)]


def _known_at(session: Session, rev: str) -> set[Digest]:
    catalogue = Catalogue(session.repo, session.layout)
    return catalogue.commits([session.repo.resolve(rev)]).digests[RUNS]


def jobs(session: Session, run_ids: Iterable[RunId]) -> list[Job]:
    """Return the processes to run again for some runs, each once.

    Raises:
        NotFound: There is no such run.
        Damaged: One cannot be read.
    """
    asked = {run_id: session.run(run_id) for run_id in dict.fromkeys(run_ids)}
    families: dict[RunId, tuple[RunRecord, ...]] = {}
    homes: dict[RunId, RunId] = {}
    for run_id, run in asked.items():
        if run_id in homes:
            continue
        originals = family(session, run)
        families[originals[0].run_id] = originals
        for one in originals:  # a child with a command of its own belongs to what runs it along
            home = homes.get(one.run_id)
            if home is None or len(families[home]) < len(originals):
                homes[one.run_id] = originals[0].run_id
    wanted = dict.fromkeys(homes[run_id] for run_id in asked)
    return [
        Job(
            families[home][0],
            families[home],
            tuple(run for run_id, run in asked.items() if homes[run_id] == home),
        )
        for home in wanted
    ]


def split_verified(session: Session, found: Iterable[Job]) -> tuple[list[Job], list[Result]]:
    """Return the jobs that are worth doing, and the results of those whose newest repetition needs none.

    Raises:
        Damaged: The points of a run cannot be read any more.
    """
    left, done = [], []
    for job in found:
        repeats = [(run, verified_by(session, run)) for run in job.asked]
        if all(repeat is not None for _, repeat in repeats):
            done += [
                Result(run, "identical", "was reproduced here before", repeat) for run, repeat in repeats
            ]
        else:
            left.append(job)
    return left, done


def untrusted(session: Session, repo: Repository, layout: Layout, found: Iterable[Job]) -> list[Plan]:
    """Return what this clone's user has not agreed to yet, one plan for each thing that would be executed."""
    asked: dict[tuple[Digest, ...], Plan] = {}
    for job in found:
        consents = consents_of(job.originals)
        if consents in asked or all(trust.is_trusted(layout, consent) for consent in consents):
            continue
        planned = plan(session, repo, layout, job.executed.run_id)
        if planned.problem is None:
            asked[consents] = planned
    return list(asked.values())


def consent_lines(plans: Sequence[Plan], found: Sequence[Job]) -> list[str]:
    """Return all that some plans would execute, for a person who is asked to agree to all of it at once."""
    counted = Counter(consents_of(job.originals) for job in found)
    lines: list[str] = []
    for planned in plans:
        lines += plan_lines(planned)
        others = counted[consents_of(planned.originals)] - 1
        if others:
            lines.append(f"  and the same for {others} more that would execute exactly this")
    return lines


def reproduce_many(
    found: Sequence[Job],
    *,
    folder: Path,
    options: Options = AS_RECORDED,
    dry_run: bool = False,
    workers: int = 1,
    fail_fast: bool = False,
    done: Sequence[Result] = (),
    progress: Progress | None = None,
) -> Many:
    """Reproduce some processes and return what came of the runs that were asked about.

    An interrupt, or SIGTERM, ends what is running; what is done by then is returned.

    Args:
        found: What to run again; consent is the caller's to get first.
        folder: A working tree of the repository.
        options: How, for each of them; no worktree is kept.
        dry_run: Restore the inputs, execute nothing.
        workers: How many at a time.
        fail_fast: Begin no more once one was not good.
        done: Results that are there already, to be told with the others.
        progress: Called with what is being done, how much of it is done, and how much there is.
    """
    many = _Crew(found, folder, _arguments(options, dry_run=dry_run), fail_fast, progress).work(workers)
    return replace(many, results=(*done, *many.results))


def _arguments(options: Options, *, dry_run: bool) -> list[str]:
    return [*options.arguments(), *(["--dry-run"] if dry_run else [])]


@dataclass
class _Crew:
    """Starts the processes that reproduce, and hears from them."""

    jobs: Sequence[Job]
    folder: Path
    arguments: Sequence[str]
    fail_fast: bool
    progress: Progress | None
    _results: dict[RunId, Result] = field(default_factory=dict)
    _running: dict[RunId, subprocess.Popen[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False
    _interrupted: bool = False

    def work(self, workers: int) -> Many:
        """Do it all; see `reproduce_many`."""
        begun = time.monotonic()
        with ThreadPoolExecutor(workers, thread_name_prefix="gittrack-repro") as pool:
            waiting = {pool.submit(self._reproduce, job): job for job in self.jobs}
            try:
                with terminated_as_interrupted():
                    self._collect(waiting)
            except (KeyboardInterrupt, SystemExit):
                self._end()
            finally:
                self._stopped = True
        for future, job in waiting.items():
            self._take(job, future.result())
        runs = [run for job in self.jobs for run in job.asked]
        results = tuple(self._results[run.run_id] for run in runs)
        return Many(results, time.monotonic() - begun, self._interrupted)

    def _collect(self, waiting: Mapping[Future[list[Result]], Job]) -> None:
        left = set(waiting)
        while left:
            self._tell(len(waiting) - len(left), len(waiting))
            done, left = wait(left, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(waiting[future], future.result())

    def _take(self, job: Job, results: list[Result]) -> None:
        self._results |= {result.run.run_id: result for result in results}

    def _tell(self, done: int, total: int) -> None:
        if self.progress is None:
            return
        with self._lock:
            now = ", ".join(run_id[:8] for run_id in self._running)
        counted = Counter(result.state for result in self._results.values()).most_common()
        tally = "".join(f"{count} {state}, " for state, count in counted)
        self.progress(f"{tally}now {now}; reproduced", done, total)

    def _reproduce(self, job: Job) -> list[Result]:
        """Run one process again in a process of its own; runs in a thread."""
        first = job.executed.run_id
        begun = time.monotonic()
        with self._lock:
            if self._stopped:
                return [Result(run, "not run") for run in job.asked]
            self._running[first] = process = self._start(first)
        try:
            out, err = process.communicate()
        finally:
            with self._lock:
                del self._running[first]
        results = list(_results(job, process.returncode, out, err, time.monotonic() - begun))
        if self.fail_fast and not all(found.is_good for found in results):
            self._stopped = True
        if self._interrupted:
            return [Result(found.run, "not run") if found.state == "error" else found for found in results]
        return results

    def _start(self, run_id: RunId) -> subprocess.Popen[str]:
        # -P: a file of the repository must not stand in for a module that gittrack imports.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gittrack", "repro", run_id, "--json", *self.arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # an interrupt of the terminal reaches it through this process alone
        )

    def _end(self) -> None:
        """End what runs, politely first."""
        with self._lock:
            self._stopped = self._interrupted = True
            running = list(self._running.values())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for process in running:
                if process.poll() is None:
                    process.send_signal(number)
            deadline = time.monotonic() + _PATIENCE_S
            while any(process.poll() is None for process in running) and time.monotonic() < deadline:
                time.sleep(0.02)


def _results(job: Job, code: int, out: str, err: str, seconds: float) -> Iterator[Result]:
    """Yield what a process's answer says of each run that was asked about."""
    answer = _answer(out)
    if answer is None or "verdict" not in answer:
        reason, hint = _went_wrong(answer, code, err)
        yield from (Result(run, "error", reason, seconds=seconds, hint=hint) for run in job.asked)
        return
    if not answer["runs"]:
        problem = answer["restored"]["problem"] or {"what": None, "hint": None}
        state, reason, hint = answer["verdict"] or "restored", problem["what"], problem["hint"]
        yield from (Result(run, state, reason, seconds=seconds, hint=hint) for run in job.asked)
        return
    compared = {found["run_id"]: found for found in answer["runs"]}
    for run in job.asked:
        yield _result(run, [compared[one.run_id] for one in with_nested(run, job.originals)], seconds)


def _result(run: RunRecord, compared: Sequence[Mapping[str, Any]], seconds: float) -> Result:
    """Return the result of a run, of which the runs nested in it are a part."""
    verdict = worst([found["verdict"] for found in compared])
    reason = next(
        (found["reason"] for found in compared if found["verdict"] == verdict and found["reason"]), None
    )
    if verdict == "different" and compared[0]["accepted"]:
        verdict, reason = "equivalent", compared[0]["accepted"]
    if verdict is None:
        reason = "there is nothing to compare: the run has neither metrics nor artifacts"
    return Result(
        run,
        verdict or "inconclusive",
        reason,
        compared[0]["repro_run_id"],
        tuple(dict.fromkeys(key for found in compared for key in found["metrics_differ"])),
        tuple(dict.fromkeys(path for found in compared for path in found["artifacts_differ"])),
        seconds,
    )


def _answer(out: str) -> dict[str, Any] | None:
    try:
        found = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return found if isinstance(found, dict) else None


def _went_wrong(answer: Mapping[str, Any] | None, code: int, err: str) -> tuple[str, str | None]:
    """Return why there is no verdict, and what would help."""
    if answer is not None and "error" in answer:
        return str(answer["error"]), answer.get("hint")
    if code < 0:
        return f"the process that reproduced it was ended by {signal.Signals(-code).name}", None
    last = next((line for line in reversed(err.splitlines()) if line.strip()), "it said nothing")
    return f"the process that reproduced it ended with exit code {code}: {last}", None
