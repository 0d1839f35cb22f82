"""Finding the code of a run again, after branches were rebased, squashed or deleted, or in another clone."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gittrack.entities.record import Code
from gittrack.errors import GitFailed, GittrackError
from gittrack.git import command, keep, objects
from gittrack.git.repo import Repository, is_oid
from gittrack.store.digest import random_hex
from gittrack.store.layout import FOLDER

_TREE = 0o040000
_LINK = 0o120000
_MOST_INFLATED = 2_000_000_000  # bytes that the binary parts of a patch may come to
_INFLATED = re.compile(rb"^(?:literal|delta) (\d+)$", re.MULTILINE)
_PATIENCE = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=20")
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")


class CodeLost(GittrackError):
    """The code of a run cannot be restored exactly from what is here."""

    exit_code = 9


class _Refused(Exception):
    """A patch that a run cannot have recorded."""


@dataclass(frozen=True)
class Found:
    """A commit whose code tree is that of a run.

    Attributes:
        commit: Its full id.
        how: In words: `commit`, `fetched`, `same tree in <short id>`, `base + patch`.
    """

    commit: str
    how: str


def find_code(
    repo: Repository, code: Code, patch: bytes | None, *, fetch: bool = True, strip: int = 1
) -> Found:
    """Return a commit that holds exactly the code of a run; each is checked by its code tree.

    The ways are tried in this order: the captured commit is here; a remote has it; another commit has the same
    code tree; the patch on its base.

    Args:
        repo: Where to look, and to fetch to.
        code: What the run recorded.
        patch: The section of the run's patch that belongs to this repository.
        fetch: Ask remotes.
        strip: How many leading parts the names in `patch` have too many.

    Raises:
        CodeLost: None of the ways works.
    """
    if not is_oid(code.captured) or not is_oid(code.code_tree):
        raise CodeLost(f"the record names its code '{code.captured}', which is not a full commit id")
    ways: tuple[Callable[[], Found | None], ...] = (
        lambda: Found(code.captured, "commit") if _is_code(repo, code.captured, code) else None,
        lambda: Found(code.captured, "fetched") if fetch and _fetched(repo, code) else None,
        lambda: _same_tree(repo, code),
        lambda: _rebuilt(repo, code, patch, fetch=fetch, strip=strip),
    )
    try:
        found = next((found for way in ways if (found := way())), None)
    except _Refused as refusal:
        raise CodeLost(f"the patch of the run is refused: {refusal}", hint=_hint(repo, code)) from refusal
    if found is None:
        raise CodeLost(
            f"commit {code.captured[:12]} with the code of the run is neither here nor on a remote",
            hint=_hint(repo, code),
        )
    return found


def remotes(repo: Repository) -> list[str]:
    """Return the names of the remotes."""
    names = os.fsdecode(repo.git("remote")).splitlines()
    return [name for name in names if not name.startswith("-")]


def fetch_kept(repo: Repository, remote: str) -> None:
    """Fetch what other clones keep, into a namespace where `fetch --prune` does no harm.

    Raises:
        GitFailed: The remote did not answer.
    """
    names = f"+{keep.NAMESPACE}/*:{keep.OTHERS}/{remote}/keep/*"
    repo.ask(*_PATIENCE, *_FETCH, "--", remote, names)


@contextmanager
def scratch_index(repo: Repository) -> Iterator[dict[str, str]]:
    """Yield the environment in which git has an empty index of its own."""
    folder = repo.private / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / f"index-{os.getpid()}-{random_hex()}"
    try:
        yield {"GIT_INDEX_FILE": str(index)}
    finally:
        index.unlink(missing_ok=True)
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)


def root_tree(repo: Repository, rev: str) -> bytes | None:
    """Return the raw root tree of a commit or tree, None when it is not here."""
    (tree,) = objects.read(repo, [f"{rev}^{{tree}}"])
    return tree.content if tree and tree.kind == "tree" else None


def _is_code(repo: Repository, commit: str, code: Code) -> bool:
    """Whether a commit is here and has the code tree of the run."""
    found, tree = objects.read(repo, [commit, f"{commit}^{{tree}}"])
    if found is None or found.kind != "commit" or tree is None or tree.content is None:
        return False
    return objects.code_tree(tree.content, repo.object_format) == code.code_tree


def _fetched(repo: Repository, code: Code) -> bool:
    for remote in remotes(repo):
        for way in (_fetch_commit, _fetch_kept):
            if way(repo, remote, code.captured) and _is_code(repo, code.captured, code):
                return True
    return False


def _fetch_commit(repo: Repository, remote: str, commit: str) -> bool:
    try:
        repo.ask(*_PATIENCE, *_FETCH, "--", remote, commit)
    except GitFailed:
        return False
    return True


def _fetch_kept(repo: Repository, remote: str, _commit: str) -> bool:
    try:
        fetch_kept(repo, remote)
    except GitFailed:
        return False
    return True


def _same_tree(repo: Repository, code: Code) -> Found | None:
    """Look through all commits that a ref leads to; a tree is read once, however many commits share it."""
    lines = repo.git("log", "--all", "--format=%T %H").decode().splitlines()
    commits = dict(reversed([line.split(" ", 1) for line in lines]))
    if code.code_tree in commits:
        return _elsewhere(commits[code.code_tree])
    for tree, content in zip(commits, objects.read(repo, list(commits)), strict=True):
        raw = content.content if content else None
        if raw is not None and objects.code_tree(raw, repo.object_format) == code.code_tree:
            return _elsewhere(commits[tree])
    return None


def _elsewhere(commit: str) -> Found:
    return Found(commit, f"same tree in {commit[:12]}")


def _rebuilt(repo: Repository, code: Code, patch: bytes | None, *, fetch: bool, strip: int) -> Found | None:
    base = code.base
    if base is not None and not is_oid(base):
        raise _Refused("its base is not a full commit id")
    if base is not None and not _is_here(repo, base, fetch=fetch):
        return None
    if not patch:
        return Found(base, "base + patch") if base and _is_code(repo, base, code) else None
    if sum(int(size) for size in _INFLATED.findall(patch)) > _MOST_INFLATED:
        raise _Refused("its files are larger than a run captures")
    tree = _apply(repo, base or repo.empty_tree, patch, strip)
    if tree is None:
        return None
    root = root_tree(repo, tree)
    if root is None or objects.code_tree(root, repo.object_format) != code.code_tree:
        return None
    parent = ("-p", base) if base else ()
    message = b"gittrack: the code of a run, from its base and patch\n"
    made = repo.git("commit-tree", tree, *parent, input=message, env=command.ours("@0 +0000"))
    return Found(made.decode().strip(), "base + patch")


def _is_here(repo: Repository, base: str, *, fetch: bool) -> bool:
    if root_tree(repo, base) is not None:
        return True
    return fetch and any(_fetch_commit(repo, remote, base) for remote in remotes(repo))


def _apply(repo: Repository, base: str, patch: bytes, strip: int) -> str | None:
    """Return the tree of `base` with `patch` on it: made in an index, so that no file is ever written by it."""
    options = ("--cached", "--binary", "--whitespace=nowarn", "--no-ignore-whitespace", f"-p{strip}")
    with scratch_index(repo) as env:
        if base != repo.empty_tree:
            repo.git("read-tree", base, env=env)
        try:
            repo.ask("apply", *options, "-", input=patch, env=env)
        except command.CommandFailed:
            return None
        tree = repo.git("write-tree", env=env).decode().strip()
    _check(repo, base, tree)
    return tree


def _check(repo: Repository, base: str, tree: str) -> None:
    """Refuse what a patch put where a run's code cannot be, whatever its text looked like."""
    raw = repo.git("diff-tree", "-r", "-z", "--no-renames", base, tree).split(b"\0")
    changes = [(line.split(), os.fsdecode(path)) for line, path in zip(raw[::2], raw[1::2], strict=False)]
    links = []
    for facts, path in changes:
        parts = [part.casefold().rstrip(". ") for part in path.split("/")]
        if parts[0] == FOLDER or ".git" in parts or ".." in path.split("/") or path.startswith("/"):
            raise _Refused(f"it touches '{path}'")
        if int(facts[1], 8) == _LINK:
            links.append((path, facts[3]))
    for (path, _), blob in zip(links, objects.read(repo, [oid for _, oid in links]), strict=True):
        target = os.fsdecode(blob.content or b"/") if blob else "/"
        landing = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if target.startswith("/") or landing.split("/")[0] in ("..", ".git"):
            raise _Refused(f"it makes '{path}' a link to '{target}', outside the tree")


def _hint(repo: Repository, code: Code) -> str:
    if repo.shallow:
        return "git fetch --unshallow"
    names = remotes(repo)
    if names:
        return f"git fetch {names[0]} {code.commit or code.captured}"
    return f"git remote add origin URL && git fetch origin {code.commit or code.captured}"
