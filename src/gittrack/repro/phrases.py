"""What several reports say in the same way."""

from __future__ import annotations

import math

from gittrack.git.revision import FileChange


def plural(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def plain(value: float | None) -> float | str | None:
    """Return a number as JSON can have it: the texts NaN and (-)Infinity for those that it has not."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def change_in_words(change: FileChange) -> str:
    """Return a file that a commit changed, and by how many lines."""
    return f"{change.path}  {'binary' if change.added is None else f'+{change.added} -{change.removed}'}"
