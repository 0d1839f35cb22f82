"""Which rows of two tables belong together, where rows came, went or moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Columns: TypeAlias = "Mapping[str, pa.ChunkedArray]"

_MAX_BYTES = 256 << 20  # of both tables: what is found needs several times as much
_FRACTION = r"^\s*[-+]?(?:\d*\.\d|\d+\.?[eE])"


@dataclass(frozen=True, slots=True)
class Match:
    """Rows of two tables that belong together.

    Attributes:
        rows: Their places in the recorded table, shape (n,), int64.
        new_rows: Their places in the other, in the same order.
        missing: Places in the recorded table of rows that the other has not.
        added: Places in the other table of rows that the record has not.
        key: The column that names each row; None where whole rows were compared.
        moved: Whether some are known to stand in another order.
    """

    rows: Any
    new_rows: Any
    missing: Any
    added: Any
    key: str | None
    moved: bool


def match(old: Columns, new: Columns) -> Match | None:
    """Return which rows belong together: by the first column that names each row in both, else as whole rows.

    None where they are where they were, where nothing tells, or where the tables are too large for it.

    Args:
        old: The recorded columns by name.
        new: Columns of the same names.
    """
    import pyarrow as pa

    columns = [*old.values(), *new.values()]
    if not columns or sum(column.nbytes for column in columns) > _MAX_BYTES or not all(map(len, columns)):
        return None
    try:
        found = next(_by_keys(old, new), None) or _by_whole_rows(old, new)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None  # cells of a kind that Arrow cannot tell apart
    if found is None or not (found.moved or len(found.missing) or len(found.added)):
        return None
    return found


def is_numbering(column: pa.ChunkedArray) -> bool:
    """Whether a column does nothing but number the rows, as an index that pandas wrote: it says where a row is."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    first = column.slice(0, 1).to_pylist()
    is_text = pa.types.is_string(column.type)
    if first not in ([0], [1], ["0"], ["1"]) or not (is_text or pa.types.is_integer(column.type)):
        return False
    if column.null_count or (is_text and not pc.all(pc.match_substring_regex(column, r"^\d{1,9}$")).as_py()):
        return False
    numbers = pc.cast(column, pa.int64(), safe=False).to_numpy()
    return bool((numbers == np.arange(len(numbers)) + int(first[0])).all())


def joined(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Return a dictionary column as one array, with one dictionary."""
    one = column.unify_dictionaries().combine_chunks()
    return one.chunk(0) if hasattr(one, "chunk") else one


def _by_keys(old: Columns, new: Columns) -> Iterator[Match]:
    import pyarrow.compute as pc

    for name, column in old.items():
        mine = _key(column)
        other = None if mine is None else _key(new[name])
        if mine is None or other is None or mine.type != other.type:
            continue
        places = pc.index_in(other, value_set=mine)
        # Names that are new at each run, as random ids are, name no row of another table.
        if 2 * (len(places) - places.null_count) >= min(len(mine), len(other)):
            there = places.is_valid().to_numpy(zero_copy_only=False)
            rows = places.drop_null().to_numpy().astype("int64")
            yield _matched(rows, there.nonzero()[0], len(mine), len(other), name)


def _key(column: pa.ChunkedArray) -> pa.Array | None:
    """Return a column that has another value in each row, none of which is a measured number; None for any other."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count:
        return None
    if pa.types.is_dictionary(column.type):
        encoded = joined(column)
        if len(encoded.dictionary) < len(column):  # decoded it could be far larger
            return None
        plain = encoded.dictionary_decode()
    else:
        plain = pa.concat_arrays(column.chunks)
    is_text = pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type)
    if not (is_text or pa.types.is_integer(plain.type) or pa.types.is_temporal(plain.type)):
        return None
    if pc.count_distinct(plain).as_py() < len(plain):
        return None
    if is_text and pc.any(pc.match_substring_regex(plain, _FRACTION)).as_py():
        return None
    return plain


def _by_whole_rows(old: Columns, new: Columns) -> Match | None:
    """Pair equal rows, the n-th of a kind with its n-th; None where cells are not of plain types."""
    import numpy as np
    import pyarrow as pa

    count, total = (len(next(iter(columns.values()))) for columns in (old, new))
    codes = np.zeros(count + total, np.int64)
    for name, column in old.items():
        if column.type != new[name].type or pa.types.is_nested(column.type):
            return None
        cells = _coded([*column.chunks, *new[name].chunks])
        codes = np.unique(codes * (int(cells.max()) + 1) + cells, return_inverse=True)[1]
    mine, other = (_numbered(part, count + total) for part in (codes[:count], codes[count:]))
    _, rows, new_rows = np.intersect1d(mine, other, assume_unique=True, return_indices=True)
    order = np.argsort(new_rows)
    found = _matched(rows[order], new_rows[order], count, total, None)
    # Which of several equal rows went nobody can say, nor whether the others moved.
    return replace(found, moved=found.moved and count == total == len(rows))


def _coded(chunks: list[pa.Array]) -> Any:
    """Return a number for each cell, the same for equal ones; shape (n,), not below 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(chunks[0].type):
        encoded = joined(pa.chunked_array(chunks))
        return pc.fill_null(encoded.indices.cast(pa.int64()), len(encoded.dictionary)).to_numpy()
    return pa.concat_arrays(chunks).dictionary_encode("encode").indices.to_numpy()


def _numbered(codes: Any, width: int) -> Any:
    """Return codes that are all different: equal ones are numbered in their order."""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    ranked = codes[order]
    turns = np.empty(len(codes), np.int64)
    turns[order] = np.arange(len(codes)) - np.searchsorted(ranked, ranked)
    return codes * width + turns


def _matched(rows: Any, new_rows: Any, count: int, total: int, key: str | None) -> Match:
    import numpy as np

    missing, added = np.ones(count, np.bool_), np.ones(total, np.bool_)
    missing[rows] = False
    added[new_rows] = False
    moved = bool((np.diff(rows) < 0).any())
    return Match(rows, new_rows, missing.nonzero()[0], added.nonzero()[0], key, moved)
