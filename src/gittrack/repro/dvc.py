"""DVC's caches and remotes as a place that data comes back from.

An address that only a commit names is somebody else's choice of where to read and connect. It is used once the
user has agreed to what the run would execute, and never with the user's credentials; see `data/dvc/settings.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from gittrack.data.dvc import objects, remotes
from gittrack.data.dvc.files import DvcFile
from gittrack.data.dvc.settings import Remote
from gittrack.data.dvc.tracked import DvcProject
from gittrack.entities.record import Digest
from gittrack.errors import Damaged, GittrackError
from gittrack.git.repo import Repository
from gittrack.record import dvc
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore, clone_or_copy


@dataclass
class DvcSource:
    """Where DVC has content, as the user's own working tree says.

    Attributes:
        repo: The repository, seen from the user's working tree.
        layout: Where gittrack's store is.
        agreed: Whether the user made the run, or agreed to what it would execute.
    """

    repo: Repository
    layout: Layout
    agreed: bool
    _projects: dict[str, DvcProject | None] = field(default_factory=dict)
    _known: dict[str, DvcFile | None] = field(default_factory=dict)
    _troubles: dict[str, dict[str, None]] = field(default_factory=dict)  # by path, in words

    def trouble(self, path: str) -> str | None:
        """Return what stood in the way of the data at `path`, in words; None for nothing."""
        return "; ".join(self._troubles.get(path, ())) or None

    def remedy(self, path: str, md5: str) -> str:
        """Return the command with which DVC would bring the data."""
        known = self._lookup(path)
        if known is None or known.md5 != md5:
            return f"dvc fetch --all-commits, or dvc pull '{path}' at the run's commit"
        return f"dvc pull '{path}'"

    def listing(self, path: str, md5: str, *, ask_remotes: bool) -> dict[str, str] | None:
        """Return path and MD5 of each file of a folder that was recorded; None when its list is nowhere.

        Args:
            path: The data that is restored.
            md5: DVC's name for the folder.
            ask_remotes: Whether to look further than in the caches.
        """
        project = self._project(path)
        if project is None:
            return None
        for cache in self._caches(project):
            file = objects.open_object(cache, md5)
            if file is not None:
                with file:
                    content = file.read(objects.MAX_LISTING + 1)
                try:
                    return objects.listing(content, md5)
                except Damaged:
                    self._note(path, f"DVC's object {_shown(cache, md5)} is damaged")
        for remote in self._remotes(project, path) if ask_remotes else ():
            found = self._listing_of(remote, path, md5)
            if found is not None:
                return found
        return None

    def copy(self, path: str, md5: str, target: Path, *, digest: Digest | None) -> Digest | None:
        """Copy a file from a cache to `target`, where nothing is; return its SHA-256, None when no cache has it.

        The copy shares no inode with the cache, so that the job cannot damage it.

        Args:
            path: The data that is restored.
            md5: DVC's name for the file.
            target: Where it goes.
            digest: The SHA-256 that it must have, None for any.
        """
        project = self._project(path)
        for cache in () if project is None else self._caches(project):
            file = objects.open_object(cache, md5)
            if file is None:
                continue
            with file:
                target.parent.mkdir(parents=True, exist_ok=True)
                clone_or_copy(file, target)
            with target.open("rb") as copied:
                found, *names = objects.hash_file(copied)
            if md5 in names and digest in (None, found):
                return found
            target.unlink()
            what = "is damaged" if md5 not in names else "has other bytes than the run read"
            self._note(path, f"DVC's object {_shown(cache, md5)} {what}")
        return None

    def fetch(
        self, path: str, md5: str, files: FileStore, *, digest: Digest | None, limit: int
    ) -> tuple[Digest, str] | None:
        """Bring a file from a remote into `files`; return its SHA-256 and the remote's name, None when none has it.

        Args:
            path: The data that is restored.
            md5: DVC's name for the file.
            files: Takes it.
            digest: The SHA-256 that it must have, None for any.
            limit: Bytes that it has at most.
        """
        project = self._project(path)
        for remote in () if project is None else self._remotes(project, path):
            try:
                with remotes.opened(remote, md5) as stream:
                    checked = remotes.Verified(stream, md5, digest=digest, limit=limit)
                    return files.put_stream(checked)[0], remote.name
            except (GittrackError, OSError) as error:
                self._note(path, str(error))
            except Exception as error:  # noqa: BLE001 - a stream of fsspec raises what its library raises
                self._note(path, f"DVC's remote '{remote.name}' broke off: {type(error).__name__}")
        return None

    def _listing_of(self, remote: Remote, path: str, md5: str) -> dict[str, str] | None:
        try:
            with remotes.opened(remote, md5) as stream:
                checked = remotes.Verified(stream, md5, digest=None, limit=objects.MAX_LISTING)
                content = b"".join(iter(lambda: checked.read(1 << 20), b""))
            return objects.listing(content, md5)
        except (GittrackError, OSError) as error:
            self._note(path, str(error))
        except Exception as error:  # noqa: BLE001 - as above
            self._note(path, f"DVC's remote '{remote.name}' broke off: {type(error).__name__}")
        return None

    def _note(self, path: str, what: str) -> None:
        self._troubles.setdefault(path, {})[what] = None

    def _lookup(self, path: str) -> DvcFile | None:
        if path not in self._known:
            project = self._project(path)
            self._known[path] = None
            with suppress(GittrackError, OSError):
                self._known[path] = None if project is None else project.lookup(path)
        return self._known[path]

    def _project(self, path: str) -> DvcProject | None:
        folder = path.rpartition("/")[0]
        if folder not in self._projects:
            self._projects[folder] = self._found(path)
        return self._projects[folder]

    def _found(self, path: str) -> DvcProject | None:
        top = self.repo.root
        if top is None:
            return None
        found = dvc.project_of(top, path, self.layout)
        if found is None or self._local_is_ours(found.below):
            return found
        return dvc.project_of(top, path, self.layout, local_is_ours=False)

    def _local_is_ours(self, below: str) -> bool:
        """Whether no commit can have brought `.dvc/config.local`: git does not track it, and no link leads to it."""
        name = f"{below}/.dvc/config.local".lstrip("/")
        own = self._top / name
        if own.exists() and own.resolve() != own:
            return False
        return not self.repo.git("ls-files", "-z", "--", name)

    @cached_property
    def _top(self) -> Path:
        return self.repo.top.resolve()

    def _caches(self, project: DvcProject) -> Iterator[Path]:
        for cache in project.caches:
            by_commit = cache == project.settings.cache and not project.settings.cache_is_ours
            if self.agreed or not by_commit or self._is_inside(cache):
                yield cache

    def _remotes(self, project: DvcProject, path: str) -> Iterator[Remote]:
        known, settings = self._lookup(path), project.settings
        names = [known.remote if known else None, settings.default]
        if not any(names) and len(settings.remotes) == 1:
            names = list(settings.remotes)
        if not any(names):
            self._note(path, "DVC's settings name no remote")
        for name in dict.fromkeys(filter(None, names)):
            remote = settings.remotes.get(name)
            if remote is None:
                self._note(path, f"DVC's settings have no remote '{name}'")
            elif self._may_ask(remote):
                if remote.withheld:
                    self._note(
                        path,
                        f"the credentials of DVC's remote '{name}' were not sent, because only the committed "
                        f".dvc/config names its address ('dvc remote modify --local {name} url {remote.shown}')",
                    )
                yield remote
            else:
                self._note(
                    path,
                    f"DVC's remote '{name}' ({remote.shown}) was not asked: only the committed .dvc/config names "
                    "it, and you have not agreed to this run (--yes)",
                )

    def _may_ask(self, remote: Remote) -> bool:
        return self.agreed or remote.is_ours or (remote.scheme is None and self._is_inside(Path(remote.url)))

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._top)


def _shown(cache: Path, md5: str) -> str:
    below = next((below for below in objects.places(md5) if (cache / below).exists()), md5)
    return f"'{cache / below}'"
