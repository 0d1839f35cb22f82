"""A working tree of gittrack's own on disk: how git is run on it, and what a job may have done to it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from gittrack.entities.record import Code
from gittrack.errors import GitFailed
from gittrack.git import command
from gittrack.git.repo import Repository
from gittrack.store import durable

_ESSENTIAL = {"HEAD", "commondir", "gitdir"}
_EXACT = (
    "core.sparseCheckout=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "core.ignoreStat=false",
    "core.symlinks=true",
)
# 10,000 files, two cores: two workers took 2.3 s on a disk where one took 5.4 s, four no less; in memory they
# took 0.20 s where one took 0.15 s.
_PARALLEL = (
    f"checkout.workers={max(1, min(os.cpu_count() or 1, 4))}",
    "checkout.thresholdForParallelism=100",
)
_LINE_ENDS = {"autocrlf": ("true", "input", "false"), "eol": ("lf", "crlf", "native")}


def settings_of(code: Code) -> tuple[str, ...]:
    """Settings under which files are written as the run had them; the record is not trusted with any others."""
    chosen = {"autocrlf": "false", "eol": "lf"}
    for word in code.state:
        name, _, value = word.partition("=")
        if value in _LINE_ENDS.get(name, ()):
            chosen[name] = value
    line_ends = tuple(f"core.{name}={value}" for name, value in chosen.items())
    return tuple(part for setting in (*_EXACT, *_PARALLEL, *line_ends) for part in ("-c", setting))


def without_filters(repo: Repository) -> dict[str, tuple[str, ...]]:
    """Return by name the filters that are configured here (LFS), each with the settings that keep it from starting.

    Raises:
        GitFailed: One has a name that no setting can be given for.
    """
    listing = b""
    with suppress(command.CommandFailed):  # there is none
        listing = repo.git("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    keys = os.fsdecode(listing).split("\0")[:-1]
    names = sorted({key.partition(".")[2].rpartition(".")[0] for key in keys})
    if any("=" in name for name in names):
        raise GitFailed(
            "a filter with '=' in its name is configured", hint="git config --get-regexp '^filter'"
        )
    off = ("clean=", "smudge=", "process=", "required=false")
    return {name: tuple(p for way in off for p in ("-c", f"filter.{name}.{way}")) for name in names}


def asks_for(path: Path, admin: Path, name: str) -> bool:
    """Whether files of the worktree at `path` are to go through the filter `name`."""
    places = (f"--git-dir={admin}", f"--work-tree={path}")
    words = ("ls-files", "-z", "--", f":(top,attr:filter={name})")
    try:
        return bool(command.run([*places, *words], cwd=path, magic=True))
    except command.CommandFailed:
        return False  # no attribute can have that name as its value


def run_in(path: Path, admin: Path, settings: tuple[str, ...], *args: command.Arg) -> bytes:
    """Run git on a worktree, whatever the job wrote into its file `.git`."""
    places = (f"--git-dir={admin}", f"--work-tree={path}")
    return command.run([*settings, *places, *args], cwd=path)


def admin_of(repo: Repository, path: Path) -> Path | None:
    """Return git's folder for the worktree at `path`, if all that ties the two is as git left it."""
    link = path / ".git"
    try:
        if path.is_symlink() or link.is_symlink() or not link.is_file():
            return None
        admin = Path(link.read_text().strip().removeprefix("gitdir: "))
        ties = (
            admin.parent.resolve() == repo.common_dir / "worktrees" and not admin.is_symlink(),
            is_of(admin, path),
            (admin / (admin / "commondir").read_text().strip()).resolve() == repo.common_dir,
        )
    except (OSError, UnicodeDecodeError):
        return None
    return admin if all(ties) else None


def is_of(admin: Path, path: Path) -> bool:
    """Whether git's folder `admin` says that its worktree is at `path`."""
    try:
        return (
            Path((admin / "gitdir").read_text().strip()).parent.resolve() == path.parent.resolve() / path.name
        )
    except (OSError, UnicodeDecodeError):
        return False


def strip(admin: Path) -> None:
    """Remove what a job may have left in git's folder of the worktree: an index, an unfinished merge, settings."""
    for entry in admin.iterdir():
        if entry.name in _ESSENTIAL:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def discard(repo: Repository, path: Path) -> None:
    """Remove a worktree with all that a job left in it, links not followed, and git's notes about it."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        open_up(path)
        durable.remove_folder(path, tmp=repo.private / "tmp")
    known = repo.common_dir / "worktrees"
    for admin in list(known.iterdir()) if known.is_dir() else []:
        if not admin.is_symlink() and is_of(admin, path):
            shutil.rmtree(admin, ignore_errors=True)


def open_up(path: Path) -> None:
    """Make folders writable that a job closed, so that they can be removed; links are not followed."""
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = Path(folder, name)
            if not inner.is_symlink() and inner.stat().st_mode & 0o700 != 0o700:
                inner.chmod(0o700)
