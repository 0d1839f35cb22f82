"""Metric points as columns: sorted, digested, summed up, written and read as Parquet.

Columns are arrays of the standard library, which pyarrow and numpy take over without a copy. Up to
`SMALL` points are handled by the interpreter alone; more by pyarrow, whose import then pays.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import Digest, MetricSummary, Point
from gittrack.errors import Damaged
from gittrack.record import parquet

if TYPE_CHECKING:
    import pyarrow as pa

SMALL = 4096
MAX_ROWS = 1 << 31  # of one file, looked at before it is read: 2 MB of Parquet can hold 200 million rows
_NAN = struct.unpack("<d", b"\x00\x00\x00\x00\x00\x00\xf8\x7f")[0]


@dataclass
class Points:
    """Points in any order; `key` holds places in `keys`.

    Attributes:
        keys: The distinct keys.
        key: Shape (n,), uint32.
        step: Shape (n,), int64.
        timestamp: Shape (n,), int64, milliseconds UTC.
        value: Shape (n,), float64.
    """

    keys: list[str] = field(default_factory=list)
    key: array[int] = field(default_factory=lambda: array("I"))
    step: array[int] = field(default_factory=lambda: array("q"))
    timestamp: array[int] = field(default_factory=lambda: array("q"))
    value: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.step)

    def metrics(self) -> Iterator[Point]:
        """Yield the points one by one, for tests and small series."""
        for place, step, timestamp, value in zip(
            self.key, self.step, self.timestamp, self.value, strict=True
        ):
            yield Point(self.keys[place], value, timestamp, step)

    def extend(self, other: Points) -> None:
        """Append the points of `other`."""
        places = {key: place for place, key in enumerate(self.keys)}
        for key in other.keys:
            if key not in places:
                places[key] = len(self.keys)
                self.keys.append(key)
        moved = [places[key] for key in other.keys]
        if moved == list(range(len(moved))):
            self.key.extend(other.key)
        else:
            self.key.extend(array("I", map(moved.__getitem__, other.key)))
        self.step.extend(other.step)
        self.timestamp.extend(other.timestamp)
        self.value.extend(other.value)

    def sort(self) -> SortedPoints:
        """Return the points by key, step, timestamp, then bit pattern; every NaN becomes one."""
        ranked = sorted(set(self.keys), key=str.encode)
        rank = {key: place for place, key in enumerate(ranked)}
        ranks = [rank[key] for key in self.keys]
        if len(self) <= SMALL:
            return _sort_small(self, ranked, ranks)
        return _sort_large(self, ranked, ranks)


@dataclass(frozen=True)
class SortedPoints:
    """Points by key, step, timestamp and value bits: what is digested and written.

    Attributes:
        keys: The k distinct keys, by their UTF-8 bytes; each has at least one point.
        counts: Shape (k,): how many points each key has.
        step: Shape (n,), int64.
        timestamp: Shape (n,), int64, milliseconds UTC.
        value: Shape (n,), float64; every NaN has one bit pattern.
    """

    keys: list[str]
    counts: list[int]
    step: array[int]
    timestamp: array[int]
    value: array[float]

    def __len__(self) -> int:
        return len(self.step)

    def series(self) -> Iterator[tuple[str, slice]]:
        """Yield each key and the slice of the columns that is its series."""
        start = 0
        for key, count in zip(self.keys, self.counts, strict=True):
            yield key, slice(start, start + count)
            start += count

    def digest(self) -> Digest:
        """Return the identity of the points, whatever file they are in.

        SHA-256 over, for each key in order: length of the key (uint32), key (UTF-8), number of points
        (uint64), all steps (int64), all timestamps (int64), all values (float64); little-endian throughout.
        """
        sha = hashlib.sha256()
        for key, part in self.series():
            name = key.encode()
            sha.update(struct.pack("<I", len(name)) + name + struct.pack("<Q", part.stop - part.start))
            for column in (self.step, self.timestamp, self.value):
                sha.update(_little_endian(column[part]))
        return Digest(sha.hexdigest())

    def summaries(self) -> dict[str, MetricSummary]:
        """Return what each series comes to."""
        return {
            key: _summary(self.step[part], self.timestamp[part], self.value[part])
            for key, part in self.series()
        }

    def metrics(self) -> Iterator[Point]:
        """Yield the points one by one, for tests and small series."""
        keys = chain.from_iterable(
            repeat(key, count) for key, count in zip(self.keys, self.counts, strict=True)
        )
        for key, step, timestamp, value in zip(keys, self.step, self.timestamp, self.value, strict=True):
            yield Point(key, value, timestamp, step)

    def to_parquet(self) -> bytes:
        """Return the points as a Parquet file: key, step, timestamp, value."""
        if len(self) <= SMALL:
            return parquet.write(
                self.keys, self.counts, self.step, self.timestamp, _little_endian(self.value)
            )
        import pyarrow.parquet as pq

        out = io.BytesIO()
        pq.write_table(
            self.to_arrow(),
            out,
            compression="zstd",
            use_dictionary=["key"],
            column_encoding={
                "step": "DELTA_BINARY_PACKED",
                "timestamp": "DELTA_BINARY_PACKED",
                "value": "BYTE_STREAM_SPLIT",
            },
            write_page_checksum=True,
            store_schema=False,
        )
        return out.getvalue()

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table: key (dictionary of strings), step, timestamp (int64), value (float64)."""
        import numpy as np
        import pyarrow as pa

        places = pa.array(np.repeat(np.arange(len(self.keys), dtype=np.int32), self.counts))
        columns = [
            pa.DictionaryArray.from_arrays(places, pa.array(self.keys, pa.string())),
            pa.array(np.frombuffer(self.step, np.int64) if len(self) else [], pa.int64()),
            pa.array(np.frombuffer(self.timestamp, np.int64) if len(self) else [], pa.int64()),
            pa.array(np.frombuffer(self.value, np.float64) if len(self) else [], pa.float64()),
        ]
        return pa.Table.from_arrays(columns, schema=_schema())


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("key", pa.dictionary(pa.int32(), pa.string()), nullable=False),
            pa.field("step", pa.int64(), nullable=False),
            pa.field("timestamp", pa.int64(), nullable=False),
            pa.field("value", pa.float64(), nullable=False),
        ]
    )


def read_parquet(content: bytes) -> Points:
    """Return the points of a `metrics.parquet`.

    Raises:
        Damaged: It is no Parquet file, a page's checksum is wrong, or the columns are others.
    """
    small = parquet.read(content, most=SMALL)
    if small is not None:
        return _from_columns(small)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True)
        if file.metadata.num_rows > MAX_ROWS:
            raise Damaged(f"metrics.parquet says that it has {file.metadata.num_rows} rows")
        if [(field.name, str(field.type)) for field in file.schema_arrow] != [
            ("key", "string"),
            ("step", "int64"),
            ("timestamp", "int64"),
            ("value", "double"),
        ]:
            raise Damaged("metrics.parquet has other columns than key, step, timestamp, value")
        table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: names that are no UTF-8
        raise Damaged(f"metrics.parquet cannot be read: {str(error).splitlines()[0]}") from error
    if any(column.null_count for column in table.columns):
        raise Damaged("metrics.parquet has empty cells")
    return from_arrow(table)


def _from_columns(found: parquet.Columns) -> Points:
    value = array("d", found.values)
    if sys.byteorder == "big":
        value.byteswap()
    places = array("I")
    for place, count in enumerate(found.counts):
        places.extend(repeat(place, count))
    return Points(found.keys, places, found.steps, found.timestamps, value)


def from_arrow(table: pa.Table) -> Points:
    """Return the points of a table with the columns key, step, timestamp and value."""
    import numpy as np
    import pyarrow as pa

    keys = table["key"].combine_chunks()
    if not isinstance(keys, pa.DictionaryArray):
        keys = keys.dictionary_encode()
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks() if keys.num_chunks else pa.array([], pa.string()).dictionary_encode()
    points = Points(keys=keys.dictionary.to_pylist())
    points.key.frombytes(np.ascontiguousarray(_buffer(keys.indices), np.uint32).tobytes())
    for name in ("step", "timestamp", "value"):
        for chunk in table[name].chunks:
            getattr(points, name).frombytes(_buffer(chunk).tobytes())
    return points


def _buffer(column: pa.Array) -> Any:
    """Return an Arrow array of numbers without gaps as numpy's; `to_numpy` would import pandas, a third of a second."""
    import numpy as np

    kind = np.dtype({"double": "float64"}.get(str(column.type), str(column.type)))
    return np.frombuffer(column.buffers()[1] or b"", kind, len(column), column.offset * kind.itemsize)


def _sort_small(points: Points, ranked: list[str], ranks: list[int]) -> SortedPoints:
    bits = array("Q")
    bits.frombytes(array("d", (value if value == value else _NAN for value in points.value)).tobytes())
    rows = sorted(zip(map(ranks.__getitem__, points.key), points.step, points.timestamp, bits, strict=True))
    places, steps, timestamps, sorted_bits = zip(*rows, strict=True) if rows else ((), (), (), ())
    value = array("d")
    value.frombytes(array("Q", sorted_bits).tobytes())
    counts = [places.count(place) for place in range(len(ranked))]
    present = [place for place, count in enumerate(counts) if count]
    return SortedPoints(
        [ranked[place] for place in present],
        [counts[place] for place in present],
        array("q", steps),
        array("q", timestamps),
        value,
    )


def _sort_large(points: Points, ranked: list[str], ranks: list[int]) -> SortedPoints:
    import numpy as np

    place = np.asarray(ranks, np.int64)[np.frombuffer(points.key, np.uint32)]
    step, timestamp = np.frombuffer(points.step, np.int64), np.frombuffer(points.timestamp, np.int64)
    value = np.frombuffer(points.value, np.float64)
    value = np.where(np.isnan(value), _NAN, value)
    order = np.lexsort((value.view(np.uint64), timestamp, step, place))
    counts = np.bincount(place, minlength=len(ranked))
    present = np.flatnonzero(counts)
    columns: list[Any] = []
    for code, column in (("q", step), ("q", timestamp), ("d", value)):
        columns.append(array(code))
        columns[-1].frombytes(column[order].tobytes())
    return SortedPoints([ranked[at] for at in present], counts[present].tolist(), *columns)


def _summary(steps: array[int], timestamps: array[int], values: array[float]) -> MetricSummary:
    step, timestamp, last = steps[-1], timestamps[-1], values[-1]
    place = len(values) - 2
    while place >= 0 and steps[place] == step and timestamps[place] == timestamp:
        if values[place] > last or math.isnan(last):
            last = values[place]
        place -= 1
    least, most = _extremes(values)
    return MetricSummary(last=last, step=step, min=least, max=most, count=len(values))


def _extremes(values: array[float]) -> tuple[float, float]:
    """Return the least and the greatest number; NaN is none, and is returned only when all are."""
    if len(values) > SMALL:
        import numpy as np

        numbers = np.frombuffer(values, np.float64)
        numbers = numbers[~np.isnan(numbers)]
        return (float(numbers.min()), float(numbers.max())) if len(numbers) else (_NAN, _NAN)
    numbers_small = [value for value in values if value == value]
    return (min(numbers_small), max(numbers_small)) if numbers_small else (_NAN, _NAN)


def _little_endian(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
