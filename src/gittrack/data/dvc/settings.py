"""DVC's settings: where its caches and remotes are, and who says so.

DVC reads the settings of the system, of the user, of the project (`.dvc/config`) and of the clone
(`.dvc/config.local`), later ones over earlier ones. The project's are committed, so they are the word of whoever
wrote the last commit. They may say where a remote is, never which credentials or options are used there: a commit
that moves a remote would get the user's password sent to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SECTION = re.compile(r"""\[\s*(['"]?)(?P<name>.*?)\1\s*\]\s*(#.*)?""")
_REMOTE = re.compile(r"""remote\s*(["'])(?P<name>[\w.-]{1,100})\1""", re.ASCII)
_ENTRY = re.compile(
    r"""\s*(?P<key>[\w.-]+)\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^#]*?))\s*(#.*)?"""
)
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_LAYOUTS = ("version_aware", "worktree")
_MAX_BYTES = 1 << 20

DVC_FOLDER = ".dvc"


@dataclass(frozen=True)
class Remote:
    """Where objects are beside the cache.

    Attributes:
        name: What the settings call it.
        url: An absolute path, or an address.
        is_ours: Whether this clone's user named the address; else a commit did.
        options: What this clone's user said of it: credentials and the like; none for an address of a commit.
        withheld: Whether there are such options, kept back because the address is not the user's.
        by_path: Whether it holds files by their path instead of objects by their name.
    """

    name: str
    url: str
    is_ours: bool
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    withheld: bool = False
    by_path: bool = False

    @property
    def scheme(self) -> str | None:
        """What the address begins with, None for a path."""
        found = _URL.fullmatch(self.url)
        return found["scheme"].lower() if found else None

    @property
    def shown(self) -> str:
        """The address without user, password and query."""
        return without_secrets(self.url)


@dataclass(frozen=True)
class Settings:
    """What the settings come to.

    Attributes:
        cache: The folder of the cache.
        cache_is_ours: Whether it is the usual one, or this clone's user named it.
        remotes: By name.
        default: The remote that is used when none is named.
    """

    cache: Path
    cache_is_ours: bool
    remotes: Mapping[str, Remote]
    default: str | None


def load(root: Path, files: Sequence[Path], *, local_is_ours: bool = True) -> Settings:
    """Return the settings of the DVC project at `root`; what cannot be read says nothing.

    Args:
        root: The folder with `.dvc/`.
        files: The settings of the system and of the user.
        local_is_ours: Whether `.dvc/config.local` is this clone's own; one that was committed is not.
    """
    folder = root / DVC_FOLDER
    said = _Said()
    for path, is_ours in (
        *((path, True) for path in files),
        (folder / "config", False),
        (folder / "config.local", local_is_ours),
    ):
        for section, key, value in _lines(path):
            said.take(section, key, value, path.parent, is_ours=is_ours)
    cache, cache_is_ours = said.cache or (folder / "cache", True)
    remotes = {name: said.remote(name) for name in said.urls}
    return Settings(cache, cache_is_ours, remotes, said.default)


class _Said:
    """Takes one entry after the other; a later one counts more."""

    def __init__(self) -> None:
        self.cache: tuple[Path, bool] | None = None
        self.default: str | None = None
        self.urls: dict[str, tuple[str, bool]] = {}
        self._options: dict[str, dict[str, str]] = {}
        self._by_path: set[str] = set()

    def take(self, section: str, key: str, value: str, folder: Path, *, is_ours: bool) -> None:
        remote = _REMOTE.fullmatch(section)
        if section == "cache" and key == "dir" and value:
            self.cache = (_path(value, folder), is_ours)
        elif section == "core" and key == "remote":
            self.default = value or None
        elif remote and key == "url" and value:
            self.urls[remote["name"]] = (_address(value, folder), is_ours)
        elif remote and key in _LAYOUTS:
            if value.lower() in ("true", "1", "yes", "on"):
                self._by_path.add(remote["name"])
        elif remote and is_ours:
            self._options.setdefault(remote["name"], {})[key] = value

    def remote(self, name: str) -> Remote:
        url, is_ours = self.urls[name]
        options = self._options.get(name, {})
        return Remote(
            name=name,
            url=url,
            is_ours=is_ours,
            options=options if is_ours else {},
            withheld=bool(options) and not is_ours,
            by_path=name in self._by_path,
        )


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each entry that is spelled as DVC spells it."""
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    section = ""
    for line in lines:
        head, entry = _SECTION.fullmatch(line.strip()), _ENTRY.fullmatch(line)
        if head:
            section = head["name"].strip()
        elif entry:
            value = next(
                (entry[kind] for kind in ("double", "single", "plain") if entry[kind] is not None), ""
            )
            yield section, entry["key"].lower(), value.strip()


def _address(value: str, folder: Path) -> str:
    return value if _URL.fullmatch(value) else str(_path(value, folder))


def _path(value: str, folder: Path) -> Path:
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:  # ~somebody who is not here
        return folder / value


def without_secrets(url: str) -> str:
    """Return an address without user, password, query and fragment."""
    found = _URL.fullmatch(url)
    if not found:
        return url
    host, slash, path = found["rest"].partition("/")
    return f"{found['scheme']}://{host.rpartition('@')[2]}{slash}{re.split('[?#]', path)[0]}"
