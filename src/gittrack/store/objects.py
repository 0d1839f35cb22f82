"""The content of artifacts and data, stored once, by digest.

A file is on disk before its digest is told to anybody, so a reference never precedes its content. Mode 0444
guards against accidents and proves nothing: readers that depend on the bytes check them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from gittrack.entities.record import Digest
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.store import digest as digests
from gittrack.store import durable, threads
from gittrack.store.layout import Layout, fan_out

_LARGE = 4 << 20
_READ = 1 << 20
_PIECE = 16 << 20  # with 4 MiB a fast disk idles between pieces: two thirds of the rate, bench/artifact.py
_FICLONE = 0x40049409


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> Any:
        """Return at most `size` bytes, none at the end."""


class FileStore:
    """Content by digest under one store.

    Args:
        layout: Where the store is.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._top = str(layout.files)

    def path(self, digest: Digest) -> Path:
        """Where content with this digest is, or would be."""
        return self._layout.file(digest)

    def has(self, digest: Digest) -> bool:
        """Whether content under this name is here; its bytes are not read."""
        return os.path.isfile(f"{self._top}/{fan_out(digest)}")  # noqa: PTH113 - a folder asks 20,000 times

    def put_bytes(self, content: bytes) -> tuple[Digest, int]:
        """Store `content`; return its digest and size in bytes."""
        digest = digests.of_bytes(content)
        durable.write_once(self.path(digest), content, tmp=self._layout.tmp)
        return digest, len(content)

    def put_file(self, source: Path) -> tuple[Digest, int]:
        """Store the regular file at `source`; return digest and size of the bytes that were stored.

        Raises:
            InvalidValue: `source` is not a regular file.
            OSError: It cannot be read, or the disk does not take it.
        """
        with _open_regular(source) as file:
            return self._store(lambda draft: _copy_hashing(file, draft))

    def put_stream(self, stream: Readable) -> tuple[Digest, int]:
        """Store what a stream gives, a piece at a time; return its digest and size in bytes.

        Raises:
            InvalidValue: It gives something else than bytes.
            OSError: It cannot be read, or the disk does not take it.
        """
        return self._store(lambda draft: _drain(stream, draft))

    def _store(self, write: Callable[[Path], tuple[Digest, int]]) -> tuple[Digest, int]:
        """Let `write` make a new file, and give that its name."""
        durable.make_folder(self._layout.tmp)
        draft = self._layout.tmp / digests.random_hex()
        try:
            digest, size = write(draft)
            final = self.path(digest)
            durable.make_folder(final.parent)
            durable.hook("object.rename")
            draft.replace(final)  # also over content that is there: it may be damaged
            durable.sync_folder(final.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return digest, size

    def read(self, digest: Digest) -> bytes:
        """Return verified content.

        Raises:
            NotFound: It is not here.
            Damaged: The bytes are not those of the digest.
        """
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise _missing(digest) from None
        if digests.of_bytes(content) != digest:
            raise _damaged(digest, self.path(digest))
        return content

    def restore(self, digest: Digest, target: Path) -> None:
        """Put verified content at `target`, a path that does not exist; as a reflink where the disk can.

        Raises:
            NotFound: It is not here.
            Damaged: The bytes are not those of the digest; nothing is left at `target`.
        """
        source = self.path(digest)
        if not source.is_file():
            raise _missing(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as origin:
            clone_or_copy(origin, target)
        if digests.of_file(target) != digest:
            target.unlink()
            raise _damaged(digest, source)

    def verify(self, digest: Digest) -> bool:
        """Whether the bytes here are those of the digest."""
        return digests.of_file(self.path(digest)) == digest

    def all(self) -> Iterator[tuple[Digest, int]]:
        """Yield digest and size of everything stored."""
        if not self._layout.files.is_dir():
            return
        for shard in sorted(self._layout.files.iterdir()):
            for file in sorted(shard.iterdir()) if shard.is_dir() else ():
                name = shard.name + file.name
                if digests.is_digest(name) and not file.is_symlink():
                    yield Digest(name), file.stat().st_size


def _missing(digest: Digest) -> NotFound:
    return NotFound(f"the content {digest[:12]}… is not in this clone")


def _damaged(digest: Digest, path: Path) -> Damaged:
    return Damaged(f"the content {digest[:12]}… is damaged: {path}", hint="gittrack fsck")


@contextlib.contextmanager
def _open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file without waiting on a pipe or a device that stands in its place."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidValue(f"'{path}' is not a regular file")
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor has no Path
        yield file


def _drain(stream: Readable, target: Path) -> tuple[Digest, int]:
    sha, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        while piece := stream.read(_READ):
            if not isinstance(piece, bytes | bytearray):
                raise InvalidValue(
                    f"the stream gives {type(piece).__name__}, not bytes", hint="open(path, 'rb')"
                )
            sha.update(piece)
            durable.write_all(descriptor, memoryview(piece))
            size += len(piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Digest(sha.hexdigest()), size


def _copy_hashing(source: BinaryIO, target: Path) -> tuple[Digest, int]:
    """Share or copy the content of `source`; the digest is that of the stored bytes, whatever it becomes."""
    sha = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        if _reflink(source.fileno(), descriptor):
            with target.open("rb") as shared:
                sha = hashlib.file_digest(shared, "sha256")
            size = os.fstat(descriptor).st_size
        elif os.fstat(source.fileno()).st_size > _LARGE:
            size = _copy_large(source, descriptor, sha)
        else:
            content = source.read()
            sha.update(content)
            durable.write_all(descriptor, content)
            size = len(content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return Digest(sha.hexdigest()), size


def _copy_large(source: BinaryIO, descriptor: int, sha: hashlib._Hash) -> int:
    """Read, hash and write at the same time, a piece each, and go past the system's cache where it lets us.

    What goes through the cache is copied twice and waits for the sync at the end: a third of this rate
    (bench/artifact.py).
    """
    import mmap

    buffers = [memoryview(mmap.mmap(-1, _PIECE)) for _ in range(2)]  # they start at a page, as the disk asks
    _bypass_cache(descriptor, True)
    size = turn = 0
    piece = buffers[turn][: source.readinto(buffers[turn])]  # type: ignore[attr-defined]
    with threads.beside(2, "gittrack-copy") as pool:
        while piece:
            steps = (partial(sha.update, piece), partial(_write_piece, descriptor, piece, size))
            finish = [pool.submit(step).result for step in steps] if pool else steps
            size += len(piece)
            turn = 1 - turn
            following = buffers[turn][: source.readinto(buffers[turn])]  # type: ignore[attr-defined]
            for end in finish:
                end()
            piece = following
    return size


def _write_piece(descriptor: int, piece: memoryview, at: int) -> None:
    if len(piece) < _PIECE:  # the end, or a short read: not whole pages, which only the cache takes
        _bypass_cache(descriptor, False)
    try:
        durable.write_all(descriptor, piece)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _bypass_cache(descriptor, False)  # a disk that wants other pieces than these
        os.lseek(descriptor, at, os.SEEK_SET)
        durable.write_all(descriptor, piece)


def _bypass_cache(descriptor: int, on: bool) -> None:
    """Let writes go straight to the disk, or no longer; where that cannot be had, nothing changes."""
    direct = getattr(os, "O_DIRECT", 0)
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | direct if on else flags & ~direct)


def clone_or_copy(source: BinaryIO, target: Path) -> None:
    """Make a new file at `target` with the content of an open one; as a reflink where the disk can.

    Raises:
        OSError: There is something at `target`, or the disk does not take it.
    """
    with target.open("xb") as copy:
        if not _reflink(source.fileno(), copy.fileno()):
            import shutil  # 2 ms, which a process that only records does not pay

            shutil.copyfileobj(source, copy, 1 << 20)


def _reflink(source: int, target: int) -> bool:
    """Let an open file share the content of another; whether the disk can."""
    try:
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True
