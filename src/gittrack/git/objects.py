"""Reading git's objects, many through one process."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import IO, NamedTuple

from gittrack.errors import Damaged, GitFailed
from gittrack.git import command
from gittrack.git.repo import Repository

_FOUND = re.compile(rb"([0-9a-f]{40,64}) (blob|tree|commit|tag) ([0-9]+)\n")
_PIECE = 1 << 20
_PIPE = 4096  # every system's pipe takes this much before anybody reads
_PRIVATE = b".gittrack"


class Object(NamedTuple):
    """An object of git.

    Attributes:
        oid: Its full id.
        kind: `blob`, `tree`, `commit` or `tag`.
        size: Of its content, in bytes.
        content: None when `size` is over the limit that the reader set.
    """

    oid: str
    kind: str
    size: int
    content: bytes | None


def read(
    repo: Repository, specs: Sequence[bytes | str], *, max_bytes: int = 1 << 30
) -> Iterator[Object | None]:
    """Yield the object of each spec (an id, `REV:path`), in order; None for one that is missing.

    One process serves all; specs are written while answers are read. Leaving the iteration early ends it.

    Args:
        repo: Where to read.
        specs: Names of objects; a line feed in one needs git 2.38.
        max_bytes: Larger contents are skipped and left None.
    """
    asked = [os.fsencode(spec) for spec in specs]
    if not asked:
        return
    end, flag = (b"\0", ("-z",)) if any(b"\n" in spec for spec in asked) else (b"\n", ())
    process = command.start(repo.at("cat-file", "--batch", *flag), cwd=repo.top, stdin=True)
    if process.stdin is None or process.stdout is None:
        raise GitFailed("git cat-file was started without pipes")
    try:
        _feed(process.stdin, end.join([*asked, b""]))
        process.stdin = None
        for spec in asked:
            yield _next(process.stdout, spec, max_bytes)
        command.finish(process)
    finally:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.wait()


def begin(repo: Repository, specs: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start reading a few small objects, to be collected with `collect` when other things are under way."""
    process = command.start(repo.at("cat-file", "--batch"), cwd=repo.top, stdin=True)
    if process.stdin is not None:
        process.stdin.write(os.fsencode("".join(f"{spec}\n" for spec in specs)))
        process.stdin.flush()
    return process


def collect(process: subprocess.Popen[bytes], specs: Sequence[str]) -> list[Object | None]:
    """Return what `begin` asked for, in order."""
    answer = BytesIO(command.finish(process))
    return [_next(answer, os.fsencode(spec), 1 << 30) for spec in specs]


def tree_entries(content: bytes, object_format: str) -> list[tuple[int, str, str]]:
    """Return (mode, name, oid) of each entry of a raw tree; names as `os.fsdecode` gives them.

    Raises:
        Damaged: `content` is not a tree.
    """
    width = 32 if object_format == "sha256" else 20
    entries = []
    at = 0
    try:
        while at < len(content):
            space = content.index(b" ", at)
            null = content.index(b"\0", space)
            end = null + 1 + width
            if end > len(content):
                raise ValueError
            oid = content[null + 1 : end].hex()
            entries.append((int(content[at:space], 8), os.fsdecode(content[space + 1 : null]), oid))
            at = end
    except ValueError as error:
        raise Damaged("a tree of git's cannot be read", hint="git fsck") from error
    return entries


def code_tree(content: bytes, object_format: str) -> str:
    """Return the id of a raw root tree without its entry `.gittrack`."""
    bare = without_private(content, object_format)
    return hashlib.new(object_format, b"tree %d\0%b" % (len(bare), bare)).hexdigest()


def without_private(content: bytes, object_format: str) -> bytes:
    """Return a raw root tree without its entry `.gittrack`."""
    if b" " + _PRIVATE + b"\0" not in content:
        return content
    kept = (entry for entry in tree_entries(content, object_format) if os.fsencode(entry[1]) != _PRIVATE)
    return b"".join(b"%o %b\0%b" % (mode, os.fsencode(name), bytes.fromhex(oid)) for mode, name, oid in kept)


def _feed(pipe: IO[bytes], text: bytes) -> None:
    """Write all specs: at once when they fit the pipe, else beside the reader, so that neither waits."""

    def write() -> None:
        try:
            with pipe:
                pipe.write(text)
        except OSError:  # the reader left early, or git ended: the reader finds that out
            return

    if len(text) <= _PIPE:
        write()
    else:
        threading.Thread(target=write, daemon=True).start()


def _next(pipe: IO[bytes], spec: bytes, max_bytes: int) -> Object | None:
    line = pipe.readline()
    found = _FOUND.fullmatch(line)
    if not found:
        for _ in range(spec.count(b"\n")):  # a spec that is not found is echoed, line feeds and all
            line = pipe.readline()
        if line.endswith((b" missing\n", b" ambiguous\n")):
            return None
        raise GitFailed("git cat-file ended early", hint="git fsck")
    oid, kind, size = found[1].decode(), found[2].decode(), int(found[3])
    content = _take(pipe, size, keep=size <= max_bytes)
    pipe.read(1)
    return Object(oid, kind, size, content)


def _take(pipe: IO[bytes], size: int, *, keep: bool) -> bytes | None:
    if keep:
        content = pipe.read(size)
        if len(content) != size:
            raise GitFailed("git cat-file ended early", hint="git fsck")
        return content
    while size:
        size -= len(piece := pipe.read(min(size, _PIECE)))
        if not piece:
            raise GitFailed("git cat-file ended early", hint="git fsck")
    return None
