"""The smallest writer of Parquet that serves one run's metric points, and the reader of what it wrote.

Importing pyarrow costs more than five times what a whole run may (bench/start.py), so small series are written
here: one row group of four required columns, page checksums, no compression, the same bytes on every machine.
Large series go through pyarrow in `points`. What is read here is written again and compared: either every byte is
this writer's, or it is left to pyarrow, which also says what is wrong with a damaged file.

Source: the Apache Parquet format, https://parquet.apache.org/docs/file-format/ ; Thrift's compact protocol.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

_MAGIC = b"PAR1"
_CREATED_BY = "gittrack"
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12  # types of the compact protocol
_INT64, _DOUBLE, _BYTE_ARRAY = 2, 5, 6
_PLAIN, _RLE, _DELTA, _DICTIONARY, _SPLIT = 0, 3, 5, 8, 9
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_MASK = (1 << 64) - 1
_BLOCK, _MINIBLOCK = 128, 32
_BYTES = [bytes([value]) for value in range(0x80)]


class _Struct:
    """A Thrift struct under construction; fields are given in the order of their ids."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._last = 0

    def _field(self, number: int, kind: int) -> None:
        self._out.append((number - self._last) << 4 | kind)
        self._last = number

    def integer(self, number: int, value: int, kind: int = _I32) -> _Struct:
        self._field(number, kind)
        self._out += _zigzag(value)
        return self

    def text(self, number: int, value: str) -> _Struct:
        self._field(number, _BINARY)
        self._out += _binary(value.encode())
        return self

    def struct(self, number: int, value: _Struct) -> _Struct:
        self._field(number, _STRUCT)
        self._out += value.done()
        return self

    def items(self, number: int, kind: int, items: Sequence[bytes]) -> _Struct:
        self._field(number, _LIST)
        self._out += (
            bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
        )
        self._out += b"".join(items)
        return self

    def done(self) -> bytes:
        return bytes(self._out) + b"\0"


def _varint(value: int) -> bytes:
    if value <= 0x7F:
        return _BYTES[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> bytes:
    return _varint((value << 1 ^ value >> 63) & _MASK)


def _binary(content: bytes) -> bytes:
    return _varint(len(content)) + content


def write(
    keys: Sequence[str], counts: Sequence[int], steps: array[int], timestamps: array[int], values: bytes
) -> bytes:
    """Return a Parquet file of points that are sorted by key.

    Args:
        keys: The k distinct keys, in order.
        counts: Shape (k,): the number of points of each key, n in all.
        steps: Shape (n,), int64.
        timestamps: Shape (n,), int64, milliseconds UTC.
        values: The n values as little-endian float64.
    """
    rows = len(steps)
    out = bytearray(_MAGIC)
    dictionary = b"".join(len(key.encode()).to_bytes(4, "little") + key.encode() for key in keys)
    columns = [
        _column(
            out, "key", _BYTE_ARRAY, rows, _DICTIONARY, _key_runs(counts), dictionary=(dictionary, len(keys))
        ),
        _column(out, "step", _INT64, rows, _DELTA, _deltas(steps)),
        _column(out, "timestamp", _INT64, rows, _DELTA, _deltas(timestamps)),
        _column(out, "value", _DOUBLE, rows, _SPLIT, b"".join(values[byte::8] for byte in range(8))),
    ]
    group = (
        _Struct().items(1, _STRUCT, columns).integer(2, len(out) - len(_MAGIC), _I64).integer(3, rows, _I64)
    )
    footer = (
        _Struct()
        .integer(1, 2)
        .items(2, _STRUCT, _schema())
        .integer(3, rows, _I64)
        .items(4, _STRUCT, [group.done()])
        .text(6, _CREATED_BY)
        .done()
    )
    return bytes(out) + footer + len(footer).to_bytes(4, "little") + _MAGIC


@cache
def _schema() -> list[bytes]:
    required = 0
    utf8, string = 0, _Struct().struct(1, _Struct())
    root = _Struct().text(4, "schema").integer(5, 4).done()
    key = (
        _Struct()
        .integer(1, _BYTE_ARRAY)
        .integer(3, required)
        .text(4, "key")
        .integer(6, utf8)
        .struct(10, string)
    )
    numbers = (("step", _INT64), ("timestamp", _INT64), ("value", _DOUBLE))
    return [root, key.done()] + [
        _Struct().integer(1, kind).integer(3, required).text(4, name).done() for name, kind in numbers
    ]


def _column(
    out: bytearray,
    name: str,
    kind: int,
    rows: int,
    encoding: int,
    page: bytes,
    dictionary: tuple[bytes, int] | None = None,
) -> bytes:
    """Append one column's pages to `out`; return its Thrift ColumnChunk."""
    start = len(out)
    if dictionary is not None:
        content, entries = dictionary
        out += _page(_DICTIONARY_PAGE, content, 7, _Struct().integer(1, entries).integer(2, _PLAIN))
    data_page = len(out)
    levels = _Struct().integer(1, rows).integer(2, encoding).integer(3, _RLE).integer(4, _RLE)
    out += _page(_DATA_PAGE, page, 5, levels)
    encodings = [encoding, _RLE] + ([_PLAIN] if dictionary is not None else [])
    meta = (
        _Struct()
        .integer(1, kind)
        .items(2, _I32, [_zigzag(used) for used in encodings])
        .items(3, _BINARY, [_binary(name.encode())])
        .integer(4, 0)
        .integer(5, rows, _I64)
        .integer(6, len(out) - start, _I64)
        .integer(7, len(out) - start, _I64)
        .integer(9, data_page, _I64)
    )
    if dictionary is not None:
        meta.integer(11, start, _I64)
    return _Struct().integer(2, start, _I64).struct(3, meta).done()


def _page(kind: int, content: bytes, header_field: int, header: _Struct) -> bytes:
    checksum = zlib.crc32(content)
    signed = checksum - (1 << 32) if checksum >> 31 else checksum
    size = len(content)
    top = _Struct().integer(1, kind).integer(2, size).integer(3, size).integer(4, signed)
    return top.struct(header_field, header).done() + content


def _key_runs(counts: Sequence[int]) -> bytes:
    """Dictionary indices of sorted keys: one run of equal values for each key."""
    width = max(1, (len(counts) - 1).bit_length())
    size = (width + 7) // 8
    runs = (_varint(count << 1) + index.to_bytes(size, "little") for index, count in enumerate(counts))
    return bytes([width]) + b"".join(runs)


def _deltas(values: array[int]) -> bytes:
    """DELTA_BINARY_PACKED; differences wrap at 64 bits as the format asks."""
    out = bytearray(
        _varint(_BLOCK) + _varint(_BLOCK // _MINIBLOCK) + _varint(len(values)) + _zigzag(values[0])
    )
    differences = [_signed(after - before) for before, after in pairwise(values)]
    for start in range(0, len(differences), _BLOCK):
        block = differences[start : start + _BLOCK]
        least = min(block)
        out += _zigzag(least)
        minis = [
            [(difference - least) & _MASK for difference in block[at : at + _MINIBLOCK]]
            for at in range(0, _BLOCK, _MINIBLOCK)
        ]
        widths = [max(mini).bit_length() if mini else 0 for mini in minis]
        out += bytes(widths)
        for mini, width in zip(minis, widths, strict=True):
            if width:
                packed = sum(value << width * place for place, value in enumerate(mini))
                out += packed.to_bytes(width * _MINIBLOCK // 8, "little")
    return bytes(out)


def _signed(value: int) -> int:
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


class Columns(NamedTuple):
    """What `write` was given."""

    keys: list[str]
    counts: list[int]
    steps: array[int]
    timestamps: array[int]
    values: bytes


def read(content: bytes, *, most: int) -> Columns | None:
    """Return the points of a file that `write` made; None for any other file, whole or damaged.

    Args:
        content: The file.
        most: Files of more rows are not read.
    """
    try:
        found = _read(content, most)
        return found if found is not None and write(*found) == content else None
    except (IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _read(content: bytes, most: int) -> Columns | None:
    entries, dictionary, at = _page_at(content, len(_MAGIC))
    rows, runs, at = _page_at(content, at)
    if not 0 < entries <= rows <= most:
        return None
    counts = _counts(runs, entries)
    _, steps, at = _page_at(content, at)
    _, timestamps, at = _page_at(content, at)
    _, split, at = _page_at(content, at)
    if sum(counts) != rows or len(split) != 8 * rows:
        return None
    values = bytearray(len(split))
    for byte in range(8):
        values[byte::8] = split[byte * rows : (byte + 1) * rows]
    texts = _texts(dictionary, entries)
    return Columns(texts, counts, _undelta(steps, rows), _undelta(timestamps, rows), bytes(values))


def _page_at(content: bytes, at: int) -> tuple[int, bytes, int]:
    """Return a page's number of entries, its content, and where the next one starts."""
    header, at = _struct_at(content, at)
    size = header[3]
    of_kind: dict[int, Any] = header[5] if 5 in header else header[7]
    return of_kind[1], content[at : at + size], at + size


def _struct_at(content: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Return the fields of a Thrift struct of integers and structs, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    while content[at]:
        number += content[at] >> 4
        is_struct = content[at] & 15 == _STRUCT
        fields[number], at = (_struct_at if is_struct else _zigzag_at)(content, at + 1)
    return fields, at + 1


def _varint_at(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift <= 63:
        value |= (content[at] & 0x7F) << shift
        shift += 7
        at += 1
        if content[at - 1] < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")


def _zigzag_at(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint_at(content, at)
    return value >> 1 ^ -(value & 1), at


def _texts(dictionary: bytes, entries: int) -> list[str]:
    texts, at = [], 0
    for _ in range(entries):
        size = int.from_bytes(dictionary[at : at + 4], "little")
        texts.append(dictionary[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return texts


def _counts(runs: bytes, entries: int) -> list[int]:
    size = (runs[0] + 7) // 8
    counts, at = [], 1
    for _ in range(entries):
        count, at = _varint_at(runs, at)
        counts.append(count >> 1)
        at += size
    return counts


def _undelta(page: bytes, rows: int) -> array[int]:
    at = 0
    for _ in range(3):  # sizes of block and miniblock, and the number of rows: as in every file of ours
        _, at = _varint_at(page, at)
    value, at = _zigzag_at(page, at)
    values = [value]
    while len(values) < rows:
        least, at = _zigzag_at(page, at)
        widths = page[at : at + _BLOCK // _MINIBLOCK]
        at += len(widths)
        for width in widths:
            size = width * _MINIBLOCK // 8
            packed, mask = int.from_bytes(page[at : at + size], "little"), (1 << width) - 1
            at += size
            for place in range(min(_MINIBLOCK, rows - len(values))):
                value = _signed(value + least + (packed >> width * place & mask))
                values.append(value)
    return array("q", values)
