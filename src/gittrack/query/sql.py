"""One question and its answer. The question cannot write, read a file or change a setting: the engine refuses."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

T = TypeVar("T")

_ROWS = 2048
_QUESTIONS = ("SELECT", "EXPLAIN", "MULTI")
_PLACE = re.compile(r"\n+LINE (\d+): (.*)\n( *)\^", re.DOTALL)
_CORRUPT = "Corrupt database file"  # of no class of its own in DuckDB 2
_KIND = re.compile(r"^[A-Z][A-Za-z ]* Error: ")


class SqlError(InvalidValue):
    """A query that is not understood, or that cannot be answered.

    Attributes:
        detail: DuckDB's whole message, with the place marked.
    """

    def __init__(self, message: str, *, detail: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.detail = detail


class Damaged(Exception):
    """The index could not be read."""


class Result:
    """An answer: rows, read once, from the first or from where reading stopped.

    Times are naive datetimes in UTC; a time outside the years 1 to 9999 is infinite.

    Attributes:
        columns: Names of the columns.
        types: Their types, as DuckDB calls them.
    """

    def __init__(
        self, cursor: duckdb.DuckDBPyConnection, again: Callable[[], duckdb.DuckDBPyConnection]
    ) -> None:
        self._cursor = cursor
        self._again = again
        description = cursor.description or []
        self.columns: list[str] = [column[0] for column in description]
        self.types: list[str] = [str(column[1]) for column in description]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows, a few thousand in memory at a time.

        Raises:
            SqlError: A value of a later row cannot be computed.
        """
        rows = self._fetch(lambda cursor: cursor.fetchmany(_ROWS))
        while rows:
            yield from rows
            try:
                rows = self._cursor.fetchmany(_ROWS)
            except duckdb_error() as error:
                raise _told(explain(error)) from error

    def rows(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return list(self)

    def arrow(self) -> pa.Table:
        """Return all rows as an Arrow table."""
        table: pa.Table = self._fetch(_arrow)
        return table

    def df(self) -> pd.DataFrame:
        """Return all rows as a DataFrame."""
        frame: pd.DataFrame = self._fetch(lambda cursor: cursor.df())
        return frame

    def _fetch(self, fetch: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Fetch the first rows, or all; where the index turns out to be damaged, of an answer from a new one."""
        try:
            return fetch(self._cursor)
        except duckdb_error() as error:
            found = explain(error)
            if not isinstance(found, Damaged):
                raise found from error
        self._cursor = self._again()
        try:
            return fetch(self._cursor)
        except duckdb_error() as error:
            raise _told(explain(error)) from error


def duckdb_error() -> type[Exception]:
    """Return the class of what DuckDB raises, imported when the first question is asked."""
    import duckdb

    error: type[Exception] = duckdb.Error
    return error


def _arrow(cursor: duckdb.DuckDBPyConnection) -> Any:
    name = "to_arrow_table" if hasattr(cursor, "to_arrow_table") else "fetch_arrow_table"  # DuckDB 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DuckDB 2 says that this copies the rows once more
        return getattr(cursor, name)()


def _told(error: Exception) -> Exception:
    """Return what a person is told when the index was damaged and there is no way to begin again."""
    if not isinstance(error, Damaged):
        return error
    return SqlError(f"DuckDB cannot answer: {error}", detail=str(error), hint="ask once more")


def check(query: object, params: object) -> None:
    """Check that a question is text, and that its parameters have names.

    Raises:
        SqlError: They are something else.
    """
    if not isinstance(query, str):
        raise _refused(f"{query!r:.80} is not SQL", "")
    if params is not None and not isinstance(params, Mapping):
        raise _refused(f"{params!r:.80} is no mapping of parameters", query)


def ask(
    connection: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any] | None
) -> duckdb.DuckDBPyConnection:
    """Return a cursor of its own that is about to answer `query`.

    What the query leaves behind, a temporary view say, goes with the cursor; its transaction can only read.

    Raises:
        SqlError: It is not one question, or is not understood.
        Damaged: The index could not be read.
    """
    import duckdb

    cursor = connection.cursor()
    try:
        statements = cursor.extract_statements(query)
        if len(statements) != 1:
            raise _refused("one question at a time" if statements else "the query is empty", query)
        if statements[0].type.name not in _QUESTIONS:
            raise _refused(f"{statements[0].type.name} is not a question", query)
        cursor.execute("begin transaction read only")
        cursor.execute(query, dict(params) if params else None)
    except duckdb.Error as error:
        cursor.close()
        raise explain(error) from error
    except (
        RuntimeError,
        TypeError,
        UnicodeEncodeError,
    ) as error:  # a statement that DuckDB's own binding has no name for
        cursor.close()
        raise _refused("the query is not understood", query) from error
    return cursor


def _refused(message: str, query: str) -> SqlError:
    return SqlError(message, detail=query, hint='gittrack sql "select * from runs limit 5"')


def explain(error: Exception) -> Exception:
    """Return the error that says what is wrong with a query, and where; `Damaged` when it is not the query."""
    import duckdb

    faults = (
        duckdb.IOException,
        duckdb.InternalException,
        duckdb.FatalException,
        duckdb.SerializationException,
        duckdb.ConnectionException,
    )
    text = str(error)
    if isinstance(error, faults) or text.startswith(_CORRUPT):
        return Damaged(text)
    place = _PLACE.search(text)
    sentence = _KIND.sub("", text[: place.start()] if place else text).strip()
    sentence = " ".join(line.strip() for line in sentence.splitlines() if line.strip())
    where = f"line {place[1]}, column {_column(place)}: " if place else ""
    return SqlError(f"{where}{sentence}", detail=text, hint='gittrack sql "show tables"')


def _column(place: re.Match[str]) -> int:
    """Return where the mark points, counted from 1; a long line is shown from its middle, with dots before it."""
    return len(place[3]) - len(f"LINE {place[1]}: ") + 1
