"""Working trees of gittrack's own, in which the code of a run is put to be run again.

Making 10,000 files takes longer than all else in a reproduction, so worktrees are a *pool*: they stay where they
are, and the next reproduction takes one that is free. There are as many as were ever in use at once, up to one for
each processor. A job may have changed anything in it, git's index and the times of files included, so every file is
read and compared with the wanted tree, none is believed.

The files are written as the run had them: with its line-end settings, whatever those of this clone are. Filters
that the user configured (LFS) run, because a job must find the content that it read, but not for the code of
somebody else that nobody has agreed to run: it would choose what they fetch, and from where. Hooks never run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gittrack.entities.record import Code
from gittrack.errors import Conflict, GitFailed
from gittrack.git import command, objects, patches, recover
from gittrack.git.place import admin_of, asks_for, discard, run_in, settings_of, strip, without_filters
from gittrack.git.recover import CodeLost, Found
from gittrack.git.repo import Repository
from gittrack.git.submodules import put_submodules
from gittrack.store import durable
from gittrack.store.digest import random_hex
from gittrack.store.locking import locked

__all__ = ["CodeLost", "Restored", "checkout", "put_paths", "remove_pool", "renew", "restore_code"]

_POOLED = max(2, os.cpu_count() or 1)
_PREFIX = "gittrack-"
_RANDOM = 12  # digits of the name of a worktree that goes after use; a number is never that long
_GLOB = re.compile(r"[\\*?\[\]! #]")
_ESCAPED = r"\\\g<0>"


@dataclass(frozen=True)
class Restored:
    """Code put back.

    Attributes:
        path: Top of the worktree.
        how: How the code was found, as in `recover.Found`; submodules that took another way are named.
        commit: The commit that it is.
        unfiltered: Filters that files of it should have gone through, and that were not started.
    """

    path: Path
    how: str
    commit: str
    unfiltered: tuple[str, ...] = ()


def restore_code(
    repo: Repository, code: Code, patch: bytes | None, target: Path, *, fetch: bool = True
) -> Restored:
    """Put the code of a run, without `.gittrack/`, into a new detached worktree at `target`, which stays.

    Args:
        repo: Where the code is looked for.
        code: What the run recorded.
        patch: The run's `code.patch`.
        target: A path where nothing is; the worktree is the caller's, `git worktree remove` ends it.
        fetch: Ask remotes.

    Raises:
        CodeLost: The code cannot be restored exactly.
        Conflict: Something is at `target`.
        GitFailed: git could not write the files.
    """
    found = recover.find_code(repo, code, _own_section(patch, code), fetch=fetch)
    if os.path.lexists(target):
        raise Conflict(f"'{target}' exists already")
    return _put(repo, found, code, patch, target, fetch=fetch)


@contextmanager
def checkout(
    repo: Repository,
    code: Code,
    patch: bytes | None,
    *,
    keep: bool = False,
    fetch: bool = True,
    filters: bool = True,
) -> Iterator[Restored]:
    """Hold a worktree with the code of a run, without `.gittrack/`, for the length of a block.

    Args:
        repo: Where the code is looked for.
        code: What the run recorded.
        patch: The run's `code.patch`.
        keep: Leave the worktree to the user, who ends it with `git worktree remove --force`.
        fetch: Ask remotes.
        filters: Start the filters that the user configured.

    Raises:
        CodeLost: The code cannot be restored exactly.
        GitFailed: git could not write the files.
    """
    found = recover.find_code(repo, code, _own_section(patch, code), fetch=fetch)
    barred = {} if filters else without_filters(repo)
    off = tuple(setting for settings in barred.values() for setting in settings)
    if keep:
        target = _folder(repo) / f"kept-{code.captured[:12]}-{random_hex()[:6]}"
        yield _put(repo, found, code, patch, target, fetch=fetch, barred=off)
        return
    # Not into the pool: LFS takes a file that it has not filled for one that it has.
    with _place(repo, pooled=not barred) as path:
        put = _put(repo, found, code, patch, path, fetch=fetch, barred=off)
        admin = admin_of(repo, path)
        missed = tuple(name for name in barred if admin is not None and asks_for(path, admin, name))
        yield replace(put, unfiltered=missed)


def renew(
    repo: Repository, code: Code, patch: bytes | None, place: Restored, *, spare: Sequence[str] = ()
) -> None:
    """Bring a worktree that a job has run in back to the code that was restored there.

    Args:
        repo: Where the code is.
        code: What the run recorded.
        patch: The run's `code.patch`.
        place: What was restored.
        spare: Paths at which the job found data: what lies there stays, also what the job made of it.

    Raises:
        CodeLost: A submodule cannot be restored exactly.
        GitFailed: git could not write the files.
    """
    found = Found(place.commit, place.how)
    _put(repo, found, code, patch, place.path, fetch=False, spare=spare)


def put_paths(
    repo: Repository,
    code: Code,
    patch: bytes | None,
    path: Path,
    names: Sequence[str],
    *,
    filters: bool = True,
) -> None:
    """Put files and folders as the code of another run has them into a worktree, in place of what is there.

    A name that this code lacks is left out; whoever needs it finds out by its digest.

    Args:
        repo: Where that code is looked for.
        code: What the other run recorded.
        patch: That run's `code.patch`.
        path: Top of a worktree that nothing has run in since it was put there.
        names: Relative to the top, with `/` between their parts.
        filters: Start the filters that the user configured.

    Raises:
        CodeLost: That code cannot be restored exactly.
        GitFailed: It is no worktree of gittrack's.
    """
    found = recover.find_code(repo, code, _own_section(patch, code))
    admin = admin_of(repo, path)
    if admin is None:
        raise GitFailed(f"there is no worktree at '{path}'", hint="git worktree list")
    barred = {} if filters else without_filters(repo)
    settings = (*settings_of(code), *(setting for off in barred.values() for setting in off))
    for name in names:
        with suppress(command.CommandFailed):
            run_in(path, admin, (), "cat-file", "-e", f"{found.commit}:{name}")
            run_in(path, admin, (), "rm", "-r", "-f", "--quiet", "--ignore-unmatch", "--", name)
            run_in(path, admin, settings, "checkout", "--force", found.commit, "--", name)


def remove_pool(repo: Repository) -> list[Path]:
    """Remove the pooled worktrees that are not in use, and return where they were."""
    gone = []
    for number in _numbers(repo):
        with locked(_lock(repo, number), wait=False) as taken:
            if taken:
                discard(repo, _slot(repo, number))
                gone.append(_slot(repo, number))
    return gone


def pool(repo: Repository) -> list[Path]:
    """Return the pooled worktrees that there are."""
    return [_slot(repo, number) for number in _numbers(repo)]


def _numbers(repo: Repository) -> list[int]:
    """Return the numbers of the pooled worktrees that there are; another machine may have made more than this one."""
    names = (path.name for path in _folder(repo).glob(f"{_PREFIX}*"))
    found = (name.removeprefix(_PREFIX) for name in names)
    return sorted(int(text) for text in found if text.isdecimal() and len(text) < _RANDOM)


@contextmanager
def _place(repo: Repository, *, pooled: bool = True) -> Iterator[Path]:
    """Yield the path of a pooled worktree that nobody uses, or of one that goes when the block ends."""
    durable.make_folder(_folder(repo))
    with ExitStack() as held:
        for number in range(1, _POOLED + 1 if pooled else 1):
            if held.enter_context(locked(_lock(repo, number), wait=False)):
                path = _slot(repo, number)
                yield path
                _sweep(repo, path)
                return
        path = _folder(repo) / f"{_PREFIX}{random_hex()[:_RANDOM]}"
        try:
            yield path
        finally:
            discard(repo, path)


def _folder(repo: Repository) -> Path:
    return repo.private / "worktrees"


def _slot(repo: Repository, number: int) -> Path:
    return _folder(repo) / f"{_PREFIX}{number}"


def _lock(repo: Repository, number: int) -> Path:
    return _folder(repo) / f"{number}.lock"


def _own_section(patch: bytes | None, code: Code) -> bytes | None:
    return patches.split(patch, code.base)[0].patch if patch else None


def _put(
    repo: Repository,
    found: Found,
    code: Code,
    patch: bytes | None,
    path: Path,
    *,
    fetch: bool,
    spare: Sequence[str] = (),
    barred: tuple[str, ...] = (),
) -> Restored:
    tree = _code_tree(repo, found.commit)
    settings = (*settings_of(code), *barred)
    if not _reuse(repo, path, found.commit, tree, settings, spare):
        discard(repo, path)  # what a job broke, or git's notes of a worktree that is gone
        _make(repo, path, found.commit, tree, settings)
    how = [found.how, *put_submodules(repo, code, patch, path, fetch=fetch, barred=barred)]
    return Restored(path, "; ".join(how), found.commit)


def _code_tree(repo: Repository, commit: str) -> str:
    """Write the root tree without `.gittrack` and return its id."""
    root = recover.root_tree(repo, commit)
    if root is None:
        raise GitFailed(f"the tree of commit {commit} cannot be read", hint="git fsck")
    bare = objects.without_private(root, repo.object_format)
    return repo.git("hash-object", "-t", "tree", "-w", "--stdin", input=bare).decode().strip()


def _make(repo: Repository, path: Path, commit: str, tree: str, settings: tuple[str, ...]) -> None:
    """Make a new worktree."""
    durable.make_folder(path.parent)
    repo.ask("worktree", "add", "--detach", "--no-checkout", "--", path, commit)
    admin = admin_of(repo, path)
    if admin is None:
        raise GitFailed(f"git made no worktree at '{path}'", hint="git worktree list")
    run_in(path, admin, settings, "read-tree", "--reset", "-u", tree)


def _reuse(
    repo: Repository, path: Path, commit: str, tree: str, settings: tuple[str, ...], spare: Sequence[str] = ()
) -> bool:
    """Bring a pooled worktree to `tree`; returns whether that worked."""
    spared = [f"--exclude=/{_GLOB.sub(_ESCAPED, name)}" for name in spare]
    try:
        admin = admin_of(repo, path)
        if admin is None:
            return False
        strip(admin)
        run_in(path, admin, settings, "update-ref", "--no-deref", "HEAD", commit)
        # An index made anew knows nothing of the files, so that `--refresh` must read each of them.
        run_in(path, admin, settings, "read-tree", tree)
        run_in(path, admin, settings, "clean", "-ffdxq", *spared)
        with suppress(command.CommandFailed):  # it ends with 1 where a file differs
            run_in(path, admin, settings, "update-index", "-q", "--refresh")
        run_in(path, admin, settings, "read-tree", "--reset", "-u", tree)
    except (GitFailed, OSError):
        return False
    return True


def _sweep(repo: Repository, path: Path) -> None:
    """Remove what the job wrote, which may be large; the next user does not rely on it."""
    admin = admin_of(repo, path)
    if admin is not None:
        with suppress(GitFailed, OSError):
            run_in(path, admin, (), "clean", "-ffdxq")
