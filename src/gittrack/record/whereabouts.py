"""Which files are data: those of the repository, and those beside it that belong to no program and to no system."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/nix", "/opt", "/proc", "/run", "/sbin", "/snap",
    "/sys", "/usr", "/var", "/Library", "/System", "/private/etc", "/private/var",
)  # fmt: skip
_NEVER = frozenset({".git", ".gittrack", ".dvc", ".hg", "__pycache__"})
_PROGRAMS = re.compile(r"/lib/python\d|/(site|dist)-packages/")
_PROGRAM = re.compile(r"\.(pyc|pyo|pyd|dll|dylib)$|\.so(\.[\d.]+)?$")
_SOURCE = (".py", ".pyi", ".pth")
_FEW = 100  # more files or folders in one folder become one entry of a run's file, which people read


class Whereabouts:
    """Tells data from programs.

    Args:
        root: The top of the working tree.
        temporary: The system's folder for temporary files.
    """

    def __init__(self, root: Path, temporary: str) -> None:
        self._root = os.path.realpath(root)
        prefixes = {os.path.realpath(prefix) for prefix in (sys.prefix, sys.exec_prefix)}
        base = os.path.realpath(sys.base_prefix)
        self._environments = tuple(f"{prefix}/" for prefix in prefixes if prefix != base)
        outside = (*_SYSTEM, *prefixes, base, os.path.realpath(temporary))
        self._outside = tuple(f"{folder}/" for folder in outside if folder != "/")
        self._home = os.path.realpath(Path.home()) + "/."
        self._folders: dict[str, str | None] = {}

    def name(self, path: str) -> str | None:
        """Return how a run's file names the data at an absolute path; None for what is no data.

        Links to folders are followed, so that a folder of data that is linked into the repository lies outside.
        """
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._name_folder(folder)
        place = self._folders[folder]
        if place is None or name in _NEVER or _PROGRAM.search(name):
            return None
        is_foreign = place[:1] == "/" and (name.endswith(_SOURCE) or f"{place}{name}".startswith(self._home))
        return None if is_foreign else place + name

    def _name_folder(self, folder: str) -> str | None:
        """Return what comes before the name of data in a folder; None where there is no data in it."""
        real = os.path.realpath(folder or "/").rstrip("/") + "/"
        if _PROGRAMS.search(real) or real.startswith(self._environments):
            return None
        is_inside = real.startswith(f"{self._root}/")
        place = real[len(self._root) + 1 :] if is_inside else real
        is_foreign = not is_inside and real.startswith((*self._outside, self._home))
        return None if is_foreign or _NEVER.intersection(place.split("/")) else place


def grouped(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return what becomes one entry each: a file by itself, or the folder of very many with those files.

    A folder is one entry when it has more than a hundred files and folders of interest; the outermost counts.
    """
    return dict(_places("", sorted(set(paths))))


def _places(folder: str, paths: list[str]) -> Iterator[tuple[str, list[str]]]:
    children: dict[str, list[str]] = {}
    for path in paths:
        name, slash, _ = path[len(folder) :].partition("/")
        children.setdefault(folder + name + slash, []).append(path)
    if len(children) > _FEW and folder.strip("/"):
        yield folder.rstrip("/"), paths
        return
    for child, members in children.items():
        if child.endswith("/"):
            yield from _places(child, members)
        else:
            yield child, members
