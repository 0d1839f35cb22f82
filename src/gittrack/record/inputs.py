"""Inputs of a run: files and folders, recorded by digest and kept by git where git has them; datasets."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gittrack.data import hashing
from gittrack.data.known import KnownDigests
from gittrack.entities.record import DataFile, UsedDataset
from gittrack.git.capture import Capture
from gittrack.record import dvc
from gittrack.record import format as formats
from gittrack.record.project import Project
from gittrack.record.values import cleaned
from gittrack.store.objects import FileStore


def keep(
    source: Path, project: Project, capture: Capture | None, files: FileStore, known: KnownDigests
) -> tuple[DataFile, OSError | None]:
    """Return what is recorded of the data at `source`, and why its content could not be kept, or None.

    Content in the working tree that neither the run's captured tree nor DVC has is put into `files`; data beside
    the working tree is only measured.

    Args:
        source: A file or a folder.
        project: What the run is recorded into.
        capture: The run's code, None when it was not taken by this process.
        files: Keeps content by digest.
        known: Digests of files that nobody has changed since they were hashed.

    Raises:
        NotFound: There is nothing at `source`.
        InvalidValue: It is neither a file nor a folder of files, or its name cannot be kept.
    """
    inside = _inside(source, project)
    if inside is None:
        return _data(
            formats.data_path(str(source.resolve())), hashing.measure(source, known), "outside"
        ), None
    look = dvc.look(source, formats.data_path(inside), project, known)
    if look is not None and look.is_kept:
        return look.entry(files), None
    if _git_holds(source, inside, capture):
        return _data(inside, hashing.measure(source, known), "git"), None
    try:
        entry, failure = _data(inside, hashing.keep(source, files, known), "cache"), None
    except OSError as error:
        entry, failure = _data(inside, hashing.measure(source, known), "nobody"), error
    return (entry if look is None else look.noted(entry)), failure


def told(dataset: UsedDataset) -> dict[str, Any]:
    """Return what a journal says of the use of a dataset, in text that UTF-8 can hold."""
    said = {name: text and cleaned(text) for name, text in asdict(dataset).items() if name != "tags"}
    return {**said, "tags": {cleaned(key): cleaned(value) for key, value in dataset.tags.items()}}


def _inside(source: Path, project: Project) -> str | None:
    """Return the path from the working tree's top, None for data beside it."""
    for path, top in ((source.absolute(), project.root), (source.resolve(), project.root.resolve())):
        normal = Path(os.path.normpath(path))
        if normal.is_relative_to(top):
            return normal.relative_to(top).as_posix()
    return None


def _git_holds(source: Path, inside: str, capture: Capture | None) -> bool:
    """Whether the captured tree has all of `source` as it is now."""
    if capture is None or not source.exists():
        return False
    if source.is_dir() and not capture.takes(
        f"{inside}/-"
    ):  # a folder that git ignores, however many files it has
        return False
    files = (
        [(inside, source)]
        if source.is_file()
        else [(f"{inside}/{name}", file) for name, file in hashing.walk(source)]
    )
    return all(capture.holds(name) and _unchanged_since(file, capture.taken_at) for name, file in files)


def _data(path: str, content: hashing.Content, kept_by: str) -> DataFile:
    return DataFile(path, content.digest, content.size, kept_by, content.files)


def _unchanged_since(file: Path, taken_at: int) -> bool:
    return file.stat().st_mtime_ns // 1_000_000 < taken_at
