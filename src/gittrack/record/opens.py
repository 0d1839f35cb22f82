"""The files that this process opens, noted by an audit hook from the import of gittrack on.

Python never lets go of an audit hook, and shows it every event: calls of `id`, sockets, `exec`. So it returns at
once for all but five kinds, and holds what it needs in local variables: at the interpreter's end those of the module
are gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from gittrack.data.known import Stamp, stamp_of
from gittrack.record import importers

MAX_PATHS = 100_000

seen: dict[str, Stamp | None] = {}
"""By absolute path, how a file was when it was first read; None for one that was first written."""

_CHANGES = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
_REGULAR, _KIND = 0o100000, 0o170000
_SPOOL = f"reads-{{}}-{os.urandom(4).hex()}"
_DECLARED = _SPOOL.replace("reads", "declared")


class State:
    """What the hook knows besides the paths.

    Attributes:
        installed: Whether the hook is there.
        full: Whether there were more paths than are noted.
        runs: The live folders of the runs that this process has begun, which forked children read for.
        spools: The live folders of the runs that this process reads for as a child of their owner.
    """

    __slots__ = ("cwd", "full", "installed", "runs", "spools")

    def __init__(self) -> None:
        self.installed = False
        self.full = False
        self.cwd: str | None = None
        self.runs: tuple[str, ...] = ()
        self.spools: tuple[str, ...] = ()


state = State()


def _note_with() -> Callable[[Any, int, int], None]:
    """Return what notes one access, with all that it needs in its own variables."""
    libraries = (f"{os.path.dirname(os.__file__)}/", "/proc/", "/sys/", "/dev/")  # noqa: PTH120 - no pathlib
    stat, fsdecode, getcwd, frame_at, is_full = os.stat, os.fsdecode, os.getcwd, sys._getframe, MAX_PATHS
    paths, now, to_stamp, tell, changes = seen, state, stamp_of, _tell, _CHANGES
    own, private, worktrees = "/.gittrack/", "/.git/", "/.git/gittrack/worktrees/"

    def note(path: Any, flags: int, depth: int) -> None:
        if type(path) is not str:
            if type(path) is int:
                return
            path = fsdecode(path)
        if path[:1] != "/":
            if now.cwd is None:
                now.cwd = getcwd()
            path = f"{now.cwd}/{path}"
        if path in paths or path.startswith(libraries) or path.endswith(".pyc") or "/site-packages/" in path:
            return
        if own in path or (private in path and worktrees not in path):
            return  # what we write ourselves: a sweep would fill the list with it
        if len(paths) >= is_full:
            now.full = True
            return
        if flags & changes:
            paths[path] = None
            return
        info = stat(path)
        if info.st_mode & _KIND != _REGULAR:
            return
        caller = frame_at(depth) if depth else None
        while caller is not None and caller.f_globals.get("__name__") == "pathlib":
            caller = caller.f_back
        if caller is not None and str(caller.f_globals.get("__name__")).startswith("gittrack."):
            return  # what we read to record it is not what the training reads
        paths[path] = stamp = to_stamp(info)
        for folder in now.spools:
            tell(folder, path, stamp)

    return note


def _tell(folder: str, path: str, stamp: Stamp) -> None:
    """Append one path to this process's file in a live folder: whoever kills it kills nothing that it has told."""
    _append(f"{folder}/{_SPOOL}", " ".join(map(str, stamp)).encode() + b" " + os.fsencode(path) + b"\0")


def _append(spool: str, line: bytes) -> None:
    """Append a line to this process's file.

    Opened anew each time. A descriptor that is kept could be closed by the job and stand for a file of its own.
    """
    name = spool.format(os.getpid())
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _hook_with(
    note: Callable[[Any, int, int], None], judge: Callable[[str], None]
) -> Callable[[str, tuple[Any, ...]], None]:
    now = state
    changed = os.O_CREAT

    def hook(event: str, args: tuple[Any, ...]) -> None:
        try:
            if event == "open":
                note(args[0], args[2], 2)
            elif event == "os.chdir":
                now.cwd = None
            elif event == "os.rename":
                note(args[1], changed, 2)
            elif event == "sqlite3.connect":
                note(args[0], 0, 2)
            elif event == "import":
                judge(args[0])
        except Exception:  # noqa: BLE001, S110 - what is raised here would keep the job from opening its file
            pass

    return hook


_note = _note_with()


def note(path: Any, *, written: bool = False) -> None:
    """Note a file that is opened without Python's knowledge; never raises."""
    if state.installed:
        with contextlib.suppress(Exception):
            _note(path, os.O_CREAT if written else 0, 0)


def declare(folder: str, path: str) -> None:
    """Tell the owner of a run that this process has declared data, under the path that the run's file has for it.

    The journal says so too; the owner would have to read all of it.

    Args:
        folder: The run's live folder; where that has gone nobody asks any more.
        path: As recorded.
    """
    with contextlib.suppress(OSError):
        _append(f"{folder}/{_DECLARED}", os.fsencode(path) + b"\0")


def install(spools: tuple[str, ...]) -> None:
    """Note what this process opens from now on.

    Args:
        spools: The live folders of the runs of other processes that this one reads for.
    """
    if state.installed or os.name != "posix":
        return
    state.installed = True
    state.spools = spools
    sys.addaudithook(_hook_with(_note, importers.judge))


class Told:
    """Reads what the children of a run's owner have told that they read.

    Args:
        folder: The run's live folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._done: dict[str, int] = {}

    def more(self) -> list[tuple[str, Stamp]]:
        """Return what came since the last call; a live folder that has gone tells nothing."""
        return list(map(_parsed, self._lines("reads-")))

    def declared(self) -> list[str]:
        """Return the data that was declared since the last call."""
        return list(map(os.fsdecode, self._lines("declared-")))

    def _lines(self, kind: str) -> list[bytes]:
        found: list[bytes] = []
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.startswith(kind))  # noqa: PTH208
        except OSError:
            return found
        for name in names:
            with open(f"{self._folder}/{name}", "rb") as file:  # noqa: PTH123 - no pathlib
                file.seek(self._done.get(name, 0))
                content = file.read()
            whole = content.rfind(b"\0") + 1  # what follows is not written to its end
            self._done[name] = self._done.get(name, 0) + whole
            found += content[:whole].split(b"\0")[:-1]
        return found


def _parsed(line: bytes) -> tuple[str, Stamp]:
    *numbers, path = line.split(b" ", 5)
    device, inode, size, mtime, ctime = map(int, numbers)
    return os.fsdecode(path), (device, inode, size, mtime, ctime)


def _after_fork() -> None:
    state.spools, state.runs = (*state.spools, *state.runs), ()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
