"""Which repository is recorded into and asked: the one around the current folder, unless a tracking URI names one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from gittrack import config
from gittrack.errors import GittrackError, InvalidValue
from gittrack.record.project import Project

if TYPE_CHECKING:
    from gittrack.query.session import Session
    from gittrack.query.standing import Standing
    from gittrack.record.events import Subject

_tops: dict[str, Path] = {}
_projects: dict[tuple[Path, Path | None], Project] = {}


def set_tracking_uri(uri: str | Path) -> None:
    """Record into, and ask, the git working tree at `uri` from now on, in this process and those it starts.

    Args:
        uri: The top of a working tree, as a path or a `file:` URI; empty for the one around the current folder.

    Raises:
        InvalidValue: It is anything else: a server, a database, a folder of files.
    """
    text = str(uri)
    config.pass_on("TRACKING_URI", str(_top(text)) if text else None)


def get_tracking_uri() -> str:
    """Return the working tree that is recorded into, as a `file:` URI.

    Raises:
        NotARepository: There is no git repository here.
    """
    return current().home.as_uri()


def is_tracking_uri_set() -> bool:
    """Whether a tracking URI was set, here or in the environment."""
    return config.surroundings().tracking_uri is not None


def current(around: config.Surroundings | None = None, *, uri: str | None = None) -> Project:
    """Return the project that is recorded into.

    Args:
        around: What the surrounding process says; looked up without it.
        uri: A tracking URI, which counts before that of the environment.

    Raises:
        NotARepository: There is no git repository here.
        InvalidValue: A tracking URI points elsewhere.
    """
    around = around or config.surroundings()
    uri = str(uri or around.tracking_uri or "")
    place = (_top(uri) if uri else Path.cwd(), around.worktree)
    if place not in _projects or not _projects[place].repository.git_dir.is_dir():
        _projects[place] = Project.find(place[0], worktree=around.worktree)
    return _projects[place]


def session(project: Project | None = None) -> Session:
    """Return one consistent view of all that the project's clone knows."""
    from gittrack.query.session import Session  # the index is for those who read; recording never loads it

    project = project or current()
    return Session.open(project.repository, project.layout)


def standing(project: Project, subject: Subject) -> Standing:
    """Return what tells how one run, or one experiment, stands now."""
    from gittrack.query import standing

    return standing.of(project.repository, project.layout, subject)


def _top(uri: str) -> Path:
    """Return the top of the working tree that a tracking URI names."""
    known = _tops.get(uri)
    if known is not None and (known / ".git").exists():
        return known
    path = _path(uri)
    if path is not None and path.is_dir():
        try:
            root = Project.find(path).root
        except GittrackError:
            root = None
        if root is not None and root.resolve() == path.resolve():
            if path.is_absolute() and Path(uri).is_absolute():
                _tops[uri] = path
            return path
    raise InvalidValue(
        f"runs are recorded in a git repository, and '{uri}' is not the top of one's working tree",
        hint="leave out set_tracking_uri, and unset MLFLOW_TRACKING_URI",
    )


def _path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path)).absolute()
    return None if len(parts.scheme) > 1 else Path(uri).absolute()
