"""Tables fit the terminal and lie to nobody."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.cli import tables
from gittrack.cli.tables import Style


def drawn(capsys: pytest.CaptureFixture[str], columns, rows, style=Style()) -> list[str]:  # noqa: B008
    tables.draw(columns, rows, style)
    return capsys.readouterr().out.splitlines()


def test_text_is_to_the_left_and_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn(capsys, ["name", "auc"], [("a", 0.5), ("longer", 10.25), ("c", None)]) == [
        "name      auc",
        "a         0.5",
        "longer  10.25",
        "c",
    ]


def test_nothing_is_cut_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 5000

    assert drawn(capsys, ["a"], [(long,)])[1] == long


def test_text_is_cut_to_the_width_of_the_terminal_and_numbers_are_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = drawn(capsys, ["name", "auc"], [("x" * 50, 0.123456789)], Style(width=30))

    assert lines[1] == "x" * 16 + "…  0.123456789"


def test_columns_without_room_are_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = tables.draw(["a", "b", "c"], [(10**18, 10**18, 10**18)], Style(width=45))

    assert left_out == ["c"]
    assert "1000000000000000000  1000000000000000000\n" in capsys.readouterr().out


def test_wide_characters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn(capsys, ["n", "x"], [("実験", "y"), ("abcd", "z")]) == ["n     x", "実験  y", "abcd  z"]


def test_a_cell_cannot_break_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    lines = drawn(capsys, ["a\x1b[2J"], [("one\ntwo\rthree\x1b]52;c;x\x07",)])

    assert lines == ["a\\x1b[2J", "one\\ntwo\\rthree\\x1b]52;c;x\\x07"]


def test_what_is_no_number_has_a_name_and_stays_in_a_column_of_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = drawn(capsys, ["loss"], [(math.nan,), (-math.inf,), (1.5,)], Style(digits=6))

    assert lines == ["     loss", "      NaN", "-Infinity", "      1.5"]


def test_rows_after_the_sample_are_written_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(drawn(capsys, ["n"], ((number,) for number in range(2500)))) == 2501


@given(st.text(max_size=40), st.integers(1, 40))
def test_cut_text_fits(text: str, width: int) -> None:
    assert tables.cells_of(tables.cut(text, width)) <= width
