"""The content of artifacts and data: which of it runs refer to, and whether it is whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from gittrack.data import hashing
from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.errors import GittrackError
from gittrack.git import keep
from gittrack.git.repo import Repository
from gittrack.housekeeping import stored
from gittrack.housekeeping.findings import Collector, Sealed, Severity
from gittrack.record import trust
from gittrack.store import digest as digests
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

_NAMED_RUNS = 3


def references(run: RunRecord, files: FileStore) -> Iterator[tuple[Digest, str, int | None]]:
    """Yield digest, description and size of each content that should be in the file store."""
    for artifact in run.artifacts:
        yield artifact.digest, f"the artifact '{artifact.path}'", artifact.size
    for entry in run.data:
        if entry.kept_by != "cache":
            continue
        yield entry.digest, f"the data '{entry.path}'", entry.size if entry.files is None else None
        if entry.files is not None:
            for name, digest in manifest(files, entry.digest):
                yield digest, f"the data '{entry.path}/{name}'", None


def wanted(run: RunRecord, files: FileStore) -> Iterator[Digest]:
    """Yield each content that a reproduction of the run could use, whether or not it should be here."""
    yield from (digest for digest, _, _ in references(run, files))
    for entry in run.data:
        yield entry.digest
        if entry.files is not None:
            yield from (digest for _, digest in manifest(files, entry.digest))


def kept_for_environment(environment: Mapping[str, Any]) -> Iterator[Digest]:
    """Yield digests of lock files, and of patches of projects beside the repository, that may be in the store."""
    yield from environment.get("locks", {}).values()
    for origin in environment.get("origins", {}).values():
        if digests.is_digest(origin.get("patch")):
            yield Digest(origin["patch"])


def manifest(files: FileStore, digest: Digest) -> list[tuple[str, Digest]]:
    """Return path and digest of each file of a folder, nothing when its list is gone or damaged."""
    try:
        return hashing.manifest_entries(files.read(digest))
    except (GittrackError, OSError):
        return []


def check_contents(found: Collector, runs: Collection[Sealed], repo: Repository, layout: Layout) -> None:
    """Hash all content, and name what is damaged or gone with the runs that need it."""
    _Contents(found, runs, repo, layout).check()


class _Contents:
    def __init__(self, found: Collector, runs: Collection[Sealed], repo: Repository, layout: Layout) -> None:
        self._found = found
        self._runs = runs
        self._repo = repo
        self._layout = layout
        self._files = FileStore(layout)
        self._kept: set[str] | None = None

    def check(self) -> None:
        bad = self._hash_files()
        needed = self._needed()
        for digest, path in bad.items():
            users = needed.get(digest, {})
            what = "its bytes are not those of its name" + _used_by(users)
            run = next(iter(users), None)
            severity: Severity = "damaged" if users else "untidy"
            self._found.add("digest-mismatch", str(path), severity, what, _content_remedy(path, users), run)
        self._missing(needed)

    def _hash_files(self) -> dict[Digest, Path]:
        bad = {}
        self._odd_files()
        found = list(self._files.all())
        for done, (digest, size) in enumerate(found):
            self._found.say("artifacts and data", done, len(found))
            self._found.checked.files += 1
            self._found.checked.size += size
            try:
                whole = self._files.verify(digest)
            except OSError:
                whole = False
            if not whole:
                bad[digest] = self._files.path(digest)
        return bad

    def _odd_files(self) -> None:
        for shard in stored.entries(self._layout.files):
            if shard.is_symlink() or not shard.is_dir():
                self._found.unexpected(Path(shard.path))
                continue
            for entry in stored.entries(Path(shard.path)):
                if entry.is_symlink():
                    self._found.link(Path(entry.path))
                elif not digests.is_digest(shard.name + entry.name):
                    self._found.unexpected(Path(entry.path))

    def _needed(self) -> dict[Digest, dict[RunId, str]]:
        """Return, for each digest of content that runs refer to, the runs with what it is to them."""
        needed: dict[Digest, dict[RunId, str]] = {}
        for sealed in self._runs:
            for digest, what, size in references(sealed.run, self._files):
                needed.setdefault(digest, {}).setdefault(sealed.run.run_id, what)
                self._size(sealed, digest, what, size)
        return needed

    def _size(self, sealed: Sealed, digest: Digest, what: str, size: int | None) -> None:
        if size is None or not self._files.has(digest):
            return
        found = self._files.path(digest).stat().st_size
        if found != size and self._files.verify(digest):
            text = f"says that {what} has {size} bytes, and it has {found}"
            self._found.doubt("size-mismatch", sealed, text)

    def _missing(self, needed: dict[Digest, dict[RunId, str]]) -> None:
        runs = {sealed.run.run_id: sealed.run for sealed in self._runs}
        elsewhere, users_elsewhere = 0, dict[RunId, str]()
        for digest, users in needed.items():
            if self._files.has(digest):
                continue
            mine = [run_id for run_id in users if self._made_here(runs[run_id])]
            if not mine:
                elsewhere += 1
                users_elsewhere.update(users)
                continue
            what = f"the content of {users[mine[0]]} is not here, where the run was made or run again{_used_by(users)}"
            path = str(self._files.path(digest))
            self._found.add("missing-object", path, "lost", what, _content_remedy(None, users), mine[0])
        if elsewhere:
            what = (
                f"{elsewhere} artifacts or data files of {len(users_elsewhere)} runs were never in this clone"
            )
            first = next(iter(users_elsewhere))
            run = first if len(users_elsewhere) == 1 else None
            remedy = f"gittrack repro {first[:8]}  # makes those of one run again"
            self._found.add("missing-object", str(self._layout.files), "untidy", what, remedy, run)

    def _made_here(self, run: RunRecord) -> bool:
        """Whether this clone made the run, so that its files should be here."""
        if run.code is None:
            return False
        if run.command is None:  # a notebook's: no command, no consent
            return run.code.captured in self._kept_here()
        return trust.is_own(self._layout, trust.consent_digest(run.code, run.command, run.environment))

    def _kept_here(self) -> set[str]:
        """Return the commits that this clone keeps, which it does for the runs that it makes."""
        if self._kept is None:
            try:
                ref = keep.keep_ref((self._layout.private / "clone").read_text())
                lines = (
                    self._repo.git("log", "--first-parent", "--format=%s", ref, "--").decode().splitlines()
                )
            except (OSError, GittrackError):
                lines = []
            self._kept = {line.rpartition(" ")[2] for line in lines}
        return self._kept


def _used_by(users: dict[RunId, str]) -> str:
    if not users:
        return ""
    named = ", ".join(f"{what} of run {run_id[:8]}" for run_id, what in list(users.items())[:_NAMED_RUNS])
    more = len(users) - _NAMED_RUNS
    return f"; it is {named}" + (f" and {more} more" if more > 0 else "")


def _content_remedy(path: Path | None, users: dict[RunId, str]) -> str:
    aside = f"mv '{path}' '{path}.damaged' && " if path else ""
    if not users:
        return f"rm '{path}'"
    run_id, what = next(iter(users.items()))
    if "artifact" in what:
        return f"{aside}gittrack repro {run_id[:8]}  # makes it again"
    return f"{aside}copy it from where the data came from, and log it again"
