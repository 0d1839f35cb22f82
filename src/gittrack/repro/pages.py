"""Whether two small `metrics.parquet` hold the same points, without decoding them.

Most repetitions are identical, and importing a Parquet reader costs half of what a reproduction may. The pages that
gittrack's own writer makes are a function of its sorted columns: where the pages of keys, steps and values are the
same bytes, so are the points. Anything else is decoded and compared.
"""

from __future__ import annotations

from collections.abc import Iterator

_MAGIC = b"PAR1"
_TIMESTAMP = 3  # the pages in order: the dictionary of keys, keys, steps, timestamps, values
_PAGES = 5
_TRUE, _FALSE, _I16, _I32, _I64, _STRUCT = 1, 2, 4, 5, 6, 12  # types of Thrift's compact protocol
_COMPRESSED_SIZE = 3


def same_points(old: bytes, new: bytes) -> bool:
    """Whether two files certainly have the same keys, steps and values; False when that cannot be told."""
    try:
        pages, others = list(_pages(old)), list(_pages(new))
    except (IndexError, ValueError):
        return False
    if not len(pages) == len(others) == _PAGES:
        return False
    return all(pages[at] == others[at] for at in range(_PAGES) if at != _TIMESTAMP)


def _pages(content: bytes) -> Iterator[bytes]:
    """Yield each page, header and all.

    Raises:
        ValueError, IndexError: It is not a file of gittrack's own writer.
    """
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    if content[:4] != _MAGIC or content[-4:] != _MAGIC or b"\x08gittrack" not in content[footer:-8]:
        raise ValueError
    at = len(_MAGIC)
    while at < footer:
        sizes: dict[int, int] = {}
        end = _struct(content, at, sizes) + sizes.get(_COMPRESSED_SIZE, footer)
        if end > footer:
            raise ValueError
        yield content[at:end]
        at = end


def _struct(content: bytes, at: int, integers: dict[int, int]) -> int:
    """Read a Thrift struct and its integers at the top; return where it ends."""
    field = 0
    while head := content[at]:
        at += 1
        kind, step = head & 15, head >> 4
        if not step:
            raise ValueError  # our writer's fields are never that far apart
        field += step
        if kind in (_I16, _I32, _I64):
            integers[field], at = _zigzag(content, at)
        elif kind == _STRUCT:
            at = _struct(content, at, {})
        elif kind not in (_TRUE, _FALSE):
            raise ValueError
    return at + 1


def _zigzag(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value >> 1 ^ -(value & 1), at
