"""Writes that survive a crash: the only module that syncs, renames or unlinks below the store.

`hook` is called with the name of each step before it is taken; tests kill or fail the process there.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from gittrack.store.digest import random_hex


def _nothing(_step: str) -> None:
    """Do nothing: no fault is injected."""


hook: Callable[[str], None] = _nothing

DRAFT = ".draft-"  # begins the name of what is not whole yet, or no more, beside what is

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


def write_file(path: Path, content: bytes | memoryview, *, synced: bool = True) -> None:
    """Write a new file at `path` and sync it; the folder is not synced.

    Raises:
        OSError: The disk did not take it.
    """
    descriptor = os.open(path, _NEW_FILE, 0o666)
    try:
        write_all(descriptor, content)
        if synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte of `content`, however little each call takes."""
    written = os.write(descriptor, content)
    if written != len(content):
        rest = memoryview(content)[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def sync_folder(path: Path) -> None:
    """Sync the names in a folder, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folder; some network disks sync none
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make `path` and its parents; the names are on disk when this returns."""
    for changed in _make(path):
        sync_folder(changed)


def _make(path: Path) -> list[Path]:
    """Make `path` and its parents; return the folders that have a new name in them."""
    changed = []
    folder = path
    while not folder.is_dir():
        folder = folder.parent
        changed.append(folder)
    if changed:
        path.mkdir(parents=True, exist_ok=True)
    return changed


def replace_file(path: Path, content: bytes, *, tmp: Path) -> None:
    """Put `content` at `path` in one step: readers see the old or the new content, also after a power cut."""
    try:
        _replace(path, tmp / random_hex(), content)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _replace(path, _beside(path), content)


def _beside(path: Path) -> Path:
    """Return a name for a draft where `path` is, for a `tmp` on another disk; each mount of a container is one."""
    return path.with_name(f"{DRAFT}{random_hex()}")


def _replace(path: Path, draft: Path, content: bytes) -> None:
    make_folder(draft.parent)
    try:
        hook("replace.write")
        write_file(draft, content)
        make_folder(path.parent)
        hook("replace.rename")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    hook("replace.sync")
    sync_folder(path.parent)


def write_once(path: Path, content: bytes, *, tmp: Path) -> None:
    """Put content-addressed `content` at `path` unless it is there already."""
    if not path.is_file():
        replace_file(path, content, tmp=tmp)


def publish_folder(
    path: Path, files: Mapping[str, bytes], *, tmp: Path, step: str = "publish", synced: bool = True
) -> None:
    """Make the folder `path` with `files` in it appear in one rename, whole; one that has them is left alone.

    Args:
        path: The folder; one that has other content, as a power cut may leave it, is replaced.
        files: Content by name.
        tmp: Where it is written first.
        step: How the steps are called.
        synced: False for a second copy of what is on disk: processes find it whole, a power cut may tear it.
    """
    is_there = path.is_dir()
    if is_there and not _has(path, files):
        remove_folder(path, tmp=tmp)
        is_there = False
    is_mine = not is_there and _publish_somehow(path, files, tmp, step, synced=synced)
    if synced and not is_mine:  # whoever made it may have died before a sync, or needed none
        for name in files:
            _sync(path / name)
        sync_folder(path)
    hook(f"{step}.sync")
    if synced:
        sync_folder(path.parent)


def _has(path: Path, files: Mapping[str, bytes]) -> bool:
    try:
        return all((path / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def _publish_somehow(path: Path, files: Mapping[str, bytes], tmp: Path, step: str, *, synced: bool) -> bool:
    try:
        return _publish(path, files, tmp / random_hex(), step, synced=synced)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _publish(path, files, _beside(path), step, synced=synced)


def _publish(path: Path, files: Mapping[str, bytes], draft: Path, step: str, *, synced: bool) -> bool:
    """Whether this process, and no other before it, made the folder."""
    make_folder(draft.parent)
    try:
        draft.mkdir()
        # First what is synced last: with a file most filesystems bring all names to disk, and folders are cheap then.
        changed = [draft, *_make(path.parent)]
        for name, content in files.items():
            hook(f"{step}.write {name}")
            write_file(draft / name, content, synced=synced)
        for folder in changed if synced else ():
            sync_folder(folder)
        hook(f"{step}.rename")
        draft.rename(path)
    except OSError:
        free_folder(draft)
        if not path.is_dir():  # another process published the same content first
            raise
        return False
    return True


def remove_folder(path: Path, *, tmp: Path) -> None:
    """Make the folder `path` disappear in one step, then free its space.

    Raises:
        OSError: The folder is still there. Once it has gone, an error of the disk is no error of this call.
    """
    make_folder(tmp)
    grave = tmp / random_hex()
    try:
        hook("remove.rename")
        path.rename(grave)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        grave = _beside(path)
        path.rename(grave)
    with contextlib.suppress(OSError):
        hook("remove.free")
        sync_folder(path.parent)
        free_folder(grave)
        hook("remove.end")


def free_folder(path: Path) -> None:
    """Remove a folder that nobody refers to; what cannot be removed stays for a later sweep."""
    with contextlib.suppress(OSError):
        if not path.is_symlink():
            _free(os.fspath(path))


def _free(folder: str) -> None:
    """Remove a folder with all that is in it. The module `shutil` takes 2 ms to import, and twice as long here."""
    with os.scandir(folder) as listing:
        entries = list(listing)  # whole, before the folder changes
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _free(entry.path)
        else:
            os.unlink(entry)  # noqa: PTH108 - these are no paths
    os.rmdir(folder)  # noqa: PTH106


def remove_file(path: Path) -> None:
    """Make the file at `path` disappear; one that is gone already is no error."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)
