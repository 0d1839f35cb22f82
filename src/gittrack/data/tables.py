"""Digests of tables and arrays: by what they hold, whichever library holds it.

A column is a SHA-256 over pieces (see `encoding.Encoder`), by type:

- numbers and booleans: which are missing, a byte each, or nothing when none is; then all of them, under the name of
  their type (`float64`); where one is missing stands 0
- text and bytes: which are missing; the lengths in bytes (int64); all of the content in one
- times and durations: which are missing; the seconds (int64); what is left of a second, in 10^-18 s (int64); the name
  of the zone is part of the tag. Dates: days since 1970-01-01 (int32)
- categories: the number of them and whether they are ordered, the categories as a column, the codes (int32)
- lists: which are missing, the lengths, all of their elements as a column; structs: each field as a column
- Python objects: those of one kind as a column of it; of several, the names of the kinds and the kind of each, then
  each kind as a column. Dictionaries: the lengths, all keys as a column, all values as a column

A change of this encoding changes what a run is compared by: it takes another number in the first piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gittrack.data.encoding import Encoder, NoDigest, missing_of
from gittrack.data.objects import digest_of_value, encode, encode_array
from gittrack.entities.record import Digest
from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

Add = Callable[[Encoder], None]
_TEXT = ("string", "large_string", "string_view")
_BINARY = ("binary", "large_binary", "binary_view")
_NUMPY = {"halffloat": "float16", "float": "float32", "double": "float64"}  # where Arrow's name is another


def of_pandas(df: pd.DataFrame) -> Digest:
    """Return the digest of a frame: of its columns' names, types and every value, and of its index.

    SHA-256 over the number of rows and, for each column in order, its name and the SHA-256 of its values; then the
    levels of the index, unless it only counts the rows from 0. How values are held does not count: text may be
    Python's or Arrow's, a time in microseconds or nanoseconds, a column in one piece or many. What they are does:
    int32 is not int64, text is not a category, NaN in a column of floats is not a missing value. Categories
    count in their order. `df.attrs` does not count.

    Raises:
        InvalidValue: A cell holds an object whose content is not known.
    """
    out = Encoder()
    out.count("gittrack table 1, rows", len(df))
    _columns(out, "column", ((name, _of_series(df.iloc[:, at])) for at, name in enumerate(df.columns)))
    if not _counts_rows(df.index):
        levels = (df.index.get_level_values(at) for at in range(df.index.nlevels))
        _columns(out, "index", ((level.name, _of_series(level.to_series())) for level in levels))
    if any(name is not None for name in df.columns.names):
        out.piece("columns", "".join(map(_name, df.columns.names)).encode())
    return out.digest()


def of_arrow(table: pa.Table) -> Digest:
    """Return the digest of an Arrow table, equal to that of a pandas frame with the same columns; see `of_pandas`.

    How a table is cut into chunks does not count, nor do the metadata of its schema.

    Raises:
        InvalidValue: A cell holds a value whose content is not known.
    """
    out = Encoder()
    out.count("gittrack table 1, rows", table.num_rows)
    pairs = zip(table.column_names, table.columns, strict=True)
    _columns(out, "column", ((name, _of_chunks(column)) for name, column in pairs))
    return out.digest()


def of_polars(df: Any) -> Digest:
    """Return the digest of a polars frame, equal to that of its Arrow table; see `of_arrow`.

    Raises:
        InvalidValue: A cell holds an object whose content is not known.
    """
    out = Encoder()
    out.count("gittrack table 1, rows", df.height)
    _columns(out, "column", ((series.name, _of_polars_series(series)) for series in df.get_columns()))
    return out.digest()


def of_arrays(
    features: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]],
    targets: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]] | None = None,
) -> Digest:
    """Return the digest of features and targets: of each array's name, type, shape and every element.

    SHA-256 over the arrays by name; an array is its number of dimensions, its shape and its elements, the last
    index changing fastest. The order of bytes and of dimensions in memory does not count.

    Raises:
        InvalidValue: An array holds objects whose content is not known.
    """
    out = Encoder()
    out.count("gittrack arrays 1, parts", 1 if targets is None else 2)
    for part in (features,) if targets is None else (features, targets):
        if isinstance(part, Mapping):
            named = sorted(part.items(), key=lambda pair: _name(pair[0]))
            out.count("named", len(named))
            _columns(out, "array", ((name, _of_array(array)) for name, array in named))
        else:
            _columns(out, "array", [(None, _of_array(part))])
    return out.digest()


def _columns(out: Encoder, tag: str, columns: Iterable[tuple[Any, Add]]) -> None:
    for name, add in columns:
        column = Encoder()
        try:
            label = _name(name)
            add(column)
        except NoDigest as error:
            where = f"{tag} {name!r:.80}" if name is not None else f"the {tag}"
            raise InvalidValue(
                f"{where} holds {error}, whose content gittrack cannot digest",
                hint="give digest=..., or turn them into text, numbers, lists or dictionaries",
            ) from error
        out.piece(tag, f"{label} {column.digest()}".encode())


def _name(name: object) -> str:
    """Return what stands for a name, of one length: 7 is not '7'."""
    return digest_of_value(name)


def _counts_rows(index: pd.Index[Any]) -> bool:
    import pandas as pd

    plain = index.nlevels == 1 and index.name is None and index.dtype == "int64"
    return plain and index.equals(pd.RangeIndex(len(index)))


def _of_series(series: pd.Series[Any]) -> Add:
    return lambda out: _add_series(out, series)


def _of_chunks(column: pa.ChunkedArray) -> Add:
    return lambda out: _add_arrow(out, _whole(column))


def arrow_of_polars(series: Any) -> pa.Array:
    """Return a polars series as Arrow's; what Arrow has no type for becomes as many nulls."""
    import pyarrow as pa

    return pa.nulls(len(series)) if _is_foreign(series) else series.to_arrow()


def _is_foreign(series: Any) -> bool:
    return str(series.dtype) in ("Object", "Int128", "UInt128")


def _of_polars_series(series: Any) -> Add:
    if _is_foreign(series):
        return lambda out: encode(out, series.to_list())
    return lambda out: _add_arrow(out, series.to_arrow())


def _of_array(array: npt.NDArray[Any]) -> Add:
    import numpy as np

    def add(out: Encoder) -> None:
        out.count("dimensions", array.ndim)
        out.numbers(np.array(array.shape, np.int64), tag="shape")
        if isinstance(array, np.ma.MaskedArray):
            out.piece("masked", np.ma.getmaskarray(array).tobytes())
            shown = np.ma.getdata(array).copy()
            shown[np.ma.getmaskarray(array)] = np.zeros((), array.dtype)
            encode_array(out, shown.reshape(-1))
        else:
            encode_array(out, array.reshape(-1))

    return add


def _add_series(out: Encoder, series: Any) -> None:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        out.count("ordered category" if dtype.ordered else "category", len(dtype.categories))
        _add_series(out, dtype.categories.to_series())
        out.numbers(series.cat.codes.to_numpy().astype(np.int32), tag="code")
    elif isinstance(dtype, pd.SparseDtype):
        _add_series(out, series.sparse.to_dense())
    elif isinstance(dtype, np.dtype):
        encode_array(out, series.to_numpy())
    elif isinstance(dtype, pd.DatetimeTZDtype):
        zone = pa.timestamp("ns", dtype.tz).tz
        out.numbers(series.dt.tz_convert(None).to_numpy(), tag=f"timestamp {zone}")
    elif isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        out.piece("pandas", str(dtype).encode())
        _add_arrow(out, pa.array(series.array, from_pandas=True).storage)
    else:
        try:
            column = pa.array(series.array, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError):  # a type of some other library
            encode(out, series.astype(object).tolist())
        else:
            _add_arrow(out, _whole(column))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    import pyarrow as pa

    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    large = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    if column.type in large:  # 2 GiB of text do not fit in one piece
        column = column.cast(large[column.type])
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _add_arrow(out: Encoder, column: pa.Array) -> None:
    """Add an Arrow array; types that differ only in how they hold values are one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, types = column.type, pa.types
    if types.is_null(kind):
        out.count("null", len(column))
    elif isinstance(kind, pa.BaseExtensionType):
        out.piece("extension", str(kind).encode())
        _add_arrow(out, column.storage)
    elif types.is_dictionary(kind):
        _add_dictionary(out, column)
    elif types.is_run_end_encoded(kind):
        _add_arrow(out, pc.run_end_decode(column))
    elif str(kind) in _TEXT:
        out.text(column.cast(pa.large_string()))
    elif str(kind) in _BINARY or types.is_fixed_size_binary(kind):
        out.text(column.cast(pa.large_binary()), "binary")
    elif types.is_struct(kind):
        _add_struct(out, column)
    elif types.is_map(kind) or types.is_union(kind):
        encode(out, column.to_pylist())
    elif types.is_nested(kind):
        out.missing(missing_of(column))
        out.numbers(_numbers(pc.fill_null(pc.list_value_length(column), 0).cast("int64")), tag="list")
        _add_arrow(out, column.flatten())
    else:
        _add_numbers(out, column)


def _add_dictionary(out: Encoder, column: pa.DictionaryArray) -> None:
    """Add a dictionary array: which values its dictionary lists, and in what order, counts for ordered ones only."""
    if not column.type.ordered:
        out.piece("dictionary")
        _add_arrow(out, column.dictionary_decode())
        return
    out.count("ordered category", len(column.dictionary))
    _add_arrow(out, column.dictionary)
    out.numbers(_numbers(column.indices.cast("int32").fill_null(-1)), tag="code")


def _add_struct(out: Encoder, column: pa.StructArray) -> None:
    out.missing(missing_of(column))
    out.count("struct", column.type.num_fields)
    for at, part in enumerate(column.flatten()):
        out.piece("field", column.type.field(at).name.encode())
        _add_arrow(out, part)


def _add_numbers(out: Encoder, column: pa.Array) -> None:
    import pyarrow as pa

    kind, types, gaps = column.type, pa.types, missing_of(column)
    if types.is_boolean(kind):
        out.numbers(_numbers(column.fill_null(False).cast("uint8")).view(bool), gaps)
    elif types.is_timestamp(kind):
        zone = "" if kind.tz is None else f" {kind.tz}"
        out.numbers(_numbers(column, f"M8[{kind.unit}]"), gaps, f"timestamp{zone}")
    elif types.is_duration(kind):
        out.numbers(_numbers(column, f"m8[{kind.unit}]"), gaps)
    elif types.is_date(kind):
        out.numbers(_numbers(column.cast("date32"), "int32"), gaps, "date")
    elif types.is_time(kind):
        out.numbers(_numbers(column.cast(pa.time64("ns")), "int64"), gaps, "time")
    elif types.is_integer(kind) or types.is_floating(kind):
        out.numbers(_numbers(column), gaps)
    elif types.is_decimal(kind):
        out.count("decimal", kind.scale)
        wide = column.cast(pa.decimal256(76, kind.scale))
        out.missing(gaps)
        out.piece("decimal", _bytes(wide, 32, gaps))
    elif types.is_interval(kind):
        out.missing(gaps)
        out.piece(str(kind), _bytes(column, 16, gaps))
    else:
        raise NoDigest(f"values of Arrow's type '{kind}'")


def _numbers(column: pa.Array, dtype: str | None = None) -> npt.NDArray[Any]:
    """Return a fixed-width Arrow array as numpy's without a copy; what stands where it is null is undefined."""
    import numpy as np

    named = np.dtype(dtype or _NUMPY.get(str(column.type), str(column.type)))
    buffer = column.buffers()[1]
    if buffer is None:
        return np.zeros(len(column), named)
    return np.frombuffer(buffer, named, len(column), column.offset * named.itemsize)


def _bytes(column: pa.Array, width: int, gaps: npt.NDArray[np.bool_] | None) -> bytes:
    import numpy as np

    rows = _numbers(column, f"V{width}").view(np.uint8).reshape(-1, width)
    return bytes((rows if gaps is None else np.where(gaps[:, None], 0, rows)).tobytes())
