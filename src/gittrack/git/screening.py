"""What of a changed working tree goes into a snapshot and what stays out: secrets, huge and special files."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gittrack.entities.record import Digest, LeftOut

_SECRET_NAMES = (
    ".env",
    ".env.*",
    ".envrc",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".pypirc",
    ".npmrc",
    ".htpasswd",
    ".dockercfg",
    ".git-credentials",
    "*credentials*",
    "kubeconfig",
    "service-account*.json",
    "client_secret*.json",
)
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", "id_*.pub")
_CODE = (".py", ".pyi", ".ipynb", ".js", ".ts", ".go", ".rs", ".java", ".c", ".h", ".cpp", ".md", ".rst")
_TOKEN = (
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    rb"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    rb"|\bgh[pousr]_[0-9A-Za-z]{36,}"
    rb"|\bgithub_pat_[0-9A-Za-z_]{22,}"
    rb"|\bglpat-[0-9A-Za-z_-]{20,}"
    rb"|\bhf_[0-9A-Za-z]{30,}"
    rb"|\bsk-(?:[0-9A-Za-z]{20,}|(?:proj|svcacct|admin|ant|or)-[0-9A-Za-z_-]{20,})"
    rb"|\bxox[abeprs]-[0-9A-Za-z-]{10,}"
    rb"|\bAIza[0-9A-Za-z_-]{35}"
    rb"|\bpypi-AgE[0-9A-Za-z_-]{50,}"
    rb"|(?i:aws_secret_access_key)[\"']?\s*[:=]\s*[\"']?[0-9A-Za-z/+]{40}\b"
)
_SCANNED = 1_000_000  # bytes: larger files are data
_DIGESTED = 64_000_000  # bytes in all, so that a start never waits for the hashing of a data set


class Change(NamedTuple):
    """One line of `git status`: a path, and what HEAD has there (or, in a merge, our side)."""

    path: bytes
    states: str  # of index and working tree, as in `git status --porcelain=v2`; `??` for untracked
    submodule: str  # `N...`, or `S` with `C`, `M`, `U`: other commit, modified, untracked files in it
    mode: str
    oid: str

    @property
    def in_head(self) -> bool:
        """Whether HEAD has this path."""
        return self.mode.strip("0") != ""


@dataclass
class Selection:
    """What to put into a snapshot's index.

    Attributes:
        take: Paths to take from the working tree as they are there, gone ones as removed.
        reset: Changes whose index entry goes back to what HEAD has.
        remove: Paths to remove without a look at the working tree.
        left_out: What was not taken, and why.
    """

    take: list[bytes] = field(default_factory=list)
    reset: list[Change] = field(default_factory=list)
    remove: list[bytes] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def select(root: Path, changes: Iterable[Change], *, max_bytes: int, max_total_bytes: int) -> Selection:
    """Sort the changes of the working tree at `root` into what a snapshot takes and what it leaves out.

    Args:
        root: Top of the working tree.
        changes: From `git status`, without `.gittrack/`.
        max_bytes: Larger files stay out.
        max_total_bytes: Once so many bytes are taken, the rest stays out.
    """
    selection = Selection()
    taken = digested = 0
    links: dict[Path, bool] = {}
    for change in changes:
        path = root / os.fsdecode(change.path)
        hidden = _behind_link(root, change.path, links)
        info = None if hidden else _lstat(path)
        if change.states.startswith("D") and not change.submodule.startswith("S"):
            continue  # the index lacks it already; what is there now, if anything, is ignored or untracked
        if info is None:
            (selection.remove if hidden else selection.take).append(change.path)
            continue
        reason = _refusal(path, change, info, max_bytes)
        if reason is None and taken + info.st_size > max_total_bytes and stat.S_ISREG(info.st_mode):
            reason = f"the changes come to more than {max_total_bytes} bytes"
        if reason is None:
            taken += info.st_size if stat.S_ISREG(info.st_mode) else 0
            selection.take.append(change.path)
            continue
        digest = None
        if stat.S_ISREG(info.st_mode) and digested + info.st_size <= _DIGESTED:
            digested += info.st_size
            digest = _digest(path)
        selection.reset.append(change)
        size = info.st_size if stat.S_ISREG(info.st_mode) else 0
        selection.left_out.append(LeftOut(os.fsdecode(change.path), size, reason, digest))
    return selection


@cache  # made when something is screened: 2 ms, which the start of a run in a clean tree does not need
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[bytes]]:
    """Return what matches names that are secret, names that are none, and tokens in a text."""
    secret, harmless = ("|".join(map(translate, names)) for names in (_SECRET_NAMES, _HARMLESS))
    return re.compile(secret), re.compile(harmless), re.compile(_TOKEN)


def is_secret_name(path: bytes) -> bool:
    """Whether a file of this name usually holds a secret."""
    name = os.fsdecode(path.rsplit(b"/", 1)[-1]).lower()
    secret, harmless, _ = _patterns()
    if harmless.match(name):
        return False
    return secret.match(name) is not None and not (name.endswith(_CODE) and "credentials" in name)


def has_token(content: bytes) -> bool:
    """Whether a text has something that looks like an access token or a private key."""
    return b"\0" not in content[:8000] and _patterns()[2].search(content) is not None


def _refusal(path: Path, change: Change, info: os.stat_result, max_bytes: int) -> str | None:
    if change.path.endswith(b"/"):
        return "a git repository of its own"
    if stat.S_ISLNK(info.st_mode) or stat.S_ISDIR(info.st_mode):
        return None
    if not stat.S_ISREG(info.st_mode):
        return "not a regular file"
    if not change.in_head and is_secret_name(change.path):
        return "its name says that it holds a secret"
    if info.st_size > max_bytes:
        return f"larger than {max_bytes} bytes"
    if not os.access(path, os.R_OK):
        return "cannot be read"
    if info.st_size <= _SCANNED and has_token(_content(path)):
        return "it has what looks like a token or a private key"
    return None


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _behind_link(root: Path, path: bytes, links: dict[Path, bool]) -> bool:
    """Whether a folder above `path` is now a link, behind which git refuses to look."""
    for parent in Path(os.fsdecode(path)).parents:
        if parent not in links:
            links[parent] = parent != Path() and (root / parent).is_symlink()
        if links[parent]:
            return True
    return False


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_SCANNED + 1)
    except OSError:
        return b""


def _digest(path: Path) -> Digest | None:
    try:
        with path.open("rb") as file:
            return Digest(hashlib.file_digest(file, "sha256").hexdigest())
    except OSError:
        return None
