"""Which files and folders DVC knows in a working tree, and whether its cache has their content.

Every folder is looked through for `.dvc` files and `dvc.lock` but those that DVC keeps itself. What was found is
remembered by the times of folders and files, so that a project that did not change costs one look at each.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gittrack.data.dvc import objects
from gittrack.data.dvc.files import LOCK, MAX_BYTES, PIPELINE, SUFFIX, DvcFile, Parse, entries, is_named
from gittrack.data.dvc.settings import DVC_FOLDER, Settings, load
from gittrack.errors import Damaged
from gittrack.store import durable
from gittrack.store.layout import FOLDER, Layout

MAX_FOLDERS = 5000  # a look at each takes 10 ms then

_PASSED_OVER = frozenset({".git", FOLDER, DVC_FOLDER, ".hg", "__pycache__", "node_modules"})
_VENV = "pyvenv.cfg"
_RACY_NS = 2_000_000_000  # what changed just now may change again within the clock's same tick


@dataclass(frozen=True)
class DvcProject:
    """A DVC project in a working tree.

    Attributes:
        top: Top of the working tree.
        below: The folder with `.dvc/`, from `top`; empty when it is `top`.
        home: Top of the working tree whose settings and cache are used: the user's own, in a reproduction.
        layout: Where gittrack's store is.
        parse: Reads YAML.
        config_files: DVC's settings of system and user.
        local_is_ours: Whether `.dvc/config.local` is this clone's own.
    """

    top: Path
    below: str
    home: Path
    layout: Layout
    parse: Parse
    config_files: tuple[Path, ...] = ()
    local_is_ours: bool = True
    _listings: dict[str, dict[str, str] | None] = field(default_factory=dict, compare=False)

    @cached_property
    def settings(self) -> Settings:
        """What DVC's settings come to."""
        return load(self.home / self.below, self.config_files, local_is_ours=self.local_is_ours)

    @cached_property
    def caches(self) -> tuple[Path, ...]:
        """The caches that there may be; a further worktree of git has none, and the main one's is used."""
        main = self.layout.private.parent.parent / self.below / DVC_FOLDER / "cache"
        return tuple(dict.fromkeys((self.settings.cache, main)))

    def tracked(self) -> dict[str, DvcFile]:
        """Return what DVC knows, by path from the top; an entry of a `.dvc` file counts more than `dvc.lock`."""
        memory = _Memory(self.layout.dvc_files(self.home / self.below, self.top), self.layout.tmp)
        found = _Search(self, memory).found()
        memory.save()
        return found

    def lookup(self, path: str, tracked: Mapping[str, DvcFile] | None = None) -> DvcFile | None:
        """Return what DVC knows of a path from the top, also of a file in a folder that it keeps; None for nothing.

        Args:
            path: From the top, with `/` between its parts.
            tracked: What `tracked` returned, when it is at hand.
        """
        known = self.tracked() if tracked is None else tracked
        out = self.owner(path, known)
        if out is None or out.path == path:
            return out
        md5 = (self.listing(out.md5) or {}).get(path[len(out.path) + 1 :])
        return None if md5 is None else replace(out, path=path, md5=md5, size=None, files=None)

    def owner(self, path: str, tracked: Mapping[str, DvcFile]) -> DvcFile | None:
        """Return the file or folder of DVC's that a path from the top is, or lies in; None when it is in none."""
        parts = path.split("/")
        for depth in range(len(parts), 0, -1):
            out = tracked.get("/".join(parts[:depth]))
            if out is not None and (depth == len(parts) or out.is_folder):
                return out
        return None

    def listing(self, md5: str) -> dict[str, str] | None:
        """Return path and MD5 of each file of a folder that a cache knows, None when none has a whole list."""
        if md5 not in self._listings:
            self._listings[md5] = next(filter(None, (_listing(cache, md5) for cache in self.caches)), None)
        return self._listings[md5]

    def holds(self, md5: str) -> bool:
        """Whether a cache has the content, of a folder that of all its files; no bytes are read but a folder's list."""
        files = self.listing(md5) if md5.endswith(".dir") else {}
        return files is not None and objects.have_all(self.caches, {md5, *files.values()})


def _listing(cache: Path, md5: str) -> dict[str, str] | None:
    file = objects.open_object(cache, md5)
    if file is None:
        return None
    with file:
        content = file.read(objects.MAX_LISTING + 1)
    try:
        return objects.listing(content, md5) if len(content) <= objects.MAX_LISTING else None
    except Damaged:
        return None


class _Memory:
    """What earlier looks found; derived, so that damage and losses cost time only.

    Attributes:
        folders: By path: time of change, folders, and files that may say where content lies.
        files: By path: size, time of change and inode, also of `dvc.yaml` for a `dvc.lock`, and the entries.
    """

    def __init__(self, path: Path, tmp: Path) -> None:
        self._path, self._tmp = path, tmp
        self._before: tuple[Any, Any] = ({}, {})
        with suppress(OSError, ValueError, TypeError, KeyError):
            known = json.loads(path.read_bytes())
            self._before = (dict(known["folders"]), dict(known["files"]))
        self.folders: dict[str, list[Any]] = {}
        self.files: dict[str, list[Any]] = {}

    def folder(self, path: str, changed: int) -> list[Any] | None:
        known = self._before[0].get(path)
        return known if isinstance(known, list) and len(known) == 3 and known[0] == changed else None

    def keep(self, path: str, state: list[list[int]], found: list[DvcFile]) -> None:
        known = self._before[1].get(path)
        if not (isinstance(known, list) and known[:1] == [state]):
            known = [state, [asdict(entry) for entry in found]]
        self.files[path] = known

    def entries(self, path: str, state: list[list[int]]) -> list[DvcFile] | None:
        known = self._before[1].get(path)
        try:
            return [DvcFile(**entry) for entry in known[1]] if known and known[0] == state else None
        except (TypeError, LookupError):
            return None

    def save(self) -> None:
        if (self.folders, self.files) == self._before:
            return
        content = json.dumps({"folders": self.folders, "files": self.files}, separators=(",", ":"))
        with suppress(OSError):  # looked for again next time
            durable.replace_file(self._path, content.encode(), tmp=self._tmp)


class _Search:
    """One walk through the folders, the upper ones first."""

    def __init__(self, project: DvcProject, memory: _Memory) -> None:
        self._top = os.fspath(project.top)
        self._below = project.below
        self._parse = project.parse
        self._memory = memory
        self._now = time.time_ns()
        self._by_lock: dict[str, DvcFile] = {}
        self._by_file: dict[str, DvcFile] = {}

    def found(self) -> dict[str, DvcFile]:
        waiting, seen = deque([self._below]), 0
        while waiting and seen < MAX_FOLDERS:
            folder = waiting.popleft()
            seen += 1
            kept = self._by_file.get(folder) or self._by_lock.get(folder)
            if kept is None or not kept.is_folder:
                waiting += self._look(folder)
        return {**self._by_lock, **self._by_file}

    def _look(self, folder: str) -> list[str]:
        """Take what the files of a folder say; return the folders in it."""
        try:
            changed = os.stat(os.path.join(self._top, folder)).st_mtime_ns  # noqa: PTH116, PTH118 - up to 5000 of them
            known = self._memory.folder(folder, changed)
            folders, files = known[1:] if known else self._names(folder)
        except OSError:
            return []
        if self._now - changed > _RACY_NS:
            self._memory.folders[folder] = [changed, folders, files]
        for name in files:
            self._take(f"{folder}/{name}" if folder else name)
        return [f"{folder}/{name}" if folder else name for name in folders]

    def _names(self, folder: str) -> tuple[list[str], list[str]]:
        folders, files = [], []
        with os.scandir(os.path.join(self._top, folder)) as found:  # noqa: PTH118 - as above
            for entry in found:
                if entry.name == _VENV:
                    return [], []
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _PASSED_OVER:
                        folders.append(entry.name)
                elif is_named(entry.name) and entry.is_file(follow_symlinks=False):
                    files.append(entry.name)
        return sorted(folders), sorted(files)

    def _take(self, path: str) -> None:
        beside = f"{path.removesuffix(LOCK)}{PIPELINE}" if path.endswith(LOCK) else None
        infos = [_stat(self._top, name) for name in (path, beside) if name]
        state = [[info.st_size, info.st_mtime_ns, info.st_ino] for info in infos if info]
        found = self._memory.entries(path, state)
        if found is None:
            try:
                found = entries(self._read(path), path, self._read(beside) if beside else None)
            except (OSError, Damaged):
                return
        if all(self._now - changed > _RACY_NS for _, changed, _ in state):
            self._memory.keep(path, state, found)
        said = self._by_file if path.endswith(SUFFIX) else self._by_lock
        said.update((entry.path, entry) for entry in found)

    def _read(self, path: str) -> dict[str, Any]:
        info = _stat(self._top, path)
        if info is None or info.st_size > MAX_BYTES:
            return {}
        try:
            return self._parse(Path(self._top, path).read_bytes(), path)
        except Damaged:
            if path.endswith(PIPELINE):
                return {}  # people write it, with more of YAML than DVC's own files have
            raise


def _stat(top: str, path: str) -> os.stat_result | None:
    try:
        found = os.stat(os.path.join(top, path), follow_symlinks=False)  # noqa: PTH116, PTH118 - of every file
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
