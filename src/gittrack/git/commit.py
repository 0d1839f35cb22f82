"""A commit of `.gittrack/` alone, whatever else is staged or changed.

It is made by plumbing: the user's hooks do not run, for they are about code, and no code is in it. Files go in
byte for byte, past filters, line-end settings and `.gitignore`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from gittrack.errors import Conflict
from gittrack.git import bulk, command
from gittrack.git.repo import Repository
from gittrack.store import durable

_UNFINISHED = {
    "MERGE_HEAD": ("a merge", "git merge --continue"),
    "rebase-merge": ("a rebase", "git rebase --continue"),
    "rebase-apply": ("a rebase", "git rebase --continue"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --continue"),
    "REVERT_HEAD": ("a revert", "git revert --continue"),
}
_PLAIN = re.compile(r"[0-9A-Za-z._-]+", re.ASCII)
_PRIVATE = {"live", "tmp", "index", "cache", "files", "unsaved"}  # never committed, wherever they come from
_TRIES = 5
_WAIT_S = 3.0


def commit_paths(repo: Repository, message: str, folder: str = ".gittrack") -> str | None:
    """Commit what is new below `folder`, and nothing else, on the branch that is checked out.

    Files that are gone from the working tree stay in the commit. Links and files with odd names are not added.
    The user's index gets the same entries, so that `git status` shows them clean; the rest of it is untouched.

    Args:
        repo: A repository with a working tree.
        message: Of the commit.
        folder: Directly below the top.

    Returns:
        The commit's full id; None when there is nothing new.

    Raises:
        Conflict: A merge or the like is unfinished, HEAD kept moving, or the index stayed locked.
        GitFailed: git could not write the commit.
    """
    if repo.root is None:
        raise Conflict(f"'{repo.git_dir}' is a bare repository: nothing can be committed in it")
    _check_state(repo)
    for _ in range(_TRIES):
        head = repo.head()
        paths = _new_paths(repo, repo.root, head, folder)
        if not paths:
            return None
        _await_index(repo)
        written = bulk.write(repo, repo.root, paths, head)
        commit = _make(repo, head, written.tree, message)
        if commit is None:
            return None
        if _advance(repo, head, commit, message):
            _stage(repo, written.oids, commit)
            return commit
    raise Conflict("HEAD moved again and again while the runs were committed", hint="gittrack commit")


def _check_state(repo: Repository) -> None:
    for mark, (what, remedy) in _UNFINISHED.items():
        if (repo.git_dir / mark).exists():
            raise Conflict(f"{what} is unfinished; runs are committed after it", hint=remedy)


def _new_paths(repo: Repository, root: Path, head: str | None, folder: str) -> list[str]:
    """Return the files that HEAD lacks; those directly in the folder may change, and are compared."""
    listing = repo.git("ls-tree", "-r", "-z", "--full-tree", head, "--", folder) if head else b""
    known = {
        os.fsdecode(path): line.split()[2].decode()
        for line, _, path in (entry.partition(b"\t") for entry in listing.split(b"\0") if entry)
    }
    return [
        path
        for path in _files(root, folder)
        if path not in known
        or (path.count("/") == 1 and known[path] != bulk.blob_id(bulk.read(root / path), repo.object_format))
    ]


def _files(root: Path, folder: str) -> Iterator[str]:
    """Yield the regular files below a folder, links not followed, names from the top."""
    top = root / folder
    if top.is_symlink():
        return
    for place, folders, _ in os.walk(top):
        depth_one = Path(place) == top
        folders[:] = sorted(
            name for name in folders if _is_ours(name) and not (depth_one and name in _PRIVATE)
        )
        with os.scandir(place) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.is_file(follow_symlinks=False) and _is_ours(entry.name)
            )
        inside = Path(place).relative_to(root).as_posix()
        yield from (f"{inside}/{name}" for name in names)


def _is_ours(name: str) -> bool:
    """Whether gittrack gives such a name to what is whole."""
    return bool(_PLAIN.fullmatch(name)) and name != ".git" and not name.startswith(durable.DRAFT)


def _make(repo: Repository, head: str | None, tree: str, message: str) -> str | None:
    if head and repo.git("rev-parse", f"{head}^{{tree}}").decode().strip() == tree:
        return None
    parent = ("-p", head) if head else ()
    text = message.encode("utf-8", "surrogateescape")
    try:
        made = repo.ask("commit-tree", tree, *parent, input=text)
    except command.CommandFailed as error:
        if "ident" not in error.stderr:
            raise
        made = repo.ask("commit-tree", tree, *parent, input=text, env=_nobody())
    return made.decode().strip()


def _nobody() -> dict[str, str]:
    """The identity where the user has set none: a run must not stay uncommitted for that."""
    return {name: value for name, value in command.ours("").items() if not name.endswith("_DATE")}


def _advance(repo: Repository, head: str | None, commit: str, message: str) -> bool:
    """Move HEAD's branch from `head` to `commit`; False when it is no longer there."""
    first = message.strip().splitlines()[0] if message.strip() else "runs"
    try:
        repo.ask("update-ref", "-m", f"commit: {first}", "HEAD", commit, head or "0" * len(commit))
    except command.CommandFailed as error:
        if "but expected" in error.stderr or "reference already exists" in error.stderr:
            return False
        raise
    return True


def _await_index(repo: Repository) -> None:
    """Wait a little for whoever holds the index; nothing is committed when they stay."""
    lock = repo.git_dir / "index.lock"
    until = time.monotonic() + _WAIT_S
    while lock.exists():
        if time.monotonic() > until:
            raise Conflict(
                f"another git command holds '{lock}'",
                hint=f"when no git command is running: rm '{lock}'",
            )
        time.sleep(0.02)


def _stage(repo: Repository, oids: Mapping[str, str], commit: str) -> None:
    """Put the entries into the user's own index, and note the times of the files there."""
    entries = "".join(f"100644 {oid}\t{path}\0" for path, oid in oids.items()).encode()
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            repo.git("update-index", "-z", "--index-info", input=entries)
            break
        except command.CommandFailed as error:
            if "index.lock" not in error.stderr or time.monotonic() > until:
                raise Conflict(
                    f"the runs are committed as {commit[:12]}, but git's index is locked",
                    hint="git reset -q -- .gittrack",
                ) from error
        time.sleep(0.02)
    try:
        repo.git("update-index", "-q", "--refresh")
    except command.CommandFailed:  # it ends with 1 where other files have changes
        return
