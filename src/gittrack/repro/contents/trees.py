"""JSON, JSON Lines and YAML, leaf by leaf."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from gittrack.repro.contents.finding import (
    LISTED,
    MAX_TEXT,
    ArtifactDiff,
    Unreadable,
    head,
    judged,
    quote,
    size_of,
    some,
)
from gittrack.repro.contents.texts import without_times
from gittrack.repro.phrases import plural
from gittrack.repro.tolerance import Tolerance

_MAX_YAML = 4 << 20  # its parser takes a second for each of these megabytes
_MAX_DEPTH = 100
_MAX_LEAVES = 1_000_000
_WHOLE = 1 << 53  # from here on a float no longer says which
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_TIMED = re.compile(
    r"(?:^|[_.\s-])(?:time|timestamp|date|duration|elapsed|seconds?|secs?|ms)(?:$|[_.\s-])", re.IGNORECASE
)
_ABSENT = object()

Place: TypeAlias = "tuple[Place, str | int] | None"  # from the leaf up: most are never spelled out


def compare_json(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two JSON documents leaf by leaf."""
    return _compare("JSON", _json(old), _json(new), tolerance)


def compare_json_lines(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two files with a JSON document in each line, line by line."""
    return _compare("JSON Lines", _json_lines(old), _json_lines(new), tolerance)


def compare_yaml(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two YAML documents leaf by leaf; an alias is compared by its name and never expanded."""
    return _compare("YAML", _yaml(old), _yaml(new), tolerance)


def _json(path: Path) -> Any:
    return json.loads(_whole(path, MAX_TEXT))


def _json_lines(path: Path) -> Any:
    return [json.loads(line) for line in _whole(path, MAX_TEXT).splitlines() if line.strip()]


def _whole(path: Path, limit: int) -> bytes:
    content, cut = head(path, limit)
    if cut:
        raise Unreadable(f"it is larger than {limit >> 20} MiB")
    return content


def _yaml(path: Path) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    parser = loader(_whole(path, _MAX_YAML))
    try:
        return _from_events(parser.get_event)
    finally:
        parser.dispose()


def _from_events(following: Any) -> Any:
    """Build plain values from a YAML parser's events; the list is that of the documents."""
    import yaml

    documents: list[Any] = []
    open_ones: list[Any] = [documents]
    keys: list[Any] = [_ABSENT]
    while not isinstance(event := following(), yaml.StreamEndEvent):
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            open_ones.pop()
            keys.pop()
            continue
        value = _value_of(event)
        if value is _ABSENT:
            continue
        _put(open_ones[-1], keys, value)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            if len(open_ones) > _MAX_DEPTH:
                raise Unreadable(f"it is nested deeper than {_MAX_DEPTH} levels")
            open_ones.append(value)
            keys.append(_ABSENT)
    return documents[0] if len(documents) == 1 else documents


def _value_of(event: Any) -> Any:
    import yaml

    if isinstance(event, yaml.ScalarEvent):
        return event.value if event.style else _plain(event.value)
    if isinstance(event, yaml.AliasEvent):
        return f"*{event.anchor}"
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    return [] if isinstance(event, yaml.SequenceStartEvent) else _ABSENT


def _put(container: Any, keys: list[Any], value: Any) -> None:
    """Add a value to what is open: in a mapping, keys and values take turns."""
    if isinstance(container, list):
        container.append(value)
    elif keys[-1] is _ABSENT:
        keys[-1] = value if isinstance(value, str | int | float) else f"key {len(container)}"
    else:
        container[keys[-1]] = value
        keys[-1] = _ABSENT


def _plain(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    plain = text.replace("_", "")
    return int(plain) if plain.lstrip("+-").isdigit() and len(plain) < 20 else float(plain)


@dataclass
class _Leaves:
    """The leaves in which two trees differ.

    Attributes:
        seen: How many pairs were looked at.
        numbers: Those that are a number on both sides.
        others: All others: place, recorded value, present value.
    """

    seen: int = 0
    numbers: list[tuple[Place, float, float]] = field(default_factory=list)
    others: list[tuple[Place, Any, Any]] = field(default_factory=list)


def _compare(kind: str, old: Any, new: Any, tolerance: Tolerance) -> ArtifactDiff:
    import numpy as np

    leaves = _differing(old, new)
    size = size_of(
        np.array([a for _, a, _ in leaves.numbers], np.float64),
        np.array([b for _, _, b in leaves.numbers], np.float64),
        tolerance,
    )
    apart = [*leaves.others, *leaves.numbers]
    named = [(_spelled(place), a, b) for place, a, b in apart[:LISTED]]
    facts = {
        "leaves": leaves.seen,
        "differing": len(apart),
        "paths": [path for path, _, _ in named],
        "largest": size.largest if leaves.numbers else None,
        "largest_relative": size.relative if leaves.numbers else None,
    }
    words = [f"{len(apart)} of {plural(leaves.seen, 'value')}"]
    if leaves.numbers:
        words[0] += f", numbers {size.words()}"
    words += some([_leaf_in_words(*leaf) for leaf in named], of=len(apart), noun="path")
    return ArtifactDiff(
        kind=kind,
        words=tuple(words) if apart else ("the same values, written differently",),
        facts=facts,
        close=judged(tolerance, fine=not leaves.others and not size.beyond),
        only_times=bool(apart) and all(_is_time(*leaf) for leaf in apart),
    )


def _differing(old: Any, new: Any) -> _Leaves:
    leaves = _Leaves()
    waiting: list[tuple[Place, Any, Any, int]] = [(None, old, new, 0)]
    while waiting:
        place, a, b, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {_MAX_DEPTH} levels")
        if (isinstance(a, dict) and isinstance(b, dict)) or (isinstance(a, list) and isinstance(b, list)):
            waiting += [((place, key), x, y, depth + 1) for key, x, y in reversed(list(_entries(a, b)))]
            continue
        leaves.seen += 1
        if leaves.seen > _MAX_LEAVES:
            raise Unreadable(f"it has more than {_MAX_LEAVES} values")
        _look(place, a, b, leaves)
    return leaves


def _entries(a: Any, b: Any) -> Iterator[tuple[str | int, Any, Any]]:
    if isinstance(a, dict):
        for key in dict.fromkeys((*a, *b)):
            yield key, a.get(key, _ABSENT), b.get(key, _ABSENT)
        return
    for place in range(max(len(a), len(b))):
        yield place, a[place] if place < len(a) else _ABSENT, b[place] if place < len(b) else _ABSENT


def _look(place: Place, a: Any, b: Any, leaves: _Leaves) -> None:
    old, new = _number(a), _number(b)
    if old is not None and new is not None:
        if a != b and not (old != old and new != new):
            leaves.numbers.append((place, old, new))
    elif type(a) is not type(b) or a != b:
        leaves.others.append((place, a, b))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _spelled(place: Place) -> str:
    """Return where a leaf is: `layers[3].weight`."""
    parts: list[str] = []
    while place is not None:
        place, part = place
        parts.append(
            f"[{part}]" if isinstance(part, int) else f".{part[:40]}" if isinstance(part, str) else f".{part}"
        )
    return "".join(reversed(parts)).lstrip(".") or "the whole"


def _leaf_in_words(path: str, a: Any, b: Any) -> str:
    if b is _ABSENT:
        return f"{path} is missing now"
    if a is _ABSENT:
        return f"{path} is not in the record"
    return f"{path}: {_leaf(a)} recorded, {_leaf(b)} now"


def _leaf(value: Any) -> str:
    if isinstance(value, dict | list):
        return plural(len(value), "entry").replace("entrys", "entries")
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))  # a whole number was compared as a float
    return quote(value) if isinstance(value, str) else f"{value!r}"


def _is_time(place: Place, a: Any, b: Any) -> bool:
    """Whether a leaf holds a time on both sides: by what it looks like, a number also by its name."""
    if not isinstance(a, str | int | float) or not isinstance(b, str | int | float):
        return False
    key = place[1] if place else 0
    if not isinstance(a, str) and not isinstance(b, str) and isinstance(key, str) and _TIMED.search(key[:80]):
        return True
    one, other = str(a), str(b)
    return max(len(one), len(other)) <= 1 << 16 and without_times(one) == without_times(other)
