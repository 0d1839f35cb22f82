"""What reaches a terminal is what can be seen on it."""

from __future__ import annotations

import io
import json
import math
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack import errors
from gittrack.cli import output
from gittrack.git.repo import NotARepository

HOSTILE = [
    "\x1b]52;c;cm0gLXJm\x07",  # writes to the clipboard
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b[2K\rgittrack: all is well",
    "\x9b31mred",
    "back\b\b\b\bspace",
    "del\x7f",
    "\u202etxt.exe",
    "\u2066isolate\u2069",
    "zero\u200bwidth\ufeff",
    "line\u2028end",
    "tag\U000e0041\U000e0042",
    "soft\u00adhyphen",
    "lone\udc9b31m",
    "filler\u3164",
]
TEXT = st.text(st.characters(), max_size=40)


def is_visible(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_a_terminal_would_act_on_or_hide_is_shown_as_an_escape(text: str) -> None:
    shown = output.escape(text)

    assert shown != text
    assert all(map(is_visible, shown))


@given(TEXT)
def test_nothing_invisible_survives_escaping(text: str) -> None:
    assert all(map(is_visible, output.escape(text)))


@given(TEXT)
def test_escaping_twice_is_escaping_once(text: str) -> None:
    assert output.escape(output.escape(text)) == output.escape(text)


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=40))
def test_ordinary_text_of_any_language_stays_as_it_is(text: str) -> None:
    ordinary = "".join(char for char in text if char not in "\u115f\u1160\u3164\uffa0")

    assert output.escape(ordinary) == ordinary


def test_an_emoji_keeps_its_look() -> None:
    assert output.escape("❤\ufe0f 👍🏽") == "❤\ufe0f 👍🏽"


@given(TEXT)
def test_a_block_keeps_its_line_ends_and_nothing_else(text: str) -> None:
    shown = output.escape_lines(text)

    assert all(is_visible(char) or char in "\n\t" for char in shown)
    assert shown.count("\n") == text.count("\n")


def test_blanks_that_push_text_out_of_sight_are_counted() -> None:
    assert output.unspaced("echo" + " " * 100_000 + "; rm -rf ~") == "echo[100000 blanks]; rm -rf ~"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_json_is_valid_ascii_on_one_line_whatever_is_in_it(value: object) -> None:
    text = output.to_json(value)

    assert text.isascii()
    assert text.isprintable()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


@given(st.integers(-(1 << 127), 1 << 127))
def test_integers_are_exact_in_json(number: int) -> None:
    assert json.loads(output.to_json(number)) == number


@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_what_is_no_number_is_a_word_in_json_as_in_mlflow(value: float, word: str) -> None:
    assert json.loads(output.to_json([value])) == [word]


def test_negative_zero_keeps_its_sign_in_json() -> None:
    assert output.to_json(-0.0) == "-0.0"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2026, 11, 21, 1, 36, 3, 120_000), "2026-11-21T01:36:03.120Z"),
        (datetime(2026, 11, 21, 2, 36, 3, tzinfo=timezone(timedelta(hours=1))), "2026-11-21T01:36:03.000Z"),
        (datetime(2026, 11, 21, 1, 36, 3, 7, tzinfo=UTC), "2026-11-21T01:36:03.000007Z"),
        (datetime(2026, 11, 21).date(), "2026-11-21"),
        (b"\x00\xff", "00ff"),
        (Decimal("0.10"), 0.1),
        (Decimal(1 << 100), 1 << 100),
        (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
        (Decimal("NaN"), "NaN"),
        ({1: (2, {3})}, {"1": [2, [3]]}),
    ],
    ids=str,
)
def test_types_that_json_lacks_are_written_so_that_nothing_is_lost(value: object, shown: object) -> None:
    assert json.loads(output.to_json(value)) == shown


def test_the_kind_of_an_error_is_its_category() -> None:
    assert output.kind_of(errors.NotFound("x")) == "not_found"
    assert output.kind_of(errors.StorageFailed("x")) == "storage_failed"
    assert output.kind_of(NotARepository("x")) == "error"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    assert output.paint("FINISHED", "green", Terminal()) == "\x1b[32mFINISHED\x1b[0m"
    assert output.paint("FINISHED", "green", io.StringIO()) == "FINISHED"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_forbidden(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)

    assert output.paint("FINISHED", "green", Terminal()) == "FINISHED"


def test_progress_shows_long_work_and_wipes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    stream = Terminal()
    with output.Progress(stream) as progress:
        progress("reading runs", 1, 10)
        assert stream.getvalue() == ""
        now[0] = 1.0
        progress("reading\x1b[2J runs", 5, 10)
        assert stream.getvalue() == "\rreading\\x1b[2J runs 5 of 10"

    assert stream.getvalue().endswith("\r")


def test_progress_is_silent_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with output.Progress(stream) as progress:
        now[0] = 10.0
        progress("reading runs", 5, 10)

    assert stream.getvalue() == ""
