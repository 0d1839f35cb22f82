"""The run that a process logs to."""

from __future__ import annotations

import contextlib
import os
import time
import traceback  # not when it is used: an import at the exit makes Python forget that Ctrl-C ended the process
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gittrack.config import Config, Surroundings
from gittrack.entities.record import (
    ENDS,
    Artifact,
    Code,
    Command,
    DataFile,
    Digest,
    RunId,
    RunRecord,
    Scalar,
    Status,
    UsedDataset,
    UsedModel,
    parse_run_id,
)
from gittrack.errors import Conflict, Damaged, GittrackError, InvalidValue, StorageFailed
from gittrack.git.capture import Capture
from gittrack.record import begin, inputs, live, names, opens, origin, reads, values
from gittrack.record import format as formats
from gittrack.record import seal as seals
from gittrack.record.artifacts import ArtifactLog
from gittrack.record.environment import host, imported
from gittrack.record.experiments import Group, id_of
from gittrack.record.journal import KEEPING, Journal, deleted, ended
from gittrack.record.project import Project
from gittrack.record.system_tags import PARENT_RUN_ID, RUN_NAME
from gittrack.record.value_log import ValueLog, texts_of
from gittrack.record.warning import warn
from gittrack.store.digest import random_hex
from gittrack.store.layout import RUN_FILE, path_on_disk
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.entities.tracking import Run, RunData, RunInfo, RunInputs, RunOutputs
    from gittrack.record.trace import Accesses


class ActiveRun(ValueLog, ArtifactLog):
    """A run that this process logs to; also a context manager that ends it.

    Errors of the user (a bad key, a value that is no number) raise before anything is written. Errors of the
    disk never raise: they warn once, and the record says what it lacks.
    """

    def __init__(
        self, project: Project, start: RunRecord, journal: Journal, *, owner: bool, capture: Capture | None
    ) -> None:
        self._project = project
        self._start = start
        self._journal = journal
        self._owner = owner
        self._process = os.getpid()
        self._capture = capture
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
        self._is_job = True  # False for who only watches a command that runs in a process of its own
        self._deleted = False
        self._halted = False  # ended or deleted: one look in the hot path
        self._before_end: list[Callable[[], None]] = []
        self._reads: reads.Reads | None = None
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
            start_time: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: The experiment cannot have that name, a tag cannot be one, or two names are given.
        """
        if start_time is not None:
            start_time = values.as_time(start_time, "the start of the run")
        kept = texts_of({} if tags is None else tags)
        name = _one_name(name, kept.pop(RUN_NAME, None))
        parent = parent or _parent(kept)
        group = begin.group(
            project, config, config.experiment if experiment is None else experiment, user=around.user
        )
        lost: list[str] = []
        capture = begin.code(project, config, lost)
        process = origin.next_process()
        repeats = origin.repro_of(around, process)
        run = RunRecord(
            run_id=RunId(random_hex()),
            experiment=group.name,
            experiment_id=None if group.experiment_id == id_of(group.name) else group.experiment_id,
            name=values.as_text(name or names.made_up(), "the run's name"),
            status="RUNNING",
            start_time=time.time_ns() // 1_000_000 if start_time is None else start_time,
            end_time=None,
            user=around.user,
            host=host(),
            process=process,
            code=None if capture is None else capture.code,
            command=command or origin.command(project.root, around.variables),
            environment=begin.environment(project, capture, lost),
            parent_run_id=parent,
            repro_of=repeats,
            tags=kept if repeats is None else {**kept, **origin.repro_tags(around)},
            lost=tuple(map(values.shortened, lost)),
        )
        journal = begin.create(project, config, run, patch=None if capture is None else capture.patch)
        begin.trust(project, run.code, run.command, run.environment)
        active = cls(project, run, journal, owner=True, capture=capture)
        active._is_job = command is None
        folder = project.layout.live_run(run.run_id)
        active._reads = reads.follow(project, config, capture, active._files, folder)
        return active

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
        return cls(project, start, journal, owner=False, capture=None)

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
        if not amend:
            origin.next_process()
            run = replace(run, status="RUNNING", end_time=None, error=None)
        journal = begin.create(project, config, run, patch=patch, base=metrics)
        return cls(project, run, journal, owner=True, capture=None)

    @property
    def run_id(self) -> RunId:
        """The id, 32 hex digits."""
        return self._start.run_id

    @property
    def experiment(self) -> str:
        """The named group that the run belongs to."""
        return self._start.experiment

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The params logged by this process and before it joined."""
        return dict(self._params)

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags set by this process and before it joined."""
        return dict(self._tags)

    @property
    def code(self) -> Code | None:
        """The tie to git, None when it could not be taken."""
        return self._start.code

    @property
    def experiment_group(self) -> Group:
        """The experiment that the run belongs to, with its id."""
        return Group(self._start.experiment_id or id_of(self.experiment), self.experiment)

    @property
    def info(self) -> RunInfo:
        """Id, name, experiment, status and times, under MLflow's names."""
        from gittrack.record import presented  # a training that only records does not pay for it

        run = replace(
            self._start,
            name=self._name,
            status=self._status,
            end_time=self._start.end_time if self._end_time is None else self._end_time,
        )
        return presented.info(run, deleted=False)

    @property
    def data(self) -> RunData:
        """Params, last values of metrics and tags as they are now, under MLflow's names."""
        return self._now().data

    @property
    def inputs(self) -> RunInputs:
        """The datasets and models that were logged as used until now, under MLflow's names."""
        return self._now().inputs

    @property
    def outputs(self) -> RunOutputs:
        """The models that were logged as made until now, under MLflow's names."""
        return self._now().outputs

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._now())

    def to_dictionary(self) -> dict[str, Any]:
        """Return `info`, `data`, `inputs` and `outputs` as plain dictionaries."""
        return self._now().to_dictionary()

    def _now(self) -> Run:
        from gittrack.record import presented

        layout = self._project.layout
        try:
            if self.digest is not None:
                content = (layout.run(self.digest) / RUN_FILE).read_bytes()
                return presented.run(formats.load_run(content), deleted=self._deleted)
            return presented.run(live.read(layout.live_run(self.run_id)).run, deleted=self._deleted)
        except (OSError, Damaged):  # the disk took nothing: what this process knows
            known = replace(self._start, params=self._params, tags=self._tags, name=self._name)
            known = replace(known, status=self._status, end_time=self._end_time or known.end_time)
            return presented.run(known, deleted=self._deleted)

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
        return self._process == os.getpid()

    def is_of(self, project: Project) -> bool:
        """Whether the run is recorded in the repository of a project."""
        return self._project.layout.private == project.layout.private

    def set_status(self, status: Status) -> None:
        """Say that the run is RUNNING, or SCHEDULED; `end` says how it ended."""
        self._must_run()
        self._status = status
        self._journal.fact({"status": status})

    def log_dataset(self, dataset: UsedDataset) -> None:
        """Record the use of a dataset; the same one for the same purpose counts once."""
        self._must_run()
        told = inputs.told(dataset)
        self._datasets.add((dataset.name, dataset.digest))
        self._journal.fact({"dataset": told})

    def log_models(self, models: Sequence[UsedModel]) -> None:
        """Record which models the run used and made; the same one in the same role, at the same step, counts once.

        Raises:
            InvalidValue: An id is no text or has none, or a step is no integer; nothing is recorded then.
        """
        self._must_run()
        for used in [values.as_model(used) for used in models]:
            self._models.add(used.model_id)
            self._journal.fact({"model": asdict(used)})

    def knows_dataset(self, name: str, digest: str) -> bool:
        """Whether the use of a dataset was logged by this process or before it joined, for whatever purpose."""
        return (name, digest) in self._datasets

    def knows_model(self, model_id: str) -> bool:
        """Whether a model was logged as used or made by this process or before it joined."""
        return model_id in self._models

    def log_data(self, path: str | os.PathLike[str]) -> DataFile:
        """Record an input file or folder by digest, and keep its content unless git does.

        Raises:
            NotFound: There is nothing at `path`.
            InvalidValue: It is neither a file nor a folder of files, or its name cannot be kept.
        """
        self._must_run()
        known = reads.known_of(self._project.layout)
        entry, failure = inputs.keep(path_on_disk(path), self._project, self._capture, self._files, known)
        known.save()
        if self._reads is not None and self.is_mine:
            self._reads.declare(entry.path)
        else:
            opens.declare(str(self._project.layout.live_run(self.run_id)), entry.path)
        if failure is not None:
            self._journal.fact(
                {"lost": values.shortened(f"data {entry.path}: {failure.strerror or failure}")}
            )
            warn(f"gittrack could not keep the data '{entry.path}': {failure}")
        self._journal.fact({"data": asdict(entry)})
        return entry

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
        self._close_watchers()
        self._log_imports()
        self._ended = self._halted = True
        self._end_time = time.time_ns() // 1_000_000 if end_time is None else end_time
        self._status = status
        self._log_reads(hurry=status == "KILLED")
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
        if self._reads is not None:
            with contextlib.suppress(OSError):
                self._reads.take(accesses.read, accesses.written)

    def _log_reads(self, *, hurry: bool) -> None:
        """Record what was read without being declared, and say what of it is not kept."""
        if self._reads is None or not self.is_mine:
            return
        try:
            found = self._reads.finish(hurry=hurry)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training's end is not to fail for it
            found = reads.Found(lost=[f"data: what it read ({error})"])
        try:
            for entry in found.entries:
                self._journal.fact({"data": asdict(entry)})
            for lost in found.lost:
                self._journal.fact({"lost": values.shortened(lost)})
        except StorageFailed:
            pass  # `durability: strict`; told at the end of the run
        reads.warn_of(found.entries)

    def leave(self) -> None:
        """Log no more to a run that goes on without this process, or that had ended before."""
        if self.has_ended:
            return
        self._close_watchers()
        self._log_imports()
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

    def _close_watchers(self) -> None:
        while self._before_end:
            self._before_end.pop()()

    def _log_imports(self) -> None:
        """Record which distributions this process has imported, where it is the job."""
        if not self._is_job or self.is_amended or not self.is_mine or self._deleted:
            return
        try:
            found = imported(self._project.layout, (self._project.root, self._project.home))
            if found:
                self._journal.fact({"imports": found})
        except (StorageFailed, Conflict):
            pass  # told when the run ends

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


def _one_name(given: str | None, tagged: str | None) -> str | None:
    if given and tagged and given != tagged:
        raise InvalidValue(
            f"the run is called '{given}' by run_name and '{tagged}' by the tag {RUN_NAME}",
            hint="give it one of the two",
        )
    return given or tagged


def _parent(tags: dict[str, str]) -> RunId | None:
    """Return the parent that a tag names; a tag that names no run stays a tag."""
    try:
        parent = parse_run_id(tags.get(PARENT_RUN_ID))
    except InvalidValue:
        return None
    del tags[PARENT_RUN_ID]
    return parent
