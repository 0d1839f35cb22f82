"""Tables as the bytes of artifacts: JSON of columns and rows, as `pandas` writes it by `orient="split"`, or Parquet.

Source: which data is a table, and what its JSON looks like, is MLflow's `log_table`; floats are written exactly, and
what is there is not interpreted anew when rows come after it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gittrack.errors import InvalidValue
from gittrack.record.media import is_image

if TYPE_CHECKING:
    import pandas as pd

_FORBIDDEN = re.compile(r"[\"',:\[\]{}]")
_TIMES = re.compile(r"timestamp.*|modified|date|datetime|.*(_at|_time)", re.IGNORECASE)  # as pandas has it
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def check_name(artifact_file: str) -> None:
    """Check that a file can hold a table.

    Raises:
        InvalidValue: It ends in neither `.json` nor `.parquet`, or has one of the characters `"',:[]{}`.
    """
    found = _FORBIDDEN.search(artifact_file)
    if found:
        raise InvalidValue(f"the table '{artifact_file}' has the character {found[0]} in its name")
    if not artifact_file.endswith((".json", ".parquet")):
        raise InvalidValue(f"'{artifact_file}' is not the name of a table", hint="table.json is one")


def as_frame(data: object) -> pd.DataFrame:
    """Return a new frame with the rows of a frame or a dictionary; one of single values is one row.

    Raises:
        InvalidValue: `data` is neither, or has text that UTF-8 cannot hold.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data.copy(deep=False)
    if not isinstance(data, dict):
        raise InvalidValue(f"a {type(data).__name__} is not a table", hint="a dictionary or a DataFrame is")
    try:
        return pd.DataFrame(data)
    except UnicodeEncodeError as error:
        raise InvalidValue(f"the table has text that UTF-8 cannot hold: {error}") from error
    except ValueError:
        return pd.DataFrame([data])


def replace_images(frame: pd.DataFrame, replace: Callable[[Any], dict[str, str]]) -> None:
    """Put what `replace` says of each picture in its place, in `frame`.

    Raises:
        InvalidValue: A column has pictures and other things.
    """
    for column in [name for name in frame.columns if frame[name].dtype == object]:
        pictures = frame[column].map(is_image)
        if pictures.all() and len(pictures):
            frame[column] = frame[column].map(replace)
        elif pictures.any():
            raise InvalidValue(f"the column '{column}' has pictures and other things")


def dump(frame: pd.DataFrame, artifact_file: str, before: bytes | None) -> bytes:
    """Return the bytes of a table.

    Args:
        frame: New rows.
        artifact_file: Its ending says which format.
        before: The bytes of the rows that come first, or None.

    Raises:
        InvalidValue: The format cannot hold the values, or `before` is no table.
    """
    try:
        if artifact_file.endswith(".parquet"):
            return _to_parquet(frame, before)
        return _to_json(frame, before)
    except (NotImplementedError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidValue(f"the table cannot be kept as '{artifact_file}': {error}") from error


def load(content: bytes, artifact_file: str) -> pd.DataFrame:
    """Return a table.

    Columns of times are those that a name (`date`, `..._at`, `timestamp...`) and all values say to be ones; no other
    text is interpreted.

    Raises:
        InvalidValue: `content` is none, or the file ends in neither `.json` nor `.parquet`.
    """
    import pandas as pd

    check_name(artifact_file)
    try:
        if artifact_file.endswith(".parquet"):
            return pd.read_parquet(io.BytesIO(content))
        columns, rows = _parsed(content)
        frame = pd.DataFrame(rows, columns=pd.Index(columns))
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"'{artifact_file}' is not a table: {error}") from error
    for column in frame.columns if frame.columns.is_unique else ():
        frame[column] = _interpreted(frame[column])
    return frame


def _to_json(frame: pd.DataFrame, before: bytes | None) -> bytes:
    text = frame.to_json(orient="split", index=False, date_format="iso", double_precision=15)
    columns, rows = _parsed(text.encode())
    _put_exact_floats(frame, rows)
    if before is not None:
        columns, rows = _joined(_parsed(before), (columns, rows))
    return json.dumps({"columns": columns, "data": rows}, separators=(",", ":")).encode()


def _parsed(content: bytes) -> tuple[list[Any], list[list[Any]]]:
    try:
        table = json.loads(content)
        return table["columns"], table["data"]
    except (KeyError, TypeError) as error:
        raise ValueError("it has no columns and data") from error


def _put_exact_floats(frame: pd.DataFrame, rows: list[list[Any]]) -> None:
    """Take the place of floats that pandas has cut to 15 digits."""
    for place, kind in enumerate(frame.dtypes):
        if getattr(kind, "kind", "") == "f":
            for row, value in zip(rows, frame.iloc[:, place].tolist(), strict=True):
                row[place] = value if isinstance(value, float) and math.isfinite(value) else None


def _joined(
    old: tuple[list[Any], list[list[Any]]], new: tuple[list[Any], list[list[Any]]]
) -> tuple[list[Any], list[list[Any]]]:
    """Return the rows of two tables, with a null where one has no such column."""
    if old[0] == new[0]:
        return old[0], old[1] + new[1]
    columns = old[0] + [column for column in new[0] if column not in old[0]]
    places = [columns.index(column) for column in new[0]]
    rows = [row + [None] * (len(columns) - len(row)) for row in old[1]]
    for row in new[1]:
        rows.append([None] * len(columns))
        for place, value in zip(places, row, strict=True):
            rows[-1][place] = value
    return columns, rows


def _to_parquet(frame: pd.DataFrame, before: bytes | None) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    if before is not None:
        earlier = pq.read_table(io.BytesIO(before))
        table = pa.concat_tables([earlier, table], promote_options="permissive")
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _interpreted(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as MLflow would read it, where that does not lose what was written."""
    import pandas as pd

    known = column.dropna()
    if known.empty:
        return column.astype("float64")
    if _TIMES.fullmatch(str(column.name)) and known.map(_is_time).all():
        with contextlib.suppress(ValueError):  # a month 13, or some of them with a time zone
            return pd.to_datetime(column, format="ISO8601")
    return column


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None
