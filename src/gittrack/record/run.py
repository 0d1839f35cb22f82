"""The run that a process logs to."""

from __future__ import annotations

import contextlib
import time
import traceback  # not when it is used: an import at the exit makes Python forget that Ctrl-C ended the process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gittrack.config import Config, Surroundings
from gittrack.entities.record import (
    ENDS,
    Artifact,
    Command,
    Digest,
    RunId,
    RunRecord,
    Scalar,
    Status,
)
from gittrack.errors import Conflict, Damaged, GittrackError, InvalidValue, StorageFailed
from gittrack.git.capture import Capture
from gittrack.record import begin, live, origin, reads, values
from gittrack.record import seal as seals
from gittrack.record.active_view import ActiveView
from gittrack.record.artifacts import ArtifactLog
from gittrack.record.experiments import Group
from gittrack.record.inputs import InputLog
from gittrack.record.journal import KEEPING, Journal, deleted, ended
from gittrack.record.noticed import Noticed
from gittrack.record.project import Project
from gittrack.record.value_log import ValueLog
from gittrack.record.warning import warn
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.record.trace import Accesses


class ActiveRun(ActiveView, ValueLog, InputLog, ArtifactLog):
    """A run that this process logs to; also a context manager that ends it.

    Errors of the user (a bad key, a value that is no number) raise before anything is written. Errors of the
    disk never raise: they warn once, and the record says what it lacks.
    """

    def __init__(
        self,
        project: Project,
        start: RunRecord,
        journal: Journal,
        *,
        owner: bool,
        capture: Capture | None,
        noticed: Noticed,
    ) -> None:
        self._project = project
        self._start = start
        self._journal = journal
        self._owner = owner
        self._capture = capture
        self._noticed = noticed
        self._files = FileStore(project.layout)
        self._params: dict[str, Scalar] = dict(start.params)
        self._tags: dict[str, str] = dict(start.tags)
        self._artifacts: dict[str, Artifact] = {artifact.path: artifact for artifact in start.artifacts}
        self._datasets = {(used.name, used.digest) for used in start.datasets}
        self._models = {used.model_id for used in start.models}
        self._checked: set[str] = set()
        self._status: Status = start.status
        self._name = start.name
        self._end_time: int | None = None
        self._ended = False  # for this process: it logs no more
        self._deleted = False
        self._halted = False  # ended or deleted: one look in the hot path
        self._before_end: list[Callable[[], None]] = []
        self.digest: Digest | None = None

    @classmethod
    def begin(
        cls,
        project: Project,
        config: Config,
        around: Surroundings,
        *,
        experiment: str | Group | None = None,
        name: str | None = None,
        parent: RunId | None = None,
        tags: Mapping[str, Any] | None = None,
        command: Command | None = None,
        image: Mapping[str, str] | None = None,
        start_time: int | None = None,
    ) -> ActiveRun:
        """Start a run: when this returns, the run and its code are on disk.

        Args:
            project: What it is recorded into.
            config: The project's settings.
            around: What the surrounding process says.
            experiment: The experiment it belongs to; created where there is none of that name.
            name: A label; made up when there is none.
            parent: The run it is part of.
            tags: Tags to start with; `mlflow.runName` and `mlflow.parentRunId` are the name and the parent.
            command: What is run, when it is not this Python process.
            image: The container image that the command runs in, when that is not this process's own.
            start_time: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: The experiment cannot have that name, a tag cannot be one, or two names are given.
        """
        run, capture = begin.record(
            project,
            config,
            around,
            experiment=experiment,
            name=name,
            parent=parent,
            tags=tags,
            command=command,
            image=image,
            start_time=start_time,
        )
        journal = begin.create(project, config, run, patch=None if capture is None else capture.patch)
        begin.trust(project, run.code, run.command, run.environment)
        followed = reads.follow(project, config, capture, project.layout.live_run(run.run_id))
        noticed = Noticed(project, journal, run.run_id, is_job=command is None, reads=followed)
        return cls(project, run, journal, owner=True, capture=capture, noticed=noticed)

    @classmethod
    def attach(cls, project: Project, config: Config, run_id: RunId) -> ActiveRun:
        """Log to a run that another process started and that has not ended.

        Raises:
            NotFound: The run is not live.
        """
        origin.next_process()  # counts as a start, so that the runs of a process pair up when it is run again
        layout = project.layout
        with live.attached(layout, run_id) as folder:
            start = live.start_of(folder)
            contents = live.read_journals(folder)
            journal = Journal(
                begin.opener(layout, run_id, lambda: None),
                {"run_id": run_id, "owner": False},
                strict=config.durability == "strict",
            )
            try:
                journal.open()
            except OSError as error:
                warn(f"gittrack cannot write to run {run_id[:8]} ({error}); {KEEPING}")
        known, _ = live.assemble(start, contents, None)
        start = replace(
            start,
            params=known.params,
            tags=known.tags,
            artifacts=known.artifacts,
            datasets=known.datasets,
            models=known.models,
        )
        environment = begin.joined(project, start)
        if environment is not None:
            begin.trust(project, start.code, start.command, environment)
            journal.fact({"environment": environment})
        noticed = Noticed(project, journal, run_id, is_job=start.end_time is None, reads=None)
        return cls(project, start, journal, owner=False, capture=None, noticed=noticed)

    @classmethod
    def resume(
        cls,
        project: Project,
        config: Config,
        sealed: RunRecord,
        *,
        seals_of_it: Sequence[Digest],
        seen: Sequence[Digest],
        metrics: bytes | None,
        patch: bytes | None,
        amend: bool = False,
    ) -> ActiveRun:
        """Go on with a run that has ended; its next seal supersedes those before.

        Args:
            project: What it is recorded into.
            config: The project's settings.
            sealed: The run as it is.
            seals_of_it: Digests of its present seals.
            seen: Newest of the events that `sealed` shows.
            metrics: Its points as Parquet, or None.
            patch: Its `code.patch`, or None.
            amend: Only add to the record: it stays as it ended.

        Raises:
            AlreadyExists: Another process has just done the same.
        """
        run = replace(
            sealed, supersedes=tuple(sorted(seals_of_it)), seen=tuple(seen), series=None, metrics={}
        )
        if amend:
            journal = begin.create(project, config, run, patch=patch, base=metrics)
            noticed = Noticed(project, journal, run.run_id, is_job=False, reads=None)
            return cls(project, run, journal, owner=True, capture=None, noticed=noticed)
        origin.next_process()
        run, capture = begin.again(project, config, run)
        journal = begin.create(project, config, run, patch=patch, base=metrics)
        followed = reads.follow(project, config, capture, project.layout.live_run(run.run_id), earlier=sealed)
        noticed = Noticed(project, journal, run.run_id, is_job=True, reads=followed)
        return cls(project, run, journal, owner=True, capture=None, noticed=noticed)

    @property
    def has_ended(self) -> bool:
        """Whether this process logs no more to it."""
        return self._ended

    @property
    def is_amended(self) -> bool:
        """Whether the run had ended when it was opened, and is only added to."""
        return self._start.end_time is not None

    @property
    def is_owner(self) -> bool:
        """Whether this process says how the run ends: it started the run, or went on with one that had ended."""
        return self._owner

    @property
    def is_mine(self) -> bool:
        """Whether this very process, not one it was forked from, opened the run."""
        return self._noticed.is_mine

    def is_of(self, project: Project) -> bool:
        """Whether the run is recorded in the repository of a project."""
        return self._project.layout.private == project.layout.private

    def set_status(self, status: Status) -> None:
        """Say that the run is RUNNING, or SCHEDULED; `end` says how it ended."""
        self._must_run()
        self._status = status
        self._journal.fact({"status": status})

    def flush(self) -> None:
        """Bring everything that was logged to disk.

        Raises:
            StorageFailed: The disk does not take it.
        """
        self._journal.flush()

    def end(
        self,
        status: Status = "FINISHED",
        *,
        error: str | None = None,
        exit_code: int | None = None,
        end_time: int | None = None,
    ) -> None:
        """End the run and seal it; when this returns the sealed run is on disk. Ending twice does nothing.

        Args:
            status: FINISHED, FAILED or KILLED.
            error: The traceback of what ended it; of one over 64 kB the middle is left out.
            exit_code: Of the command that ran.
            end_time: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: There is no such status to end with, or the time cannot be; the run goes on.
        """
        if status not in ENDS:
            raise InvalidValue(f"{status!r:.80} is not how a run can end", hint=f"one of {', '.join(ENDS)}")
        if end_time is not None:
            end_time = values.as_time(end_time, "the end of the run")
        if exit_code is not None:
            exit_code = values.as_integer(exit_code, "the exit code")
        if error is not None:
            error = values.shortened(str(error))
        if self.has_ended:
            return
        self._stop_watching()
        self._ended = self._halted = True
        self._end_time = time.time_ns() // 1_000_000 if end_time is None else end_time
        self._status = status
        self._noticed.tell_reads(hurry=status == "KILLED")
        if self._journal.dropped:
            self._journal.fact({"lost": f"{self._journal.dropped} records that the disk did not take"})
        fact: dict[str, Any] = {"end": status} if end_time is None else {"end": status, "at": end_time}
        if error is not None:
            fact["error"] = error
        if exit_code is not None:
            fact["exit_code"] = exit_code
        try:
            self._journal.fact(fact)
        except StorageFailed:
            pass  # `durability: strict`; told below
        except Conflict:
            return  # a forked child, whose parent has ended the run
        at_once = self._is_only_writer()  # then the seal brings to disk all that a sync of the journal would
        if not at_once and not self._saved():
            return
        self._journal.stop()
        self._seal()
        if at_once and self.digest is None:
            self._journal.go_on()
            if not self._saved():
                return
        self._journal.close()

    def _is_only_writer(self) -> bool:
        """Whether all of the run is in this process's one journal, in its place and whole."""
        if self._journal.failure is not None:
            return False
        folder = self._project.layout.live_run(self.run_id)
        with contextlib.suppress(OSError):  # the folder was removed under our hands
            return live.journal_names(folder) == [self._journal.name]
        return False

    def take_trace(self, accesses: Accesses) -> None:
        """Take what a tracer saw of the processes of the run: files that they read are its data."""
        self._noticed.take_trace(accesses)

    def leave(self) -> None:
        """Log no more to a run that goes on without this process, or that had ended before."""
        if self.has_ended:
            return
        self._stop_watching()
        self._ended = self._halted = True
        if self._journal.name:
            if not self._saved():
                return
            self._journal.stop()
            self._seal()  # the last to leave, when the owner has gone before
        self._journal.close()

    def _saved(self) -> bool:
        """Bring all that was logged to disk; what the disk does not take is warned of and kept in memory."""
        if self._journal.sync():
            return True
        warn(f"gittrack could not save all of run {self.run_id[:8]} ({self._journal.failure}); {KEEPING}")
        return False

    def mark_deleted(self, is_deleted: bool) -> None:
        """Refuse to log, or log again: the run was deleted, or restored."""
        self._deleted = is_deleted
        self._halted = self._ended or is_deleted

    def before_end(self, close: Callable[[], None]) -> None:
        """Call `close` when this process stops logging to the run, while it still can."""
        self._before_end.append(close)

    def _stop_watching(self) -> None:
        while self._before_end:
            self._before_end.pop()()
        if not self._deleted:
            self._noticed.tell_imports()

    def next_step(self, prefix: str) -> int:
        """Return the step after the last of all metrics whose keys begin with `prefix`."""
        folder = self._project.layout.live_run(self.run_id)
        try:
            metrics = live.read(folder).run.metrics
        except (OSError, Damaged):
            return 0
        return max((one.step + 1 for key, one in metrics.items() if key.startswith(prefix)), default=0)

    def _seal(self) -> None:
        folder = self._project.layout.live_run(self.run_id)
        try:
            self.digest = seals.seal(
                self._project.layout,
                folder,
                start=self._start if self._owner and not self._start.supersedes else None,
                own=self._journal.name,
            )
        except (OSError, GittrackError) as error:
            warn(
                f"gittrack could not seal run {self.run_id[:8]} ({error}); "
                "it stays in its live folder, and 'gittrack ls' tries again"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_with(error)

    def end_with(self, error: BaseException | None) -> None:
        """End the run with the status that an exception, or none, stands for."""
        status = status_of(error)
        self.end(status, error=None if status == "FINISHED" or error is None else traceback_of(error))

    def _must_run(self) -> None:
        if self.has_ended:
            raise ended(self.run_id)
        if self._deleted:
            raise deleted(self.run_id)


def status_of(error: BaseException | None) -> Status:
    """Return what an escaping exception makes of a run: `sys.exit(0)` is FINISHED, Ctrl-C KILLED."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def traceback_of(error: BaseException) -> str:
    """Return the traceback as Python prints it."""
    return "".join(traceback.format_exception(error)).rstrip("\n")
