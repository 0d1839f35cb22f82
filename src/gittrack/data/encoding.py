"""A SHA-256 over values instead of files: one fixed encoding for each type, in blocks and without a loop over rows."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import Digest
from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_BLOCK = 1 << 20  # values that are looked at together: what a column costs in memory beside itself
_PARTS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}


class NoDigest(InvalidValue):
    """A value whose content cannot be told from its type alone."""


class Encoder:
    """What is digested: pieces, each with its tag and its length, so that no two sequences of pieces are alike.

    A piece is: length of the tag (uint32), tag (UTF-8), length of the content in bytes (uint64), content. Numbers
    are little-endian whatever the machine's are, and every NaN has one bit pattern; -0.0 is not 0.0.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def digest(self) -> Digest:
        """Return the digest of the pieces so far."""
        return Digest(self._sha.hexdigest())

    def piece(self, tag: str, content: Any = b"") -> None:
        """Add a piece; `content` is bytes or another contiguous buffer."""
        self._head(tag, memoryview(content).nbytes)
        self._sha.update(content)

    def count(self, tag: str, number: int) -> None:
        """Add a piece that holds one number (int64)."""
        self.piece(tag, struct.pack("<q", number))

    def missing(self, missing: npt.NDArray[np.bool_] | None) -> None:
        """Add which values are missing: a byte for each, or none when all are there."""
        some = missing is not None and bool(missing.any())
        self.piece("missing", missing if some else b"")

    def numbers(
        self, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None = None, tag: str | None = None
    ) -> None:
        """Add numbers or points in time.

        Args:
            values: Shape (n,); booleans, integers, floats, complex numbers, times or durations. NaT is missing.
            missing: Shape (n,); what `values` holds there does not count.
            tag: What the numbers mean, by default the name of their type.

        Raises:
            NoDigest: They are of another type.
        """
        import numpy as np

        kind = values.dtype.kind
        if kind in "Mm":
            self._times(values, missing, tag or ("timestamp" if kind == "M" else "duration"))
            return
        if kind not in "biufc":
            raise NoDigest(f"values of type '{values.dtype}'")
        self.missing(missing)
        if values.dtype.itemsize > (16 if kind == "c" else 8):
            self._long(values, missing)
            return
        self._head(tag or values.dtype.name, values.nbytes)
        for start in range(0, len(values), _BLOCK):
            block = values[start : start + _BLOCK]
            if missing is not None:
                block = np.where(missing[start : start + _BLOCK], np.zeros((), values.dtype), block)
            self._sha.update(_canonical(block))

    def text(self, column: pa.Array, tag: str = "string") -> None:
        """Add text or bytes: the length of each in bytes (int64), then all of them.

        Args:
            column: Of the type large_string or large_binary.
            tag: string or binary.
        """
        import numpy as np
        import pyarrow as pa

        gaps = missing_of(column)
        if gaps is not None:
            column = column.fill_null("" if pa.types.is_large_string(column.type) else b"")
        _, offset_buffer, data = column.buffers()
        offsets = np.zeros(1, np.int64)
        if len(column):
            offsets = np.frombuffer(offset_buffer, np.int64, len(column) + 1, column.offset * 8)
        self.missing(gaps)
        self.piece(f"{tag} lengths", _canonical(np.diff(offsets)))
        content = memoryview(data)[offsets[0] : offsets[-1]] if offsets[-1] > offsets[0] else b""
        self.piece(tag, content)

    def _head(self, tag: str, size: int) -> None:
        name = tag.encode()
        self._sha.update(struct.pack("<I", len(name)) + name + struct.pack("<Q", size))

    def _times(self, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None, tag: str) -> None:
        """Add seconds (int64) and what is left of a second in units of 10^-18 s (int64): no unit changes them."""
        import numpy as np

        gaps = np.isnat(values) if missing is None else missing | np.isnat(values)
        kind, (unit, step) = values.dtype.kind, np.datetime_data(values.dtype)
        if unit in _PARTS:
            values = values.astype(f"{kind}8[{unit}]")
        elif kind == "M" or unit in ("W", "D", "h", "m"):
            values = values.astype(f"{kind}8[s]")
        else:  # a month has no length
            tag = f"{tag} in {step} {unit}"
        parts = _PARTS.get(unit, 1)
        ticks = np.where(gaps, 0, values.astype(np.int64))
        self.missing(gaps)
        self.piece(tag, _canonical(ticks // parts))
        self.piece(f"{tag} fraction", _canonical(ticks % parts * (10**18 // parts)))

    def _long(self, values: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None) -> None:
        """Add floats of more than 64 bits as two of 64: their padding has no fixed content."""
        import numpy as np

        if missing is not None:
            values = np.where(missing, np.zeros((), values.dtype), values)
        half = np.complex128 if values.dtype.kind == "c" else np.float64
        with np.errstate(all="ignore"):
            high = values.astype(half)
            low = (values - high).astype(half)
        self.piece("long", _canonical(high))
        self.piece("long rest", _canonical(low))


def missing_of(column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Return which values of an Arrow array are missing, None when all are there."""
    import numpy as np

    if not column.null_count:
        return None
    empty = column.is_null().cast("uint8")
    return np.frombuffer(empty.buffers()[1], np.bool_, len(empty), empty.offset)


def _canonical(block: npt.NDArray[Any]) -> memoryview:
    """Return the block's bytes: contiguous and little-endian, with one NaN."""
    import numpy as np

    if block.dtype.kind == "c":
        block = np.ascontiguousarray(block)
        block = block.view(block.real.dtype)
    if block.dtype.kind == "f":
        empty = np.isnan(block)
        if empty.any():
            block = np.where(empty, np.array(np.nan, block.dtype), block)
    return np.ascontiguousarray(block, block.dtype.newbyteorder("<")).data
