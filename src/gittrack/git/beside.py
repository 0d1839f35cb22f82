"""A repository beside the one that is recorded, from which a project is installed in place: read, never written."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gittrack.errors import GitFailed, GittrackError
from gittrack.git import command, patches
from gittrack.git.repo import Repository

_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames", "--", ".")
_DIFF = (
    "diff",
    "--binary",
    "--full-index",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)


class Beside(NamedTuple):
    """A folder of another repository at one moment.

    Attributes:
        commit: HEAD, None before the first commit.
        changed: Whether files that git knows differ from it.
        untracked: How many files git does not know.
        state: Differs when any of it, or a changed file, does.
    """

    commit: str | None
    changed: bool
    untracked: int
    state: str


def look_at(folders: Iterable[Path]) -> dict[Path, Beside]:
    """Return how folders of other repositories are; one that is in none is left out. One git process for each."""
    started: dict[Path, subprocess.Popen[bytes]] = {}
    for folder in folders:
        with suppress(GitFailed, OSError):
            started[folder] = command.start(_STATUS, cwd=folder)
    found = {}
    with command.reaped(*started.values()):
        for folder, process in started.items():
            with suppress(GitFailed):
                found[folder] = _parse(command.finish(process), folder)
    return found


def _parse(answer: bytes, folder: Path) -> Beside:
    lines = answer.split(b"\0")
    ids = [
        line.removeprefix(b"# branch.oid ").decode() for line in lines if line.startswith(b"# branch.oid ")
    ]
    changed = [line for line in lines if line[:2] in (b"1 ", b"u ")]
    untracked = sum(line.startswith(b"? ") for line in lines)
    state = hashlib.sha256(ids[0].encode() if ids else b"")
    for line in changed:
        state.update(line + _times(folder, line))
    commit = ids[0] if ids and ids[0] != "(initial)" else None
    return Beside(commit, bool(changed), untracked, f"{state.hexdigest()} {untracked}")


def _times(folder: Path, line: bytes) -> bytes:
    """Return size and time of a changed file; git names it from the top, which is at or above `folder`."""
    name = os.fsdecode(
        line.split(b" ", 8)[-1].rpartition(b" ")[2] if line[:1] == b"u" else line.split(b" ", 8)[-1]
    )
    for top in (folder, *folder.parents):
        with suppress(OSError):
            info = (top / name).lstat()
            return f"{info.st_size} {info.st_mtime_ns}".encode()
    return b""


def changes(folder: Path) -> bytes | None:
    """Return the patch from HEAD to the files that git knows in a folder; None when it is larger than 50 MB.

    Raises:
        GitFailed: git cannot read the repository.
    """
    patch = command.run([*_DIFF, "HEAD", "--", "."], cwd=folder)
    return patch if len(patch) <= patches.MAX_BYTES else None


def write_out(folder: Path, commit: str, patch: bytes | None, target: Path) -> Path:
    """Write the files of a commit of the repository around `folder`, patched, into the new folder `target`.

    Returns:
        The place in `target` that `folder` has in its repository.

    Raises:
        GitFailed: There is no repository, it has no such commit, its files lead elsewhere, or the patch does not fit.
    """
    try:
        top = Repository.find(folder).top
    except GittrackError as error:
        raise GitFailed(f"'{folder}' is in no git repository") from error
    import tarfile  # 4 ms, which a start does not need

    archive = command.run(["archive", "--format=tar", f"{commit}^{{commit}}"], cwd=top)
    target.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(target, filter="data")
    except tarfile.TarError as error:
        raise GitFailed(f"commit {commit[:12]} cannot be written out: {error}") from error
    if patch:
        outside = {"GIT_CEILING_DIRECTORIES": str(target.parent)}  # it may lie below a folder of git
        command.run(["apply", "--whitespace=nowarn", "-"], cwd=target, input=patch, env=outside)
    return target / folder.resolve().relative_to(top.resolve())
