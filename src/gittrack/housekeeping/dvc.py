"""Data that only DVC's cache has and only runs name: `dvc gc` knows nothing of runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gittrack.data.dvc import objects
from gittrack.data.dvc.files import MAX_BYTES, is_named, names
from gittrack.data.dvc.tracked import DvcProject
from gittrack.entities.record import DataFile, Digest, RunId, RunRecord
from gittrack.errors import Damaged
from gittrack.git import objects as git_objects
from gittrack.git.repo import Repository
from gittrack.housekeeping.contents import manifest
from gittrack.record import dvc
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore


@dataclass
class Named:
    """Content that runs name and DVC keeps.

    Attributes:
        entry: The data, as the first of the runs has it.
        runs: The runs that name it.
    """

    entry: DataFile
    runs: list[RunId] = field(default_factory=list)

    @property
    def md5(self) -> str:
        """DVC's name for it."""
        assert self.entry.md5 is not None
        return self.entry.md5


def named_by(runs: Iterable[RunRecord]) -> list[Named]:
    """Return the data that DVC keeps for runs, each content of a path once; of a folder runs may have read parts."""
    found: dict[tuple[str, str, Digest], Named] = {}
    for run in runs:
        for entry in run.data:
            if entry.kept_by == "dvc" and entry.md5 is not None:
                named = found.setdefault((entry.path, entry.md5, entry.digest), Named(entry))
                named.runs += [run.run_id] if run.run_id not in named.runs else []
    return [found[key] for key in sorted(found)]


def is_here(entry: DataFile, files: FileStore) -> bool:
    """Whether gittrack's own store has all of some data."""
    if not files.has(entry.digest):
        return False
    return entry.files is None or all(files.has(digest) for _, digest in manifest(files, entry.digest))


def is_in_cache(one: Named, project: DvcProject, files: FileStore) -> bool:
    """Whether DVC's caches have all that runs have read of some data and gittrack's store has not."""
    wanted = _wanted(one, files)
    listing = project.listing(one.md5) if wanted else None
    if not wanted or listing is None:
        return project.holds(one.md5)
    lacking = [name for name, digest in wanted.items() if not files.has(digest)]
    return objects.have_all(project.caches, {listing.get(name, one.md5) for name in lacking})


def _wanted(one: Named, files: FileStore) -> dict[str, Digest]:
    """Return the files that runs have read of a folder of which they have not read all."""
    return {} if one.entry.how is None else dict(manifest(files, one.entry.digest))


def named_at_head(repo: Repository, layout: Layout) -> set[str]:
    """Return every MD5 that a `.dvc` file or a `dvc.lock` of HEAD names, and those of the files in its folders."""
    if repo.head() is None:
        return set()
    paths = repo.git("ls-tree", "-r", "-z", "--name-only", "HEAD").split(b"\0")
    wanted = [path for path in paths if is_named(os.fsdecode(path.rpartition(b"/")[2]))]
    found: set[str] = set()
    blobs = git_objects.read(repo, [b"HEAD:" + path for path in wanted], max_bytes=MAX_BYTES)
    for path, blob in zip(wanted, blobs, strict=True):
        content = blob.content if blob is not None and blob.kind == "blob" else None
        name = os.fsdecode(path)
        project = dvc.project_of(repo.top, name, layout)
        with suppress(Damaged):
            here = names(dvc.parse(content or b"{}", name))
            found |= here
            if project is not None:
                folders = (project.listing(md5) for md5 in here if md5.endswith(".dir"))
                found.update(md5 for folder in folders for md5 in (folder or {}).values())
    return found


def keep(repo: Repository, layout: Layout, named: Iterable[Named]) -> Iterator[tuple[Named, bool]]:
    """Copy content from DVC's caches into gittrack's store, hashed again; yield whether all of each is there now.

    Args:
        repo: A repository with a working tree.
        layout: Where the store is.
        named: What to keep; see `named_by`.

    Raises:
        OSError: The disk does not take it.
    """
    files = FileStore(layout)
    for one in named:
        project = dvc.project_of(repo.top, one.entry.path, layout)
        yield one, is_here(one.entry, files) or (project is not None and _keep(one, project, files))


def _keep(one: Named, project: DvcProject, files: FileStore) -> bool:
    entry = one.entry
    if entry.files is None:
        return _copy(one.md5, project, files) == entry.digest
    names, wanted = project.listing(one.md5) or {}, _wanted(one, files)
    if wanted:
        lacking = {name: digest for name, digest in wanted.items() if not files.has(digest)}
        return all(
            name in names and _copy(names[name], project, files) == digest for name, digest in lacking.items()
        )
    found = {name: _copy(md5, project, files) for name, md5 in names.items()}
    if not found or None in found.values():
        return False
    lines = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    return files.put_bytes(lines.encode())[0] == entry.digest


def _copy(md5: str, project: DvcProject, files: FileStore) -> Digest | None:
    for cache in project.caches:
        path = objects.path_of(cache, md5)
        if path is not None and (digest := _checked(path, md5)) is not None:
            return digest if files.put_file(path)[0] == digest else None
    return None


def _checked(path: Path, md5: str) -> Digest | None:
    with path.open("rb") as file:
        digest, *names = objects.hash_file(file)
    return digest if md5 in names else None
