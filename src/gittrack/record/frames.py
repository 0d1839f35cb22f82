"""The format of a journal: a row of frames.

A frame is a length (uint32), the CRC-32 of the payload (uint32) and the payload; little-endian. The first byte of
the payload says what it is:

    P, p   a point: key (uint32), step, timestamp (int64), value (float64); p when the caller gave the timestamp
    K      a key: its number (uint32) and its text
    B      many points: number of rows (uint32), then the columns key, step, timestamp, value
    J      a fact as JSON: {"t": milliseconds, "param": …} or tag, artifact, data, end, …

The first frame is a fact that says who writes.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

SUFFIX = ".journal"
MAX_FRAME = 1 << 28

HEAD = struct.Struct("<II")
POINT = struct.Struct("<B3xIqqd")
NUMBERED = struct.Struct("<B3xI")  # how a key and a block of points begin
POINT_FRAME = struct.Struct("<II32s")
OWN_TIME, TIMED, KEY, BLOCK, FACT = b"PpKBJ"

crc32 = zlib.crc32


def frame(payload: bytes) -> bytes:
    """Return `payload` with its length and checksum before it."""
    return HEAD.pack(len(payload), crc32(payload)) + payload


def fact(content: dict[str, Any]) -> bytes:
    """Return the payload that says a fact."""
    return b"J" + json.dumps(content, separators=(",", ":")).encode()


def key(number: int, text: str) -> bytes:
    """Return the payload that gives a key its number."""
    return NUMBERED.pack(KEY, number) + text.encode()


def first_size(content: bytes) -> int:
    """Return how many bytes of a journal its first frame takes."""
    return HEAD.size + int.from_bytes(content[:4], "little")
