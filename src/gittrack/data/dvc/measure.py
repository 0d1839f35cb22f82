"""Digest and MD5 of what lies in the working tree, each file read once for both, and only when it has changed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.data import hashing
from gittrack.data.dvc import objects
from gittrack.data.hashing import Content
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

_RACY_NS = 2_000_000_000


@dataclass(frozen=True)
class Measured:
    """What a file or folder holds.

    Attributes:
        content: Its digest and size.
        manifest: The folder's list of files with their digests, None for a file.
        md5: DVC 3's name for it.
        old_md5: DVC 2's name for it.
    """

    content: Content
    manifest: bytes | None
    md5: str
    old_md5: str


def measure(source: Path, layout: Layout, *, links_to: Sequence[Path] = ()) -> Measured:
    """Return digest and names of the file or folder at `source`, which exists.

    Args:
        source: A file or a folder.
        layout: Where it is remembered which files have not changed.
        links_to: Folders that links may lead to: DVC's caches.

    Raises:
        InvalidValue: A link leads elsewhere, or a name cannot be kept.
        OSError: It cannot be read.
    """
    memory = _Memory(layout.dvc_hashes(source.absolute()), layout.tmp)
    if not source.is_dir():
        digest, md5, old_md5 = memory.hashes("", source)
        memory.save()
        return Measured(Content(digests.parse(digest), source.stat().st_size), None, md5, old_md5)
    found = [
        (name, file, *memory.hashes(name, file)) for name, file in hashing.walk(source, links_to=links_to)
    ]
    memory.save()
    manifest = "".join(f"{digest}  {name}\n" for name, _, digest, _, _ in found).encode()
    size = sum(file.stat().st_size for _, file, *_ in found)
    return Measured(
        Content(digests.of_bytes(manifest), size, len(found)),
        manifest,
        objects.name_of_folder({name: md5 for name, _, _, md5, _ in found}),
        objects.name_of_folder({name: old_md5 for name, _, _, _, old_md5 in found}),
    )


class _Memory:
    """Hashes by file, believed while nothing about the file has changed; derived."""

    def __init__(self, path: Path, tmp: Path) -> None:
        self._path, self._tmp = path, tmp
        self._before: dict[str, Any] = {}
        with suppress(OSError, ValueError, TypeError):
            self._before = dict(json.loads(path.read_bytes()))
        self._now: dict[str, Any] = {}

    def hashes(self, name: str, file: Path) -> tuple[str, str, str]:
        """Return SHA-256 and both MD5 of a file."""
        state = _state(file)
        known = self._before.get(name)
        if not (isinstance(known, list) and len(known) == 4 and known[0] == state):
            began = time.time_ns()
            with file.open("rb") as content:
                known = [state, *objects.hash_file(content)]
            if _state(file) != state or began - max(state[3:]) < _RACY_NS:
                return known[1], known[2], known[3]
        self._now[name] = known
        return known[1], known[2], known[3]

    def save(self) -> None:
        if self._now != self._before:
            with suppress(OSError):  # read again next time
                content = json.dumps(self._now, separators=(",", ":")).encode()
                durable.replace_file(self._path, content, tmp=self._tmp)


def _state(file: Path) -> list[int]:
    found = os.stat(file)  # noqa: PTH116 - 20,000 of them
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
