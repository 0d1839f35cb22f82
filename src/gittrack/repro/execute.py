"""Running a recorded command again, and finding the runs that it made."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.errors import Damaged, NotFound
from gittrack.record import format as formats
from gittrack.record import live
from gittrack.record import seal as seals
from gittrack.record.points import Points, SortedPoints, read_parquet
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import METRICS_FILE, RUN_FILE, Layout

_PYTHON = re.compile(r"(python|pypy)\d*(\.\d+)*(\.exe)?")
_PATIENCE_S = 5.0
_TAIL_LINES = 12
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Execution:
    """How a command ended.

    Attributes:
        exit_code: As a shell gives it: 128 and the signal's number for one that was killed.
        seconds: How long it took.
        log: The file with all that it printed.
    """

    exit_code: int
    seconds: float
    log: Path

    def tail(self) -> list[str]:
        """Return the last lines that it printed."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return list(deque(text.splitlines(), _TAIL_LINES))


def present_argv(
    argv: Sequence[str], root: Path, target: Path, *, program: str | None = sys.executable
) -> list[str]:
    """Return a recorded command as it is started here.

    A Python interpreter becomes `program`, unless that is None; arguments that name something in the user's working
    tree by its full path name the same in `target`.
    """
    words = [moved(word, root, target) for word in argv]
    if program is not None and _PYTHON.fullmatch(os.path.basename(words[0])):  # noqa: PTH119 - a program's name, not a path
        words[0] = program
    return words


def moved(word: str, root: Path, target: Path) -> str:
    """Return an argument with a path in the working tree `root`, also after an `=`, as that path in `target`."""
    option, equals, value = word.rpartition("=")
    for top in dict.fromkeys((str(root), str(root.resolve()))):
        if value == top or value.startswith(top + os.sep):
            return f"{option}{equals}{target}{value[len(top) :]}"
    return word


def run_process(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Execution:
    """Run a command in a process group of its own and wait for it; what is left of the group then is ended.

    Args:
        argv: Program and arguments; no shell sees them.
        cwd: Where it runs.
        env: All of its environment.
        log: A file that takes what it prints.

    Raises:
        NotFound: There is no such program, or no program can be started so.
    """
    if any("\0" in word for word in (*argv, *env.values())):
        raise NotFound(f"'{argv[0]}' cannot be run: the record has a NUL character for it")
    durable.make_folder(log.parent)
    begun = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise NotFound(
                f"'{argv[0]}' cannot be run: {error.strerror}", hint=f"command -v {argv[0]}"
            ) from error
        with terminated_as_interrupted():
            try:
                code = process.wait()
            except BaseException:
                _end_group(process, signal.SIGINT)
                raise
        seconds = time.monotonic() - begun
        _end_group(process, signal.SIGTERM)
    return Execution(128 - code if code < 0 else code, seconds, log)


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the command too, instead of leaving it behind."""

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_group(process: subprocess.Popen[bytes], first: int) -> None:
    """End what is left of a command's process group: asked first, so that its runs are sealed, then by force."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    deadline = time.monotonic() + _PATIENCE_S
    number = first
    while _signal_group(process, number):
        if time.monotonic() > deadline:
            _signal_group(process, signal.SIGKILL)
            break
        number = 0  # only whether there is somebody left
        process.poll()
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE_S)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@dataclass(frozen=True)
class NewRun:
    """A run that a repetition made.

    Attributes:
        run: As it was sealed.
        folder: Where it was sealed to.
    """

    run: RunRecord
    folder: Path

    def points(self) -> SortedPoints:
        """Return its points.

        Raises:
            Damaged: They are not what was sealed.
        """
        content = self.metrics_file()
        return Points().sort() if content is None else read_parquet(content).sort()

    def metrics_file(self) -> bytes | None:
        """Return its `metrics.parquet`, None when it has no points.

        Raises:
            Damaged: It is not what was sealed.
        """
        if self.run.series is None:
            return None
        content = (self.folder / METRICS_FILE).read_bytes()
        if digests.of_bytes(content) != self.run.series.file:
            raise Damaged(f"{self.folder / METRICS_FILE} is damaged", hint="gittrack fsck")
        return content


@dataclass(frozen=True)
class Watch:
    """Knows which sealed runs there were, to tell those that came since.

    Attributes:
        layout: Where the store is.
        known: Digests of the runs sealed before.
    """

    layout: Layout
    known: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def begin(cls, layout: Layout) -> Watch:
        """Remember what is there now."""
        return cls(layout, frozenset(_sealed(layout)))

    def new_runs(self, originals: frozenset[RunId]) -> list[NewRun]:
        """Return the runs sealed since that repeat one of `originals`, and those nested in them, by start.

        Runs whose process has died are sealed first.
        """
        seals.seal_dead(self.layout)
        found = [
            new
            for digest, folder in _sealed(self.layout).items()
            if digest not in self.known and (new := _load(folder)) is not None
        ]
        found.sort(key=lambda new: (new.run.start_time, new.run.process.ordinal))
        mine: dict[RunId, NewRun] = {}
        growing = True
        while growing:
            more = {
                new.run.run_id: new
                for new in found
                if new.run.run_id not in mine
                and (new.run.repro_of in originals or new.run.parent_run_id in mine)
            }
            mine.update(more)
            growing = bool(more)
        return sorted(mine.values(), key=lambda new: (new.run.start_time, new.run.process.ordinal))

    def unended(self, originals: frozenset[RunId]) -> list[RunId]:
        """Return the runs that repeat one of `originals` and that a process still writes to."""
        return [found.run.run_id for found in live.read_all(self.layout) if found.run.repro_of in originals]


def _sealed(layout: Layout) -> dict[str, Path]:
    """Return the folder of each sealed run that is not in git alone."""
    found: dict[str, Path] = {}
    for runs in (layout.runs, layout.unsaved.runs):
        try:
            shards = list(os.scandir(runs))
        except OSError:
            continue
        for shard in shards:
            if shard.is_dir(follow_symlinks=False):
                for name in os.listdir(shard.path):  # noqa: PTH208 - half the time of iterdir
                    found[shard.name + name] = Path(shard.path, name)
    return found


def _load(folder: Path) -> NewRun | None:
    """Return a sealed run, None for one that is damaged or just going: it is not ours then."""
    name = Digest(folder.parent.name + folder.name)
    try:
        content = (folder / RUN_FILE).read_bytes()
        if digests.of_bytes(content) != name:
            return None
        return NewRun(formats.load_run(content), folder)
    except (Damaged, OSError):
        return None
