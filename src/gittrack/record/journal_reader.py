"""Reads a journal, in spite of a torn end and of damage in the middle."""

from __future__ import annotations

import json
import operator
import re
import struct
from array import array
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from gittrack.record.frames import (
    BLOCK,
    FACT,
    HEAD,
    KEY,
    MAX_FRAME,
    NUMBERED,
    OWN_TIME,
    POINT,
    POINT_FRAME,
    TIMED,
    crc32,
)
from gittrack.record.points import SMALL, Points

# What may start a record after damage: a length below 4 MiB, a checksum, a kind. A whole disk block of zeros or
# of chance bytes is passed in C, and few checksums are reckoned in vain.
_CANDIDATE = re.compile(rb"(?=..[\x00-\x3f]\x00.{4}[PpKBJ])", re.DOTALL)


@dataclass
class Contents:
    """What a journal holds.

    Attributes:
        name: The file's name.
        introduction: The first record: who writes.
        facts: The JSON records in order.
        points: The points in order.
        last_time: Time of the last record, milliseconds; points that came with a timestamp do not count.
        torn: Bytes cut off at the end: a record that was being written when the process died.
        damaged: Bytes in the middle that no record could be made of.
    """

    name: str
    introduction: dict[str, Any] = field(default_factory=dict)
    facts: list[dict[str, Any]] = field(default_factory=list)
    points: Points = field(default_factory=Points)
    last_time: int = 0
    torn: int = 0
    damaged: int = 0


def read(name: str, content: bytes, *, upto: int | None = None) -> Contents:
    """Return what a journal holds, in spite of a torn end and of damage in the middle.

    Args:
        name: The file's name.
        content: Its bytes.
        upto: Believe only this many bytes: a later journal replaces the rest.
    """
    return _Reader(name, content if upto is None else content[:upto]).read()


class _Reader:
    def __init__(self, name: str, content: bytes) -> None:
        self._content = content
        self._view = memoryview(content)
        self._found = Contents(name)
        self._places: dict[int, int] = {}

    def read(self) -> Contents:
        position, end, window = 0, len(self._content), 8
        while position < end:
            if self._is_point(position):
                rows = self._take_points(position, window)
                if rows:
                    position += rows * POINT_FRAME.size
                    window = window * 2 if rows == window else 8
                    continue
            size = self._take_frame(position)
            if size:
                position += size
                continue
            position = self._skip(position)
        return self._found

    def _is_point(self, position: int) -> bool:
        return self._content[position : position + 4] == b"\x20\0\0\0" and self._content[
            position + 8 : position + 9
        ] in (b"P", b"p")

    def _take_points(self, position: int, window: int) -> int:
        """Take the row of good point frames at `position`, at most `window`; return how many there were."""
        whole = min(window, (len(self._content) - position) // POINT_FRAME.size)
        if not whole:
            return 0
        region = self._view[position : position + whole * POINT_FRAME.size]
        lengths, sums, payloads = zip(*POINT_FRAME.iter_unpack(region), strict=True)
        rows = whole
        if set(lengths) != {32} or tuple(map(crc32, payloads)) != sums:
            good = map(operator.eq, zip(lengths, map(crc32, payloads), strict=True), zip(repeat(32), sums))
            rows = next(place for place, fine in enumerate(good) if not fine)
        joined = b"".join(payloads[:rows])
        kinds = joined[::32]
        if kinds.strip(b"Pp"):  # another kind of record, as long as a point
            rows = next(place for place, kind in enumerate(kinds) if kind not in (OWN_TIME, TIMED))
            joined = joined[: 32 * rows]
        if rows:
            self._add_rows(joined)
        return rows

    def _add_rows(self, payloads: bytes) -> None:
        kinds, numbers, steps, timestamps, values = _unpack(payloads)
        self._add(numbers, steps, timestamps, values)
        own = (
            timestamps
            if TIMED not in kinds
            else [t for kind, t in zip(kinds, timestamps, strict=True) if kind == OWN_TIME]
        )
        self._found.last_time = max(self._found.last_time, max(own, default=0))

    def _add(self, numbers: Any, steps: Any, timestamps: Any, values: Any) -> None:
        places, points = self._places, self._found.points
        if not places.keys() >= set(numbers):  # the record of a key was damaged
            known = [at for at, number in enumerate(numbers) if number in places]
            self._found.damaged += (len(numbers) - len(known)) * POINT_FRAME.size
            numbers, steps, timestamps, values = (
                [column[at] for at in known] for column in (numbers, steps, timestamps, values)
            )
        points.key.extend(array("I", map(places.__getitem__, numbers)))
        points.step.extend(array("q", steps))
        points.timestamp.extend(array("q", timestamps))
        points.value.extend(array("d", values))

    def _take_frame(self, position: int) -> int:
        """Take the frame at `position`; return its size, 0 when there is no good one."""
        if len(self._content) - position < HEAD.size + 1:
            return 0
        length, told = map(int, HEAD.unpack_from(self._content, position))
        start = position + HEAD.size
        if not 0 < length <= min(MAX_FRAME, len(self._content) - start):
            return 0
        payload = self._view[start : start + length]
        if crc32(payload) != told:
            return 0
        try:
            self._take_payload(payload)
        except (ValueError, KeyError, struct.error):
            return 0
        return HEAD.size + length

    def _take_payload(self, payload: memoryview) -> None:
        kind = payload[0]
        if kind == FACT:
            self._take_fact(json.loads(bytes(payload[1:])))
        elif kind == KEY:
            key = bytes(payload[NUMBERED.size :]).decode()
            points = self._found.points
            if key not in points.keys:
                points.keys.append(key)
            self._places[NUMBERED.unpack_from(payload)[1]] = points.keys.index(key)
        elif kind == BLOCK:
            self._take_block(payload)
        elif kind in (OWN_TIME, TIMED):
            self._add_rows(bytes(payload))
        else:
            raise ValueError(kind)

    def _take_fact(self, fact: dict[str, Any]) -> None:
        if "journal" in fact and not self._found.introduction:
            self._found.introduction = fact
            return
        self._found.facts.append(fact)
        self._found.last_time = max(self._found.last_time, int(fact.get("t", 0)))

    def _take_block(self, payload: memoryview) -> None:
        rows = NUMBERED.unpack_from(payload)[1]
        if len(payload) != NUMBERED.size + 28 * rows:
            raise ValueError(rows)
        columns, start = [], NUMBERED.size
        for code, width in (("I", 4), ("q", 8), ("q", 8), ("d", 8)):
            column = array(code)
            column.frombytes(payload[start : start + width * rows])
            columns.append(column)
            start += width * rows
        self._add(*columns)

    def _skip(self, position: int) -> int:
        """Find the next good frame after damage; without one, the rest is a torn record or a damaged end."""
        end = len(self._content)
        for match in _CANDIDATE.finditer(self._content, position + 1):
            candidate = match.start()
            length, told = HEAD.unpack_from(self._content, candidate)
            start = candidate + HEAD.size
            if 0 < length <= end - start and crc32(self._view[start : start + length]) == told:
                self._found.damaged += candidate - position
                return candidate
        if self._is_whole(position):
            self._found.damaged += end - position
        else:
            self._found.torn += end - position
        return end

    def _is_whole(self, position: int) -> bool:
        """Whether the record at `position` has its full length: then it was not cut off, it was changed."""
        rest = len(self._content) - position - HEAD.size
        return rest > 0 and 0 < HEAD.unpack_from(self._content, position)[0] <= rest


def _unpack(payloads: bytes) -> tuple[bytes, Any, Any, Any, Any]:
    """Return the columns kind, key, step, timestamp and value of a row of points."""
    if len(payloads) <= 32 * SMALL:
        _, *columns = zip(*POINT.iter_unpack(payloads), strict=True)
        return payloads[::32], *columns  # type: ignore[return-value]
    import numpy as np

    rows = np.frombuffer(
        payloads, [("kind", "<u4"), ("key", "<u4"), ("step", "<i8"), ("time", "<i8"), ("value", "<f8")]
    )
    taken: list[array[Any]] = []
    for name, code in (("key", "I"), ("step", "q"), ("time", "q"), ("value", "d")):
        taken.append(array(code))
        taken[-1].frombytes(rows[name].astype(code).tobytes())
    return payloads[::32], *taken  # type: ignore[return-value]
