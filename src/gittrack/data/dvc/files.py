"""What `.dvc` files and `dvc.lock` say: which content lies at which path."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gittrack.entities.record import is_md5
from gittrack.errors import InvalidValue
from gittrack.store.layout import safe_path

Parse: TypeAlias = Callable[[bytes, str], dict[str, Any]]
"""Reads YAML: the content, and what messages call it. Raises Damaged."""

SUFFIX = ".dvc"
LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"
MAX_BYTES = 16 << 20  # a `dvc.lock` of 50,000 outs


@dataclass(frozen=True)
class DvcFile:
    """A file or folder that DVC knows.

    Attributes:
        path: From the top of the repository.
        md5: DVC's name for the content; that of a folder ends with `.dir`.
        size: Bytes, None where DVC does not say.
        files: Number of files in a folder, None for a file or where DVC does not say.
        is_old: Whether DVC 2 made the entry: text was hashed with LF for CR LF.
        remote: The remote that the entry names, None for the usual one.
        said_by: The `.dvc` file or `dvc.lock`, from the top of the repository.
    """

    path: str
    md5: str
    size: int | None
    files: int | None
    is_old: bool
    remote: str | None
    said_by: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(".dir")


def is_named(name: str) -> bool:
    """Whether a file of this name can say where content lies."""
    return name == LOCK or (name.endswith(SUFFIX) and name != SUFFIX)


def entries(
    document: Mapping[str, Any], said_by: str, pipeline: Mapping[str, Any] | None = None
) -> list[DvcFile]:
    """Return what a `.dvc` file or a `dvc.lock` says; an entry that cannot be is passed over.

    Args:
        document: The parsed file.
        said_by: Its path from the top of the repository.
        pipeline: The `dvc.yaml` beside a `dvc.lock`: paths start where a stage runs, which the lock does not say.
    """
    folder = posixpath.dirname(said_by)
    if posixpath.basename(said_by) != LOCK:
        wdir = document.get("wdir")
        folder = posixpath.join(folder, wdir) if isinstance(wdir, str) else folder
        return list(_known(document.get("outs"), folder, said_by))
    stages = document.get("stages") if "schema" in document else document  # schema 1.0 has no word for it
    found: dict[str, DvcFile] = {}
    for part in ("deps", "outs"):  # what one stage makes counts more than what another has read
        for name, stage in (stages if isinstance(stages, dict) else {}).items():
            wdir = _wdir(name, pipeline or {})
            if isinstance(stage, dict) and wdir is not None:
                place_ = posixpath.join(folder, wdir)
                found.update((entry.path, entry) for entry in _known(stage.get(part), place_, said_by))
    return list(found.values())


def names(document: Mapping[str, Any]) -> set[str]:
    """Return every MD5 that a `.dvc` file or a `dvc.lock` names, wherever the content lies."""
    stages = document.get("stages", document)
    found = set()
    for part in (document, *(stages.values() if isinstance(stages, dict) else ())):
        for name in ("deps", "outs") if isinstance(part, dict) else ():
            listed = part.get(name)
            found |= {
                entry["md5"]
                for entry in (listed if isinstance(listed, list) else ())
                if isinstance(entry, dict) and is_md5(entry.get("md5"))
            }
    return found


def _wdir(name: str, pipeline: Mapping[str, Any]) -> str | None:
    """Return where a stage runs, None where that has to be filled in first."""
    stages = pipeline.get("stages")
    stage = stages.get(name.partition("@")[0]) if isinstance(stages, dict) else None
    stage = stage.get("do", stage) if isinstance(stage, dict) else None
    wdir = stage.get("wdir") if isinstance(stage, dict) else None
    if not isinstance(wdir, str):
        return ""
    return None if "${" in wdir else wdir


def _known(entries_: object, folder: str, said_by: str) -> Iterator[DvcFile]:
    for entry in entries_ if isinstance(entries_, list) else ():
        if isinstance(entry, dict) and is_md5(entry.get("md5")) and entry.get("cache") is not False:
            path = place(folder, entry.get("path"))
            if path is not None:
                yield DvcFile(
                    path=path,
                    md5=entry["md5"],
                    size=_count(entry.get("size")),
                    files=_count(entry.get("nfiles")),
                    is_old=entry.get("hash") is None,
                    remote=entry["remote"] if isinstance(entry.get("remote"), str) else None,
                    said_by=said_by,
                )


def place(folder: str, path: object) -> str | None:
    """Return `path`, as a file in `folder` names it, from the top of the repository; None for one beside it."""
    if not isinstance(path, str) or not path or "://" in path or path.startswith(("/", "~")):
        return None
    try:
        return safe_path(posixpath.normpath(posixpath.join(folder, path)))
    except InvalidValue:
        return None


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
