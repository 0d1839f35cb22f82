"""A repository with its store: what every run is recorded into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gittrack import config as configs
from gittrack.config import Config
from gittrack.errors import Conflict, GittrackError
from gittrack.git.repo import Repository
from gittrack.record import document
from gittrack.store import durable, locking
from gittrack.store.digest import random_hex
from gittrack.store.layout import FOLDER, GITATTRIBUTES, Layout


@dataclass(frozen=True)
class Project:
    """A repository with its store.

    Attributes:
        repository: The git repository.
        layout: Where the store is.
        root: The top of the working tree whose code runs.
        home: The top of the working tree that runs are sealed into; another one in a reproduction.
    """

    repository: Repository
    layout: Layout
    root: Path
    home: Path

    @classmethod
    def find(cls, folder: Path, *, worktree: Path | None = None) -> Project:
        """Return the project around `folder`.

        Args:
            folder: Any folder of a working tree; any at all when `worktree` is given.
            worktree: Seal runs into this working tree instead, and take its code where `folder` is in no working
                tree of the same repository.

        Raises:
            NotARepository: There is no git repository around `folder`.
            Conflict: The repository is bare: there is no working tree to record into.
        """
        repository = Repository.find(folder) if worktree is None else _around(folder, worktree)
        root = repository.root
        if root is None:
            raise Conflict(
                f"'{repository.git_dir}' is a bare repository, runs are recorded in a working tree",
                hint="git worktree add ../work",
            )
        home = worktree or root
        return cls(repository, layout_of(repository, home), root, home)

    @property
    def is_initialised(self) -> bool:
        """Whether the store's committed folder is there."""
        return self.layout.config.is_file()

    def init(self) -> bool:
        """Make the store; whether there was none before. Safe when many do it at once.

        Raises:
            OSError: The disk does not take it.
        """
        if self.is_initialised and self.layout.gitattributes.is_file():
            return False
        durable.make_folder(self.layout.private)
        with locking.locked(self.layout.private / "init.lock"):
            new = not self.is_initialised
            for path, content in (
                (self.layout.gitattributes, GITATTRIBUTES.encode()),
                (self.layout.config, configs.DEFAULT_TEXT),
            ):
                durable.write_once(path, content, tmp=self.layout.tmp)
        return new

    def config(self) -> Config:
        """Return the settings that hold now."""
        return configs.load(self.layout, lambda content: document.load(content, what=".gittrack/config.yaml"))

    def clone_id(self) -> str:
        """Return this clone's own random name; it names its keep ref."""
        path = self.layout.private / "clone"
        try:
            return path.read_text()
        except OSError:
            durable.make_folder(self.layout.private)
            with locking.locked(self.layout.private / "init.lock"):
                durable.write_once(path, random_hex()[:16].encode(), tmp=self.layout.tmp)
            return path.read_text()


def _around(folder: Path, worktree: Path) -> Repository:
    """Return the repository at `folder` if it is that of `worktree`, seen from there; else that at `worktree`."""
    home = Repository.find(worktree)
    try:
        here = Repository.find(folder)
    except GittrackError:
        return home
    return here if here.common_dir == home.common_dir and here.root is not None else home


def layout_of(repository: Repository, root: Path | None) -> Layout:
    """Return where the store of a repository is, for the working tree at `root`; a bare one has none."""
    return Layout((root or repository.git_dir) / FOLDER, repository.common_dir / "gittrack")
