"""What a comparison of two contents found, and the bounds that every comparison keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.repro.phrases import plural
from gittrack.repro.tolerance import Tolerance, distances

MAX_TEXT = 16 << 20  # bytes of a text, or of a tree such as JSON, that are read
MAX_TABLE = 256 << 20  # bytes of a table, in memory or out of a compressed file
MAX_COLUMNS = 10_000
MAX_PIXELS = 64 << 20
MAX_VALUES = 1 << 27  # of one array
SHOWN = 3  # columns, paths, members in the words
LISTED = 50  # the same in the facts
_CUT = 60


class Unreadable(Exception):
    """A content is not what its name says, or goes beyond a bound; the message goes after a colon."""


@dataclass(frozen=True, slots=True)
class ArtifactDiff:
    """How two contents of one artifact differ.

    Attributes:
        kind: What they were compared as: `CSV`, `JSON`, `image`, `text`, `bytes`, …
        words: For people, the most telling first.
        facts: The same for programs.
        close: Whether they differ in nothing but numbers within the tolerance; None when none was asked for, or
            when they do not consist of numbers.
        only_times: Whether they differ in nothing but times of day and durations.
        problem: Why they were not compared as what the name says.
    """

    kind: str
    words: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    close: bool | None = None
    only_times: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """How far numbers lie apart.

    Attributes:
        largest: The largest absolute difference; infinite for a number against NaN, 0 when there are no numbers.
        relative: The largest difference relative to the recorded number.
        beyond: How many are not within the tolerance.
    """

    largest: float = 0.0
    relative: float = 0.0
    beyond: int = 0

    def words(self) -> str:
        """Return the size in words."""
        return f"by at most {self.largest:.3g}"


def size_of(old: Any, new: Any, tolerance: Tolerance) -> Size:
    """Return how far numbers lie apart.

    Args:
        old: Shape (n,), float64, as recorded.
        new: Shape (n,), float64.
        tolerance: The plain one is taken.
    """
    if not len(old):
        return Size()
    size, relative = distances(old, new)
    beyond = int((~tolerance.close(old, new)).sum())
    return Size(float(size.max()), float(relative.max()), beyond)


def judged(tolerance: Tolerance, *, fine: bool) -> bool | None:
    """Return what `ArtifactDiff.close` says: nothing where no tolerance was asked for."""
    return fine if tolerance.asked else None


def head(path: Path, limit: int) -> tuple[bytes, bool]:
    """Return the first bytes of a file, and whether there are more."""
    with path.open("rb") as file:
        content = file.read(limit + 1)
    return content[:limit], len(content) > limit


def quote(value: object) -> str:
    """Return a value as a person can read it, cut where it is long."""
    text = value if isinstance(value, str) else str(value)
    return f"'{text[:_CUT]}…'" if len(text) > _CUT else f"'{text}'"


def some(words: list[str], *, of: int | None = None, noun: str) -> list[str]:
    """Return the first few words, and how many more there are."""
    total = len(words) if of is None else of
    shown = words[:SHOWN]
    return shown if total <= len(shown) else [*shown, f"and {plural(total - len(shown), f'more {noun}')}"]


def up_to(limit: int) -> str:
    """Say that only the first bytes were looked at."""
    return f"only the first {limit >> 20} MiB were compared"
