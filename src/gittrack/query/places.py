"""Which sealed objects there are, and where: folders of this disk, and trees of git's read without a checkout.

Listing costs in proportion to what has changed: a shard folder is read again when its time of change is another,
a shard tree of git's when its id was never seen.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from gittrack.entities.record import Digest
from gittrack.errors import Damaged
from gittrack.git import objects, refs
from gittrack.git.repo import Repository
from gittrack.query import derived
from gittrack.query.damage import Damage, Unusable
from gittrack.store import digest as digests
from gittrack.store.layout import FOLDER, Layout

RUNS, EVENTS, ENVIRONMENTS = "runs", "events", "envs"
KINDS = (RUNS, EVENTS, ENVIRONMENTS)
_FORMAT = 3
_NOT_SETTLED_NS = 50_000_000  # a folder may change twice within one tick of a filesystem's clock
_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_REST = 62
_TREE_MODE = 0o040000
_MAX_TREE = 64 << 20


@dataclass(frozen=True)
class Scope:
    """What is asked.

    Attributes:
        here: Only what the checked-out tree holds.
        at: Only what the commit of this name holds.
    """

    here: bool = False
    at: str | None = None


class Shard(NamedTuple):
    """A folder of up to 1/256 of a kind's objects, as one look at its time of change saw it."""

    kind: str
    name: str
    changed_ns: int  # 0 when it is too young to be relied on


@dataclass
class Listing:
    """The objects of one place or of several, by kind; what cannot be an object is damage."""

    digests: dict[str, set[Digest]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    damaged: list[Damage] = field(default_factory=list)

    def add(self, other: Listing) -> None:
        """Take in what another place has."""
        for kind in KINDS:
            self.digests[kind] |= other.digests[kind]
        self.damaged += other.damaged


@dataclass(frozen=True)
class Look:
    """All that an answer depends on, seen with one git process and a `stat` of each shard.

    Attributes:
        commits: Commits whose trees are asked, sorted.
        folders: The shards of each folder that is asked: the working tree's store, then the second copies.
        settled: Whether an equal look later proves that nothing has changed.
    """

    commits: tuple[str, ...]
    folders: tuple[tuple[Layout, tuple[Shard, ...]], ...]
    settled: bool

    def fingerprint(self) -> str | None:
        """Return a name for what was seen, None while it is not settled."""
        if not self.settled:
            return None
        shards = [(str(layout.committed), *map(tuple, found)) for layout, found in self.folders]
        return digests.of_bytes(repr((_FORMAT, self.commits, shards)).encode())


def look(repo: Repository, layout: Layout, scope: Scope) -> Look:
    """Return what an answer for `scope` depends on now.

    Raises:
        NotFound: `scope.at` names no commit.
    """
    if scope.at is not None:
        return Look((repo.resolve(scope.at),), (), True)
    commits = () if scope.here else tuple(sorted({ref.commit for ref in refs.tips(repo)}))
    layouts = (layout,) if scope.here else (layout, layout.unsaved)
    folders = tuple((one, tuple(_shards(one))) for one in layouts)
    settled = all(shard.changed_ns for _, found in folders for shard in found)
    return Look(commits, folders, settled)


def _shards(layout: Layout) -> Iterator[Shard]:
    young = time.time_ns() - _NOT_SETTLED_NS
    for kind in KINDS:
        for entry in _entries(layout.committed, kind):
            if _SHARD.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                changed = entry.stat(follow_symlinks=False).st_mtime_ns
                yield Shard(kind, entry.name, changed if changed < young else 0)


def shard(layout: Layout, one: Shard) -> list[Digest]:
    """Return the objects of a shard as it is now."""
    return list(_read_shard(layout, one).digests(one.name))


def _entries(folder: Path, *parts: str) -> list[os.DirEntry[str]]:
    """Return a store folder's entries by name; nothing when it, or a folder on the way to it, is a link."""
    try:
        for part in (None, *parts):
            folder = folder if part is None else folder / part
            if not stat.S_ISDIR(os.lstat(folder).st_mode):
                return []
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


@dataclass
class _Contents:
    """What a shard holds: the rest of each name, one after the other, and what is no object."""

    names: str
    odd: list[list[str]]

    def digests(self, shard: str) -> Iterator[Digest]:
        for at in range(0, len(self.names), _REST):
            yield Digest(shard + self.names[at : at + _REST])


class Catalogue:
    """Lists places, and remembers what it saw.

    Args:
        repo: The repository.
        layout: Where the store is.
    """

    def __init__(self, repo: Repository, layout: Layout) -> None:
        self._repo = repo
        self._path = layout.index / "listing.json"
        self._tmp = layout.tmp
        self._used: dict[str, Any] = {"folders": {}, "commits": {}, "tops": {}, "shards": {}}

    @cached_property
    def _known(self) -> dict[str, Any]:
        known = derived.load(self._path)
        if known is None or known.get("format") != _FORMAT:
            return {"folders": {}, "commits": {}, "tops": {}, "shards": {}}
        return known

    def save(self) -> None:
        """Keep what was seen for the next time."""
        if {**self._used, "format": _FORMAT} != self._known:
            derived.save(self._path, {**self._used, "format": _FORMAT}, tmp=self._tmp)

    def folder(self, layout: Layout, shards: Sequence[Shard]) -> Listing:
        """Return the objects of a folder."""
        before = self._known["folders"].get(str(layout.committed), {})
        now: dict[str, Any] = {}
        listing = Listing()
        for shard in shards:
            key = f"{shard.kind}/{shard.name}"
            entry = before.get(key)
            if entry is None or not shard.changed_ns or entry[0] != shard.changed_ns:
                found = _read_shard(layout, shard)
                entry = [shard.changed_ns, found.names, found.odd]
            now[key] = entry
            contents = _Contents(entry[1], entry[2])
            listing.digests[shard.kind].update(contents.digests(shard.name))
            listing.damaged += [
                Damage(code, str(layout.committed / key / name), what) for code, name, what in contents.odd
            ]
        self._used["folders"][str(layout.committed)] = now
        return listing

    def commits(self, commits: Sequence[str]) -> Listing:
        """Return the objects that the trees of `commits` hold."""
        listing = Listing()
        seen: set[str] = set()
        for kind, shard, tree in self._trees(commits):
            if tree not in seen:
                seen.add(tree)
                listing.digests[kind].update(_Contents(self._used["shards"][tree], []).digests(shard))
        return listing

    def trees(self, commits: Sequence[str]) -> dict[Digest, str]:
        """Return, for each run in the trees of `commits`, a git name of its folder."""
        names: dict[Digest, str] = {}
        for kind, shard, tree in self._trees(commits):
            for digest in _Contents(self._used["shards"][tree], []).digests(shard):
                suffix = "" if kind == RUNS else ".yaml"
                names[digest] = f"{tree}:{digest[2:]}{suffix}"
        return names

    def added(self, commits: Mapping[str, Sequence[str]]) -> dict[str, set[Digest]]:
        """Return the runs that each commit has and none of its parents.

        Args:
            commits: The parents of each commit.
        """
        everything = list(dict.fromkeys([*commits, *(one for above in commits.values() for one in above)]))
        self._trees(everything)
        return {
            commit: self._run_digests(self._run_trees([commit]) - self._run_trees(parents))
            - (self._run_digests(self._run_trees(parents) - self._run_trees([commit])))
            for commit, parents in commits.items()
            if self._run_trees([commit]) - self._run_trees(parents)
        }

    def _run_trees(self, commits: Sequence[str]) -> set[tuple[str, str]]:
        tops = {self._used["commits"][commit].get(RUNS) for commit in commits} - {None}
        return {pair for top in tops for pair in self._used["tops"][top].items()}

    def _run_digests(self, shards: Iterable[tuple[str, str]]) -> set[Digest]:
        return {
            digest
            for shard, tree in shards
            for digest in _Contents(self._used["shards"][tree], []).digests(shard)
        }

    def _trees(self, commits: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return kind, shard and id of every shard tree, its content listed in `_used`."""
        self._learn_commits(commits)
        tops = {kind: {} for kind in KINDS}  # type: dict[str, dict[str, None]]
        for commit in commits:
            for kind, top in self._used["commits"][commit].items():
                tops[kind][top] = None
        self._learn_tops([top for kind in KINDS for top in tops[kind]])
        found = [
            (kind, shard, tree)
            for kind in KINDS
            for shard, tree in dict.fromkeys(
                pair for top in tops[kind] for pair in self._used["tops"][top].items()
            )
        ]
        self._learn_shards(found)
        return found

    def _learn_commits(self, commits: Sequence[str]) -> None:
        for commit, tree in self._fresh("commits", commits, suffix=f":{FOLDER}"):
            self._used["commits"][commit] = {
                name: oid for mode, name, oid in tree if name in KINDS and mode == _TREE_MODE
            }

    def _learn_tops(self, tops: Sequence[str]) -> None:
        for top, tree in self._fresh("tops", tops):
            self._used["tops"][top] = {
                name: oid for mode, name, oid in tree if _SHARD.fullmatch(name) and mode == _TREE_MODE
            }

    def _learn_shards(self, shards: Sequence[tuple[str, str, str]]) -> None:
        kinds = {tree: kind for kind, _, tree in shards}
        for tree, entries in self._fresh("shards", list(kinds)):
            folders = kinds[tree] == RUNS
            self._used["shards"][tree] = "".join(
                name[:_REST]
                for mode, name, _ in entries
                if (mode == _TREE_MODE) == folders and _is_name(name, folders)
            )

    def _fresh(
        self, part: str, names: Sequence[str], *, suffix: str = ""
    ) -> Iterator[tuple[str, list[tuple[int, str, str]]]]:
        """Yield the entries of those trees that were never seen; take over what is known of the others."""
        unknown = []
        for name in names:
            if name in self._used[part]:
                continue
            if name in self._known[part]:
                self._used[part][name] = self._known[part][name]
            else:
                unknown.append(name)
        specs = [name + suffix for name in unknown]
        for name, found in zip(unknown, objects.read(self._repo, specs, max_bytes=_MAX_TREE), strict=True):
            yield name, _tree(found, self._repo.object_format)


def _tree(found: objects.Object | None, object_format: str) -> list[tuple[int, str, str]]:
    if found is None or found.kind != "tree" or found.content is None:
        return []
    try:
        return objects.tree_entries(found.content, object_format)
    except Damaged:  # git fsck's to name
        return []


def _is_name(name: str, folder: bool) -> bool:
    stem = name if folder else name.removesuffix(".yaml")
    return digests.is_digest("00" + stem) and (folder or name.endswith(".yaml"))


def _read_shard(layout: Layout, shard: Shard) -> _Contents:
    contents = _Contents("", [])
    folders = shard.kind == RUNS
    names = []
    for entry in _entries(layout.committed, shard.kind, shard.name):
        if not _is_name(entry.name, folders):
            continue
        if entry.is_symlink():
            contents.odd.append(["symlink-in-store", entry.name, "is a link, which is not followed"])
        elif folders and not entry.is_dir(follow_symlinks=False):
            contents.odd.append(["unexpected-file", entry.name, "is not a folder"])
        else:
            names.append(entry.name[:_REST])
    contents.names = "".join(names)
    return contents


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; no link is followed, no pipe waited for.

    Raises:
        FileNotFoundError: There is none.
        Unusable: It is something else, larger, or cannot be read.
    """
    with opened(path, limit) as descriptor, open(descriptor, "rb", closefd=False) as file:
        try:
            return file.read(limit + 1)
        except OSError as error:
            raise _unreadable(path, error) from error


@contextlib.contextmanager
def opened(path: Path, limit: int) -> Iterator[int]:
    """Open a regular file of at most `limit` bytes for reading; see `read_file`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(path) from error
    except OSError as error:
        if path.is_symlink():
            raise Unusable("symlink-in-store", str(path), "is a link, which is not followed") from error
        raise _unreadable(path, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Unusable("not-a-regular-file", str(path), "is not a regular file")
        if found.st_size > limit:
            raise Unusable("size-mismatch", str(path), f"has {found.st_size} bytes, at most {limit} are read")
        yield descriptor
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> Exception:
    return Unusable("cannot-be-read", str(path), f"cannot be read: {error.strerror}")
