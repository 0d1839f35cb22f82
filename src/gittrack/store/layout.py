"""The one place that spells the paths of a store, and the one door for paths that come from outside."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gittrack.entities.record import Digest, RunId
from gittrack.errors import InvalidValue

FOLDER = ".gittrack"
_PLAIN_PART = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,254}"
_PLAIN = re.compile(
    f"{_PLAIN_PART}(?:/{_PLAIN_PART})*"
)  # most paths, at a tenth of the time of the whole check
RUN_FILE = "run.yaml"
METRICS_FILE = "metrics.parquet"
PATCH_FILE = "code.patch"
GITATTRIBUTES = """\
# Sealed files are never changed: no end-of-line conversion, no filter, no textual merge. YAML still shows as text.
* -text -filter -merge
*.parquet -diff
*.patch linguist-generated
config.yaml text !filter !merge
.gitattributes text !filter !merge
"""


@dataclass(frozen=True)
class Layout:
    """Where things are.

    Attributes:
        committed: `.gittrack/` in a working tree: what is committed with the code.
        private: `gittrack/` in git's common directory: shared by worktrees, out of reach of `git clean`.
    """

    committed: Path
    private: Path

    @cached_property
    def config(self) -> Path:
        """Settings that the whole project shares."""
        return self.committed / "config.yaml"

    @cached_property
    def gitattributes(self) -> Path:
        """Tells git that sealed files are binary."""
        return self.committed / ".gitattributes"

    @cached_property
    def runs(self) -> Path:
        """Sealed runs."""
        return self.committed / "runs"

    @cached_property
    def events(self) -> Path:
        """Later facts about runs."""
        return self.committed / "events"

    @cached_property
    def environments(self) -> Path:
        """Environments, shared by the runs made in them."""
        return self.committed / "envs"

    @cached_property
    def unsaved(self) -> Layout:
        """Second copies of what no commit holds yet, laid out as the committed folder is."""
        return Layout(self.private / "unsaved", self.private)

    @cached_property
    def live(self) -> Path:
        """Journals of runs that have not ended."""
        return self.private / "live"

    @cached_property
    def files(self) -> Path:
        """Content of artifacts and data, by digest."""
        return self.private / "files" / "sha256"

    @cached_property
    def index(self) -> Path:
        """Derived; can be deleted at any time."""
        return self.private / "index"

    def dvc_files(self, *places: Path) -> Path:
        """What DVC knows in a working tree; derived."""
        return self.index / f"dvc-files-{_short(places)}.json"

    @cached_property
    def known_digests(self) -> Path:
        """Digests of files that were hashed here, by how the files were then."""
        return self.index / "digests"

    @cached_property
    def tmp(self) -> Path:
        """Files and folders on their way to their final name."""
        return self.private / "tmp"

    @cached_property
    def worktrees(self) -> Path:
        """Working trees in which runs are reproduced."""
        return self.private / "worktrees"

    @cached_property
    def rebuilt_environments(self) -> Path:
        """Environments made again for reproductions; derived."""
        return self.private / "environments"

    @cached_property
    def stand_ins(self) -> Path:
        """Working trees without files, which containers see in the place of the user's; derived."""
        return self.private / "stand-ins"

    @cached_property
    def local_config(self) -> Path:
        """This clone's own settings."""
        return self.private / "config.yaml"

    def run(self, digest: Digest) -> Path:
        """The folder of one sealed run."""
        return self.runs / fan_out(digest)

    def event(self, digest: Digest) -> Path:
        """The file of one event."""
        return self.events / f"{fan_out(digest)}.yaml"

    def environment(self, digest: Digest) -> Path:
        """The file of one environment."""
        return self.environments / f"{fan_out(digest)}.yaml"

    def file(self, digest: Digest) -> Path:
        """The content of one artifact or data file."""
        return self.files / fan_out(digest)

    def trusted(self, digest: Digest) -> Path:
        """Says that this clone's user made, or agreed to, what a run would execute."""
        return self.private / "trusted" / fan_out(digest)

    def rebuilt(self, digest: Digest) -> Path:
        """An environment made again, by the digest of what is installed in it."""
        return self.rebuilt_environments / digest

    def live_run(self, run_id: RunId) -> Path:
        """The folder of a run that has not ended."""
        return self.live / run_id


def _short(places: tuple[Path, ...]) -> str:
    return hashlib.sha256("\0".join(map(str, places)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def fan_out(digest: Digest) -> str:
    """Return `ab/cdef…`: never a flat folder, git writes a folder's whole listing again at every commit."""
    return f"{digest[:2]}/{digest[2:]}"


def safe_path(text: object, *, what: str = "path") -> str:
    """Return `text` if it is a plain relative path, its parts split by `/`: the door for paths from outside.

    Raises:
        InvalidValue: It is empty, absolute, climbs, has a backslash, a control character, a drive, an empty
            part, a part over 255 bytes, or a part that is `.git` or `.gittrack` in any disguise.
    """
    if not isinstance(text, str) or not text:
        raise InvalidValue(f"{text!r} is no {what}")
    if _PLAIN.fullmatch(text):
        return text
    if "\\" in text or (len(text) > 1 and text[1] == ":") or text.startswith(("/", "~")):
        raise InvalidValue(
            f"{text!r} is not a relative {what}", hint="use / between the parts, and none at the start"
        )
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise InvalidValue(f"{text!r} has a character that a {what} cannot have")
    for part in text.split("/"):
        if part in ("", ".", "..") or len(part.encode()) > 255 or _is_private(part):
            raise InvalidValue(f"{text!r} is not a {what}: {part!r} cannot be a part of one")
    return text


def path_on_disk(given: object) -> Path:
    """Return the path of a file or folder of this machine that a caller gave, as text or as a path.

    Raises:
        InvalidValue: It is neither, or has a NUL in it.
    """
    spelled = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(spelled, str) or "\0" in spelled:
        raise InvalidValue(f"{given!r:.80} is no path of a file or folder")
    return Path(spelled)


def _is_private(part: str) -> bool:
    """Whether git, or a disk that folds names, could take `part` for `.git` or `.gittrack`."""
    visible = "".join(char for char in part if unicodedata.category(char) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).casefold().split(":")[0].rstrip(". ")
    return plain in (".git", FOLDER, "git~1", "gittra~1")
