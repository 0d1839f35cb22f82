"""Small derived documents of the index: JSON behind a checksum, so that a damaged one is thrown away, not read."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from gittrack.store import digest as digests
from gittrack.store import durable


def load(path: Path) -> dict[str, Any] | None:
    """Return the document at `path`, or None when there is none that can be believed."""
    try:
        content = path.read_bytes()
        if content[:64].decode() != digests.of_bytes(content[65:]):
            return None
        document = json.loads(content[65:])
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def save(path: Path, document: dict[str, Any], *, tmp: Path) -> None:
    """Put `document` at `path`; where the disk does not take it, it is derived again next time."""
    content = json.dumps(document, separators=(",", ":")).encode()
    with contextlib.suppress(OSError):
        durable.replace_file(path, digests.of_bytes(content).encode() + b"\n" + content, tmp=tmp)
