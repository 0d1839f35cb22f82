"""What a run that is resumed had read and made before: the same file is recorded once, and as it was first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from gittrack.data import hashing
from gittrack.data.known import Stamp
from gittrack.entities.record import DataFile, Digest, RunRecord
from gittrack.errors import GittrackError
from gittrack.store.objects import FileStore


class Earlier:
    """The earlier parts of a run.

    Args:
        run: As it was sealed.
        files: Has the manifests of folders.
    """

    def __init__(self, run: RunRecord, files: FileStore) -> None:
        self._files = files
        self._data = run.data
        self._begun = run.start_time
        self._made = {artifact.digest for artifact in run.artifacts}
        self._sizes = {artifact.size for artifact in run.artifacts}

    @cached_property
    def folders(self) -> Mapping[str, tuple[DataFile, Mapping[str, Digest] | None]]:
        """The folders that were recorded, each with its files; None where nobody here knows which."""
        return {entry.path: (entry, self._files_of(entry)) for entry in self._data if entry.files is not None}

    def _files_of(self, entry: DataFile) -> dict[str, Digest] | None:
        try:
            return dict(hashing.manifest_entries(self._files.read(entry.digest)))
        except (GittrackError, OSError):
            return None

    @cached_property
    def _digests(self) -> Mapping[str, Digest]:
        found = {entry.path: entry.digest for entry in self._data if entry.files is None}
        for path, (_, names) in self.folders.items():
            found |= {f"{path}/{name}": digest for name, digest in (names or {}).items()}
        return found

    def is_known(self, name: str, digest: Digest) -> bool:
        """Whether there is nothing to say of a file: it is recorded already, or is an artifact of the run."""
        recorded = self._digests.get(name)
        return recorded == digest or (recorded is None and digest in self._made)

    def objection(self, name: str, stamp: Stamp, digest: Digest | None = None) -> str | None:
        """Return why a file cannot be recorded beside what is, None when it can.

        Args:
            name: As the run's file has it.
            stamp: How it was when it was read.
            digest: Of what was read; None before that is known.
        """
        if name in self._digests:
            return "it changed before the run was resumed" if digest is not None else None
        unknown = (path for path, (_, names) in self.folders.items() if names is None)
        if any(name.startswith(f"{path}/") for path in unknown):
            return "which files of its folder the run had read before is not known here"
        is_newer = max(stamp[3], stamp[4]) // 1_000_000 >= self._begun
        may_be_known = digest is None and stamp[2] in self._sizes
        return _NEWER if is_newer and not may_be_known else None


_NEWER = "it is newer than the run, which may have made it before it was resumed"
