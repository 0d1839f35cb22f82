"""What the processes of a command open, in any language, as strace sees it.

strace runs beside the command (`-D`): the command stays our child, gets our signals and leaves its own exit code. It
writes to a named pipe; the reading ends when the last process that it follows has ended.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from gittrack.errors import Conflict, NotFound

_CALLS = "open,openat,openat2,creat,execve,rename,renameat,renameat2"
_PATIENCE_S = 5.0  # for what is on its way in the pipe when the command has ended
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_FOLDER = r"(?:AT_FDCWD|\d+)(?:<((?:[^>\\]|\\.)*)>)?, "
_OPENED = re.compile(rf"(open|openat|openat2|creat)\((?:{_FOLDER})?{_TEXT}(.*?)\)\s+= \d+<((?:[^>\\]|\\.)*)>")
_EXECUTED = re.compile(rf"execve\({_TEXT}.*\)\s+= 0")
_RENAMED = re.compile(
    rf"rename(?:at2?)?\((?:{_FOLDER})?{_TEXT}, (?:{_FOLDER})?{_TEXT}(?:, [A-Z_|0-9]+)?\)\s+= 0"
)
_CURRENT = re.compile(r"AT_FDCWD<((?:[^>\\]|\\.)*)>")
_UNFINISHED = re.compile(r"^(\d+)\s+(.*?)\s*<unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+)\s+<\.\.\. \w+ resumed>(.*)$")
_CHANGES = re.compile(r"O_(WRONLY|CREAT|TRUNC)")


def check() -> None:
    """Check that commands can be traced here.

    Raises:
        NotFound: There is no strace.
        Conflict: It may not trace.
    """
    if shutil.which("strace") is None:
        raise NotFound(
            "there is no program 'strace', which --trace needs", hint="sudo apt-get install strace"
        )
    argv = ["strace", "-f", "-e", "trace=execve", "-o", os.devnull, "--", "true"]
    tried = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if tried.returncode != 0:
        why = (tried.stderr.decode(errors="replace").strip().splitlines() or ["it fails"])[-1]
        raise Conflict(
            f"strace may not trace here ({why})",
            hint="cat /proc/sys/kernel/yama/ptrace_scope  # 3 forbids it",
        )


class Trace:
    """Follows one command.

    Args:
        folder: Takes the pipe, and is there.

    Raises:
        OSError: The pipe cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / f"trace-{os.urandom(6).hex()}"
        os.mkfifo(self._pipe, 0o600)
        self._accesses = Accesses()
        self._busy = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="gittrack-trace", daemon=True)

    def argv(self, command: Sequence[str]) -> list[str]:
        """Return what runs `command` and follows it."""
        options = ["-D", "-f", "-y", "-qq", "--seccomp-bpf", "-e", f"trace={_CALLS}", "-e", "signal=none"]
        return ["strace", *options, "-o", str(self._pipe), "--", *command]

    def follow(self) -> None:
        """Read what strace writes, in a thread, until the last followed process has ended."""
        self._thread.start()

    def _read(self) -> None:
        with self._pipe.open("rb") as stream:  # waits for strace
            for line in stream:
                with self._busy:
                    self._accesses.take(line.decode("latin-1").rstrip("\n"))

    def finish(self) -> Accesses:
        """Return what was opened, when the command has ended; processes that it left behind are not waited for."""
        with suppress(OSError):  # strace may never have come
            os.close(os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK))
        self._thread.join(_PATIENCE_S)
        self._pipe.unlink(missing_ok=True)
        with self._busy:  # what a process that was left behind opens from now on is not the command's
            return self._accesses.copy()


class Accesses:
    """What strace's lines come to: how each path was first opened, and whether it was changed later.

    Attributes:
        read: Files that were first opened for reading, absolute, with whether they were opened for writing later.
        written: Files that were written before anything else.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.read: dict[str, bool] = {}
        self.written: set[str] = set()
        self._unfinished: dict[str, str] = {}
        self._folder = os.getcwd()  # noqa: PTH109 - that of the command when it starts
        self._folders: dict[str, str] = {}
        for line in lines:
            self.take(line)

    def copy(self) -> Accesses:
        """Return what is known now."""
        found = Accesses()
        found.read, found.written = dict(self.read), set(self.written)
        return found

    def take(self, line: str) -> None:
        """Take one line, each character of it a byte; one that cannot be understood is passed over."""
        if begun := _UNFINISHED.match(line):
            self._unfinished[begun[1]] = begun[2]
            return
        if ended := _RESUMED.match(line):
            line = self._unfinished.pop(ended[1], "") + ended[2]
        process = line.partition(" ")[0]
        if current := _CURRENT.search(line):
            self._folders[process] = current[1]
        if found := _OPENED.search(line):
            call, folder, name, rest, opened = found.groups()
            name = _absolute(name, folder) or _unescaped(opened)
            self._access(name, changes=call == "creat" or _CHANGES.search(rest) is not None)
        elif (found := _EXECUTED.search(line)) and (
            program := _absolute(found[1], self._folders.get(process, self._folder))
        ):
            self._access(program, changes=False)
        elif (found := _RENAMED.search(line)) and (target := _absolute(found[4], found[3])):
            self._access(target, changes=True)

    def _access(self, path: str, *, changes: bool) -> None:
        path = path.removesuffix(" (deleted)")
        if path in self.read:
            self.read[path] |= changes
        elif changes:
            self.written.add(path)
        elif path not in self.written:
            self.read[path] = False


def _absolute(name: str, folder: str | None) -> str | None:
    path = _unescaped(name)
    if path.startswith("/"):
        return os.path.normpath(path)
    return None if folder is None else os.path.normpath(f"{_unescaped(folder)}/{path}")


def _unescaped(text: str) -> str:
    r"""Return the path that strace wrote with `\"`, `\n` and octal numbers."""
    return os.fsdecode(codecs.escape_decode(text.encode("latin-1"))[0])
