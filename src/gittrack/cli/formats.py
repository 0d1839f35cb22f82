"""The forms that an answer can take: table, JSON, CSV, Markdown, Parquet; on stdout or in a file."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import IO, Any

import click

from gittrack.cli import output, tables, values

FORMATS = ("table", "json", "csv", "markdown", "parquet")
BY_SUFFIX = {
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".parquet": "parquet",
    ".txt": "table",
}
_FORMULA = "=+-@\t\r\n＝＋－＠"  # what makes a spreadsheet take a cell for a formula
_TO_QUOTE = re.compile(r"""[",\r\n]|^\s|\s$""")
_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])")
_SAMPLE = 1000


@dataclass(frozen=True)
class Answer:
    """What a command found.

    Attributes:
        columns: Names of the columns.
        rows: The rows, read once.
        document: What JSON says instead of one object a row.
        arrow: Gives the rows as an Arrow table with the types they have; None to guess them from the values.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    document: Any = None
    arrow: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Form:
    """Which form was asked for, and where to."""

    format: str = "table"
    path: Path | None = None

    @property
    def is_table(self) -> bool:
        """Whether a person reads it."""
        return self.format == "table"

    @property
    def is_json(self) -> bool:
        """Whether a program reads it as JSON."""
        return self.format == "json"

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Send what is written to stdout to the file that was asked for; it appears whole or not at all.

        Raises:
            OSError: The file cannot be written.
        """
        if self.path is None:
            yield
            return
        with replacing(self.path) as file, contextlib.redirect_stdout(file):
            yield

    def write(self, answer: Answer) -> None:
        """Write an answer in a form for programs, or for a pull request.

        Raises:
            click.UsageError: Parquet was asked for on a terminal.
            OSError: The output does not take it.
        """
        with self.opened():
            _WRITERS[self.format](answer, self.path is not None)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Open a file to be written for the length of a block; it appears whole at the end of it, or not at all."""
    target = path.resolve()
    if target.exists() and not target.is_file():  # a pipe or a device is written to, never replaced
        with target.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        return
    draft = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        with draft.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
        draft.replace(target)
    except OSError as error:
        if error.filename == str(draft):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        draft.unlink(missing_ok=True)


def _write_table(answer: Answer, _: bool) -> None:
    tables.draw(answer.columns, answer.rows, tables.Style(output.width()))


def _write_json(answer: Answer, _: bool) -> None:
    """One array, with a row a line, so that it can be read by line as well as whole."""
    if answer.document is not None:
        output.say_json(answer.document)
        return
    names = unique(answer.columns)
    stream = output.stdout()
    separator = "[\n"
    for row in answer.rows:
        stream.write(separator + output.to_json(dict(zip(names, row, strict=True))))
        separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def unique(names: Sequence[str]) -> list[str]:
    """Return the names with `_2`, `_3` after those that are there already: an object has each key once."""
    result: list[str] = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        result.append(next(found for found in candidates if found not in result))
    return result


def _write_csv(answer: Answer, to_file: bool) -> None:
    stream = output.stdout()
    for row in chain([answer.columns], answer.rows):
        stream.write(csv_line([csv_cell(value, to_file=to_file) for value in row]))


def csv_line(cells: Sequence[str]) -> str:
    """Return a line of CSV. Python's own writer leaves a lone carriage return unquoted before 3.13."""
    if len(cells) == 1 and not cells[0]:
        return '""\n'  # readers pass over an empty line
    return (
        ",".join(
            f'"{cell.replace(chr(34), chr(34) * 2)}"' if _TO_QUOTE.search(cell) else cell for cell in cells
        )
        + "\n"
    )


def csv_cell(value: Any, *, to_file: bool) -> str:
    """Return a cell of CSV: text that a spreadsheet would take for a formula gets a `'` before it.

    Args:
        value: Numbers stay numbers, also those that are text.
        to_file: It goes to a file, as it is; else to a terminal, perhaps through a pipe, so it is escaped.
    """
    text = output.word(value)
    if isinstance(value, str) and text.startswith(tuple(_FORMULA)) and not values.NUMBER.fullmatch(text):
        text = "'" + text
    return text if to_file else output.escape_lines(text)


def _write_markdown(answer: Answer, _: bool) -> None:
    rest = iter(answer.rows)
    sample = list(islice(rest, _SAMPLE))
    stream = output.stdout()
    numbers = [tables.are_numbers(row[place] for row in sample) for place in range(len(answer.columns))]
    stream.write(_markdown_line(answer.columns))
    stream.write("|" + "|".join(" ---: " if is_number else " --- " for is_number in numbers) + "|\n")
    for row in chain(sample, rest):
        stream.write(_markdown_line(row))


def _markdown_line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |\n"


def markdown_text(value: Any) -> str:
    """Return a value as Markdown that shows it as it is: no hidden link, image or HTML comes out of it."""
    text = output.escape(output.word(value)).replace("&", "&amp;")
    return _MARKDOWN.sub(lambda found: "\\" + found[0], text)


def _write_parquet(answer: Answer, _: bool) -> None:
    import pyarrow.parquet

    stream = output.stdout()
    if output.on_terminal(stream):
        raise click.UsageError("Parquet is not for a terminal: add -o FILE.")
    table = _arrow_table(answer) if answer.arrow is None else answer.arrow()
    stream.flush()
    pyarrow.parquet.write_table(table, output.bytes_of(stream))


def _arrow_table(answer: Answer) -> Any:
    import pyarrow

    rows = list(answer.rows)
    columns = [_arrow_column([row[place] for row in rows]) for place in range(len(answer.columns))]
    return pyarrow.Table.from_arrays(columns, names=unique(answer.columns))


def _arrow_column(values: list[Any]) -> Any:
    import pyarrow

    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1 and kinds <= {str, bool, int, float}:
        return pyarrow.array(values)
    return pyarrow.array(
        [None if value is None else output.word(value) for value in values], pyarrow.string()
    )


_WRITERS: dict[str, Callable[[Answer, bool], None]] = {
    "table": _write_table,
    "json": _write_json,
    "csv": _write_csv,
    "markdown": _write_markdown,
    "parquet": _write_parquet,
}
