"""The first look at a working tree: what HEAD is, what changed, what the capture can build on.

The git processes run at the same time: `git status` takes 15 ms in a tree of 10,000 files, and all others end
while it runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import NamedTuple

from gittrack.errors import GitFailed
from gittrack.git import command, line_ends, objects
from gittrack.git.patches import NOT_PRIVATE
from gittrack.git.repo import Repository
from gittrack.git.screening import Change

_PRIVATE = b".gittrack"
_STATUS = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=all",
    "--ignored=matching",
    "--ignore-submodules=none",
    "--no-renames",
    "--no-ahead-behind",
)
# What outlives a branch that gets squashed and deleted. Without wildcards, the names below would be meant.
_LASTING = ("--not", "--remotes", "--branches=mai[n]", "--branches=maste[r]")
_MARKS = {
    "MERGE_HEAD": "merging",
    "rebase-merge": "rebasing",
    "rebase-apply": "rebasing",
    "CHERRY_PICK_HEAD": "cherry-picking",
    "REVERT_HEAD": "reverting",
    "BISECT_LOG": "bisecting",
}


class Facts(NamedTuple):
    """What git's objects say of HEAD: its commit and root tree, raw, and the keep ref's commit."""

    head: str | None
    commit: bytes
    tree: bytes
    keep_tip: bytes | None


class Look(NamedTuple):
    """A working tree at one moment.

    Attributes:
        facts: Of HEAD.
        branch: None when HEAD is detached.
        changes: What differs from HEAD, `.gittrack/` aside.
        ignored: Paths that git ignores: files, and folders with a `/` at their end.
        unpushed: Whether HEAD is a commit that only its own branch has.
        words: Anything unusual, as in `Code.state`.
        line_ends: Settings of line ends that are not the usual ones, as in `Code.state`.
    """

    facts: Facts
    branch: str | None
    changes: list[Change]
    ignored: tuple[str, ...]
    unpushed: bool
    words: list[str]
    line_ends: list[str]

    @property
    def head(self) -> str | None:
        """The id of HEAD's commit."""
        return self.facts.head


def take_look(repo: Repository, keep_ref: str, meanwhile: Callable[[Facts], None]) -> Look:
    """Look at a working tree.

    Args:
        repo: With a working tree.
        keep_ref: Whose commit to read.
        meanwhile: Called with the facts while `git status` still runs.

    Raises:
        GitFailed: git cannot read the repository.
    """
    # Ten thousand runs that no commit holds yet would cost git 200 ms, to name what is then passed over.
    status = command.start([*_STATUS, *NOT_PRIVATE], cwd=repo.top, magic=True)
    lasting = command.start(["rev-list", "-1", "HEAD", *_LASTING], cwd=repo.top)
    settings = line_ends.begin_settings(repo)
    with command.reaped(status, lasting, settings):
        facts = _facts(repo, "HEAD", keep_ref)
        meanwhile(facts)
        head, branch, changes, ignored = _parse_status(command.finish(status))
        if head != facts.head:  # somebody committed between the two answers
            facts = _facts(repo, head or "HEAD", keep_ref)
        if head != facts.head:
            raise GitFailed(f"commit {head or facts.head} cannot be read", hint="git fsck")
        unpushed = _unpushed(lasting, head)
        words = _state(repo, head, branch)
        ends = line_ends.end_settings(settings)
    return Look(facts, branch, changes, ignored, unpushed, words, ends)


def begin_base(repo: Repository) -> subprocess.Popen[bytes]:
    """Start looking for the nearest ancestor of HEAD that outlives its branch; `end_base` has the answer."""
    return command.start(["rev-list", "--boundary", "HEAD", *_LASTING], cwd=repo.top)


def end_base(process: subprocess.Popen[bytes], head: str) -> str:
    """Return the id that `begin_base` found, `head` when history has no such ancestor."""
    lines = command.finish(process).decode().split()
    return next((line[1:] for line in lines if line.startswith("-")), head)


def _facts(repo: Repository, rev: str, keep_ref: str) -> Facts:
    specs = [f"{rev}^{{commit}}", f"{rev}^{{tree}}", keep_ref]
    commit, tree, tip = objects.collect(objects.begin(repo, specs), specs)
    if commit is None or tree is None:
        return Facts(None, b"", b"", tip.content if tip else None)
    return Facts(commit.oid, commit.content or b"", tree.content or b"", tip.content if tip else None)


def _unpushed(process: subprocess.Popen[bytes], head: str | None) -> bool:
    try:
        return bool(command.finish(process).strip())
    except command.CommandFailed:
        if head is None:  # there is no HEAD to list
            return False
        raise


def _state(repo: Repository, head: str | None, branch: str | None) -> list[str]:
    words = ["no-commit"] if head is None else []
    words += ["detached"] if branch is None else []
    words += ["shallow"] if repo.shallow else []
    present = set(os.listdir(repo.git_dir))  # noqa: PTH208 - half the time of iterdir
    return words + list(dict.fromkeys(word for mark, word in _MARKS.items() if mark in present))


def _parse_status(answer: bytes) -> tuple[str | None, str | None, list[Change], tuple[str, ...]]:
    head: str | None = None
    branch: str | None = None
    changes: list[Change] = []
    ignored: list[str] = []
    for line in answer.split(b"\0"):
        kind = line[:2]
        if kind == b"! ":
            ignored.append(os.fsdecode(line[2:]))
        elif kind == b"? " and b"/__pycache__/" in b"/" + line[2:]:
            ignored.append(
                os.fsdecode(line[2:])
            )  # made from sources that are captured, and never twice the same
        elif kind == b"? ":
            changes.append(Change(line[2:], "??", "N...", "000000", ""))
        elif kind == b"1 ":
            _, states, sub, mode, _, _, oid, _, path = line.split(b" ", 8)
            changes.append(Change(path, states.decode(), sub.decode(), mode.decode(), oid.decode()))
        elif kind == b"u ":
            _, states, sub, _, mode, _, _, _, oid, _, path = line.split(b" ", 10)
            changes.append(Change(path, "u" + states.decode(), sub.decode(), mode.decode(), oid.decode()))
        elif line.startswith(b"# branch.oid ") and line != b"# branch.oid (initial)":
            head = line[13:].decode()
        elif line.startswith(b"# branch.head ") and line != b"# branch.head (detached)":
            branch = os.fsdecode(line[14:])
    return head, branch, [change for change in changes if not _is_private(change.path)], tuple(ignored)


def _is_private(path: bytes) -> bool:
    return path == _PRIVATE or path.startswith(_PRIVATE + b"/")
