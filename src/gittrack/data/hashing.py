"""Digests of files and folders, and their way into the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gittrack.data.known import KnownDigests, stamp_of
from gittrack.entities.record import Digest
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.store import digest as digests
from gittrack.store import threads
from gittrack.store.layout import safe_path
from gittrack.store.objects import FileStore

_AT_ONCE = (
    8  # files stored at the same time: one after the other each waits for the disk, ten times as long in all
)


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


def measure(path: Path, known: KnownDigests | None = None) -> Content:
    """Return digest and size of the file or folder at `path`, without keeping it.

    Args:
        path: What to measure.
        known: Digests to believe, and to add to; without them every byte is read.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidValue: It is neither a file nor a folder of files.
    """
    measure_file = _measured if known is None else known.digest
    return _take(path, lambda files: list(map(measure_file, files)), lambda manifest: None)


def keep(path: Path, store: FileStore, known: KnownDigests | None = None) -> Content:
    """Store the file or folder at `path`; return its digest and size.

    Args:
        path: What to keep.
        store: Takes the content.
        known: Digests to believe where the store has such content, and to add to.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidValue: It is neither a file nor a folder of files.
        OSError: The disk does not take it.
    """
    return _take(
        path, lambda files: keep_files(files, store, known), lambda manifest: store.put_bytes(manifest)
    )


def keep_files(
    files: Sequence[Path], store: FileStore, known: KnownDigests | None = None
) -> list[tuple[Digest, int]]:
    """Store files, but those whose content is known and stored; return the digest and size of each.

    Raises:
        InvalidValue: One is not a regular file.
        OSError: One cannot be read, or the disk does not take it.
    """
    if known is None:
        return _put(files, store)
    stamps = [stamp_of(file.stat()) for file in files]
    found = [known.find(stamp) for stamp in stamps]
    new = [place for place, digest in enumerate(found) if digest is None or not store.has(digest)]
    stored = dict(zip(new, _put([files[place] for place in new], store), strict=True))
    for place, (digest, _) in stored.items():
        if stamp_of(files[place].stat()) == stamps[place]:
            known.add(stamps[place], digest)
    return [
        stored[place] if digest is None or place in stored else (digest, stamps[place][2])
        for place, digest in enumerate(found)
    ]


def _put(files: Sequence[Path], store: FileStore) -> list[tuple[Digest, int]]:
    if len(files) < _AT_ONCE:
        return list(map(store.put_file, files))
    with threads.beside(_AT_ONCE, "gittrack-keep") as pool:
        return list((pool.map if pool else map)(store.put_file, files))


def _measured(file: Path) -> tuple[Digest, int]:
    return digests.of_file(file), file.stat().st_size


def _take(
    path: Path,
    take_files: Callable[[Sequence[Path]], list[tuple[Digest, int]]],
    take_manifest: Callable[[bytes], object],
) -> Content:
    if path.is_file():
        return Content(*take_files([path])[0])
    if not path.is_dir():
        raise NotFound(f"there is no file or folder '{path}'")
    found = list(walk(path))
    taken = take_files([file for _, file in found])
    manifest = manifest_of((name, digest) for (name, _), (digest, _) in zip(found, taken, strict=True))
    take_manifest(manifest)
    return Content(digests.of_bytes(manifest), sum(size for _, size in taken), len(taken))


def manifest_of(entries: Iterable[tuple[str, Digest]]) -> bytes:
    """Return the list of a folder's files by path, as `sha256sum` would write it."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(entries)).encode()


def walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield relative path and path of every regular file below `folder`, by path; links out of it are refused.

    Raises:
        InvalidValue: A link leads out of the folder, or a name cannot be kept.
    """
    top = folder.resolve()
    for name, entry in sorted(_entries(folder, ""), key=lambda found: found[0]):
        file = Path(entry.path)
        if entry.is_symlink() and not file.resolve().is_relative_to(top):
            raise InvalidValue(
                f"'{file}' is a link out of '{folder}'",
                hint=f"cp --remove-destination $(readlink {file}) {file}",
            )
        if entry.is_file():
            yield safe_path(name), file


def _entries(folder: str | Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield all below `folder` that is no folder, links to folders included; a folder that cannot be read is empty."""
    try:
        found = list(os.scandir(folder))
    except OSError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry


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
