"""Commits as rows, and what lies between two of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from gittrack.errors import GitFailed
from gittrack.git import command
from gittrack.git.patches import NOT_PRIVATE
from gittrack.git.refs import Ref
from gittrack.git.repo import Repository

_FIELDS = 5
_FORMAT = "--format=%H%x00%P%x00%an%x00%ct%x00%s"
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit.

    Attributes:
        commit: Its full id.
        parents: Theirs, the first one first.
        author: A name, as the commit claims it.
        time: When it was committed, in milliseconds since 1970 UTC.
        subject: The first line of its message.
        branches: The names of the tips that contain it, as `refs.tips` gives them.
    """

    commit: str
    parents: tuple[str, ...]
    author: str
    time: int
    subject: str
    branches: tuple[str, ...]


def time_of_head(repo: Repository) -> int | None:
    """Return when HEAD was committed, in seconds since 1970 UTC; None before the first commit."""
    try:
        return int(repo.git("log", "-1", "--no-show-signature", "--format=%ct"))
    except GitFailed:
        return None


def commits(repo: Repository, tips: Sequence[Ref], *, limit: int | None = None) -> Iterator[CommitInfo]:
    """Yield the commits that lead to `tips`, children before their parents, from one process's stream.

    Args:
        repo: Where they are.
        tips: Where to begin; each commit names those that contain it.
        limit: At most so many commits.
    """
    if not tips:
        return
    args = ["log", "-z", "--topo-order", "--no-show-signature", _FORMAT, "--stdin"]
    if limit is not None:
        args.insert(1, f"--max-count={limit}")
    process = command.start(repo.at(*args), cwd=repo.top, stdin=True)
    if process.stdin is None or process.stdout is None:
        raise GitFailed("git log was started without pipes")
    process.stdin.write(b"".join(b"%b\n" % tip.commit.encode() for tip in tips))
    process.stdin.close()
    process.stdin = None
    try:
        yield from _with_branches(_records(process.stdout), tips)
        command.finish(process)
    finally:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.wait()


def changed_files(repo: Repository, before: str, after: str) -> list[tuple[str, str]]:
    """Return (status, path) of each file that differs between two commits or trees, `.gittrack/` aside.

    Args:
        repo: Where both are.
        before: The full id of a commit or tree.
        after: The same.

    Returns:
        Status is git's letter: A added, D deleted, M modified, T another type.
    """
    args = ["diff-tree", "-r", "-z", "--name-status", "--no-renames", before, after, *NOT_PRIVATE]
    words = os.fsdecode(command.run(repo.at(*args), cwd=repo.top, magic=True)).split("\0")
    return list(zip(words[::2], words[1::2], strict=False))


def diff_text(repo: Repository, before: str, after: str, *, max_bytes: int = 1_000_000) -> str:
    """Return the difference between two commits or trees for people, cut off at `max_bytes`.

    It is not a patch: bytes that are not UTF-8 are replaced, and binary files are only named.
    """
    options = ("-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
    names = ("--src-prefix=a/", "--dst-prefix=b/")
    args = ["diff-tree", *options, *names, before, after, *NOT_PRIVATE]
    process = command.start(repo.at(*args), cwd=repo.top, magic=True)
    if process.stdout is None:
        raise GitFailed("git diff-tree was started without pipes")
    text = process.stdout.read(max_bytes + 1)
    if len(text) > max_bytes:
        process.kill()
        process.communicate()
        return text[:max_bytes].decode("utf-8", "replace") + f"\n[cut off after {max_bytes} bytes]\n"
    command.finish(process)
    return text.decode("utf-8", "replace")


def _records(stream: IO[bytes]) -> Iterator[list[str]]:
    """Cut the stream into commits of `_FIELDS` fields; git ends a commit as it ends a field."""
    rest = b""
    fields: list[str] = []
    while piece := stream.read(_PIECE):
        *whole, rest = (rest + piece).split(b"\0")
        for part in whole:
            fields.append(part.decode("utf-8", "replace"))
            if len(fields) == _FIELDS:
                yield fields
                fields = []
    if rest:
        fields.append(rest.decode("utf-8", "replace"))
    if len(fields) == _FIELDS:
        yield fields


def _with_branches(records: Iterator[list[str]], tips: Sequence[Ref]) -> Iterator[CommitInfo]:
    """Hand the names of the tips down from child to parent, as bits of a number; equal numbers share a tuple."""
    names = [tip.name for tip in tips]
    inside: dict[str, int] = {}
    for bit, tip in enumerate(tips):
        inside[tip.commit] = inside.get(tip.commit, 0) | 1 << bit
    spelled: dict[int, tuple[str, ...]] = {}
    for commit, parents, author, seconds, subject in records:
        bits = inside.pop(commit, 0)
        if bits not in spelled:
            spelled[bits] = tuple(name for bit, name in enumerate(names) if bits >> bit & 1)
        above = tuple(parents.split())
        for parent in above:
            inside[parent] = inside.get(parent, 0) | bits
        yield CommitInfo(commit, above, author, int(seconds) * 1000, subject, spelled[bits])
