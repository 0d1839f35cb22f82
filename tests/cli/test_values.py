"""Values as people type and read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.cli import values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6", 6),
        ("-6", -6),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", "9223372036854775808"),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("true", True),
        ("False", False),
        ("007", "007"),
        ("+49", "+49"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("", ""),
        ('"6"', "6"),
        ("٣", "٣"),
    ],
)
def test_a_param_is_a_number_only_where_nothing_is_lost(text: str, value: object) -> None:
    found = values.typed(text)

    assert found == value
    assert type(found) is type(value)


@given(st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_exactly(number: float) -> None:
    assert values.typed(repr(number)) == number


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3, "3 s ago"),
        (200, "3 min ago"),
        (7300, "2 h ago"),
        (86400 * 3, "3 d ago"),
        (86400 * 40, "2026-10-12"),
    ],
)
def test_a_time_is_told_by_how_long_it_is_gone(seconds: int, text: str) -> None:
    now = datetime(2026, 11, 21, 1, 36, 3)
    then = now - timedelta(seconds=seconds)

    assert values.ago(then, now.replace(tzinfo=UTC).timestamp()) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.00008, "0 s"),
        (0.25, "0.25 s"),
        (6.43, "6.4 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float | None, text: str) -> None:
    assert values.duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(812, "812 B"), (8123, "8.1 kB"), (1_200_000_000, "1.2 GB")])
def test_a_size_has_a_unit(count: int, text: str) -> None:
    assert values.size(count) == text


def test_short_ids_tell_runs_apart() -> None:
    first, second, third = "a" * 32, "a" * 10 + "b" * 22, "c" * 32

    assert values.short_ids([first, second, third]) == {
        first: "a" * 12,
        second: "a" * 10 + "bb",
        third: "c" * 12,
    }
