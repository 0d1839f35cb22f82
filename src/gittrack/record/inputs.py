"""Inputs of a run: files and folders, recorded by digest and kept by git where git has them; datasets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gittrack.data import hashing
from gittrack.data.known import KnownDigests
from gittrack.entities.record import DataFile, UsedDataset, UsedModel
from gittrack.git.capture import Capture
from gittrack.record import dvc, reads, values
from gittrack.record import format as formats
from gittrack.record.journal import Journal
from gittrack.record.noticed import Noticed
from gittrack.record.project import Project
from gittrack.record.values import cleaned
from gittrack.record.warning import warn
from gittrack.store.layout import path_on_disk
from gittrack.store.objects import FileStore


class InputLog:
    """The part of a run that takes its inputs, and the models that it makes.

    Attributes:
        _capture: The run's code, None when it was not taken by this process.
        _noticed: Finds the data that nobody declares.
        _datasets: Name and digest of the datasets, as this process knows them.
        _models: Ids of the models, likewise.
    """

    _project: Project
    _journal: Journal
    _files: FileStore
    _capture: Capture | None
    _noticed: Noticed
    _datasets: set[tuple[str, str]]
    _models: set[str]

    def _must_run(self) -> None:
        raise NotImplementedError

    def log_dataset(self, dataset: UsedDataset) -> None:
        """Record the use of a dataset; the same one for the same purpose counts once."""
        self._must_run()
        told = _told(dataset)
        self._datasets.add((dataset.name, dataset.digest))
        self._journal.fact({"dataset": told})

    def log_models(self, models: Sequence[UsedModel]) -> None:
        """Record which models the run used and made; the same one in the same role, at the same step, counts once.

        Raises:
            InvalidValue: An id is no text or has none, or a step is no integer; nothing is recorded then.
        """
        self._must_run()
        for used in [values.as_model(used) for used in models]:
            self._models.add(used.model_id)
            self._journal.fact({"model": asdict(used)})

    def knows_dataset(self, name: str, digest: str) -> bool:
        """Whether the use of a dataset was logged by this process or before it joined, for whatever purpose."""
        return (name, digest) in self._datasets

    def knows_model(self, model_id: str) -> bool:
        """Whether a model was logged as used or made by this process or before it joined."""
        return model_id in self._models

    def log_data(self, path: str | os.PathLike[str]) -> DataFile:
        """Record an input file or folder by digest, and keep its content unless git does.

        Raises:
            NotFound: There is nothing at `path`.
            InvalidValue: It is neither a file nor a folder of files, or its name cannot be kept.
        """
        self._must_run()
        known = reads.known_of(self._project.layout)
        entry, failure = keep(path_on_disk(path), self._project, self._capture, self._files, known)
        known.save()
        self._noticed.declare(entry.path)
        if failure is not None:
            self._journal.fact(
                {"lost": values.shortened(f"data {entry.path}: {failure.strerror or failure}")}
            )
            warn(f"gittrack could not keep the data '{entry.path}': {failure}")
        self._journal.fact({"data": asdict(entry)})
        return entry


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


def _told(dataset: UsedDataset) -> dict[str, Any]:
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
