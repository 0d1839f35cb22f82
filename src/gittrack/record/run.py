"""The run that a process logs to."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gittrack.config import Config, Surroundings
from gittrack.data import hashing
from gittrack.entities.record import Code, Command, DataFile, Digest, RunId, RunRecord, Scalar, Status
from gittrack.errors import Conflict, GittrackError, InvalidValue, NotFound, StorageFailed
from gittrack.git.capture import Capture
from gittrack.record import begin, columns, inputs, live, names, origin, serialise, values
from gittrack.record import seal as seals
from gittrack.record.environment import host
from gittrack.record.journal import KEEPING, Journal, ended
from gittrack.record.project import Project
from gittrack.record.warning import warn
from gittrack.store.digest import random_hex
from gittrack.store.layout import safe_path
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.entities.tracking import RunInfo


class ActiveRun:
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
        self._checked: set[str] = set()
        self._status: Status = "RUNNING"
        self._name = start.name
        self._end_time: int | None = None
        self.digest: Digest | None = None

    @classmethod
    def begin(
        cls,
        project: Project,
        config: Config,
        around: Surroundings,
        *,
        experiment: str | None = None,
        name: str | None = None,
        parent: RunId | None = None,
        tags: Mapping[str, Any] | None = None,
        command: Command | None = None,
    ) -> ActiveRun:
        """Start a run: when this returns, the run and its code are on disk.

        Args:
            project: What it is recorded into.
            config: The project's settings.
            around: What the surrounding process says.
            experiment: The named group it belongs to.
            name: A label; made up when there is none.
            parent: The run it is part of.
            tags: Tags to start with.
            command: What is run, when it is not this Python process.
        """
        lost: list[str] = []
        capture = begin.code(project, config, lost)
        process = origin.next_process()
        run = RunRecord(
            run_id=RunId(random_hex()),
            experiment=values.as_text(experiment or config.experiment, "the experiment's name"),
            name=values.as_text(name or names.made_up(), "the run's name"),
            status="RUNNING",
            start_time=time.time_ns() // 1_000_000,
            end_time=None,
            user=around.user,
            host=host(),
            process=process,
            code=None if capture is None else capture.code,
            command=command or origin.command(project.root, around.variables),
            environment=begin.environment(project, lost),
            parent_run_id=parent,
            repro_of=origin.repro_of(around, process),
            tags=_texts(tags or {}),
            lost=tuple(map(values.shortened, lost)),
        )
        journal = begin.create(project, config, run, patch=None if capture is None else capture.patch)
        begin.trust(project, run.code, run.command, run.environment)
        return cls(project, run, journal, owner=True, capture=capture)

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
        return cls(project, replace(start, params=known.params), journal, owner=False, capture=None)

    @classmethod
    def resume(
        cls,
        project: Project,
        config: Config,
        sealed: RunRecord,
        *,
        seals_of_it: Sequence[Digest],
        metrics: bytes | None,
        patch: bytes | None,
    ) -> ActiveRun:
        """Go on with a run that has ended; its next seal supersedes those before.

        Args:
            project: What it is recorded into.
            config: The project's settings.
            sealed: The run as it is.
            seals_of_it: Digests of its present seals.
            metrics: Its points as Parquet, or None.
            patch: Its `code.patch`, or None.
        """
        origin.next_process()
        run = replace(
            sealed,
            status="RUNNING",
            end_time=None,
            supersedes=tuple(sorted(seals_of_it)),
            series=None,
            metrics={},
            error=None,
        )
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
    def code(self) -> Code | None:
        """The tie to git, None when it could not be taken."""
        return self._start.code

    @property
    def info(self) -> RunInfo:
        """Id, name, experiment, status and times, under MLflow's names."""
        from gittrack.entities.tracking import RunInfo  # a training that only records does not pay for it

        return RunInfo(
            run_id=self.run_id,
            experiment_id="0",
            user_id=self._start.user,
            status=self._status,
            start_time=self._start.start_time,
            end_time=self._end_time,
            lifecycle_stage="active",
            artifact_uri=f"runs:/{self.run_id}",
            run_name=self._name,
        )

    @property
    def has_ended(self) -> bool:
        """Whether `end` was called."""
        return self._end_time is not None

    @property
    def is_mine(self) -> bool:
        """Whether this very process, not one it was forked from, opened the run."""
        return self._process == os.getpid()

    def log_param(self, key: str, value: Any) -> Any:
        """Record an input value; return it.

        Raises:
            InvalidValue: The key cannot be one or has another value already, or the value is over 1 MB of text.
        """
        self.log_params({key: value})
        return value

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record input values; all or none.

        Raises:
            InvalidValue: A key cannot be one or has another value already, or a value is over 1 MB of text, or
                all are over 8 MB.
        """
        self._must_run()
        new = {values.check_key(key, "param"): values.as_param(value, key) for key, value in params.items()}
        for key, value in new.items():
            if key in self._params and str(self._params[key]) != str(value):
                raise InvalidValue(
                    f"param '{key}' is {self._params[key]!r} already, it cannot become {value!r}",
                    hint="a param is fixed for the run: log a metric, or start another run",
                )
        fresh = {key: value for key, value in new.items() if key not in self._params}
        values.check_together(fresh, "param")
        if fresh:
            self._params.update(fresh)
            self._journal.fact({"params": fresh})

    def log_metric(
        self, key: str, value: float, step: int | None = None, timestamp: int | None = None
    ) -> None:
        """Record one value of a metric.

        Args:
            key: The metric.
            value: A number; NaN and infinities are kept as they are.
            step: The training step, 0 without one.
            timestamp: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: The key cannot be one, or a number is none.
        """
        if key not in self._checked:
            self._checked.add(values.check_key(key, "metric"))
        if type(value) is not float:
            value = values.as_float(value, key)
        if step is None:
            step = 0
        elif type(step) is not int or not -(1 << 63) <= step < 1 << 63:
            step = values.as_step(step, key)
        if timestamp is not None:
            timestamp = values.as_timestamp(timestamp, key)
        if self._end_time is not None:
            self._must_run()
        self._journal.point(key, value, step, timestamp)

    def log_metrics(self, metrics: Mapping[str, Any], step: Any = None, timestamp: int | None = None) -> None:
        """Record a value, or a whole sequence of values, of each metric.

        Args:
            metrics: Key to number, or key to sequence of shape (n,).
            step: One step for numbers. For sequences: their n steps, or the first of n consecutive ones (0).
            timestamp: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: A key cannot be one, a number is none, or lengths differ; nothing is recorded then.
        """
        self._must_run()
        for key in metrics:
            values.check_key(key, "metric")
        when = (
            time.time_ns() // 1_000_000 if timestamp is None else values.as_timestamp(timestamp, "timestamp")
        )
        series = {key: value for key, value in metrics.items() if columns.is_sequence(value)}
        numbers = {key: values.as_float(value, key) for key, value in metrics.items() if key not in series}
        at = None if not numbers or step is None else values.as_step(step, next(iter(numbers)))
        blocks = [columns.of_series(key, value, step, when) for key, value in series.items()]
        for key, number in numbers.items():
            self._journal.point(key, number, at or 0, timestamp)
        for block in blocks:
            self._journal.points(block)

    def log_points(self, table: Any) -> None:
        """Record many points at once.

        Args:
            table: An Arrow table, a DataFrame or a mapping with the columns key, step and value, and timestamp
                (milliseconds since 1970 UTC; now without it), n rows each.

        Raises:
            InvalidValue: A column is missing or has values of another kind; nothing is recorded then.
        """
        self._must_run()
        points = columns.of_table(table, time.time_ns() // 1_000_000)
        for key in points.keys:
            values.check_key(key, "metric")
        self._journal.points(points)

    def set_tag(self, key: str, value: Any) -> None:
        """Put a tag on the run; a later value takes the place of an earlier one.

        Raises:
            InvalidValue: The key cannot be one, or the value is over 1 MB of text.
        """
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Put tags on the run; all or none.

        Raises:
            InvalidValue: A key cannot be one, or a value is over 1 MB of text, or all are over 8 MB.
        """
        self._must_run()
        self._journal.fact({"tags": _texts(tags)})

    def delete_tag(self, key: str) -> None:
        """Take a tag off the run."""
        self._must_run()
        self._journal.fact({"untag": values.check_key(key, "tag")})

    def set_name(self, name: str) -> None:
        """Give the run another label.

        Raises:
            InvalidValue: It is over 1 MB of text.
        """
        self._must_run()
        self._name = values.as_text(name, "the run's name")
        self._journal.fact({"name": self._name})

    def set_volatile(self, *patterns: str) -> None:
        """Say which artifacts and metrics, by glob, differ from one execution to the next by nature."""
        self._must_run()
        self._journal.fact({"volatile": [values.as_text(pattern, "a pattern") for pattern in patterns]})

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Keep a file, or a folder under its own name, as output of the run.

        Args:
            local_path: What to keep; its content is copied, or shared where the disk can.
            artifact_path: The folder among the run's artifacts.

        Raises:
            NotFound: There is nothing at `local_path`.
            InvalidValue: A name cannot be an artifact's.
        """
        source = Path(local_path)
        if source.is_dir():
            prefix = f"{artifact_path}/{source.name}" if artifact_path else source.name
            self.log_artifacts(source, prefix)
            return
        if not source.exists():
            raise NotFound(f"there is no file or folder '{source}'")
        self._keep_file(source, f"{artifact_path}/{source.name}" if artifact_path else source.name)

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Keep all files below a folder as outputs of the run.

        Raises:
            NotFound: There is no such folder.
            InvalidValue: A name cannot be an artifact's, or a link leads out of the folder.
        """
        folder = Path(local_dir)
        if not folder.is_dir():
            raise NotFound(f"there is no folder '{folder}'")
        for name, file in hashing.walk(folder):
            self._keep_file(file, f"{artifact_path}/{name}" if artifact_path else name)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Keep text as an artifact."""
        self._keep_bytes(text.encode("utf-8", "replace"), artifact_file)

    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Keep a dictionary as an artifact: YAML for `.yaml` and `.yml`, else JSON."""
        self._keep_bytes(serialise.dictionary(dictionary, artifact_file), artifact_file)

    def log_figure(
        self, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a matplotlib or plotly figure as an artifact, in the format of the file's ending.

        Raises:
            InvalidValue: `figure` is neither.
        """
        self._keep_bytes(serialise.figure(figure, artifact_file, dict(save_kwargs or {})), artifact_file)

    def log_data(self, path: str | os.PathLike[str]) -> DataFile:
        """Record an input file or folder by digest, and keep its content unless git does.

        Raises:
            NotFound: There is nothing at `path`.
            InvalidValue: It is neither a file nor a folder of files, or its name cannot be kept.
        """
        self._must_run()
        entry, failure = inputs.keep(Path(path), self._project, self._capture, self._files)
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
        self, status: Status = "FINISHED", *, error: str | None = None, exit_code: int | None = None
    ) -> None:
        """End the run and seal it; when this returns the sealed run is on disk. Ending twice does nothing.

        Args:
            status: FINISHED, FAILED or KILLED.
            error: The traceback of what ended it; of one over 64 kB the middle is left out.
            exit_code: Of the command that ran.
        """
        if self._end_time is not None:
            return
        self._end_time = time.time_ns() // 1_000_000
        self._status = status
        if self._journal.dropped:
            self._journal.fact({"lost": f"{self._journal.dropped} records that the disk did not take"})
        fact: dict[str, Any] = {"end": status}
        if error is not None:
            fact["error"] = values.shortened(error)
        if exit_code is not None:
            fact["exit_code"] = exit_code
        try:
            self._journal.fact(fact)
        except StorageFailed:
            pass  # `durability: strict`; told below
        except Conflict:
            return  # a forked child, whose parent has ended the run
        if not self._journal.sync():
            warn(f"gittrack could not save all of run {self.run_id[:8]} ({self._journal.failure}); {KEEPING}")
            return
        self._journal.stop()
        self._seal()
        self._journal.close()

    def leave(self) -> None:
        """Log no more to a run that another process owns, which a forked child does when it exits."""
        if self._journal.name and self._journal.sync():
            self._journal.stop()
            self._seal()  # the last to leave, when the owner has gone before
        self._journal.close()

    def _seal(self) -> None:
        folder = self._project.layout.live_run(self.run_id)
        try:
            self.digest = seals.seal(
                self._project.layout,
                folder,
                start=self._start if self._owner else None,
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
        if self._end_time is not None:
            raise ended(self.run_id)

    def _keep_file(self, source: Path, name: str) -> None:
        safe_path(name, what="artifact path")
        self._keep(name, lambda: self._files.put_file(source), missing=source)

    def _keep_bytes(self, content: bytes, name: str) -> None:
        safe_path(name, what="artifact path")
        self._keep(name, lambda: self._files.put_bytes(content))

    def _keep(self, name: str, put: Any, missing: Path | None = None) -> None:
        self._must_run()
        try:
            digest, size = put()
        except OSError as error:
            if missing is not None and not os.access(missing, os.R_OK):
                raise NotFound(f"'{missing}' cannot be read: {error.strerror}") from error
            self._journal.fact({"lost": values.shortened(f"artifact {name}: {error.strerror or error}")})
            warn(f"gittrack could not keep the artifact '{name}': {error}")
            return
        self._journal.fact({"artifact": {"path": name, "digest": digest, "size": size}})


def status_of(error: BaseException | None) -> Status:
    """Return what an escaping exception makes of a run: `sys.exit(0)` is FINISHED, Ctrl-C KILLED."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def traceback_of(error: BaseException) -> str:
    """Return the traceback as Python prints it."""
    return "".join(traceback.format_exception(error)).rstrip("\n")


def _texts(tags: Mapping[str, Any]) -> dict[str, str]:
    texts = {
        values.check_key(key, "tag"): values.as_text(value, f"the tag '{key}'") for key, value in tags.items()
    }
    values.check_together(texts, "tag")
    return texts
