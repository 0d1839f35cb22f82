"""Digests of Python values in the cells of a table: sorted by kind, then encoded a kind at a time."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import pathlib
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from gittrack.data.encoding import Encoder, NoDigest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MISSING = {"NoneType", "NAType", "NaTType"}
_EMPTY: dict[str, Any] = {"list": (), "map": {}, "set": (), "date": datetime.date(1970, 1, 1)}
_BYTES = ("string", "binary")
_TEXT: dict[type, tuple[str, Callable[[Any], str]]] = {
    enum.Enum: ("enum", lambda value: f"{type(value).__qualname__}.{value.name}"),
    datetime.datetime: ("datetime", lambda value: str(value.isoformat())),
    datetime.time: ("time of day", lambda value: str(value.isoformat())),
    datetime.timedelta: ("timedelta", str),
    decimal.Decimal: ("decimal", str),
    fractions.Fraction: ("fraction", str),
    pathlib.PurePath: ("path", lambda value: str(value.as_posix())),
}
_PLAIN: dict[type, str] = {  # in this order: a boolean is an int, too
    str: "string",
    bytes: "binary",
    bytearray: "binary",
    bool: "bool",
    int: "int64",
    float: "float64",
    complex: "complex128",
    datetime.date: "date",
    list: "list",
    tuple: "list",
    range: "list",
    Mapping: "map",
    set: "set",
    frozenset: "set",
}


def encode(out: Encoder, values: list[Any]) -> None:
    """Add Python values: text, bytes, numbers, times, lists, arrays, dictionaries, sets, and those nested.

    Values of one kind are encoded as a typed column of them is. None, NA and NaT are missing; so is NaN, where no
    other float is. A list, a tuple and an array of the same values are the same.

    Raises:
        NoDigest: A value is of a kind whose content is not known.
    """
    import numpy as np

    by_type = {found: _kind(found) for found in set(map(type, values))}
    kinds = [by_type[type(value)] for value in values]
    present = set(kinds) - {"missing"}
    if "float64" in present and present != {"float64"} and _only_nan(values, kinds):
        kinds = ["missing" if kind == "float64" else kind for kind in kinds]
        present.remove("float64")
    if not present:
        out.count("null", len(values))
    elif len(present) == 1:
        kind = present.pop()
        gaps = np.array([found == "missing" for found in kinds]) if "missing" in kinds else None
        if gaps is not None:
            empty = None if kind in _BYTES or kind in _text_kinds() else _EMPTY.get(kind, 0)
            values = [empty if gap else value for gap, value in zip(gaps, values, strict=True)]
        _encode_kind(out, kind, values, gaps)
    else:
        _encode_mixed(out, values, kinds)


def encode_array(out: Encoder, values: npt.NDArray[Any]) -> None:
    """Add a numpy array of shape (n,) and of any type.

    Raises:
        NoDigest: It holds values of a kind whose content is not known.
    """
    import numpy as np

    if values.dtype.names is not None:
        for name in values.dtype.names:
            out.piece("field", f"{name} {values[name].shape[1:]}".encode())
            encode_array(out, values[name].reshape(-1))
    elif values.dtype.kind in "OUT":
        encode(out, values.tolist())
    elif values.dtype.kind in "SV":
        out.piece(f"{values.dtype.itemsize} bytes", np.ascontiguousarray(values).tobytes())
    else:
        out.numbers(values)


def _only_nan(values: list[Any], kinds: list[str]) -> bool:
    return all(value != value for value, kind in zip(values, kinds, strict=True) if kind == "float64")


def _text_kinds() -> dict[str, Callable[[Any], str]]:
    return {
        **dict(_TEXT.values()),
        "pandas": str,
        "uuid": str,
        "numpy time": lambda value: f"{value.dtype} {value}",
    }


def _kind(found: type) -> str:
    import numpy as np

    if found.__name__ in _MISSING:
        return "missing"
    texts = (name for base, (name, _) in _TEXT.items() if issubclass(found, base))
    plain = (name for base, name in _PLAIN.items() if issubclass(found, base))
    kind = next(texts, None) or next(plain, None)
    if kind is not None:
        return kind
    if issubclass(found, np.generic):
        return _numpy_kind(found)
    if (found.__module__, found.__name__) == ("uuid", "UUID"):
        return "uuid"
    if hasattr(found, "__dlpack__") and not issubclass(found, np.ma.MaskedArray):
        return "list"  # an array and nothing else; a frame, an image with a palette are more
    if found.__module__.startswith("pandas.") and not hasattr(found, "__array__"):
        return "pandas"  # a period, an interval
    raise NoDigest(f"values of type '{found.__module__}.{found.__qualname__}'")


def _numpy_kind(found: type[np.generic]) -> str:
    import numpy as np

    if issubclass(found, np.datetime64 | np.timedelta64):
        return "numpy time"
    if issubclass(found, np.void):
        raise NoDigest("values of the type numpy.void")
    return np.dtype(found).name


def _encode_mixed(out: Encoder, values: list[Any], kinds: list[str]) -> None:
    import numpy as np

    present = sorted(set(kinds))
    place = {kind: number for number, kind in enumerate(present)}
    out.piece("kinds", "\n".join(present).encode())
    out.numbers(np.array([place[kind] for kind in kinds], np.uint16))
    for kind in present:
        if kind != "missing":
            _encode_kind(
                out, kind, [value for value, found in zip(values, kinds, strict=True) if found == kind], None
            )


def _encode_kind(out: Encoder, kind: str, values: list[Any], gaps: npt.NDArray[np.bool_] | None) -> None:
    import numpy as np

    texts = _text_kinds()
    if kind in texts:
        as_text = texts[kind]
        out.piece(kind)
        _encode_text(out, [None if value is None else as_text(value) for value in values], "string")
    elif kind in _BYTES:
        _encode_text(out, values, kind)
    elif kind == "date":
        out.numbers(np.array(values, "M8[D]").astype(np.int64).astype(np.int32), gaps, "date")
    elif kind == "int64":
        _encode_integers(out, values, gaps)
    elif kind == "list":
        _encode_lists(out, values, gaps)
    elif kind == "map":
        out.missing(gaps)
        out.numbers(_lengths(values), tag="map")
        encode(out, list(chain.from_iterable(values)))
        encode(out, list(chain.from_iterable(value.values() for value in values)))
    elif kind == "set":
        out.missing(gaps)
        out.numbers(_lengths(values), tag="set")
        out.piece("members", "".join(chain.from_iterable(map(_members, values))).encode())
    else:
        out.numbers(np.array(values, kind), gaps)


def _encode_text(out: Encoder, values: list[Any], tag: str) -> None:
    import pyarrow as pa

    try:
        column = pa.array(values, pa.large_string() if tag == "string" else pa.large_binary())
    except UnicodeEncodeError:  # half of a surrogate pair, as in names of files that are no UTF-8
        content = [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
        column = pa.array(content, pa.large_binary())
    out.text(column, tag)


def _encode_integers(out: Encoder, values: list[int], gaps: npt.NDArray[np.bool_] | None) -> None:
    import numpy as np

    try:
        numbers = np.array(values, np.int64)
    except OverflowError:
        out.missing(gaps)
        out.piece("integer")
        _encode_text(out, [str(value) for value in values], "string")
    else:
        out.numbers(numbers, gaps)


def _encode_lists(out: Encoder, values: list[Any], gaps: npt.NDArray[np.bool_] | None) -> None:
    import numpy as np

    values = [_array(value) if hasattr(value, "__dlpack__") else value for value in values]
    out.missing(gaps)
    out.numbers(_lengths(values), tag="list")
    filled = [value for value in values if len(value)]
    dtypes = {(value.dtype, value.ndim) if isinstance(value, np.ndarray) else None for value in filled}
    if len(dtypes) == 1 and None not in dtypes and filled[0].ndim == 1:
        encode_array(out, np.concatenate(filled))
    else:
        encode(out, list(chain.from_iterable(values)))


def _array(value: Any) -> npt.NDArray[Any]:
    import numpy as np

    try:
        return np.atleast_1d(np.asarray(value))
    except (TypeError, RuntimeError) as error:  # it lies on a GPU, or carries a gradient
        raise NoDigest(f"arrays that numpy cannot read: {error}") from error


def _lengths(values: list[Any]) -> npt.NDArray[np.int64]:
    import numpy as np

    return np.fromiter(map(len, values), np.int64, len(values))


def _members(values: Any) -> list[str]:
    return sorted(digest_of_value(value) for value in values)


def digest_of_value(value: object) -> str:
    """Return the digest of one value.

    Raises:
        NoDigest: Its kind's content is not known.
    """
    out = Encoder()
    encode(out, [value])
    return str(out.digest())
