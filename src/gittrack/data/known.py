"""Digests of files that were hashed before, believed as long as nobody has changed the file.

A file is known by device, inode, size, mtime and ctime. What is kept is derived and can be deleted; who checks
content (`repro`, `fsck`) never asks it. It is one file of lines to which every process appends: 20,000 of them are
read in 15 ms, a sixth of what as many questions to SQLite take (bench/capture.py), and a damaged line spoils no other.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from gittrack.entities.record import Digest
from gittrack.store import durable
from gittrack.store.digest import is_digest
from gittrack.store.layout import Layout

Stamp = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime (both in ns): equal as long as nobody has changed a file."""

MAX_BYTES = 32 << 20  # 250,000 files: then the older half is forgotten
RACY_NS = 2_000_000_000  # a file changed so short before it was read could change again and look the same
_CHECKED = 64 + 1 + 8  # a digest, a blank and the checksum of the line end it
_PIECE = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_CHEAP = 8 << 20  # bytes that are hashed before what is known is read: most jobs read a few small files
_PER_FILE = 32 << 10  # what opening a file costs, in bytes hashed meanwhile


class GaveUp(Exception):
    """There was no time to read the whole file."""


class Names(NamedTuple):
    """What the content of a file is called: by gittrack, by DVC 3 and by DVC 2."""

    digest: Digest
    md5: str
    old_md5: str


class Changed(OSError):
    """The file changed while it was read."""


def stamp_of(info: os.stat_result) -> Stamp:
    """Return what tells one state of a file from another."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


class KnownDigests:
    """The digests that a clone knows.

    Args:
        layout: Where the store is.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lines: dict[bytes, bytes] | None = None
        self._found: dict[Stamp, Digest] = {}
        self._md5s: dict[Stamp, str] = {}  # both, one after the other: as long as a digest
        self._new: dict[bytes, str] = {}
        self._hashed = 0

    def find(self, stamp: Stamp) -> Digest | None:
        """Return the digest of a file in this state, None when it is not known."""
        found = self._found.get(stamp)
        if found is None:
            stored = self._stored(_KEY % stamp)
            if stored is not None:
                found = self._found[stamp] = Digest(stored)
        return found

    def _stored(self, key: bytes) -> str | None:
        if self._lines is None:
            self._lines = self._read()
        line = self._lines.get(key)
        if line is None or line[65:] != _check(key, line[:64]):
            return None
        digest = line[:64].decode("ascii", "replace")
        return digest if is_digest(digest) else None

    def _read(self) -> dict[bytes, bytes]:
        try:
            content = self._layout.known_digests.read_bytes()
        except OSError:
            return {}
        return {line[: -_CHECKED - 1]: line[-_CHECKED:] for line in content.split(b"\n")}

    def add(self, stamp: Stamp, digest: Digest) -> None:
        """Remember what a file in this state holds; one that was changed just now is remembered by nobody."""
        if _is_settled(stamp):
            self._found[stamp] = digest
            self._new[_KEY % stamp] = digest

    def digest(
        self, path: str | Path, stamp: Stamp | None = None, *, give_up: Callable[[], bool] | None = None
    ) -> tuple[Digest, int]:
        """Return digest and size of the regular file at `path`, read only when it is not known.

        Args:
            path: The file.
            stamp: The state in which its content is asked for; None for the one that it is in. When that is known,
                nobody looks whether the file is still in it.
            give_up: Asked after each megabyte.

        Raises:
            Changed: The file is no longer in that state.
            GaveUp: `give_up` said so.
            OSError: It cannot be read.
        """
        stamp = stamp or stamp_of(os.stat(path))  # noqa: PTH116 - a folder asks 20,000 times
        digest = None if self._is_cheap(stamp) else self.find(stamp)
        if digest is None:
            digest = _hash(path, stamp, give_up)
            self.add(stamp, digest)
        return digest, stamp[2]

    def names(
        self, path: str | Path, stamp: Stamp | None = None, *, give_up: Callable[[], bool] | None = None
    ) -> tuple[Names, int]:
        """Return what the regular file at `path` is called by its content, and its size; see `digest`."""
        stamp = stamp or stamp_of(os.stat(path))  # noqa: PTH116 - as above
        digest, md5s = self.find(stamp), self._md5s.get(stamp) or self._stored(_MD5_KEY % stamp)
        if digest is not None and md5s is not None:
            return Names(digest, md5s[:32], md5s[32:]), stamp[2]
        names = _all_names(path, stamp, give_up)
        self.add(stamp, names.digest)
        if _is_settled(stamp):
            self._md5s[stamp] = self._new[_MD5_KEY % stamp] = names.md5 + names.old_md5
        return names, stamp[2]

    def _is_cheap(self, stamp: Stamp) -> bool:
        """Whether to hash a file costs less than to read what is known of all."""
        if self._lines is not None or stamp in self._found:
            return False
        self._hashed += stamp[2] + _PER_FILE
        return self._hashed < _CHEAP

    def save(self) -> None:
        """Append what was added since; a disk that does not take it costs a later reading."""
        new, self._new = self._new, {}
        if not new:
            return
        lines = ((key, digest.encode()) for key, digest in new.items())
        content = b"".join(b"%s %s %s\n" % (key, digest, _check(key, digest)) for key, digest in lines)
        path = self._layout.known_digests
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)  # no parents: the repository may have been moved
            self._forget_some(path)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                durable.write_all(descriptor, b"\n" + content)  # ends a line that somebody could not finish
            finally:
                os.close(descriptor)

    def _forget_some(self, path: Path) -> None:
        if path.exists() and path.stat().st_size > MAX_BYTES:
            durable.replace_file(path, path.read_bytes()[-MAX_BYTES // 2 :], tmp=self._layout.tmp)


_KEY = b"%d %d %d %d %d"
_MD5_KEY = b"md5 " + _KEY


def _is_settled(stamp: Stamp) -> bool:
    return time.time_ns() - max(stamp[3], stamp[4]) > RACY_NS


def _check(key: bytes, digest: bytes) -> bytes:
    return b"%08x" % crc32(digest, crc32(key))


def _hash(path: str | Path, stamp: Stamp, give_up: Callable[[], bool] | None) -> Digest:
    sha = hashlib.sha256()
    _feed(sha.update, path, stamp, give_up)
    return Digest(sha.hexdigest())


def _feed(
    take: Callable[[bytes], object], path: str | Path, stamp: Stamp, give_up: Callable[[], bool] | None
) -> None:
    """Give the content of a file in this state to `take`, with as few calls as can be: most files are small.

    Each call lets go of the interpreter's lock, and a job that computes may give it back after 5 ms only.
    """
    descriptor = os.open(path, _READ)
    try:
        left = stamp[2]
        while left > 0 and (piece := os.read(descriptor, min(left, _PIECE))):
            take(piece)
            left -= len(piece)
            if give_up is not None and give_up():
                raise GaveUp
            if stamp_of(os.stat(path)) != stamp:  # noqa: PTH116 - as above
                raise Changed(f"'{path}' has changed")
        if left > 0:  # it ends too soon, perhaps before the first look
            raise Changed(f"'{path}' has changed")
    finally:
        os.close(descriptor)


def _all_names(path: str | Path, stamp: Stamp, give_up: Callable[[], bool] | None) -> Names:
    from gittrack.data.dvc.objects import Hashes  # most repositories have nothing of DVC's

    hashes = Hashes()
    _feed(hashes.update, path, stamp, give_up)
    return Names(*hashes.finish())
