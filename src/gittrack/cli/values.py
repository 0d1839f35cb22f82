"""Values as they are typed, and as they are read out."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from gittrack.entities.record import Scalar

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)
_WORDS = {"true": True, "True": True, "false": False, "False": False}
_SHORT_ID = 8


def typed(text: str) -> Scalar:
    """Return the number or truth value that `text` spells, else the text; in double quotes it is text always.

    `007` is text: an identifier would lose its zeros.
    """
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted[1]
    if _WHOLE.fullmatch(text) and -(1 << 63) <= int(text) < 1 << 63:
        return int(text)
    if NUMBER.fullmatch(text) and not text.lstrip("+-").isdigit():
        return float(text)
    return _WORDS.get(text, text)


def typed_number(text: str) -> Scalar:
    """Return the number that `text` spells, else the text: so that a column of numbers is one."""
    found = typed(text)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else text


def utc(milliseconds: int | None) -> str:
    """Return a time as `2026-11-21 01:36:03`; nothing for None."""
    return "" if milliseconds is None else clock(moment(milliseconds))


def moment(milliseconds: int) -> datetime:
    """Return a time as a datetime of UTC without a zone, as the index has them."""
    return datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)


def iso(milliseconds: int | None) -> str | None:
    """Return a time as `2026-11-21T01:36:03.120Z`."""
    return None if milliseconds is None else f"{moment(milliseconds).isoformat(timespec='milliseconds')}Z"


def clock(moment: datetime | None) -> str:
    """Return a time of UTC to the second; nothing for None."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def ago(moment: datetime | None, now: float | None = None) -> str:
    """Return how long a time of UTC is gone, in its two greatest units or fewer; after a month, the day."""
    if moment is None:
        return ""
    seconds = (time.time() if now is None else now) - moment.replace(tzinfo=UTC).timestamp()
    if seconds < 0 or seconds >= 30 * 86400:
        return f"{moment:%Y-%m-%d}"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def duration(seconds: float | None) -> str:
    """Return a length of time: `0.25 s`, `6.4 s`, `3 min 05 s`, `2 h 10 min`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.001:
        return "0 s"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: int) -> str:
    """Return a number of bytes: `812 B`, `8.1 kB`, `1.2 GB`; units of 1000."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def plural(count: int, noun: str) -> str:
    """Return `1 run`, `1,204 runs`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def short_ids(run_ids: list[str]) -> dict[str, str]:
    """Return the first 8 digits of each id, more where these are not enough to tell them apart."""
    length = _SHORT_ID
    while length < 32 and len({run_id[:length] for run_id in run_ids}) < len(set(run_ids)):
        length += 4
    return {run_id: run_id[:length] for run_id in run_ids}
