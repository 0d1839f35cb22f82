"""Values that people keep in YAML, JSON and TOML: params and metrics, under names with dots."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gittrack.data.dvc.files import MAX_BYTES, Parse
from gittrack.errors import Damaged, InvalidValue, NotFound

_PART = re.compile(r"[^.\[\]]+")


def read(path: Path, parse: Parse) -> dict[str, Any]:
    """Return what a file holds, by its ending: JSON, TOML, or YAML for any other.

    Args:
        path: The file.
        parse: Reads YAML.

    Raises:
        NotFound: There is no such file.
        InvalidValue: It is code, which is not run for its values.
        Damaged: It cannot be understood, is no mapping, or is too large.
    """
    if path.suffix == ".py":
        raise InvalidValue(f"'{path.name}' is code, which is not run for its values", hint="params.yaml")
    if not path.is_file():
        raise NotFound(f"there is no file '{path}'")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Damaged(f"'{path.name}' has {size} bytes, at most {MAX_BYTES} are read")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"'{path}' cannot be read: {error.strerror}") from error
    if path.suffix not in (".json", ".toml"):
        return parse(content, path.name) if content.strip() else {}
    try:
        found = json.loads(content) if path.suffix == ".json" else _toml(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"'{path.name}' cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise Damaged(f"'{path.name}' is not a mapping")
    return found


def _toml(content: bytes) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(content.decode())


def picked(values: Mapping[str, Any], key: str) -> Any:
    """Return the value at a name with dots, or places in lists: `model.layers[0]`.

    Raises:
        NotFound: There is none.
    """
    found: Any = values
    for part in _PART.findall(key):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (LookupError, TypeError, ValueError):
            raise NotFound(f"there is no value '{key}'") from None
    return found


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and value of everything in a mapping that is no mapping itself; JSON has no limit to its depth.

    Args:
        values: Of any depth.
        above: The name of the mapping itself.
    """
    waiting = [(above, values)]
    while waiting:
        name, found = waiting.pop()
        if isinstance(found, dict) and found:
            waiting += [
                (f"{name}.{key}" if name else str(key), entry) for key, entry in reversed(found.items())
            ]
        elif name:
            yield name, found


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings as one, those within them too; the second counts more."""
    both = dict(first)
    for key, value in second.items():
        known = both.get(key)
        both[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both
