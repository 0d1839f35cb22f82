"""The tree of the user's index with changes put into a copy of it, which git then writes as objects."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gittrack.git import line_ends
from gittrack.git.repo import Repository
from gittrack.git.screening import Change, Selection
from gittrack.store.digest import random_hex

_STALE_S = 600


def write_tree(repo: Repository, selection: Selection, ends: list[str]) -> tuple[str, list[str]]:
    """Write the tree of the user's index with the selection put into a copy of it.

    Args:
        repo: With a working tree.
        selection: What to put in.
        ends: Settings of line ends.

    Returns:
        The tree's id, and those of `ends` that the files taken bear out.
    """
    with _index_copy(repo) as env:
        lines = [_index_line(change) for change in selection.reset]
        lines += [_removal(path, repo) for path in selection.remove]
        if lines:
            repo.git("update-index", "-z", "--index-info", input=b"".join(lines), env=env)
        if selection.take:
            options = ("--add", "--remove", "--replace", "-z", "--stdin")
            paths = b"\0".join([*(path.rstrip(b"/") for path in selection.take), b""])
            repo.git("update-index", *options, input=paths, env=env)
        tree = repo.git("write-tree", "--missing-ok", env=env).decode().strip()
        return tree, line_ends.in_use(repo, ends, env)


def _index_line(change: Change) -> bytes:
    oid = change.oid if change.in_head else "0" * (len(change.oid) or 40)
    return b"%b %b\t%b\0" % (change.mode.encode() if change.in_head else b"0", oid.encode(), change.path)


def _removal(path: bytes, repo: Repository) -> bytes:
    return b"0 %b\t%b\0" % (b"0" * len(repo.empty_tree), path)


@contextmanager
def _index_copy(repo: Repository) -> Iterator[dict[str, str]]:
    """Yield the environment in which git writes to a copy of the user's index."""
    folder = repo.private / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    copy = folder / f"index-{os.getpid()}-{random_hex()}"
    try:
        _copy_index(repo.git_dir / "index", copy)
        yield {"GIT_INDEX_FILE": str(copy)}
    finally:
        copy.unlink(missing_ok=True)
        copy.with_name(f"{copy.name}.lock").unlink(missing_ok=True)


def _copy_index(index: Path, copy: Path) -> None:
    """Copy with its time: by it git knows which entries changed in the second when it was written."""
    try:
        info = index.stat()
        copy.write_bytes(index.read_bytes())
    except FileNotFoundError:
        return  # nothing was ever added
    os.utime(copy, ns=(info.st_atime_ns, info.st_mtime_ns))


def _sweep(folder: Path) -> None:
    """Remove the copies of processes that were killed."""
    for name in os.listdir(folder):  # noqa: PTH208 - half the time of iterdir
        if name.startswith("index-"):
            with suppress(OSError):
                old = folder / name
                if old.stat().st_ctime < time.time() - _STALE_S:
                    old.unlink()
