"""`gittrack run -- CMD`: a run of a command in any language."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from gittrack import config as configs
from gittrack.config import Config, Surroundings
from gittrack.entities.record import Digest, RunId
from gittrack.errors import NotFound
from gittrack.record import container, live, origin
from gittrack.record import trace as tracing
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.record.system_tags import SOURCE, SOURCE_COMMAND
from gittrack.record.warning import warn
from gittrack.store import durable

if TYPE_CHECKING:
    from gittrack.record.engine import Engine, Image
    from gittrack.record.stages import Work

STDERR = f"{live.LOGS_FOLDER}/stderr.txt"  # progress bars, and warnings with the paths of a machine
STAGE_TAG = "gittrack.stage"  # `path/to/dvc.yaml:NAME` of a run of a stage
_SIGNALLED = 128
PATIENCE_S = 2.0  # for a pipe that a grandchild keeps open after the command has ended


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        run_id: Its run.
        digest: Of the sealed run, None when it could not be sealed.
        exit_code: As a shell gives it: 128 and the signal's number for a command that was killed.
    """

    run_id: RunId
    digest: Digest | None
    exit_code: int


def run_command(
    project: Project,
    config: Config,
    around: Surroundings,
    argv: Sequence[str],
    *,
    stdout: BinaryIO,
    stderr: BinaryIO,
    experiment: str | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    data: Sequence[str] = (),
    volatile: Sequence[str] = (),
    work: Work | None = None,
    traced: bool = False,
    variables: Mapping[str, str] | None = None,
    image: str | None = None,
) -> Outcome:
    """Run a command as a run: its exit code, output, params and data are recorded, and what it logs by itself.

    What it prints also goes to `stdout` and `stderr`. Its standard error is volatile: a reproduction does not
    compare it. The `variables` are set for it, beside those that this process has.

    Args:
        project: What it is recorded into.
        config: The project's settings.
        around: What the surrounding process says.
        argv: Program and arguments.
        stdout: Takes what the command prints.
        stderr: Takes what it prints there.
        experiment: The experiment it belongs to.
        name: A label; made up when there is none.
        params: Input values.
        tags: Tags to start with.
        data: Files and folders that it reads.
        volatile: Artifacts and metrics that no two executions share.
        work: Where a stage's command runs, what it takes and gives; None for a command of no stage.
        variables: Set for the command, and recorded with it.
        traced: Find what its processes read with strace, in whatever language they are.
        image: A container image to run it in, which sees the working tree, git's folder and the declared data.

    Raises:
        NotFound: There is no such program, or no such data; there is no engine for the image.
        InvalidValue: A param, tag or path cannot be recorded; the image has no name that could be one.
        Conflict: strace may not trace here.
        EngineFailed: The image cannot be had.
    """
    boxed = None if image is None else _Boxed.of(image)
    if boxed is None and shutil.which(argv[0]) is None:
        raise NotFound(f"there is no program '{argv[0]}'", hint=f"command -v {shlex.quote(argv[0])}")
    if traced:
        tracing.check()
    folder = Path.cwd() if work is None else work.folder
    variables = variables or {}
    command = origin.of_arguments(list(argv), project.root, {**around.variables, **variables}, folder=folder)
    stage = {STAGE_TAG: work.address} if work is not None and work.address else {}
    run = ActiveRun.begin(
        project,
        config,
        around,
        experiment=experiment,
        name=name,
        tags={SOURCE: SOURCE_COMMAND, **stage, **(tags or {})},
        command=command,
        image=None if boxed is None else boxed.facts,
    )
    try:
        run.log_params({**(work.params if work is not None else {}), **(params or {})})
        run.set_volatile(STDERR, *volatile)
        inputs = _each_once([*data, *(work.data if work is not None else ())])
        for path in inputs:
            run.log_data(path)
        trace = _trace(project) if traced else None
        env = configs.inherited(run.run_id, project.home, variables, is_named=name is not None)
        if boxed is not None:
            argv, env = boxed.put(argv, env, project, folder, inputs)
        elif trace is not None:
            argv = trace.argv(argv)
        returned = _execute(argv, run.run_id, project, (stdout, stderr), folder, env, trace)
        if boxed is not None and _SIGNALLED < returned < 2 * _SIGNALLED:
            returned = _SIGNALLED - returned  # an engine says it as a shell does
        if trace is not None:
            run.take_trace(trace.finish())
        if work is not None and returned == 0:
            _record_results(run, project, work)
    except BaseException as error:
        run.end_with(error)
        raise
    status, exit_code = (
        ("KILLED", _SIGNALLED - returned)
        if returned < 0
        else ("FINISHED" if not returned else "FAILED", returned)
    )
    run.end(status, exit_code=exit_code)  # type: ignore[arg-type]
    return Outcome(run.run_id, run.digest, exit_code)


def _record_results(run: ActiveRun, project: Project, work: Work) -> None:
    from gittrack.record.stages import record_results  # most commands are of no stage

    record_results(run, project, work)


@dataclass(frozen=True)
class _Boxed:
    """A command's container image, and the engine that has it."""

    engine: Engine
    image: Image

    @classmethod
    def of(cls, reference: str) -> _Boxed:
        from gittrack.record import engine  # most commands run in no image

        return cls(*engine.taken(reference))

    @property
    def facts(self) -> dict[str, str]:
        """What the record has of it."""
        return {**self.image.facts, "holds": container.COMMAND}

    def put(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        project: Project,
        folder: Path,
        inputs: Sequence[str | Path],
    ) -> tuple[list[str], dict[str, str]]:
        """Return the words that run a command in a container of it, and the environment to say them in."""
        from gittrack.record.engine import Inside, Mount, around_store

        paths = (Path(os.path.abspath(path)) for path in inputs)  # noqa: PTH100 - a link stays where it is
        outside = [path for path in paths if not path.is_relative_to(project.root)]
        own = project.repository.git_dir  # of a linked worktree: the command may use git
        sees = [Mount(project.root, writable=True), Mount(own, writable=True), *map(Mount, outside)]
        site = [Mount(configs.site())] if configs.DETERMINISTIC in env else []
        inside = Inside(
            folder=folder,
            mounts=around_store(project.repository, project.layout, project.home, *sees, *site),
            variables=configs.handed_into(env),
            given={"GITTRACK_IMAGE": container.reference(self.image.facts) or self.image.id},
            gpus=True,
        )
        return self.engine.argv(self.image, argv, inside), dict(env)


def _each_once(paths: Sequence[str | Path]) -> list[str | Path]:
    return list({Path(path).absolute(): path for path in reversed(paths)}.values())[::-1]


def _trace(project: Project) -> tracing.Trace | None:
    try:
        durable.make_folder(project.layout.tmp)
        return tracing.Trace(project.layout.tmp)
    except OSError as error:
        warn(f"gittrack cannot follow what the command reads: {error}")
        return None


def _execute(
    argv: Sequence[str],
    run_id: RunId,
    project: Project,
    sinks: tuple[BinaryIO, BinaryIO],
    cwd: Path,
    env: Mapping[str, str],
    trace: tracing.Trace | None,
) -> int:
    folder = project.layout.live_run(run_id) / live.LOGS_FOLDER
    with suppress(OSError):  # no parents: a live folder that could not be made must not come to be half there
        folder.mkdir(exist_ok=True)
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            bufsize=0,
        )
    except OSError as error:
        raise NotFound(f"'{argv[0]}' cannot be run: {error.strerror}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    streams = (
        (process.stdout, sinks[0], folder / "stdout.txt"),
        (process.stderr, sinks[1], folder / "stderr.txt"),
    )
    threads = [threading.Thread(target=_tee, args=stream, daemon=True) for stream in streams]
    if trace is not None:
        trace.follow()
    with _signals_meant_for(process):
        for thread in threads:
            thread.start()
        code = process.wait()
        for thread in threads:
            thread.join(timeout=PATIENCE_S)
    return code


@contextmanager
def _signals_meant_for(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let the command decide how it ends: Ctrl-C reaches it from the terminal, other signals are passed on."""

    def leave_to_it(_number: int, _frame: object) -> None:
        pass

    def forward(number: int, _frame: object) -> None:
        process.send_signal(number)

    handlers = {"SIGINT": leave_to_it, "SIGTERM": forward, "SIGHUP": forward}
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name, handler in handlers.items():
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _tee(source: IO[bytes], sink: BinaryIO, path: Path) -> None:
    """Copy what comes to a file and to the terminal; neither's failure stops the command."""
    file: IO[bytes] | None = None
    with suppress(OSError):
        file = path.open("wb", buffering=0)
    with source:
        while chunk := source.read(1 << 16):
            for target in (file, sink):
                if target is not None:
                    _write(target, chunk)
    if file is not None:
        file.close()


def _write(target: IO[bytes], chunk: bytes) -> None:
    with suppress(OSError, ValueError):  # a full disk, or a closed terminal
        target.write(chunk)
        target.flush()
