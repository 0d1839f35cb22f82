"""`gittrack keep`: the present content of files and folders goes into this clone's store, and what runs name of DVC's.

A run names its data by digest. Once the store has content of that digest, every such run can be reproduced.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gittrack.data import hashing
from gittrack.data.known import KnownDigests
from gittrack.entities.record import Digest, RunId
from gittrack.errors import NotFound
from gittrack.housekeeping.contents import manifest
from gittrack.housekeeping.dvc import Named, named_by
from gittrack.housekeeping.dvc import keep as keep_of_dvc
from gittrack.query.session import Session
from gittrack.record import format as formats
from gittrack.store.objects import FileStore

_NAMING = """select run_id, path, digest, files is not null from data
    where path = $path or starts_with(path, $path || '/') or starts_with($path, path || '/')
    order by run_id, path"""
_OF_DVC = """select distinct run_id from data
    where kept_by = 'dvc' and (path = $path or starts_with(path, $path || '/')) order by run_id"""


@dataclass(frozen=True)
class KeptPath:
    """What was kept.

    Attributes:
        path: As a run's file names it.
        digest: Of the file, or of the folder's manifest, as it is now; None when only DVC had something.
        size: Bytes, of all files together.
        files: Number of files in a folder, None for a file.
        runs: Those that name this content, or some of the folder's, or what DVC had.
        others: Those that name the path with other content, which is not what was kept.
        dvc: What runs name there and DVC had, as DVC calls it.
        gone: What runs name there and DVC had, but has no longer.
    """

    path: str
    digest: Digest | None
    size: int
    files: int | None
    runs: tuple[RunId, ...]
    others: tuple[RunId, ...]
    dvc: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def keep(session: Session, path: Path) -> KeptPath:
    """Put a file or folder into the store, as it is now and as DVC has it for runs, and say which runs name it.

    Raises:
        NotFound: There is nothing at `path`, and DVC has nothing of it that a run names.
        InvalidValue: It is neither a file nor a folder of files, or its name cannot be kept.
        OSError: The disk does not take it.
    """
    name = _name(session, path)
    files, known = FileStore(session.layout), KnownDigests(session.layout)
    of_dvc, gone = _keep_of_dvc(session, name)
    content = None if of_dvc and not os.path.lexists(path) else _keep_now(path, gone, files, known)
    kept: dict[str, Digest] = {}
    if content is not None:
        kept[name] = content.digest
        if content.files is not None:
            kept |= {f"{name}/{member}": digest for member, digest in manifest(files, content.digest)}
    found: dict[bool, set[RunId]] = {True: set(), False: set()}
    for run_id, named, digest, is_folder in session.rows(_NAMING, path=name):
        found[_is_among(kept, named, digest, is_folder, files)].add(RunId(run_id))
    runs = found[True].union(*(one.runs for one in of_dvc))
    return KeptPath(
        name,
        None if content is None else content.digest,
        0 if content is None else content.size,
        None if content is None else content.files,
        tuple(sorted(runs)),
        tuple(sorted(found[False] - runs)),
        tuple(dict.fromkeys(one.md5 for one in of_dvc)),
        tuple(dict.fromkeys(one.md5 for one in gone)),
    )


def _keep_now(path: Path, gone: list[Named], files: FileStore, known: KnownDigests) -> hashing.Content:
    if gone and not os.path.lexists(path):
        raise NotFound(
            f"there is no file or folder '{path}', and DVC's cache has {gone[0].md5} no longer",
            hint="dvc fetch --all-commits",
        )
    content = hashing.keep(path, files, known)
    known.save()
    return content


def _keep_of_dvc(session: Session, name: str) -> tuple[list[Named], list[Named]]:
    """Keep what DVC has of a path for runs; return what was kept, and what DVC has no longer."""
    runs = [session.run(RunId(run_id)) for (run_id,) in session.rows(_OF_DVC, path=name)]
    named = [one for one in named_by(runs) if one.entry.path == name or one.entry.path.startswith(f"{name}/")]
    done = list(keep_of_dvc(session.repo, session.layout, named))
    return [one for one, is_kept in done if is_kept], [one for one, is_kept in done if not is_kept]


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
