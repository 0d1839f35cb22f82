"""Tables: CSV, TSV, Parquet, Feather. Columns are compared by their name, rows by their place or by what names them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.repro.contents.finding import (
    LISTED,
    MAX_COLUMNS,
    MAX_TABLE,
    SHOWN,
    ArtifactDiff,
    Size,
    Unreadable,
    head,
    judged,
    quote,
    size_of,
    some,
    up_to,
)
from gittrack.repro.contents.rows import Match, is_numbering, joined, match
from gittrack.repro.contents.texts import without_times
from gittrack.repro.phrases import plural
from gittrack.repro.tolerance import Tolerance

if TYPE_CHECKING:
    import pyarrow as pa

_MAX_CSV = 64 << 20
_MAX_TIMES = 10_000  # cells that are looked at one by one
_BATCH = 1 << 16


@dataclass(frozen=True, slots=True)
class _Table:
    """A table as far as it was read."""

    data: pa.Table
    rows: int
    cut: bool


@dataclass(frozen=True, slots=True)
class _Column:
    """How two columns of one name differ.

    Attributes:
        name: Its name.
        cells: How many differ, None when they cannot be told apart one by one.
        size: How far the numbers among them lie apart; None when there are none.
        others: How many differing cells are not a number on both sides.
        times: Whether all of them are times.
    """

    name: str
    cells: int | None
    size: Size | None
    others: int
    times: bool

    def words(self) -> str:
        """Return the column in words."""
        if self.cells is None:
            return f"column {quote(self.name)} differs"
        much = f", {self.size.words()}" if self.size else ""
        return f"column {quote(self.name)}: {plural(self.cells, 'cell')}{much}"

    def document(self) -> dict[str, Any]:
        """Return the column as plain values."""
        largest = (self.size.largest, self.size.relative) if self.size else (None, None)
        return {
            "column": self.name,
            "differing": self.cells,
            "largest": largest[0],
            "largest_relative": largest[1],
        }


def compare_csv(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two files of values with commas between them."""
    return _compare("CSV", *_two_texts(old, new, ","), tolerance)


def compare_tsv(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two files of values with tabs between them."""
    return _compare("TSV", *_two_texts(old, new, "\t"), tolerance)


def compare_parquet(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two Parquet files."""
    return _compare("Parquet", _parquet(old), _parquet(new), tolerance)


def compare_feather(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two Feather files, which are Arrow's files."""
    return _compare("Feather", _arrow(old), _arrow(new), tolerance)


def _two_texts(old: Path, new: Path, delimiter: str) -> tuple[_Table, _Table]:
    """Read both with the same eyes: the first row is a head when nothing in it is a number, in either."""
    tables = [_text_table(path, delimiter) for path in (old, new)]
    firsts = [[column[0].as_py() for column in table.data.columns] for table in tables if table.rows]
    headed = len(firsts) == 2 and not any(_is_number(cell) for first in firsts for cell in first)
    if not headed:
        return tables[0], tables[1]
    one, other = (
        _Table(table.data.slice(1).rename_columns(_unique(first)), table.rows - 1, table.cut)
        for table, first in zip(tables, firsts, strict=True)
    )
    return one, other


def _text_table(path: Path, delimiter: str) -> _Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    content, cut = head(path, _MAX_CSV)
    if cut:
        content = content[: content.rfind(b"\n") + 1]
    if not content.strip():
        return _Table(pa.table({}), 0, cut)
    line = content[: content.find(b"\n") + 1 or None].decode("utf-8-sig")
    width = len(next(csv.reader([line], delimiter=delimiter)))
    if width > MAX_COLUMNS:
        raise Unreadable(f"it has more than {MAX_COLUMNS} columns")
    names = [f"column {place + 1}" for place in range(width)]
    table = arrow_csv.read_csv(
        pa.BufferReader(content),
        arrow_csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=names),
        arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )
    return _Table(table, table.num_rows, cut)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _unique(names: Iterable[str]) -> list[str]:
    """Number the names that come again."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _parquet(path: Path) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as plain:
        schema, rows = plain.schema_arrow, plain.metadata.num_rows
        if plain.metadata.num_columns > MAX_COLUMNS:
            raise Unreadable(f"it has more than {MAX_COLUMNS} columns")
    # Texts stay dictionaries: one long text a million times is small in the file, and must be so in memory.
    texts = [
        field.name
        for field in schema
        if pa.types.is_string(field.type)
        or pa.types.is_binary(field.type)
        or pa.types.is_large_string(field.type)
    ]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        batches, cut = _within(file.iter_batches(_BATCH, use_threads=False))
        schema = file.schema_arrow
    return _Table(pa.Table.from_batches(batches, batches[0].schema if batches else schema), rows, cut)


def _arrow(path: Path) -> _Table:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        if len(file.schema) > MAX_COLUMNS:
            raise Unreadable(f"it has more than {MAX_COLUMNS} columns")
        batches, cut = _within(file.get_batch(place) for place in range(file.num_record_batches))
        table = pa.Table.from_batches(batches, file.schema)
        return _Table(table, table.num_rows, cut)


def _within(batches: Iterable[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], bool]:
    """Return batches up to the bound, and whether there are more."""
    taken: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        size += batch.nbytes
        if size > MAX_TABLE and taken:
            return taken, True
        taken.append(batch)
    return taken, False


def _compare(kind: str, old: _Table, new: _Table, tolerance: Tolerance) -> ArtifactDiff:
    before, after = (dict(zip(_unique(t.data.column_names), t.data.columns, strict=True)) for t in (old, new))
    gone, come = [n for n in before if n not in after], [n for n in after if n not in before]
    rows = _rows(
        old, new, {n: before[n] for n in before if n in after}, {n: after[n] for n in after if n in before}
    )
    columns: list[_Column] = []
    for name in rows.old:
        columns += _columns(name, rows.old[name], rows.new[name], tolerance)
    in_place = old.rows == new.rows and not gone and not come and rows.match is None
    apart = sorted(columns, key=lambda column: -(column.cells or 0))
    cut = old.cut or new.cut
    fine = in_place and not cut and all(not c.others and c.size and not c.size.beyond for c in apart)
    return ArtifactDiff(
        kind=kind,
        words=tuple(_words(old, new, (gone, come), apart, rows)),
        facts={
            "rows": [old.rows, new.rows],
            "columns": [len(before), len(after)],
            "missing_columns": gone[:LISTED],
            "new_columns": come[:LISTED],
            "differing": [column.document() for column in apart[:LISTED]],
            "same_rows_in_another_order": not gone and not come and not apart and rows.only_moved,
            "matched_rows": rows.document(),
        },
        close=judged(tolerance, fine=fine),
        only_times=in_place and bool(apart) and all(column.times for column in apart),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of two tables that are compared with each other.

    Attributes:
        old: The recorded columns that the other table has too, by name.
        new: Those of the other table, as many rows.
        match: How they were found; None where it was by their place.
        keys: What names the rows that are missing, and those that were added, the first few.
    """

    old: Mapping[str, pa.ChunkedArray]
    new: Mapping[str, pa.ChunkedArray]
    match: Match | None = None
    keys: tuple[Sequence[Any], Sequence[Any]] = ((), ())

    @property
    def count(self) -> int:
        """How many there are."""
        return len(next(iter(self.old.values()), ()))

    @property
    def only_moved(self) -> bool:
        """Whether all rows of both tables are there."""
        return self.match is not None and not len(self.match.missing) and not len(self.match.added)

    def words(self) -> list[str]:
        """Return what became of the other rows, in words."""
        if self.match is None:
            return []
        found = []
        for places, keys, what in zip(
            (self.match.missing, self.match.added), self.keys, ("missing now", "added"), strict=True
        ):
            if len(places):
                named = [quote(key) for key in keys[:SHOWN]] + (["…"] if len(places) > SHOWN else [])
                of = f" ({self.match.key} {', '.join(named)})" if self.match.key else ""
                found.append(f"{plural(len(places), 'row')} {what}{of}")
        return [*found, *(["the others in another order"] if found and self.match.moved else [])]

    def document(self) -> dict[str, Any] | None:
        """Return the same as plain values; None where rows were compared by their place."""
        if self.match is None:
            return None
        return {
            "key": self.match.key,
            "missing": len(self.match.missing),
            "added": len(self.match.added),
            "missing_keys": list(map(str, self.keys[0])),
            "added_keys": list(map(str, self.keys[1])),
            "moved": self.match.moved,
        }


def _rows(
    old: _Table, new: _Table, before: Mapping[str, pa.ChunkedArray], after: Mapping[str, pa.ChunkedArray]
) -> _Rows:
    """Take the rows that belong together, by their place unless fewer rows differ otherwise."""
    both = min(old.data.num_rows, new.data.num_rows)
    in_place = _Rows(
        {name: column.slice(0, both) for name, column in before.items()},
        {name: column.slice(0, both) for name, column in after.items()},
    )
    telling = [name for name in before if not (is_numbering(before[name]) and is_numbering(after[name]))]
    by_place = _differing(in_place, telling) + abs(old.rows - new.rows)
    if old.cut or new.cut or not by_place:
        return in_place
    found = match({name: before[name] for name in telling}, {name: after[name] for name in telling})
    if found is None:
        return in_place
    keys = (
        ([], [])
        if found.key is None
        else (
            before[found.key].take(found.missing[:LISTED]).to_pylist(),
            after[found.key].take(found.added[:LISTED]).to_pylist(),
        )
    )
    taken = _Rows(
        {name: column.take(found.rows) for name, column in before.items()},
        {name: after[name].take(found.new_rows) for name in before},
        found,
        keys,
    )
    otherwise = _differing(taken, telling) + len(found.missing) + len(found.added)
    return taken if otherwise < by_place + (old.rows != new.rows) else in_place


def _differing(rows: _Rows, names: Iterable[str]) -> int:
    """Count the rows that differ in some columns, as far as that can be said cell by cell."""
    import numpy as np

    apart = np.zeros(rows.count, np.bool_)
    for name in names:
        old, new = rows.old[name], rows.new[name]
        mask = None if old.type == new.type and old.equals(new) else _mask(old, new)
        if mask is not None:
            apart |= mask
    return int(apart.sum())


def _words(
    old: _Table,
    new: _Table,
    names: tuple[Sequence[str], Sequence[str]],
    apart: Sequence[_Column],
    rows: _Rows,
) -> list[str]:
    words = [f"{plural(old.rows, 'row')} recorded, {new.rows} now"] if old.rows != new.rows else []
    words += rows.words()
    for listed, what in zip(names, ("missing now", "not in the record"), strict=True):
        words += [f"column {name} {what}" for name in some([quote(name) for name in listed], noun="column")]
    if rows.only_moved:
        words.append("the same rows in another order" if not apart else "the rows are in another order")
    if rows.only_moved and not apart:
        return words
    words += some([column.words() for column in apart], noun="column")
    if rows.match is None or apart:
        of = " that both have" if rows.match else " by their place" if old.rows != new.rows else ""
        words.append(
            f"{len(apart)} of {plural(old.data.num_columns, 'column')}, {plural(rows.count, 'row')}{of}"
        )
    else:
        words.append(f"the other {plural(rows.count, 'row')} the same")
    if not apart and len(words) == 1:
        words = ["the same table, written differently"]
    if old.cut or new.cut:
        words.append(up_to(MAX_TABLE if old.data.nbytes > _MAX_CSV else _MAX_CSV))
    return words


def _columns(name: str, old: pa.ChunkedArray, new: pa.ChunkedArray, tolerance: Tolerance) -> list[_Column]:
    """Return how two columns differ, nothing when they do not; a nested one by its parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if old.type == new.type and old.equals(new):
        return []
    kinds = (old.type, new.type)
    if all(pa.types.is_struct(kind) for kind in kinds) and old.type == new.type:
        parts = [
            (field.name, pc.struct_field(old, i), pc.struct_field(new, i)) for i, field in enumerate(old.type)
        ]
        return [
            found for part, one, other in parts for found in _columns(f"{name}.{part}", one, other, tolerance)
        ] or [_Column(name, None, None, 1, False)]
    if all(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) for kind in kinds):
        flat = [pc.list_flatten(column) for column in (old, new)]
        if pc.list_value_length(old).equals(pc.list_value_length(new)) and len(flat[0]) == len(flat[1]):
            return _columns(name, flat[0], flat[1], tolerance)
    return _cells(name, old, new, tolerance)


def _cells(name: str, old: pa.ChunkedArray, new: pa.ChunkedArray, tolerance: Tolerance) -> list[_Column]:
    import pyarrow as pa

    mask = _mask(old, new)
    if mask is None:
        return [_Column(name, None, None, 1, False)]
    count = int(mask.sum())
    if not count:
        return []
    taken = pa.array(mask)
    one, other = old.filter(taken), new.filter(taken)
    a, b = _numbers(one), _numbers(other)
    if a is None or b is None:
        return [_Column(name, count, None, count, pa.types.is_temporal(old.type))]
    usable = ~(_unreadable(a, one) | _unreadable(b, other))
    others = count - int(usable.sum())
    size = size_of(a[usable], b[usable], tolerance) if others < count else None
    return [_Column(name, count, size, others, _all_times(one, other))]


def _mask(old: pa.ChunkedArray, new: pa.ChunkedArray) -> Any:
    """Return where two columns differ, shape (n,), bool; None when that cannot be said cell by cell."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(old.type) and pa.types.is_dictionary(new.type):
        old, new = _as_places(old, new)
    elif old.type != new.type:
        a, b = _numbers(old), _numbers(new)
        return None if a is None or b is None else ~((a == b) | (np.isnan(a) & np.isnan(b)))
    try:
        unequal = pc.fill_null(pc.not_equal(old, new), False).to_numpy()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    if pa.types.is_floating(old.type):
        nan = [pc.fill_null(pc.is_nan(column), False).to_numpy() for column in (old, new)]
        unequal = unequal & ~(nan[0] & nan[1])
    return unequal | (old.is_null().to_numpy() != new.is_null().to_numpy())


def _as_places(old: pa.ChunkedArray, new: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return two columns of texts as places in the first one's dictionary; a text that is not in it is -1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    one, other = (joined(column) for column in (old, new))
    moved = pc.fill_null(pc.index_in(other.dictionary, value_set=one.dictionary), -1)
    places = pc.take(moved, other.indices)
    return pa.chunked_array([one.indices.cast(pa.int32())]), pa.chunked_array([places.cast(pa.int32())])


def _numbers(column: pa.ChunkedArray) -> Any:
    """Return a column as float64, NaN for a text that is no number; None when its type is none of numbers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pc.cast(column, pa.float64(), safe=False).to_numpy().astype(np.float64, copy=False)
    if pa.types.is_string(kind):
        import pandas as pd

        return pd.to_numeric(column.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return None


def _unreadable(numbers: Any, column: pa.ChunkedArray) -> Any:
    """Return where a cell is no number: a text that does not read as one, or nothing at all."""
    import numpy as np
    import pyarrow as pa

    missing = column.is_null().to_numpy()
    return missing | np.isnan(numbers) if pa.types.is_string(column.type) else missing


def _all_times(old: pa.ChunkedArray, new: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    if not pa.types.is_string(old.type) or len(old) > _MAX_TIMES:
        return False
    pairs = zip(old.to_pylist(), new.to_pylist(), strict=True)
    return all(without_times(a[:256]) == without_times(b[:256]) for a, b in pairs if a and b)
