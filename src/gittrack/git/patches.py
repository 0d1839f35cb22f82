"""Patches: what one tree lacks of another, in a form that no user setting changes, and their safe reading.

The patch of a run starts with that of the repository itself. For each submodule follows a line of ours, which
`git apply` passes over, and its own patch, with the submodule's path before every name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from gittrack.entities.record import Digest
from gittrack.errors import InvalidValue
from gittrack.git import command
from gittrack.git.repo import Repository

MAX_BYTES = 50_000_000
_HEADER = b"gittrack: submodule "
_SECTION = re.compile(rb"^gittrack: submodule (\{.*\})\n", re.MULTILINE)
_FILE = re.compile(rb"^diff --git ", re.MULTILINE)
_OPTIONS = (
    "-r",
    "-p",
    "--binary",
    "--full-index",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--diff-algorithm=myers",
    "--unified=3",
    "--inter-hunk-context=0",
    "--submodule=short",
    "--ignore-submodules=none",
)
NOT_PRIVATE = ("--", ".", ":(top,exclude,literal).gittrack")


class Section(NamedTuple):
    """The part of a patch that belongs to one repository.

    Attributes:
        path: Of the submodule, below the top; empty for the repository itself.
        base: The commit that the patch starts from; None for an empty tree.
        patch: Its text, names starting with `path`.
    """

    path: str
    base: str | None
    patch: bytes


def make(repo: Repository, base: str, tree: str, *, prefix: str = "") -> bytes | None:
    """Return the patch from `base` to `tree` without `.gittrack/`; None when it is larger than `MAX_BYTES`.

    Args:
        repo: Where both are.
        base: A commit or a tree.
        tree: A commit or a tree.
        prefix: Put before each name; empty or ending in `/`.
    """
    names = (f"--src-prefix=a/{prefix}", f"--dst-prefix=b/{prefix}")
    args = ["diff-tree", *_OPTIONS, *names, base, tree, *NOT_PRIVATE]
    process = command.start(repo.at(*args), cwd=repo.top, magic=True)
    if process.stdout is None:
        return None
    patch = process.stdout.read(MAX_BYTES + 1)
    if len(patch) > MAX_BYTES:
        process.kill()
        process.communicate()
        return None
    command.finish(process)
    return patch


def join(patch: bytes | None, inner: Sequence[tuple[str | None, str, bytes | None]]) -> bytes | None:
    """Return one patch for a repository and its submodules, given as (base, path, patch)."""
    parts = [patch or b""]
    for base, path, text in inner:
        if text:
            parts += [_HEADER, json.dumps({"path": path, "base": base}).encode(), b"\n", text]
    return b"".join(parts) or None


def split(patch: bytes, base: str | None) -> list[Section]:
    """Return the sections of a joined patch, that of the repository itself first.

    Raises:
        InvalidValue: A submodule's line is not one that gittrack wrote.
    """
    pieces = _SECTION.split(patch)
    sections = [Section("", base, pieces[0])]
    for line, text in zip(pieces[1::2], pieces[2::2], strict=True):
        try:
            facts = json.loads(line)
            sections.append(Section(str(facts["path"]), facts["base"], text))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidValue("the patch names a submodule in a way that cannot be read") from error
    return sections


def digest(patch: bytes | None) -> Digest | None:
    """Return the SHA-256 of a patch, None for none."""
    return Digest(hashlib.sha256(patch).hexdigest()) if patch is not None else None


def count(patch: bytes | None) -> int:
    """Return how many files a patch touches."""
    return len(_FILE.findall(patch)) if patch else 0
