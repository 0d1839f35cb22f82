"""Tables of text, as wide as the terminal and no wider; numbers to the right, and never cut."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from gittrack.cli import output

_GAP = "  "
_SAMPLE = 1000  # rows that decide how wide a column is: what follows is written as it comes, in flat memory
_NARROWEST = 10  # `20 min ago`


@dataclass(frozen=True)
class Style:
    """How to show cells.

    Attributes:
        width: Columns of the terminal; None leaves everything whole.
        colours: Colour of a cell by its value, for a column's name.
        digits: Significant digits of numbers that are not whole; None shows all that a double has.
    """

    width: int | None = None
    colours: Mapping[str, Callable[[Any], str | None]] = field(default_factory=dict)
    digits: int | None = None


@dataclass
class _Column:
    name: str
    title: str
    is_number: bool
    width: int


def draw(columns: Sequence[str], rows: Iterable[Sequence[Any]], style: Style) -> list[str]:
    """Write a table to stdout and return the names of the columns that the terminal has no room for."""
    rest = iter(rows)
    sample = list(islice(rest, _SAMPLE))
    drawn = [_column(place, name, sample, style) for place, name in enumerate(columns)]
    kept = _fit(drawn, style.width)
    stream = output.stdout()
    stream.write(_line([output.paint(_pad(column.title, column), "bold") for column in kept]))
    for row in chain(sample, rest):
        stream.write(_line(_cells(kept, row, style)))
    return [column.name for column in drawn[len(kept) :]]


def tell_left_out(columns: list[str]) -> None:
    """Say on stderr which columns the terminal had no room for."""
    if columns:
        output.remark(f"no room for {', '.join(map(output.escape, columns))}: --format csv has all columns")


def _line(cells: list[str]) -> str:
    return _GAP.join(cells).rstrip() + "\n"


def _cells(columns: list[_Column], row: Sequence[Any], style: Style) -> list[str]:
    cells = []
    for column, value in zip(columns, row, strict=False):
        choose = style.colours.get(column.name)
        cells.append(
            output.paint(_pad(text_of(value, style.digits), column), choose(value) if choose else None)
        )
    return cells


def _column(place: int, name: str, sample: list[Sequence[Any]], style: Style) -> _Column:
    values = [row[place] for row in sample]
    title = output.escape(name)
    widest = max((cells_of(text_of(value, style.digits)) for value in values), default=0)
    return _Column(name, title, are_numbers(values), max(widest, cells_of(title)))


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether there is a number among `values`, and beside numbers only nothing."""
    found = False
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal | None):
            return False
        found = found or value is not None
    return found


def _fit(columns: list[_Column], width: int | None) -> list[_Column]:
    """Narrow the widest text until the table fits; when that is not enough, leave out columns at the end."""
    if width is None:
        return columns
    kept = list(columns)
    while kept and _total(kept) > width:
        widest = max((column for column in kept if not column.is_number), key=lambda c: c.width, default=None)
        if widest is not None and widest.width > _NARROWEST:
            widest.width = max(_NARROWEST, widest.width - max(1, _total(kept) - width))
        elif len(kept) > 1:
            kept.pop()
        else:
            break
    return kept


def _total(columns: list[_Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _pad(text: str, column: _Column) -> str:
    if not column.is_number:
        text = cut(text, column.width)
    blanks = " " * (column.width - cells_of(text))
    return blanks + text if column.is_number else text + blanks


def text_of(value: Any, digits: int | None = None) -> str:
    """Return a cell's text, escaped."""
    if digits is not None and isinstance(value, float) and value - value == 0:
        return f"{value:.{digits}g}"
    return output.escape(output.word(value))


def cells_of(text: str) -> int:
    """Return how many columns of a terminal `text` takes; wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` columns; what was cut is marked by `…`."""
    if cells_of(text) <= width:
        return text
    return "".join(_taken(text, width - 1)) + "…"


def _taken(text: str, width: int) -> Iterator[str]:
    for char in text:
        width -= _cell(char)
        if width < 0:
            return
        yield char
