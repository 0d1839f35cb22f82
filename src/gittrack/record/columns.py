"""From what users have, lists, arrays, tables, to columns of points."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from gittrack.errors import InvalidValue
from gittrack.record import values
from gittrack.record.points import Points, from_arrow


def is_sequence(value: Any) -> bool:
    """Whether `value` is a series of numbers rather than one."""
    if isinstance(value, str | bytes | Mapping | AbstractSet) or not hasattr(value, "__len__"):
        return False
    return getattr(value, "ndim", 1) > 0


def of_series(key: str, series: Any, step: Any, timestamp: int) -> Points:
    """Return the points of one metric's series.

    Args:
        key: The metric.
        series: Shape (n,), numbers.
        step: Shape (n,), integers; or the first of n consecutive steps; None for 0.
        timestamp: Milliseconds since 1970 UTC, for all points.

    Raises:
        InvalidValue: A value is no number, a step no integer, or the lengths differ.
    """
    value = _floats(key, series)
    if is_sequence(step):
        steps = _integers(key, step)
    else:
        first = 0 if step is None else values.as_step(step, key)
        values.as_step(first + max(len(value) - 1, 0), key)
        steps = array("q", range(first, first + len(value)))
    if len(steps) != len(value):
        raise InvalidValue(f"metric '{key}' has {len(value)} values and {len(steps)} steps")
    rows = len(value)
    return Points([key], array("I", [0]) * rows, steps, array("q", [timestamp]) * rows, value)


def of_table(table: Any, timestamp: int) -> Points:
    """Return the points of an Arrow table, a DataFrame or a mapping of columns.

    Raises:
        InvalidValue: A column is missing, or has values of another kind.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        if isinstance(table, Mapping):
            table = pa.table(dict(table))
        elif not isinstance(table, pa.Table) and not hasattr(table, "columns"):
            raise InvalidValue(f"{table!r:.80} is no table of points", hint="key, step, value, timestamp")
        elif not isinstance(table, pa.Table):
            table = pa.Table.from_pandas(table, preserve_index=False)
        missing = {"key", "step", "value"} - set(table.column_names)
        if missing:
            raise InvalidValue(
                f"the table of points has no column '{min(missing)}'", hint="key, step, value, timestamp"
            )
        if "timestamp" not in table.column_names:
            table = table.append_column(
                "timestamp", pa.array([timestamp]).take(pa.array([0] * len(table), pa.int32()))
            )
        key = table["key"]
        columns = {
            "key": key if pa.types.is_dictionary(key.type) else key.cast(pa.string()),
            "step": table["step"].cast(pa.int64()),
            "timestamp": table["timestamp"].cast(pa.int64()),
            "value": table["value"].cast(pa.float64()),
        }
        span = pc.min_max(columns["timestamp"]).as_py()
        for time in span.values():
            values.as_time(0 if time is None else time, "a timestamp of the table of points")
        if any(column.null_count for column in columns.values()):
            raise InvalidValue("the table of points has empty cells", hint="a value that is no number is NaN")
        return from_arrow(pa.table(columns))
    except (pa.ArrowException, TypeError) as error:
        raise InvalidValue(f"the table of points cannot be taken: {str(error).splitlines()[0]}") from error


def _floats(key: str, series: Any) -> array[float]:
    column = _from_numpy(series, "d")
    if column is not None:
        return column
    try:
        return array("d", series)
    except (TypeError, OverflowError):
        return array("d", [values.as_float(value, key) for value in series])


def _integers(key: str, steps: Sequence[Any]) -> array[int]:
    column = _from_numpy(steps, "q")
    if column is not None:
        return column
    try:
        return array("q", steps)
    except (TypeError, OverflowError):
        return array("q", [values.as_step(step, key) for step in steps])


def _from_numpy(column: Any, code: str) -> array[Any] | None:
    """Take over an array of numpy, or what can become one, in one copy; None for what is none."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(column, "__array__"):
        return None
    flat = numpy.asarray(column)
    if flat.ndim != 1 or flat.dtype.kind not in ("iu" if code == "q" else "iufb"):
        return None
    if code == "q" and flat.dtype == numpy.uint64 and len(flat) and flat.max() >= 1 << 63:
        return None
    taken: array[Any] = array(code)
    taken.frombytes(
        memoryview(numpy.ascontiguousarray(flat, numpy.float64 if code == "d" else numpy.int64)).cast("B")
    )
    return taken
