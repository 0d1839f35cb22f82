"""Digests of files and folders, and their way into the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from gittrack.entities.record import Digest
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.store import digest as digests
from gittrack.store.layout import safe_path
from gittrack.store.objects import FileStore


class Content(NamedTuple):
    """What a file or folder holds.

    Attributes:
        digest: Of the file, or of the folder's manifest.
        size: Bytes, of all files together.
        files: Number of files in a folder, None for a file.
    """

    digest: Digest
    size: int
    files: int | None = None


def measure(path: Path) -> Content:
    """Return digest and size of the file or folder at `path`, without keeping it.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidValue: It is neither a file nor a folder of files.
    """
    return _take(path, lambda file: (digests.of_file(file), file.stat().st_size), lambda manifest: None)


def keep(path: Path, store: FileStore) -> Content:
    """Store the file or folder at `path`; return its digest and size.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidValue: It is neither a file nor a folder of files.
        OSError: The disk does not take it.
    """
    return _take(path, store.put_file, lambda manifest: store.put_bytes(manifest))


def _take(
    path: Path, take_file: Callable[[Path], tuple[Digest, int]], take_manifest: Callable[[bytes], object]
) -> Content:
    if path.is_file():
        return Content(*take_file(path))
    if not path.is_dir():
        raise NotFound(f"there is no file or folder '{path}'")
    taken = [(name, *take_file(file)) for name, file in walk(path)]
    manifest = "".join(f"{digest}  {name}\n" for name, digest, _ in taken).encode()
    take_manifest(manifest)
    return Content(digests.of_bytes(manifest), sum(size for _, _, size in taken), len(taken))


def walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield relative path and path of every regular file below `folder`, by path; links out of it are refused.

    Raises:
        InvalidValue: A link leads out of the folder, or a name cannot be kept.
    """
    top = folder.resolve()
    found = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(parent, name) for name in files]
        found += [Path(parent, name) for name in folders if Path(parent, name).is_symlink()]
    for file in sorted(found, key=lambda file: file.relative_to(folder).as_posix()):
        if file.is_symlink() and not file.resolve().is_relative_to(top):
            raise InvalidValue(
                f"'{file}' is a link out of '{folder}'",
                hint=f"cp --remove-destination $(readlink {file}) {file}",
            )
        if file.is_file():
            yield safe_path(file.relative_to(folder).as_posix()), file


def manifest_entries(manifest: bytes) -> list[tuple[str, Digest]]:
    """Return path and digest of each file that a manifest names.

    Raises:
        Damaged: It is not a manifest, or names a path that could climb.
    """
    try:
        lines = [line.partition("  ") for line in manifest.decode().splitlines()]
        return [(safe_path(name), digests.parse(digest)) for digest, _, name in lines]
    except (UnicodeDecodeError, InvalidValue) as error:
        raise Damaged(f"a folder's manifest is damaged: {error}") from error
