"""Sealed objects by their place below the store: on disk, and in the trees of commits, read without a checkout.

A place is spelled as below `.gittrack/`: `runs/ab/cdef…` for a run's folder, `events/ab/cdef….yaml` and
`envs/ab/cdef….yaml` for files.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gittrack.entities.record import Digest
from gittrack.errors import Damaged
from gittrack.git import objects, refs
from gittrack.git.repo import Repository
from gittrack.store import digest as digests
from gittrack.store.layout import FOLDER, RUN_FILE, Layout

RUNS, EVENTS, ENVIRONMENTS = "runs", "events", "envs"
KINDS = (RUNS, EVENTS, ENVIRONMENTS)
_BATCH = 64
MAX_FILE = 1 << 31  # a larger file is nothing that gittrack sealed
_FOLDER_MODE = 0o040000
_FILE_MODE = b"100644"


def digest_of(place: str) -> Digest | None:
    """Return the digest that a place spells, None when it spells none."""
    kind, _, rest = place.partition("/")
    name = rest.removesuffix(".yaml") if kind != RUNS else rest
    shard, _, tail = name.partition("/")
    whole = shard + tail
    right = kind in KINDS and len(shard) == 2 and digests.is_digest(whole)
    return Digest(whole) if right and (kind == RUNS or rest.endswith(".yaml")) else None


def on_disk(layout: Layout) -> Iterator[str]:
    """Yield the place of every object in a store's committed folder; links are passed over."""
    for kind in KINDS:
        for shard in entries(layout.committed / kind):
            if shard.is_dir(follow_symlinks=False):
                for entry in entries(Path(shard.path)):
                    place = f"{kind}/{shard.name}/{entry.name}"
                    right_kind = entry.is_dir(follow_symlinks=False) == (kind == RUNS)
                    if right_kind and not entry.is_symlink() and digest_of(place):
                        yield place


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return a folder's entries by name; nothing for a link, or what is no folder."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return []
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def read(layout: Layout, place: str) -> dict[str, bytes]:
    """Return the files of an object: those of a run's folder by name, or one file under its own name.

    Raises:
        OSError: It cannot be read, or is a link or a special file.
    """
    path = layout.committed / place
    if not place.startswith(f"{RUNS}/"):
        return {path.name: read_regular(path)}
    return {entry.name: read_regular(Path(entry.path)) for entry in entries(path)}


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file; no link is followed and no pipe waited for.

    Raises:
        OSError: It is no regular file, is larger than any that gittrack writes, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "is not a regular file", str(path))
        if found.st_size > MAX_FILE:
            raise OSError(0, "is too large", str(path))
        return file.read()


def is_whole(place: str, files: dict[str, bytes]) -> bool:
    """Whether the content that names the object is there and has its digest."""
    digest = digest_of(place)
    name = RUN_FILE if place.startswith(f"{RUNS}/") else place.rpartition("/")[2]
    return name in files and digests.of_bytes(files[name]) == digest


def git_id(place: str, files: dict[str, bytes], object_format: str) -> str:
    """Return the id that git gives to an object of ours: that of a tree for a run, of a blob for a file."""
    blobs = {name: _id("blob", content, object_format) for name, content in files.items()}
    if not place.startswith(f"{RUNS}/"):
        return blobs[place.rpartition("/")[2]]
    tree = b"".join(
        b"%b %b\0%b" % (_FILE_MODE, os.fsencode(name), bytes.fromhex(oid))
        for name, oid in sorted(blobs.items())
    )
    return _id("tree", tree, object_format)


def _id(kind: str, content: bytes, object_format: str) -> str:
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.new(object_format, header + content).hexdigest()


@dataclass(frozen=True)
class InGit:
    """An object in the tree of a commit.

    Attributes:
        place: Below `.gittrack/`.
        oid: Git's id of the run's folder or the file.
        commit: The first of the commits that has it.
    """

    place: str
    oid: str
    commit: str


class Trees:
    """Reads `.gittrack/` in the trees of commits; a tree that many commits share is read once."""

    def __init__(self, repo: Repository, commits: Iterable[str]) -> None:
        self._repo = repo
        self._kinds: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}  # tree -> commit
        commits = list(dict.fromkeys(commits))
        for commit, found in zip(commits, self._read([f"{c}:{FOLDER}" for c in commits]), strict=True):
            for name, oid in found.items():
                if name in self._kinds:
                    self._kinds[name].setdefault(oid, commit)

    def all(self) -> list[InGit]:
        """Return every object; one that has other content in another commit is there once for each content."""
        return self._objects(None)

    def some(self, places: Iterable[str]) -> dict[str, set[str]]:
        """Return git's ids of those of `places` that a commit has."""
        wanted = set(places)
        found: dict[str, set[str]] = {}
        for entry in self._objects({place.rpartition("/")[0] for place in wanted}):
            if entry.place in wanted:
                found.setdefault(entry.place, set()).add(entry.oid)
        return found

    def _objects(self, folders: set[str] | None) -> list[InGit]:
        shards: dict[tuple[str, str], str] = {}  # (folder, tree) -> commit
        tops = [(kind, tree, commit) for kind in KINDS for tree, commit in self._kinds[kind].items()]
        for (kind, _, commit), found in zip(tops, self._read([tree for _, tree, _ in tops]), strict=True):
            for name, oid in found.items():
                if folders is None or f"{kind}/{name}" in folders:
                    shards.setdefault((f"{kind}/{name}", oid), commit)
        objects_: dict[tuple[str, str], InGit] = {}
        for ((folder, _), commit), found in zip(
            shards.items(), self._read([tree for _, tree in shards]), strict=True
        ):
            for name, oid in found.items():
                place = f"{folder}/{name}"
                if digest_of(place):
                    objects_.setdefault((place, oid), InGit(place, oid, commit))
        return list(objects_.values())

    def _read(self, specs: list[str]) -> Iterator[dict[str, str]]:
        for found in objects.read(self._repo, specs):
            yield _names(found, self._repo.object_format)

    def files(self, wanted: list[InGit]) -> Iterator[dict[str, bytes]]:
        """Yield the files of each object, in order, as `read` returns them; what cannot be read is not there."""
        for start in range(0, len(wanted), _BATCH):
            yield from self._batch(wanted[start : start + _BATCH])

    def _batch(self, wanted: list[InGit]) -> list[dict[str, bytes]]:
        names: list[dict[str, str]] = []
        for entry, tree in zip(
            wanted, objects.read(self._repo, [entry.oid for entry in wanted]), strict=True
        ):
            single = tree is not None and tree.kind == "blob"
            name = entry.place.rpartition("/")[2]
            names.append({name: entry.oid} if single else _names(tree, self._repo.object_format))
        blobs = list(
            objects.read(self._repo, [oid for found in names for oid in found.values()], max_bytes=MAX_FILE)
        )
        files: list[dict[str, bytes]] = []
        for found in names:
            mine, blobs = blobs[: len(found)], blobs[len(found) :]
            files.append(
                {
                    name: blob.content
                    for name, blob in zip(found, mine, strict=True)
                    if blob is not None and blob.kind == "blob" and blob.content is not None
                }
            )
        return files


def _names(found: objects.Object | None, object_format: str) -> dict[str, str]:
    if found is None or found.kind != "tree" or found.content is None:
        return {}
    try:
        return {name: oid for _, name, oid in objects.tree_entries(found.content, object_format)}
    except Damaged:  # git fsck's to name
        return {}


def lasting_commits(repo: Repository) -> dict[str, str]:
    """Return commit and name of every branch and git tag: what a detached HEAD alone holds may soon be gone."""
    return {ref.commit: ref.name for ref in reversed(refs.tips(repo)) if ref.name != "HEAD"}
