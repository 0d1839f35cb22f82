"""The code of a run, taken at its start: what HEAD lacks goes into a snapshot commit, and all of it is kept.

Nothing of the user's is touched: the snapshot is made in a copy of the index. git processes that do not need
each other's answers run at the same time, because the start of a run has 25 ms for everything.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from gittrack.entities.record import Code, Submodule
from gittrack.errors import Conflict, GitFailed
from gittrack.git import command, keep, line_ends, objects, patches
from gittrack.git.look import Facts, Look, begin_base, end_base, take_look
from gittrack.git.repo import Repository
from gittrack.git.screening import Selection, select
from gittrack.git.snapshot import write_tree

_COMMIT_DATE = re.compile(rb"^committer .* (-?\d+ [+-]\d{4})$", re.MULTILINE)
_GITLINK = re.compile(rb"160000 ([0-9a-f]+) 0\t(.*)", re.DOTALL)


@dataclass(frozen=True)
class Capture:
    """The code of a working tree at one moment.

    Attributes:
        code: The tie to git, whole.
        patch: What `code.base` lacks of it, the content of `code.patch`; None when it lacks nothing.
        ignored: Paths that git ignores: files, and folders with a `/` at their end.
        taken_at: When the look began.
        root: Top of the working tree.
    """

    code: Code
    patch: bytes | None
    ignored: tuple[str, ...]
    taken_at: int
    root: Path

    def holds(self, path: str) -> bool:
        """Whether the captured tree holds the regular file at `path`, as it was at the time.

        The content is git's: with filters or line-end conversion, its bytes can differ from the file's.

        Args:
            path: Relative to `root`, with `/` between its parts.
        """
        folders = _folders_of(path)
        if not self.takes(path) or folders & {submodule.path for submodule in self.code.submodules}:
            return False
        return self._is_unchanged(path, folders)

    def takes(self, path: str) -> bool:
        """Whether a file at `path` is of those that were captured, here or in a submodule."""
        folder, _, name = path.rpartition("/")
        if folder not in self._taken_folders:
            parts = f"{folder}/-".removeprefix("/").split("/")
            is_private = (
                parts[0] == ".gittrack" or ".git" in parts or any(part in ("", "..") for part in parts)
            )
            above = {f"{one}/" for one in _folders_of("/".join(parts))}
            self._taken_folders[folder] = not (is_private or above & self._not_taken)
        is_name = name not in ("", "..", ".git") and path != ".gittrack"
        return is_name and self._taken_folders[folder] and path not in self._not_taken

    @cached_property
    def _taken_folders(self) -> dict[str, bool]:
        """Whether files in a folder can be of those that were captured, as far as somebody has asked."""
        return {}

    @cached_property
    def _not_taken(self) -> frozenset[str]:
        return frozenset((*self.ignored, *(left.path for left in self.code.left_out)))

    def _is_unchanged(self, path: str, folders: set[str]) -> bool:
        try:
            info = (self.root / path).lstat()
        except OSError:
            return False
        regular = info.st_mode & 0o170000 == 0o100000
        older = max(info.st_mtime_ns, info.st_ctime_ns) // 1_000_000 < self.taken_at
        return regular and older and not any((self.root / folder).is_symlink() for folder in folders)


def _folders_of(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:depth]) for depth in range(1, len(parts))}


class _Limits(NamedTuple):
    clone: str
    max_bytes: int
    max_total_bytes: int


class _Snapshot(NamedTuple):
    captured: str
    code_tree: str
    base: str | None
    patch: bytes | None
    too_large: bool
    line_ends: list[str]


def capture(
    repo: Repository, *, clone: str, max_bytes: int = 10_000_000, max_total_bytes: int = 50_000_000
) -> Capture:
    """Take the code of a working tree, in whatever state it is, and hold it from `git gc`.

    Args:
        repo: A repository with a working tree.
        clone: The id of this clone, which names its keep ref.
        max_bytes: Changed files that are larger stay out.
        max_total_bytes: Once so many bytes of changes are taken, the rest stays out.

    Raises:
        Conflict: The repository is bare.
        GitFailed: git, or the disk under it, did not do its part.
        OSError: The disk did not take the copy of the index.
    """
    return _capture(repo, _Limits(clone, max_bytes, max_total_bytes), prefix="")


def _capture(repo: Repository, limits: _Limits, *, prefix: str) -> Capture:
    if repo.root is None:
        raise Conflict(
            f"'{repo.git_dir}' is a bare repository: there is no code in it that could run",
            hint=f"git clone '{repo.git_dir}'",
        )
    taken_at = int(time.time() * 1000)
    lacking: dict[str, list[str]] = {}  # by commit, what `Code.state` says of it

    def keep_head(facts: Facts) -> None:
        if facts.head is not None:
            lacking[facts.head] = _keep(repo, limits.clone, facts.head, facts)

    look = take_look(repo, keep.keep_ref(limits.clone), keep_head)
    selection = select(
        repo.root, look.changes, max_bytes=limits.max_bytes, max_total_bytes=limits.max_total_bytes
    )
    inner = _submodules(repo, look, limits, prefix)
    snapshot = _snapshot(repo, look, selection, prefix)
    if snapshot.captured not in lacking:
        lacking[snapshot.captured] = _keep(repo, limits.clone, snapshot.captured, look.facts)
    patch = patches.join(snapshot.patch, [(sub.code.base, path, sub.patch) for path, sub in inner])
    too_large = snapshot.too_large or len(patch or b"") > patches.MAX_BYTES
    if too_large:
        patch = None
    state = [*look.words, *snapshot.line_ends]
    state += ["patch-too-large"] if too_large else []
    state += lacking[snapshot.captured]
    left_out = [replace(left, path=prefix + left.path) for left in selection.left_out]
    code = Code(
        commit=look.head,
        branch=look.branch,
        captured=snapshot.captured,
        code_tree=snapshot.code_tree,
        base=snapshot.base,
        patch_digest=patches.digest(patch),
        patch_files=patches.count(patch),
        dirty=bool(look.changes) or any(sub.code.dirty for _, sub in inner),
        left_out=(*left_out, *(left for _, sub in inner for left in sub.code.left_out)),
        submodules=tuple(entry for path, sub in inner for entry in _flat(path, sub)),
        state=tuple(state),
    )
    ignored = [f"{path.removeprefix(prefix)}/{name}" for path, sub in inner for name in sub.ignored]
    return Capture(code, patch, (*look.ignored, *ignored), taken_at, repo.root)


def _snapshot(repo: Repository, look: Look, selection: Selection, prefix: str) -> _Snapshot:
    """Make what HEAD lacks into a commit, unless it lacks nothing."""
    finding = begin_base(repo) if look.head and look.unpushed else None
    with command.reaped(*([finding] if finding else [])):
        if _is_changed(look, selection):
            tree, ends = write_tree(repo, selection, look.line_ends)
        else:
            tree, ends = None, line_ends.in_use(repo, look.line_ends)
        base = end_base(finding, look.head) if finding and look.head else look.head
    content, captured = look.facts.tree, look.head or ""
    if tree is None:
        patch = _patch(repo, base, look.head, prefix)
    else:
        making = _begin_commit(repo, look, tree)
        reading = objects.begin(repo, [tree])
        with command.reaped(making, reading):
            patch = _patch(repo, base, tree, prefix)
            made = command.finish(making, b"gittrack: the working tree as a run found it\n").decode().strip()
            (root,) = objects.collect(reading, [tree])
        content = (root.content or b"") if root else b""
        if look.head is None or content != look.facts.tree:  # equal when all that had changed was left out
            captured = made
    code_tree = objects.code_tree(content, repo.object_format)
    return _Snapshot(captured, code_tree, base, patch or None, patch is None, ends)


def _is_changed(look: Look, selection: Selection) -> bool:
    staged = any(change.states[:1] not in (".", "?") for change in look.changes)
    return bool(look.head is None or staged or selection.take or selection.reset or selection.remove)


def _begin_commit(repo: Repository, look: Look, tree: str) -> subprocess.Popen[bytes]:
    """Start the snapshot commit; its date is HEAD's, so that the same tree on the same commit is stored once."""
    found = _COMMIT_DATE.search(look.facts.commit)
    identity = command.ours(f"@{found[1].decode()}" if found else "@0 +0000")
    parent = ["-p", look.head] if look.head else []
    return command.start(["commit-tree", tree, *parent], cwd=repo.top, env=identity, stdin=True)


def _patch(repo: Repository, base: str | None, tree: str | None, prefix: str) -> bytes | None:
    """Return the patch, empty where there is no difference; None when it is too large."""
    if base == tree or tree is None:
        return b""
    return patches.make(repo, base or repo.empty_tree, tree, prefix=prefix)


def _keep(repo: Repository, clone: str, captured: str, facts: Facts) -> list[str]:
    """Hold a commit; a ref that cannot be moved now costs the run one word: `fsck` makes up for it."""
    if keep.is_kept(repo, clone, captured, facts.keep_tip):
        return []
    try:
        keep.keep(repo, clone, captured)
    except (GitFailed, OSError):
        found = keep.lock(repo, clone)
        return [f"not-kept: {found[0]} is {found[1]} s old" if found else "not-kept"]
    return []


def _submodules(repo: Repository, look: Look, limits: _Limits, prefix: str) -> list[tuple[str, Capture]]:
    """Capture the submodules that are checked out, each as a repository of its own."""
    root = repo.top
    mentioned = any(change.submodule.startswith("S") for change in look.changes)
    if not mentioned and not (root / ".gitmodules").exists():
        return []
    found = []
    for path in _gitlinks(repo):
        name = os.fsdecode(path)
        if os.path.lexists(root / name / ".git"):
            inner = Repository.find(root / name)
            found.append((prefix + name, _capture(inner, limits, prefix=f"{prefix}{name}/")))
    return found


def _gitlinks(repo: Repository) -> Sequence[bytes]:
    lines = repo.git("ls-files", "--stage", "-z").split(b"\0")
    return [found[2] for line in lines if (found := _GITLINK.fullmatch(line))]


def _flat(path: str, sub: Capture) -> list[Submodule]:
    code = sub.code
    return [Submodule(path, code.commit or code.captured, code.captured, code.code_tree), *code.submodules]
