"""`gittrack keep`: the present content of files and folders goes into this clone's store.

A run names its data by digest. Once the store has content of that digest, every such run can be reproduced.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gittrack.data import hashing
from gittrack.data.known import KnownDigests
from gittrack.entities.record import Digest, RunId
from gittrack.housekeeping.contents import manifest
from gittrack.query.session import Session
from gittrack.record import format as formats
from gittrack.store.objects import FileStore

_NAMING = """select run_id, path, digest, files is not null from data
    where path = $path or starts_with(path, $path || '/') or starts_with($path, path || '/')
    order by run_id, path"""


@dataclass(frozen=True)
class KeptPath:
    """What was kept.

    Attributes:
        path: As a run's file names it.
        digest: Of the file, or of the folder's manifest.
        size: Bytes, of all files together.
        files: Number of files in a folder, None for a file.
        runs: Those that name this content, or some of the folder's.
        others: Those that name the path with other content, which is not what was kept.
    """

    path: str
    digest: Digest
    size: int
    files: int | None
    runs: tuple[RunId, ...]
    others: tuple[RunId, ...]


def keep(session: Session, path: Path) -> KeptPath:
    """Put a file or folder into the store, as it is now, and say which runs name it.

    Raises:
        NotFound: There is nothing at `path`.
        InvalidValue: It is neither a file nor a folder of files, or its name cannot be kept.
        OSError: The disk does not take it.
    """
    name = _name(session, path)
    files, known = FileStore(session.layout), KnownDigests(session.layout)
    content = hashing.keep(path, files, known)
    known.save()
    kept = {name: content.digest}
    if content.files is not None:
        kept |= {f"{name}/{member}": digest for member, digest in manifest(files, content.digest)}
    found: dict[bool, set[RunId]] = {True: set(), False: set()}
    for run_id, named, digest, is_folder in session.rows(_NAMING, path=name):
        found[_is_among(kept, named, digest, is_folder, files)].add(RunId(run_id))
    others = found[False] - found[True]
    return KeptPath(
        name, content.digest, content.size, content.files, tuple(sorted(found[True])), tuple(sorted(others))
    )


def _name(session: Session, path: Path) -> str:
    """Return how runs name the data at `path`."""
    top = os.path.realpath(session.repo.top)
    real = Path(os.path.realpath(path.absolute().parent), path.name)
    inside = os.path.relpath(real, top)
    return formats.data_path(str(real) if inside.startswith("..") else Path(inside).as_posix())


def _is_among(kept: dict[str, Digest], named: str, digest: Digest, is_folder: bool, files: FileStore) -> bool:
    """Whether what a run names at a path is what was kept, or a folder of which some was kept."""
    if not is_folder or kept.get(named) == digest:
        return kept.get(named) == digest
    return any(kept.get(f"{named}/{member}") == its for member, its in manifest(files, digest))
