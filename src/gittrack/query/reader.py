"""Reading sealed objects by digest from wherever they lie, each checked against the name that it was found under."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

from gittrack.entities.record import Digest, Event, RunRecord
from gittrack.errors import Damaged
from gittrack.git import objects
from gittrack.git.repo import Repository
from gittrack.query.damage import Damage, Unusable
from gittrack.query.places import ENVIRONMENTS, EVENTS, RUNS, Catalogue, opened, read_file
from gittrack.record import document
from gittrack.record import format as formats
from gittrack.store import digest as digests
from gittrack.store.layout import FOLDER, METRICS_FILE, PATCH_FILE, RUN_FILE, Layout

MAX_POINTS_BYTES = 4 << 30
MAX_PATCH_BYTES = 1 << 30

T = TypeVar("T")


class Reader:
    """Reads runs, events and environments.

    Use it as a context: what it had to copy out of git is removed at the end.

    Args:
        repo: The repository.
        layout: Where the store is.
        commits: Commits whose trees may be read besides the folders.
        catalogue: Knows what is in those trees.
    """

    def __init__(
        self, repo: Repository, layout: Layout, commits: Sequence[str], catalogue: Catalogue
    ) -> None:
        self._repo = repo
        self._folders = (layout, layout.unsaved)
        self._tmp = layout.tmp
        self._commits = commits
        self._catalogue = catalogue
        self._trees: dict[Digest, str] | None = None
        self._spill: Path | None = None
        self.damaged: list[Damage] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._spill is not None:
            shutil.rmtree(self._spill, ignore_errors=True)

    def runs(self, wanted: Sequence[Digest]) -> Iterator[tuple[Digest, RunRecord]]:
        """Yield the runs that can be read, in no order; what cannot is damage."""
        return self._parsed(RUNS, wanted, formats.load_run)

    def events(self, wanted: Sequence[Digest]) -> Iterator[tuple[Digest, Event]]:
        """Yield the events that can be read, in no order."""
        return self._parsed(EVENTS, wanted, formats.load_event)

    def environments(self, wanted: Sequence[Digest]) -> Iterator[tuple[Digest, dict[str, Any]]]:
        """Yield the environments that can be read, in no order."""
        return self._parsed(ENVIRONMENTS, wanted, formats.load_environment)

    def points(self, wanted: Sequence[tuple[Digest, RunRecord]]) -> dict[Digest, Path]:
        """Return a checked Parquet file for each run with points; for one that has none left, damage."""
        files: dict[Digest, Path] = {}
        absent: list[tuple[Digest, Digest]] = []
        found: dict[Digest, Damage] = {}
        for digest, run in wanted:
            if run.series is None:
                continue
            path = self._loose_points(digest, run.series.file, found)
            if path is None:
                absent.append((digest, run.series.file))
            else:
                files[digest] = path
        specs = [self._git_name(digest, METRICS_FILE) for digest, _ in absent]
        for (digest, expected), blob in zip(absent, self._blobs(specs, MAX_POINTS_BYTES), strict=True):
            if blob is not None and digests.of_bytes(blob) == expected:
                files[digest] = self.spill(blob)
            else:
                self.damaged.append(found.get(digest) or self._missing(RUNS, digest, METRICS_FILE))
        return files

    def patch(self, digest: Digest, expected: Digest) -> bytes | None:
        """Return the `code.patch` of a run if any copy of it has the digest that is expected."""
        for layout in self._folders:
            content = self.patch_file(layout.run(digest) / PATCH_FILE, expected)
            if content is not None:
                return content
        blob = next(self._blobs([self._git_name(digest, PATCH_FILE)], MAX_PATCH_BYTES))
        return blob if blob is not None and digests.of_bytes(blob) == expected else None

    def patch_file(self, path: Path, expected: Digest) -> bytes | None:
        """Return the content of a file if it has the digest that is expected."""
        try:
            content = read_file(path, MAX_PATCH_BYTES)
        except (FileNotFoundError, Unusable):
            return None
        return content if digests.of_bytes(content) == expected else None

    def spill(self, content: bytes) -> Path:
        """Put bytes into a file that DuckDB can read; it goes when the reader does."""
        if self._spill is None:
            self._spill = self._folder()
        path = self._spill / f"{uuid4().hex}.parquet"
        path.write_bytes(content)
        return path

    def _folder(self) -> Path:
        try:
            self._tmp.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix="index-", dir=self._tmp))
        except OSError:  # a disk that can only be read
            return Path(tempfile.mkdtemp(prefix="gittrack-"))

    def _parsed(
        self, kind: str, wanted: Sequence[Digest], parse: Callable[[bytes], T]
    ) -> Iterator[tuple[Digest, T]]:
        for digest, content in self._contents(kind, wanted):
            try:
                yield digest, parse(content)
            except Damaged as error:
                self.damaged.append(Damage("bad-yaml", self._place(kind, digest), str(error)))

    def _contents(self, kind: str, wanted: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Yield digest and verified bytes: from a folder if one has them, else from git."""
        absent = []
        found: dict[Digest, Damage] = {}
        for digest in wanted:
            content = self._loose(kind, digest, found)
            if content is None:
                absent.append(digest)
            else:
                yield digest, content
        name = RUN_FILE if kind == RUNS else ""
        specs = [self._git_name(digest, name) for digest in absent]
        for digest, spec, blob in zip(absent, specs, self._blobs(specs, document.MAX_BYTES), strict=True):
            if blob is not None and digests.of_bytes(blob) == digest:
                yield digest, blob
            elif blob is not None:
                self.damaged.append(
                    Damage(
                        "digest-mismatch", self._in_git(kind, digest) or str(spec), "its content is another"
                    )
                )
            else:
                self.damaged.append(found.get(digest) or self._missing(kind, digest, name))

    def _loose(self, kind: str, digest: Digest, found: dict[Digest, Damage]) -> bytes | None:
        for layout in self._folders:
            path = _path(layout, kind, digest)
            try:
                content = read_file(path, document.MAX_BYTES)
            except FileNotFoundError:
                continue
            except Unusable as error:
                found.setdefault(digest, error.damage)
                continue
            if digests.of_bytes(content) == digest:
                return content
            found.setdefault(digest, Damage("digest-mismatch", str(path), "its content is another"))
        return None

    def _loose_points(self, digest: Digest, expected: Digest, found: dict[Digest, Damage]) -> Path | None:
        for layout in self._folders:
            path = layout.run(digest) / METRICS_FILE
            try:
                with opened(path, MAX_POINTS_BYTES) as descriptor:
                    actual = _digest_of(descriptor)
            except FileNotFoundError:
                continue
            except Unusable as error:
                found.setdefault(digest, error.damage)
                continue
            except OSError as error:
                found.setdefault(
                    digest, Damage("cannot-be-read", str(path), f"cannot be read: {error.strerror}")
                )
                continue
            if actual == expected:
                return path
            found.setdefault(digest, Damage("digest-mismatch", str(path), "its content is another"))
        return None

    def _git_name(self, digest: Digest, name: str) -> str | None:
        if self._trees is None:
            self._trees = self._catalogue.trees(self._commits) if self._commits else {}
        tree = self._trees.get(digest)
        return tree and (f"{tree}/{name}" if name else tree)

    def _blobs(self, specs: Sequence[str | None], limit: int) -> Iterator[bytes | None]:
        asked = [spec for spec in specs if spec is not None]
        answers = objects.read(self._repo, asked, max_bytes=limit)
        for spec in specs:
            found = None if spec is None else next(answers)
            yield found.content if found is not None and found.kind == "blob" else None

    def _missing(self, kind: str, digest: Digest, name: str) -> Damage:
        what = f"has no {name}" if name else "is gone"
        return Damage("missing-object", self._place(kind, digest), what)

    def _place(self, kind: str, digest: Digest) -> str:
        """Return where an object is, for a person."""
        paths = [_path(layout, kind, digest) for layout in self._folders]
        for path in paths:
            if path.exists():
                return str(path)
        return self._in_git(kind, digest) or str(paths[0])

    def _in_git(self, kind: str, digest: Digest) -> str | None:
        """Return the first commit that has an object, and its path there."""
        path = _path(Layout(Path(FOLDER), Path()), kind, digest).as_posix()
        specs = [f"{commit}:{path}" for commit in self._commits]
        found = zip(specs, objects.read(self._repo, specs, max_bytes=0), strict=True)
        return next((spec for spec, blob in found if blob is not None), None)


def _path(layout: Layout, kind: str, digest: Digest) -> Path:
    if kind == RUNS:
        return layout.run(digest) / RUN_FILE
    return layout.event(digest) if kind == EVENTS else layout.environment(digest)


def _digest_of(descriptor: int) -> str:
    with open(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
