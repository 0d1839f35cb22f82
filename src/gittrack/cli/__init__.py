"""The command line: a command parses, calls one thing of the rooms above, and prints.

Answers go to stdout, remarks and errors to stderr. What is written is escaped in `output.py`; the forms of an
answer are in `formats.py`; each command has a file of its own, imported only when it is run. The exit code
of every error is decided here, in `exit_code`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise

INTERRUPTED = 130
BROKEN_PIPE = 141  # what a shell says of a program that wrote to a pipe nobody reads
BUG = 70
COMPLETE = "_GITTRACK_COMPLETE"  # set by the completion scripts of click


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `gittrack` with these arguments, those of the process when None, and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _show_what_cannot_be_encoded()
    as_json = wants_json(given)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = _run(given)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the one place that turns an error into an exit code
        code = exit_code(error, as_json=as_json)
        _drain()
    return code


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:  # click alone takes most of the 100 ms that this may take
        from gittrack.cli import output

        output.say_version()
        return 0
    from click.exceptions import Exit

    from gittrack.cli.group import gittrack

    if COMPLETE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(gittrack, {}, "gittrack", COMPLETE, os.environ[COMPLETE])
    try:
        with gittrack.make_context("gittrack", arguments) as context:
            gittrack.invoke(context)
    except Exit as ended:
        return ended.exit_code
    return 0


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether stdout shall hold JSON, also when the arguments are wrong; those after `--` are a command's."""
    own = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    formats = [value for option, value in pairwise(own) if option in ("--format", "-f")]
    return "--json" in own or "--format=json" in own or "json" in formats


def exit_code(error: BaseException, *, as_json: bool) -> int:
    """Tell the user of an error in the way it deserves and return what to exit with.

    A `GittrackError` carries its own code; click's errors of usage are 2; a broken pipe and an interrupt are
    quiet; what the operating system refuses is 1; all else is a bug, 70, with a traceback.
    """
    import click

    from gittrack.cli import output
    from gittrack.errors import GittrackError

    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        case BrokenPipeError():
            _silence()
            return BROKEN_PIPE
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED
        case GittrackError():
            output.report(error, kind=output.kind_of(error), hint=error.hint, as_json=as_json)
            return error.exit_code
        case click.ClickException():
            sentence, hint = _usage(error)
            output.report(GittrackError(sentence), kind="usage", hint=hint, as_json=as_json)
            return error.exit_code
        case OSError() if error.strerror:
            output.report(GittrackError(_refused(error)), kind="os", hint=None, as_json=as_json)
            return 1
    output.report_bug(error, as_json=as_json)
    return BUG


def _usage(error: object) -> tuple[str, str | None]:
    import click

    assert isinstance(error, click.ClickException)
    context = getattr(error, "ctx", None)
    hint = getattr(error, "hint", None) or (f"{context.command_path} --help" if context else None)
    return error.format_message(), hint


def _refused(error: OSError) -> str:
    names = " -> ".join(f"'{os.fsdecode(name)}'" for name in (error.filename, error.filename2) if name)
    return f"{names}: {error.strerror}" if names else f"{error.strerror}"


def _show_what_cannot_be_encoded() -> None:
    """A terminal that has no letter for a character gets its number; no lone byte goes out as it came."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Where in gittrack's source a warning was raised helps nobody who reads it on a terminal."""
    from gittrack.cli import output

    output.say_warning(str(message))


def _drain() -> None:
    """Write what is left in the buffer, or drop it: Python would try once more when it ends, and exit with 120."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        _silence()


def _silence() -> None:
    """Nobody reads any more: what is left in the buffer must not raise once more when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
