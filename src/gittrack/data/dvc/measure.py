"""Digest and MD5 of what lies in the working tree, each file read once for both, and only when it has changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gittrack.data.dvc import objects
from gittrack.data.hashing import Content
from gittrack.data.known import KnownDigests
from gittrack.errors import InvalidValue
from gittrack.store import digest as digests
from gittrack.store.layout import safe_path


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


def measure(source: Path, known: KnownDigests, *, links_to: Sequence[Path] = ()) -> Measured:
    """Return digest and names of the file or folder at `source`, which exists.

    Args:
        source: A file or a folder.
        known: Names of files that nobody has changed since they were hashed.
        links_to: Folders that links may lead to: DVC's caches.

    Raises:
        InvalidValue: A link leads elsewhere, or a name cannot be kept.
        OSError: It cannot be read.
    """
    if not source.is_dir():
        names, size = known.names(source)
        return Measured(Content(names.digest, size), None, names.md5, names.old_md5)
    found = {safe_path(name): known.names(file) for name, file in _files(source, links_to)}
    manifest = "".join([f"{names.digest}  {name}\n" for name, (names, _) in found.items()]).encode()
    md5 = objects.name_of_folder({name: names.md5 for name, (names, _) in found.items()})
    old_md5 = md5
    if any(names.md5 != names.old_md5 for names, _ in found.values()):
        old_md5 = objects.name_of_folder({name: names.old_md5 for name, (names, _) in found.items()})
    size = sum(size for _, size in found.values())
    return Measured(Content(digests.of_bytes(manifest), size, len(found)), manifest, md5, old_md5)


def _files(folder: Path, links_to: Sequence[Path]) -> list[tuple[str, str]]:
    """Return relative path and path of every file below a folder, by path; as `hashing.walk`, in a tenth of its time.

    Raises:
        InvalidValue: A link leads elsewhere than into `folder` or one of `links_to`.
    """
    tops = tuple(os.path.join(os.path.realpath(place), "") for place in (folder, *links_to))  # noqa: PTH118
    found, waiting = [], [("", os.fspath(folder))]
    while waiting:
        above, parent = waiting.pop()
        with os.scandir(parent) as entries:
            for entry in entries:
                name = above + entry.name
                if entry.is_symlink():
                    if not os.path.realpath(entry.path).startswith(tops):
                        raise InvalidValue(f"'{entry.path}' is a link out of '{folder}'")
                    if entry.is_file():
                        found.append((name, entry.path))
                elif entry.is_dir():
                    waiting.append((f"{name}/", entry.path))
                elif entry.is_file():
                    found.append((name, entry.path))
    return sorted(found)
