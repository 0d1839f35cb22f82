"""What a run comes from: code, command, process; taken once a process and looked at again after a second."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gittrack.config import Config, Surroundings
from gittrack.entities.record import Command, Process, RunId, parse_run_id
from gittrack.errors import GittrackError, InvalidValue
from gittrack.git.capture import Capture, capture
from gittrack.record.project import Project
from gittrack.record.system_tags import IN_REPRODUCTION
from gittrack.store.digest import random_hex
from gittrack.store.layout import safe_path

_FRESH_S = 1.0
_PYTHON_FLAGS_WITH_VALUE = ("-W", "-X")


@dataclass
class _Memory:
    """What this process has found out; a forked child starts anew."""

    process: str = field(default_factory=lambda: random_hex()[:12])
    started: int = 0
    captures: dict[Path, tuple[float, Capture]] = field(default_factory=dict)
    commands: dict[object, Command | None] = field(default_factory=dict)


_memory = _Memory()


def _forget() -> None:
    global _memory
    _memory = _Memory()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def code(project: Project, config: Config) -> Capture:
    """Return the code as git and the working tree have it, seen at most a second ago.

    Raises:
        GittrackError, OSError: git or the disk would not.
    """
    now = time.monotonic()
    known = _memory.captures.get(project.root)
    if known is not None and now - known[0] < _FRESH_S:
        return known[1]
    taken = capture(project.repository, clone=project.clone_id(), max_bytes=config.capture_max_bytes)
    _memory.captures[project.root] = (time.monotonic(), taken)
    return taken


def next_process() -> Process:
    """Return this process's name and the number of the run that it starts now."""
    _memory.started += 1
    return Process(_memory.process, _memory.started)


def repro_of(around: Surroundings, process: Process) -> RunId | None:
    """Return the run that this process's present run repeats, where this process is a reproduction."""
    if around.repro is None:
        return None
    try:
        pairs = json.loads(around.repro.read_text())["runs"]
        return parse_run_id(pairs[str(process.ordinal)])
    except (OSError, ValueError, KeyError, TypeError, GittrackError):
        return None


def repro_tags(around: Surroundings, repeats: RunId | None) -> dict[str, str]:
    """Return the tags of a run that a reproduction makes: what was not as it is recorded, or that it repeats none.

    A program that the job starts knows no run that it could repeat: nothing on record ties its runs to the job.
    """
    if repeats is None:
        return {IN_REPRODUCTION: str(around.depth)} if around.depth else {}
    if around.repro is None:
        return {}
    try:
        return {str(key): str(value) for key, value in json.loads(around.repro.read_text())["tags"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def command(root: Path, variables: Mapping[str, str]) -> Command | None:
    """Return how this Python process was started, or None where that cannot be repeated.

    A program that is installed beside the interpreter is known by its name, which another environment has too. A
    session that a person types into, a script from standard input, and one that was started outside the repository
    cannot be repeated.
    """
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules or sys.flags.interactive:
        return None
    arguments = sys.orig_argv[1:]
    place = _script_place(arguments)
    if place is None or arguments[place] == "-":
        return None
    known = (root, os.getcwd(), *variables.items())  # noqa: PTH109 - a tenth of the time of a start
    if known not in _memory.commands:
        program = _program(arguments[0]) if place == 0 else None
        if program is None:
            argv = ["python", *arguments]
            _memory.commands[known] = of_arguments(argv, root, variables, place=place + 1)
        else:
            _memory.commands[known] = of_arguments([program, *arguments[1:]], root, variables)
    return _memory.commands[known]


def of_arguments(
    argv: list[str],
    root: Path,
    variables: Mapping[str, str],
    *,
    folder: Path | None = None,
    place: int | None = None,
    exit_code: int | None = None,
) -> Command | None:
    """Return the command `argv` as run from a folder, or None when that lies outside `root`.

    None too where the folder's name is one that a run's file cannot have; see `safe_path`.

    Args:
        argv: Program and arguments.
        root: The top of the working tree.
        variables: The environment variables to record.
        folder: Where it is run; the current folder without one.
        place: Where in `argv` a file stands whose path is made relative to the current folder.
        exit_code: What it returned, if it has.
    """
    inside = _relative(folder or Path.cwd(), root)
    if inside is None or not _can_be_kept(inside):
        return None
    argv = [_text(argument) for argument in argv]
    if (
        place is not None
        and Path(argv[place]).is_absolute()
        and _relative(Path(argv[place]), root) is not None
    ):
        argv[place] = os.path.relpath(argv[place])
    return Command(tuple(argv), inside, dict(variables), exit_code)


def _program(script: str) -> str | None:
    """Return the name of a program that is installed in this interpreter's environment, None for another script."""
    path = Path(script)
    return path.name if path.resolve().parent == Path(sys.executable).parent.resolve() else None


def _script_place(arguments: list[str]) -> int | None:
    """Return where in the interpreter's arguments the script stands, or the word after `-m` or `-c`."""
    place = 0
    while place < len(arguments):
        argument = arguments[place]
        if argument in ("-m", "-c"):
            return place + 1 if place + 1 < len(arguments) else None
        if argument == "-" or not argument.startswith("-"):
            return place
        place += 2 if argument in _PYTHON_FLAGS_WITH_VALUE else 1
    return None


def _relative(path: Path, root: Path) -> str | None:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return None


def _can_be_kept(folder: str) -> bool:
    try:
        return folder == "." or safe_path(folder) == folder
    except InvalidValue:
        return False


def _text(argument: str) -> str:
    return os.fsencode(argument).decode("utf-8", "replace")
