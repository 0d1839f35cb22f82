"""Texts, and bytes of which nothing is known."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from gittrack.repro.contents.finding import (
    MAX_TEXT,
    ArtifactDiff,
    Size,
    Unreadable,
    head,
    judged,
    quote,
    size_of,
    up_to,
)
from gittrack.repro.phrases import plural
from gittrack.repro.tolerance import Tolerance

_BLOCK = 1 << 20
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]*\w)", re.ASCII)
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[-+]\d\d:?\d\d))?"
_TIME = re.compile(
    r"(?<![\w.])(?=[\dA-Z])(?:"  # tried at the start of a word only: ten times as fast
    + "|".join(
        (
            rf"\d{{4}}[-/]\d\d[-/]\d\d(?:[T _]{_CLOCK}{_ZONE})?",  # 2026-01-02T03:04:05.678+00:00
            rf"(?:[A-Z][a-z]{{2}},? )?{_MONTH} [ \d]?\d {_CLOCK}(?: [A-Z]{{3,4}})? \d{{4}}",  # as `date` prints it
            rf"(?:[A-Z][a-z]{{2}}, )?\d?\d {_MONTH} \d{{4}} {_CLOCK}{_ZONE}",  # as in mail
            rf"{_CLOCK}\b",
            r"D:\d{14}[-+Z\d']*",  # PDF
            r"1\d{9}(?:\.\d+|\d{3}|\d{6}|\d{9})?\b",  # seconds, milli-, micro- or nanoseconds since 1970
            r"\d+(?:\.\d+)?(?:e-?\d+)? ?(?:ns|us|µs|ms|s|secs?|seconds?|min|minutes?)\b",
        )
    )
    + ")"
)


def without_times(text: str) -> str:
    """Return a text with a sign in the place of each time of day and each duration."""
    return _TIME.sub("\0", text)


def compare_text(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two texts line by line."""
    (one, cut), (other, cut_too) = _text(old), _text(new)
    lines, new_lines = one.split("\n"), other.split("\n")
    counts = (len(lines) - lines[-1:].count(""), len(new_lines) - new_lines[-1:].count(""))
    lost, added = Counter(lines), Counter(new_lines)
    gone, come = (lost - added).total(), (added - lost).total()
    first = _first(lines, new_lines)
    facts = {"lines": list(counts), "first_line": first, "only_recorded": gone, "only_repeated": come}
    words = [_lines_in_words(*counts)]
    if first is not None:
        there = [quote(part[first - 1]) if first <= len(part) else "no line" for part in (lines, new_lines)]
        words.insert(0, f"parts at line {first}: {there[0]} recorded, {there[1]} now")
        words.append(_only(gone, come))
    if one.replace("\r\n", "\n") == other.replace("\r\n", "\n") and one != other:
        words = ["only the line ends differ"]
    if cut or cut_too:
        words.append(up_to(MAX_TEXT))
    return ArtifactDiff(
        kind="text",
        words=tuple(words),
        facts=facts,
        close=None if cut or cut_too else _close(one, other, tolerance),
        only_times=one != other and _only_times(lines, new_lines),
    )


def _only_times(lines: list[str], others: list[str]) -> bool:
    pairs = zip(lines, others, strict=False)
    return len(lines) == len(others) and all(without_times(a) == without_times(b) for a, b in pairs if a != b)


def _text(path: Path) -> tuple[str, bool]:
    content, cut = head(path, MAX_TEXT)
    try:
        return content.decode("utf-8", "ignore" if cut else "strict"), cut
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None


def _first(lines: list[str], others: list[str]) -> int | None:
    pairs = enumerate(zip(lines, others, strict=False), 1)
    shorter = min(len(lines), len(others))
    found = next((place for place, (a, b) in pairs if a != b), None)
    return found or (shorter + 1 if len(lines) != len(others) else None)


def _lines_in_words(old: int, new: int) -> str:
    return plural(old, "line") if old == new else f"{plural(old, 'line')} recorded, {new} now"


def _only(gone: int, come: int) -> str:
    if not gone and not come:
        return "the same lines in another order"
    return f"{plural(gone, 'line')} only in the record, {come} only now"


def _close(one: str, other: str, tolerance: Tolerance) -> bool | None:
    """Say whether two texts differ in nothing but close numbers; a text with other numbers is no claim about them."""
    if not tolerance.asked or _NUMBER.sub("\0", one) != _NUMBER.sub("\0", other):
        return None
    return True if _numbers(one, other, tolerance).beyond == 0 else None


def _numbers(one: str, other: str, tolerance: Tolerance) -> Size:
    import numpy as np

    old, new = (np.array(_NUMBER.findall(text), np.float64) for text in (one, other))
    return size_of(old, new, tolerance)


def compare_pickle(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two pickles as bytes: loading one would run what its author wrote."""
    found = compare_bytes(old, new, tolerance)
    return ArtifactDiff("pickle", (*found.words, "never unpickled"), found.facts)


def compare_bytes(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two files of which nothing is known: their sizes, and the first byte that differs."""
    sizes = [old.stat().st_size, new.stat().st_size]
    first = _first_byte(old, new)
    length = f"{sizes[0]} bytes" if sizes[0] == sizes[1] else f"{sizes[0]} bytes recorded, {sizes[1]} now"
    words = [length] if first is None else [f"parts at byte {first}", length]
    times = first is not None and _differ_in_times(old, new)
    facts = {"bytes": sizes, "first_byte": first}
    return ArtifactDiff(
        "bytes", tuple(words), facts, judged(tolerance, fine=True) if first is None else None, times
    )


def _first_byte(old: Path, new: Path) -> int | None:
    with old.open("rb") as one, new.open("rb") as other:
        at = 0
        while True:
            a, b = one.read(_BLOCK), other.read(_BLOCK)
            if a != b:
                both = min(len(a), len(b))
                return at + next((place for place in range(both) if a[place] != b[place]), both)
            if not a:
                return None
            at += len(a)


def _differ_in_times(old: Path, new: Path) -> bool:
    """Whether two files, a PDF for one, differ only in times that are spelled out in them."""
    (one, cut), (other, cut_too) = head(old, MAX_TEXT), head(new, MAX_TEXT)
    if cut or cut_too:
        return False
    return without_times(one.decode("latin-1")) == without_times(other.decode("latin-1"))
