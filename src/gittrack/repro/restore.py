"""Data put back by digest into a worktree.

Whatever a file comes from, it is hashed where the job will read it.
"""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gittrack.data import hashing
from gittrack.entities.record import DataFile, Digest, LeftOut, RunRecord
from gittrack.errors import Damaged, GittrackError, InvalidValue, NotFound
from gittrack.repro.dvc import DvcSource
from gittrack.store import digest as digests
from gittrack.store.layout import safe_path
from gittrack.store.objects import FileStore

UNREAD = "outside, not read before you agree"
IN_IMAGE = "in the image"
_CONVERTED_BYTES = 64 << 20  # larger files are no text whose line ends git has changed


@dataclass(frozen=True, slots=True)
class Returned:
    """An input file or folder that is back, byte for byte.

    Attributes:
        path: As recorded.
        digest: What it has.
        how: `git`, `git, with the line ends of the record`, `cache`, `DVC's cache`, `working tree`,
            `DVC's remote 'NAME'`, `outside`, `IN_IMAGE` or `UNREAD`; after a `;` what was found damaged on the way.
    """

    path: str
    digest: Digest
    how: str


class DataLost(GittrackError):
    """An input file or folder cannot be restored exactly."""

    exit_code = 9


@dataclass(frozen=True)
class Sources:
    """Where data may come from.

    Attributes:
        target: Top of the worktree in which the code is.
        files: Content by digest.
        checkout: Top of the user's own working tree, which is only read; None without one.
        dvc: DVC's caches and remotes, None without them.
        agreed: Whether the user made the run, or agreed to what it would execute.
        in_image: Whether what is not here outside of the repository may be in the image that the job gets.
    """

    target: Path
    files: FileStore
    checkout: Path | None
    dvc: DvcSource | None = None
    agreed: bool = True
    in_image: bool = False


def restore_data(entries: Iterable[DataFile], sources: Sources) -> list[Returned]:
    """Put every input of a run where the job will look for it.

    Raises:
        DataLost: One cannot be restored exactly; the message names it, the hint says what would bring it.
    """
    return [_restore(entry, sources) for entry in entries]


def _restore(entry: DataFile, sources: Sources) -> Returned:
    if entry.path.startswith("/"):
        if not sources.agreed:
            return Returned(entry.path, entry.digest, UNREAD)
        return _compare_outside(entry, sources)
    safe_path(entry.path, what="data path")
    whole = entry.files is None
    if whole:
        how = _put_file(entry.path, entry.digest, sources, _named(entry, entry.md5))
    else:
        how = _put_files(entry, sources)
    trouble = sources.dvc.trouble(entry.path) if sources.dvc else None
    if how is None:
        raise _lost(entry, sources, trouble)
    return Returned(entry.path, entry.digest, f"{how}; {trouble}" if trouble else how)


@dataclass(frozen=True)
class _Named:
    """What DVC calls a file that is restored.

    Attributes:
        path: The recorded data that it is, or belongs to.
        md5: Its name.
        limit: Bytes that it has at most.
    """

    path: str
    md5: str
    limit: int


def _named(entry: DataFile, md5: str | None) -> _Named | None:
    return None if md5 is None or entry.changed else _Named(entry.path, md5, entry.size)


def _compare_outside(entry: DataFile, sources: Sources) -> Returned:
    try:
        found = _digest_outside(entry, sources.files)
    except (GittrackError, OSError):
        found = None
    if found == entry.digest:
        return Returned(entry.path, entry.digest, "outside")
    if sources.in_image:
        return Returned(entry.path, entry.digest, IN_IMAGE)
    state = "is gone" if found is None else "has changed"
    raise DataLost(
        f"the data '{entry.path}', which lies outside the repository, {state}",
        hint=f"put back the content with SHA-256 {entry.digest}: sha256sum '{entry.path}'",
    )


def _digest_outside(entry: DataFile, files: FileStore) -> Digest:
    """Return the digest that data beside the repository has now, of a folder that of the files that were read."""
    if entry.files is None or entry.how is None:
        return hashing.measure(Path(entry.path)).digest
    names = names_of(entry, files) or ()
    manifest = hashing.manifest_of((name, digests.of_file(Path(entry.path, name))) for name in names)
    return digests.of_bytes(manifest)


def names_of(entry: DataFile, files: FileStore) -> list[str] | None:
    """Return the files that were read of a folder that was found by itself; None where all of the data counts."""
    if entry.files is None or entry.how is None:
        return None
    return list(_manifest(entry.digest, files) or ())


def _lost(entry: DataFile, sources: Sources, trouble: str | None) -> DataLost:
    what = "folder" if entry.files is not None else "file"
    if entry.kept_by == "dvc" and entry.md5 is not None:
        why = trouble or "neither DVC's cache, nor this clone's store, nor the working tree has it"
        return DataLost(
            f"the data {what} '{entry.path}', DVC's {entry.md5}, cannot be restored: {why}",
            hint=sources.dvc.remedy(entry.path, entry.md5) if sources.dvc else f"dvc pull '{entry.path}'",
        )
    if entry.how is not None and entry.kept_by == "nobody":
        return DataLost(
            f"the data {what} '{entry.path}' cannot be restored: the run read it, and nobody keeps it",
            hint=f"gittrack keep {shlex.quote(entry.path)}  # where its SHA-256 is still {entry.digest}",
        )
    if entry.kept_by == "nobody":
        why = "it could not be kept when the run was recorded"
    elif entry.kept_by == "git":
        why = "git gives other bytes for it"
    else:
        why = "neither git, nor this clone's store, nor the working tree has it"
    where = ", which the clone that recorded the run kept," if entry.kept_by == "cache" else ""
    check = f"sha256sum '{entry.path}'" if entry.files is None else f"git log --all -- '{entry.path}'"
    return DataLost(
        f"the data {what} '{entry.path}' cannot be restored: {why}",
        hint=f"put the content with SHA-256 {entry.digest}{where} into the working tree: {check}",
    )


def _put_files(entry: DataFile, sources: Sources) -> str | None:
    """Bring a folder, or of one that was found by itself the files that were read, to what the record has."""
    if entry.how is None:
        return _put_folder(entry, sources)
    wanted = _manifest(entry.digest, sources.files)
    ways = _put_dvc_part(entry, sources) if wanted is None else _put_each(wanted, entry, sources)
    return max(set(ways), key=ways.count) if ways else None


def _put_folder(entry: DataFile, sources: Sources) -> str | None:
    target = _place(sources.target, entry.path)
    if _digest(target) == entry.digest:
        return "git"
    wanted = _manifest(entry.digest, sources.files)
    if wanted is None:
        return _copy_folder(entry, target, sources) or _put_dvc_folder(entry, target, sources)
    ways = _put_each(wanted, entry, sources)
    return None if ways is None else _only(wanted, ways, entry, target)


def _put_each(wanted: Mapping[str, Digest], entry: DataFile, sources: Sources) -> list[str] | None:
    """Bring files of a folder; return where each came from, None when one is nowhere."""
    names = _listing(entry, sources, ask_remotes=False)
    ways = []
    for name, digest in wanted.items():
        path = f"{entry.path}/{name}"
        how = _put_file(path, digest, sources, _named(entry, names.get(name)))
        if how is None and not names:
            names = _listing(entry, sources, ask_remotes=True)
            how = _put_file(path, digest, sources, _named(entry, names.get(name)))
        if how is None:
            return None
        ways.append(how)
    return ways


def _only(names: Collection[str], ways: list[str], entry: DataFile, target: Path) -> str | None:
    """Take away what else is in a folder; return where most of it came from, None when it is not as recorded."""
    if target.is_dir():
        for name, file in list(hashing.walk(target)):
            if name not in names:
                file.unlink()
    return max(set(ways), key=ways.count, default="cache") if _digest(target) == entry.digest else None


def _listing(entry: DataFile, sources: Sources, *, ask_remotes: bool) -> dict[str, str]:
    """Return path and MD5 of each file of a folder that DVC keeps."""
    if sources.dvc is None or entry.md5 is None or entry.changed:
        return {}
    return sources.dvc.listing(entry.path, entry.md5, ask_remotes=ask_remotes) or {}


def _put_dvc_folder(entry: DataFile, target: Path, sources: Sources) -> str | None:
    """Bring a folder of which nothing but DVC's list is known, and remember the list of its digests."""
    brought = _bring_from_dvc(_listing(entry, sources, ask_remotes=True), entry, sources)
    how = _only(brought, [how for _, how in brought.values()], entry, target) if brought else None
    if brought and how is not None:
        sources.files.put_bytes(_list_of(brought))
    return how


def _put_dvc_part(entry: DataFile, sources: Sources) -> list[str] | None:
    """Bring files of a folder of DVC's of which no list tells which were read: all, or those of one folder in it."""
    names = _listing(entry, sources, ask_remotes=True)
    folders = Counter(name[:end] for name in names for end in _folder_ends(name))
    for folder in sorted(folder for folder, count in folders.items() if count == entry.files):
        part = {name: md5 for name, md5 in names.items() if name.startswith(folder)}
        brought = _bring_from_dvc(part, entry, sources)
        if brought and digests.of_bytes(_list_of(brought)) == entry.digest:
            sources.files.put_bytes(_list_of(brought))
            return [how for _, how in brought.values()]
    return None


def _folder_ends(name: str) -> list[int]:
    return [0, *(place + 1 for place, sign in enumerate(name) if sign == "/")]


def _list_of(brought: Mapping[str, tuple[Digest, str]]) -> bytes:
    return hashing.manifest_of((name, digest) for name, (digest, _) in brought.items())


def _bring_from_dvc(
    names: Mapping[str, str], entry: DataFile, sources: Sources
) -> dict[str, tuple[Digest, str]] | None:
    """Bring files by DVC's names; return digest and source of each, None when one is nowhere."""
    found = {}
    for name, md5 in names.items():
        place = _place(sources.target, f"{entry.path}/{name}")
        known = _Named(entry.path, md5, entry.size)
        brought = _from_dvc_cache(place, None, sources, known) or _from_dvc_remote(
            place, None, sources, known
        )
        if brought is None:
            return None
        found[name] = brought
    return found


def _manifest(digest: Digest, files: FileStore) -> dict[str, Digest] | None:
    try:
        return dict(hashing.manifest_entries(files.read(digest)))
    except (NotFound, Damaged):
        return None


def _copy_folder(entry: DataFile, target: Path, sources: Sources) -> str | None:
    """Take a folder whose list of files is nowhere from the user's working tree, if it is the same there."""
    own = sources.checkout and sources.checkout / entry.path
    if not own or own.is_symlink() or _digest(own) != entry.digest:
        return None
    for name, file in hashing.walk(own):
        copy = _place(sources.target, f"{entry.path}/{name}")
        _clear(copy)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return "working tree" if _digest(target) == entry.digest else None


def _from_dvc_cache(
    target: Path, digest: Digest | None, sources: Sources, named: _Named | None
) -> tuple[Digest, str] | None:
    """Copy a file from DVC's cache; return its digest and where it came from, None when that has not got it."""
    if sources.dvc is None or named is None:
        return None
    _clear(target)
    found = sources.dvc.copy(named.path, named.md5, target, digest=digest)
    return None if found is None else (found, "DVC's cache")


def _from_dvc_remote(
    target: Path, digest: Digest | None, sources: Sources, named: _Named | None
) -> tuple[Digest, str] | None:
    """Bring a file from DVC's remote by way of the store; return what `_from_dvc_cache` does."""
    if sources.dvc is None or named is None:
        return None
    found = sources.dvc.fetch(named.path, named.md5, sources.files, digest=digest, limit=named.limit)
    if found is None:
        return None
    _clear(target)
    sources.files.restore(found[0], target)
    target.chmod(0o644)
    return found[0], f"DVC's remote '{found[1]}'"


def _put_file(path: str, digest: Digest, sources: Sources, named: _Named | None = None) -> str | None:
    """Bring one file to its digest; return where it came from, None when it is nowhere."""
    target = _place(sources.target, path)
    if _digest(target) == digest:
        return "git"
    converted = _with_other_line_ends(target, digest)
    if converted is not None:
        target.write_bytes(converted)
        return "git, with the line ends of the record"
    try:
        if sources.files.has(digest):
            _clear(target)
            sources.files.restore(digest, target)
            target.chmod(0o644)
            return "cache"
    except Damaged:
        pass  # the working tree may still have it; `fsck` names the damage
    copied = _from_dvc_cache(target, digest, sources, named)
    if copied is not None:
        return copied[1]
    own = sources.checkout and sources.checkout / path
    if own and not own.is_symlink() and own.is_file() and _digest(own) == digest:
        _clear(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(own, target)
        if _digest(target) == digest:
            return "working tree"
    brought = _from_dvc_remote(target, digest, sources, named)
    return None if brought is None else brought[1]


def _with_other_line_ends(target: Path, digest: Digest) -> bytes | None:
    """Return the content of a text with the line ends that the record had, None when that is not what differs."""
    if not target.is_file() or target.stat().st_size > _CONVERTED_BYTES:
        return None
    content = target.read_bytes()
    unix = content.replace(b"\r\n", b"\n")
    for variant in (unix, unix.replace(b"\n", b"\r\n")):
        if digests.of_bytes(variant) == digest:
            return variant
    return None


def _place(top: Path, path: str) -> Path:
    """Return where `path` lies below `top`.

    Raises:
        DataLost: A folder on the way is a link: what is written there would land somewhere else.
    """
    parts = safe_path(path, what="data path").split("/")
    folder = top
    for part in parts[:-1]:
        folder = folder / part
        if folder.is_symlink():
            raise DataLost(f"the data '{path}' lies behind the link '{folder.relative_to(top)}'")
    return folder / parts[-1]


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _digest(path: Path) -> Digest | None:
    """Return the digest of a file or folder, None when there is none, or a link in its place."""
    if path.is_symlink():
        return None
    try:
        return hashing.measure(path).digest
    except (NotFound, InvalidValue, OSError):
        return None


def restore_left_out(left_out: Iterable[LeftOut], sources: Sources) -> list[LeftOut]:
    """Bring files that the code capture left out from the user's working tree, where they are the same still.

    Returns:
        Those that could not be brought.
    """
    return [left for left in left_out if not _bring(left, sources)]


def _bring(left: LeftOut, sources: Sources) -> bool:
    if left.digest is None:
        return False
    try:
        return _put_file(left.path, left.digest, sources) is not None
    except (InvalidValue, DataLost, OSError):
        return False


def incomplete(run: RunRecord, left_out: Iterable[LeftOut]) -> str | None:
    """Return why a run's record is not whole, in words; None when it is."""
    reasons = [f"'{left.path}' is not in the record ({left.reason})" for left in left_out]
    reasons += [f"the record lacks {lost}" for lost in run.lost]
    if run.status == "KILLED":
        reasons.append("the recorded run was killed before its end")
    if run.supersedes:
        reasons.append("the run was added to after it had ended, which its process alone does not do again")
    return "; ".join(reasons) or None
