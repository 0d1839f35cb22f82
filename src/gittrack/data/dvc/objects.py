"""DVC's objects: how content is named, and reading it from a folder that holds it by name."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from gittrack.entities.record import Digest, is_md5
from gittrack.errors import Damaged, InvalidValue
from gittrack.store.layout import safe_path

MAX_LISTING = 256 << 20  # bytes of a `.dir` object: two million files

_WORTH_LISTING = 8  # objects of a shard
_PIECE = 1 << 20  # DVC 2 turns CR LF into LF piece by piece; a pair that is cut in two stays
_LOOKED_AT = 512
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MOST_OTHER = 0.30  # of a text's first bytes


class Hashes:
    """Takes content a piece at a time, and knows every name that it has.

    Pieces may have any size.
    """

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._old: hashlib._Hash | None = None  # differs from `_md5` only once a CR LF came
        self._piece = b""
        self.size = 0

    def update(self, content: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self.size += len(content)
        self._sha.update(content)
        self._piece += content
        while len(self._piece) >= _PIECE:
            self._take(self._piece[:_PIECE])
            self._piece = self._piece[_PIECE:]

    def _take(self, piece: bytes) -> None:
        unix = piece.replace(b"\r\n", b"\n") if b"\r\n" in piece and _looks_like_text(piece) else piece
        if self._old is None and unix is not piece:
            self._old = self._md5.copy()
        if self._old is not None:
            self._old.update(unix)
        self._md5.update(piece)

    def finish(self) -> tuple[Digest, str, str]:
        """Return SHA-256, the MD5 of DVC 3 and that of DVC 2; nothing can be taken afterwards."""
        self._take(self._piece)
        self._piece = b""
        md5 = self._md5.hexdigest()
        return Digest(self._sha.hexdigest()), md5, md5 if self._old is None else self._old.hexdigest()


def _looks_like_text(piece: bytes) -> bool:
    """Whether DVC 2 takes a piece for text.

    Source: DVC, `dvc_data/hashfile/istextfile.py`.
    """
    first = piece[:_LOOKED_AT]
    return b"\0" not in first and len(first.translate(None, _TEXT)) <= _MOST_OTHER * len(first)


def hash_file(file: BinaryIO) -> tuple[Digest, str, str]:
    """Return SHA-256, the MD5 of DVC 3 and that of DVC 2 of what an open file holds."""
    hashes = Hashes()
    while piece := file.read(_PIECE):
        hashes.update(piece)
    return hashes.finish()


def places(md5: str) -> tuple[str, str]:
    """Return where an object lies below a cache or remote: for DVC 3, and for DVC 2.

    Raises:
        InvalidValue: It is no MD5.
    """
    if not is_md5(md5):
        raise InvalidValue(f"{md5!r:.80} is no MD5 of DVC's")
    return f"files/md5/{md5[:2]}/{md5[2:]}", f"{md5[:2]}/{md5[2:]}"


def open_object(cache: Path, md5: str) -> BinaryIO | None:
    """Open an object that lies below a folder, None when there is none; its bytes are not checked."""
    for below in places(md5):
        try:
            return _open_regular(cache / below)
        except OSError:
            continue
    return None


def path_of(cache: Path, md5: str) -> Path | None:
    """Return where a regular file is that could be the object, None where none is; its bytes are not read."""
    for below in places(md5):
        path = os.path.join(cache, below)  # noqa: PTH118 - of every file of a folder at the start of a run
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                return Path(path)
        except OSError:
            continue
    return None


def have_all(caches: Sequence[Path], names: Iterable[str]) -> bool:
    """Whether there is a regular file for each name in one of the caches; no bytes are read.

    Of a large folder whole shards are listed: a look at each of 20,000 objects takes three times as long.
    """
    shards: dict[str, set[str]] = {}
    for md5 in names:
        shards.setdefault(md5[:2], set()).add(md5)
    for shard, wanted in shards.items():
        if len(wanted) >= _WORTH_LISTING:
            for cache in caches:
                for folder in (f"files/md5/{shard}", shard):
                    wanted -= {shard + name for name in _regular_names(os.path.join(cache, folder))}  # noqa: PTH118
        if not all(any(path_of(cache, md5) for cache in caches) for md5 in wanted):
            return False
    return True


def _regular_names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _open_regular(path: Path) -> BinaryIO:
    flags = (
        os.O_RDONLY
        | getattr(os, "O_NOFOLLOW", 0)
        | getattr(os, "O_NONBLOCK", 0)
        | getattr(os, "O_CLOEXEC", 0)
    )
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, "is not a regular file", str(path))
    return file


def listing(content: bytes, md5: str) -> dict[str, str]:
    """Return path and MD5 of each file of a folder, from its `.dir` object.

    Raises:
        Damaged: It is not the object of this name, no list, or names a path that could climb.
    """
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5.removesuffix(".dir"):
        raise Damaged(f"DVC's object {md5} is damaged")
    try:
        found = {safe_path(entry["relpath"]): entry["md5"] for entry in json.loads(content)}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged(f"DVC's object {md5} is no list of files: {error}") from error
    if not all(is_md5(name) and not name.endswith(".dir") for name in found.values()):
        raise Damaged(f"DVC's object {md5} has an entry without an MD5")
    return found


def name_of_folder(files: Mapping[str, str]) -> str:
    """Return DVC's name for a folder with these files: path to MD5."""
    text = json.dumps([{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
