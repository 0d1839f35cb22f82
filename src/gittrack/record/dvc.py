"""What DVC keeps of a run's data; DVC itself is not needed."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gittrack import config as configs
from gittrack.data.known import KnownDigests, Names
from gittrack.entities.record import DataFile
from gittrack.errors import GittrackError
from gittrack.record import document
from gittrack.record.warning import warn
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.data.dvc.files import DvcFile
    from gittrack.data.dvc.measure import Measured
    from gittrack.data.dvc.tracked import DvcProject
    from gittrack.record.project import Project


def parse(content: bytes, what: str) -> dict[str, Any]:
    """Return what a YAML file that people or DVC wrote says.

    Raises:
        Damaged: It is not YAML, not a mapping, or has anchors, tags or keys that are no text.
    """
    return document.load(content, what=what, is_ours=False)


def project_of(
    top: Path, path: str, layout: Layout, *, home: Path | None = None, local_is_ours: bool = True
) -> DvcProject | None:
    """Return the DVC project that a path in a working tree is in, None when there is none.

    Args:
        top: Top of the working tree.
        path: From there, with `/` between its parts.
        layout: Where gittrack's store is.
        home: Top of the working tree whose settings and cache are used, when it is another one.
        local_is_ours: Whether `.dvc/config.local` is this clone's own.
    """
    parts = path.split("/")[:-1]
    for depth in range(len(parts), -1, -1):
        below = "/".join(parts[:depth])
        place = os.path.join(top, below, ".dvc")  # noqa: PTH118 - looked for at every input of every run
        if os.path.isdir(place) and not os.path.islink(place):  # noqa: PTH112, PTH114 - as above
            from gittrack.data.dvc.tracked import DvcProject  # most repositories have none

            return DvcProject(
                top, below, home or top, layout, parse, configs.dvc_files(), local_is_ours=local_is_ours
            )
    return None


class Look(NamedTuple):
    """What DVC knows of a path, beside what lies there.

    Attributes:
        path: From the top of the working tree.
        known: What DVC knows.
        found: What lies there.
        is_kept: Whether it is that, and DVC's cache has all of it.
    """

    path: str
    known: DvcFile
    found: Measured
    is_kept: bool

    def entry(self, files: FileStore) -> DataFile:
        """Return what is recorded of data that DVC keeps; the list of a folder's files goes into `files`."""
        content = self.found.content
        if self.found.manifest is not None:
            with suppress(OSError):  # DVC's own list will do
                files.put_bytes(self.found.manifest)
        return DataFile(self.path, content.digest, content.size, "dvc", content.files, md5=self.known.md5)

    def noted(self, entry: DataFile) -> DataFile:
        """Return what is recorded of data that gittrack keeps itself though DVC knows the path."""
        changed = self.known.md5 != _name(self.known, self.found)
        if changed:
            said_by = self.known.said_by
            warn(
                f"gittrack keeps '{self.path}' itself: it is not what {said_by} says "
                f"('dvc commit {said_by}' tells DVC)"
            )
        return replace(entry, md5=self.known.md5, changed=changed)


def look(source: Path, path: str, project: Project, known_digests: KnownDigests) -> Look | None:
    """Return what DVC knows of the data at `source`; None for nothing, or where that cannot be found out.

    Args:
        source: The file or folder.
        path: From the top of the working tree.
        project: What the run is recorded into.
        known_digests: What files are called that nobody has changed since they were hashed.
    """
    with suppress(GittrackError, OSError, ValueError):
        around = project_of(project.root, path, project.layout, home=project.home)
        known = None if around is None else around.lookup(path)
        is_there = source.is_file() or source.is_dir()  # a pipe would be waited for
        if around is not None and known is not None and is_there:
            from gittrack.data.dvc.measure import measure

            found = measure(source, known_digests, links_to=around.caches)
            return Look(path, known, found, known.md5 == _name(known, found) and around.holds(known.md5))
    return None


def _name(known: DvcFile, found: Measured) -> str:
    return found.old_md5 if known.is_old else found.md5


class Known(NamedTuple):
    """A file that DVC knows.

    Attributes:
        file: What DVC says of it.
        out: What it is, or lies in: a file or folder that DVC keeps.
        is_here: Whether DVC's cache has something by its name.
    """

    file: DvcFile
    out: DvcFile
    is_here: bool

    def is_named(self, names: Names) -> bool:
        """Whether content that is called so is what DVC says."""
        return self.file.md5 == (names.old_md5 if self.file.is_old else names.md5)


class Tracked:
    """What DVC knows of files in a working tree, whose `.dvc` files are read once for all of them.

    Args:
        project: What the run is recorded into.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._folders: dict[str, tuple[DvcProject, dict[str, DvcFile]] | None] = {}
        self._projects: dict[str, tuple[DvcProject, dict[str, DvcFile]]] = {}

    def find(self, path: str) -> Known | None:
        """Return what DVC knows of a file by its path from the top; None for nothing, or where that cannot be told."""
        with suppress(GittrackError, OSError, ValueError):
            around = self._around(path)
            if around is not None:
                project, tracked = around
                out, file = project.owner(path, tracked), project.lookup(path, tracked)
                if out is not None and file is not None and not file.is_folder:
                    return Known(file, out, project.holds(file.md5))
        return None

    def _around(self, path: str) -> tuple[DvcProject, dict[str, DvcFile]] | None:
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = None
            here = self._project
            found = project_of(here.root, path, here.layout, home=here.home)
            if found is not None:
                if found.below not in self._projects:
                    self._projects[found.below] = (found, found.tracked())
                self._folders[folder] = self._projects[found.below]
        return self._folders[folder]
