"""The keep ref: one per clone, a chain of merge commits that holds the code of its runs from `git gc`.

Each commit of the chain has the empty tree and the parents [the tip before it, the commit that is kept]. One
ref for all runs, because every ref is sent at each contact with a server.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from gittrack.errors import InvalidValue
from gittrack.git import command
from gittrack.git.repo import Repository, is_oid
from gittrack.store.locking import locked

NAMESPACE = "refs/gittrack/keep"
OTHERS = "refs/gittrack/remotes"
_CLONE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)
_TRIES = 20


def keep_ref(clone: str) -> str:
    """Return the name of a clone's keep ref.

    Raises:
        InvalidValue: `clone` is not a short word of letters and digits.
    """
    if not _CLONE.fullmatch(clone):
        raise InvalidValue(f"{clone!r} is not the id of a clone")
    return f"{NAMESPACE}/{clone}"


def keep(repo: Repository, clone: str, oid: str) -> bool:
    """Hold commit `oid` from `git gc`; returns whether it was not held before.

    Raises:
        GitFailed: git could not write the commit or move the ref; a lock that somebody left is not removed.
    """
    ref = keep_ref(clone)
    repo.private.mkdir(parents=True, exist_ok=True)
    with locked(repo.private / "keep.lock"):
        for attempt in range(_TRIES):
            tip = _tip(repo, ref)
            if tip is None:
                _forget(repo, clone)
            elif _marker(repo, clone, oid).exists():
                return False
            try:
                _add(repo, ref, tip, oid)
            except command.CommandFailed as error:
                if "but expected" not in error.stderr or attempt == _TRIES - 1:
                    raise
            else:
                mark(repo, clone, oid)
                return True
    return False


def lock(repo: Repository, clone: str) -> tuple[str, int] | None:
    """Return the lock file that somebody holds, or left, on a clone's keep ref, and its age in seconds.

    The path starts at git's common folder, whose own place is nobody else's business: it ends in a record.
    """
    name = f"{keep_ref(clone)}.lock"
    try:
        changed = (repo.common_dir / name).lstat().st_mtime
    except OSError:
        return None
    return f"{repo.common_dir.name}/{name}", max(0, int(time.time() - changed))


def mark(repo: Repository, clone: str, oid: str) -> None:
    """Remember that the keep ref holds `oid`, so that the next start of a run need not ask git."""
    marker = _marker(repo, clone, oid)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def is_kept(repo: Repository, clone: str, oid: str, tip: bytes | None) -> bool:
    """Whether `oid` is held, by the content of the keep ref's commit (None: no ref) or a marker."""
    if tip is None:
        return False
    return tip.endswith(b"\ngittrack: keep %b\n" % oid.encode()) or _marker(repo, clone, oid).exists()


def kept(repo: Repository) -> set[str]:
    """Return the ids of all commits that a keep ref holds: this clone's and those fetched from others."""
    refs = repo.git("for-each-ref", "--format=%(refname)", NAMESPACE, OTHERS).split()
    if not refs:
        return set()
    names = b"\n".join([*refs, b""])
    answer = repo.git("log", "--first-parent", "--stdin", "-z", "--format=%T %P %s", input=names)
    lines = (line.split() for line in answer.decode("utf-8", "replace").split("\0"))
    return {
        words[-1]
        for words in lines
        if len(words) >= 5 and words[0] == repo.empty_tree and words[-3:-1] == ["gittrack:", "keep"]
        if words[-1] == words[-4] and is_oid(words[-1])
    }


def _tip(repo: Repository, ref: str) -> str | None:
    """The ref's commit: from its file where there is one, which spares a process while others wait."""
    file = repo.common_dir / ref
    if file.is_file():
        text = file.read_text(errors="replace").strip()
        if is_oid(text):
            return text
    return os.fsdecode(repo.git("for-each-ref", "--format=%(objectname)", ref)).strip() or None


def _add(repo: Repository, ref: str, tip: str | None, oid: str) -> None:
    if tip is None:  # git knows the empty tree without having it; what is pushed must have it
        repo.git("hash-object", "-t", "tree", "-w", "--stdin", input=b"")
    parents = [tip, oid] if tip else [oid]
    options = [part for parent in parents for part in ("-p", parent)]
    message = f"gittrack: keep {oid}\n".encode()
    when = command.ours(f"@{int(time.time())} +0000")
    made = repo.git("commit-tree", repo.empty_tree, *options, input=message, env=when).decode().strip()
    repo.git("update-ref", "--no-deref", ref, made, tip or "0" * len(oid))


def _marker(repo: Repository, clone: str, oid: str) -> Path:
    return _markers(repo, clone) / oid


def _markers(repo: Repository, clone: str) -> Path:
    return repo.private / "index" / "kept" / clone


def _forget(repo: Repository, clone: str) -> None:
    """Drop the markers of a keep ref that is gone."""
    folder = _markers(repo, clone)
    if folder.is_dir():
        for marker in folder.iterdir():
            marker.unlink(missing_ok=True)
