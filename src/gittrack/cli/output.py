"""The one place that writes to the terminal: what comes from a file, a name or a user is escaped here.

A run's name, a tag or a path can hold what makes a terminal move its cursor, hide text or speak to the
clipboard. Whatever is not plainly visible is shown as an escape, also when piped and on stderr.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import traceback
from types import TracebackType
from typing import IO, Any, BinaryIO, Self

from gittrack import errors
from gittrack.errors import GittrackError

_HIDDEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible marks and fillers
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"  # zero width, line ends, bidi
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"  # selectors but those of emoji, byte order mark, annotations
    "\ud800-\udfff"  # bytes that were not UTF-8
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # format characters of shorthand and music
    "\U000e0000-\U000e0fff"  # tag characters, further selectors
    "]"
)
_BLANKS = re.compile(r"[\s\u2800]{20,}")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "bold": 1, "dim": 2}
STATUS_COLOURS = {
    "FINISHED": "green",
    "FAILED": "red",
    "KILLED": "yellow",
    "RUNNING": "cyan",
    "SCHEDULED": "blue",
}
_WAIT_S = 0.5  # work that is done sooner shows no progress
_REDRAW_S = 0.1


def escape(text: str) -> str:
    r"""Return `text` with everything that a terminal acts on, or hides, as `\x1b`, `\u202e`, `\U000e0041`."""
    return _HIDDEN.sub(lambda found: _SHORT.get(found[0]) or _code(found[0]), text)


def escape_lines(text: str) -> str:
    """Return `text` escaped but for its line ends and tabs, for text that is shown as a block."""
    return _HIDDEN.sub(lambda found: found[0] if found[0] in "\n\t" else _code(found[0]), text)


def _code(char: str) -> str:
    number = ord(char)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def unspaced(text: str) -> str:
    """Return `text` escaped, long runs of blanks counted instead of shown: they push text out of sight."""
    return escape(_BLANKS.sub(lambda found: f"[{len(found[0])} blanks]", text))


def say(text: str = "", *, end: str = "\n") -> None:
    """Write data to stdout, escaped; its own line ends and tabs are kept."""
    stdout().write(escape_lines(text) + end)


def say_version() -> None:
    """Write the version of the installed gittrack to stdout."""
    from importlib.metadata import version

    say(f"gittrack {version('gittrack')}")


def say_painted(*parts: tuple[str, str | None]) -> None:
    """Write a line of parts, each escaped and then in its colour, to stdout."""
    stdout().write("".join(paint(escape(text), colour) for text, colour in parts) + "\n")


def say_json(value: Any) -> None:
    """Write one JSON value on one line of ASCII to stdout; see `plain` for what numbers become."""
    stdout().write(to_json(value) + "\n")


def remark(text: str, colour: str | None = None) -> None:
    """Write a sentence about the work to stderr, escaped."""
    if sys.stderr is not None:
        sys.stderr.write(paint(escape_lines(text), colour, sys.stderr) + "\n")
        sys.stderr.flush()


def stdout() -> IO[str]:
    """Return stdout.

    Raises:
        GittrackError: It was closed before gittrack started.
    """
    if sys.stdout is None:
        raise GittrackError("there is no output to write to, it is closed")
    return sys.stdout


def bytes_of(stream: IO[str]) -> BinaryIO:
    """Return what takes the bytes of a stream of text."""
    return stream.buffer  # type: ignore[attr-defined, no-any-return]


def on_terminal(stream: IO[str] | None) -> bool:
    """Whether a person looks at `stream`."""
    return stream is not None and stream.isatty()


def width() -> int | None:
    """Return the columns of the terminal that stdout is; None when it is piped, where nothing is cut."""
    return shutil.get_terminal_size().columns if on_terminal(sys.stdout) else None


def paint(text: str, colour: str | None, stream: IO[str] | None = None) -> str:
    """Return `text`, escaped by the caller, in a colour where the stream shows colours."""
    if not colour or not has_colours(stream or sys.stdout):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def has_colours(stream: IO[str] | None) -> bool:
    """Whether to colour: a terminal that is not dumb, and no NO_COLOR (https://no-color.org)."""
    return on_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return valid JSON in ASCII: NaN and the infinities are strings, integers of any size exact."""
    return json.dumps(plain(value), ensure_ascii=True, allow_nan=False, indent=indent)


def plain(value: Any) -> Any:
    """Return `value` in JSON's own types, so that nothing is lost.

    NaN, Infinity and -Infinity become these words, as in MLflow's REST; times become ISO 8601 in UTC; bytes
    become hex; a decimal becomes a number where a double holds it, else a string.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value - value == 0 else number_word(value)
        case dict():
            return {key if isinstance(key, str) else word(key): plain(entry) for key, entry in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(entry) for entry in value]
    return _plain_rare(value)


def _plain_rare(value: Any) -> Any:
    from datetime import UTC, date, datetime
    from decimal import Decimal

    match value:
        case datetime():
            moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
            return (
                moment.isoformat(timespec="microseconds" if moment.microsecond % 1000 else "milliseconds")
                + "Z"
            )
        case date():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case Decimal():
            return _plain_decimal(value)
    if hasattr(value, "item"):
        return plain(value.item())  # a scalar of numpy
    return str(value)


def _plain_decimal(value: Any) -> int | float | str:
    if not value.is_finite():
        return number_word(float(value))
    if value == value.to_integral_value():
        return int(value)
    return float(value) if type(value)(repr(float(value))) == value else str(value)


def number_word(value: float) -> str:
    """Return how a double that is no number is written: NaN, Infinity, -Infinity."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def word(value: Any) -> str:
    """Return one value as text for a cell: what JSON would say, strings without quotes, nothing for None."""
    found = plain(value)
    if found is None:
        return ""
    if isinstance(found, str):
        return found
    return json.dumps(found, ensure_ascii=False)


def report(error: BaseException, *, kind: str, hint: str | None, as_json: bool) -> None:
    """Write an error to stderr, and as one JSON object to stdout too when that is what stdout holds."""
    _mark(("gittrack:", "red"), str(error))
    if hint:
        say_hint(hint)
    if as_json and sys.stdout is not None:
        say_json({"error": str(error), "hint": hint, "kind": kind})


def say_hint(text: str) -> None:
    """Write a command or an action that helps to stderr."""
    _mark(("hint:", "cyan"), text)


def say_warning(text: str) -> None:
    """Write what could not be done, while the work goes on, to stderr."""
    _mark(("warning:", "yellow"), text)


def _mark(head: tuple[str, str], text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"{paint(*head, sys.stderr)} {escape_lines(text)}\n")
        sys.stderr.flush()


def report_bug(error: BaseException, *, as_json: bool) -> None:
    """Write a traceback to stderr and where to take it."""
    remark("".join(traceback.format_exception(error)).rstrip())
    hint = "report it with the lines above and the output of gittrack --version"
    report(
        GittrackError("this is a bug in gittrack, your runs are safe"), kind="bug", hint=hint, as_json=as_json
    )


def kind_of(error: BaseException) -> str:
    """Return the category of an error as a word: `not_found`, `damaged`, ..."""
    for ancestor in type(error).__mro__:
        if ancestor.__module__ == errors.__name__ and ancestor is not GittrackError:
            return re.sub(r"(?<!^)(?=[A-Z])", "_", ancestor.__name__).lower()
    return "error"


class Progress:
    """Shows how far work is, on stderr, where a person looks at it and the work takes over half a second.

    Call it as `progress(what, done, total)`; `total` 0 means unknown.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._started = time.monotonic()
        self._drawn = 0.0
        self._length = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Draw, when it is time to."""
        now = time.monotonic()
        if now - self._started < _WAIT_S or now - self._drawn < _REDRAW_S or not on_terminal(self._stream):
            return
        self._drawn = now
        text = f"{escape(what)} {done:,}" + (f" of {total:,}" if total else "")
        text = text[: shutil.get_terminal_size().columns - 1]
        self._write("\r" + text.ljust(self._length))
        self._length = len(text)

    def __enter__(self) -> Self:
        """Start the clock."""
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe what was drawn."""
        if self._length:
            self._write("\r" + " " * self._length + "\r")
            self._length = 0

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()
