"""What `fsck` found, and how it is collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.errors import Damaged

Severity: TypeAlias = Literal["lost", "damaged", "suspicious", "untidy"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was recorded.

    Attributes:
        code: A stable word: `digest-mismatch`, `missing-object`, ...
        path: Where it is: a path on disk, or `<branch>:<path>` in git.
        run: The run that it belongs to, None where there is none or it cannot be read.
        severity: `lost` (no other copy is known here), `damaged` (there is one), `suspicious`, `untidy`.
        what: What is wrong, in words.
        remedy: The command or action that helps.
    """

    code: str
    path: str
    run: RunId | None
    severity: Severity
    what: str
    remedy: str


@dataclass
class Checked:
    """What `fsck` looked at and found.

    Attributes:
        findings: By path.
        runs: How many sealed runs were read.
        files: How many artifacts and data files were hashed.
        size: Their bytes.
        live: How many runs have not been sealed.
    """

    findings: list[Finding] = field(default_factory=list)
    runs: int = 0
    files: int = 0
    size: int = 0
    live: int = 0

    @property
    def is_damaged(self) -> bool:
        """Whether anything is damaged or lost."""
        return any(found.severity in ("lost", "damaged") for found in self.findings)

    @property
    def exit_code(self) -> int:
        """What the command line exits with: 5 when anything is damaged or lost, else 0."""
        return Damaged.exit_code if self.is_damaged else 0


@dataclass(frozen=True)
class Sealed:
    """A sealed run that could be read, and where."""

    run: RunRecord
    digest: Digest
    path: str


@dataclass
class Collector:
    """Takes findings as they are made.

    Attributes:
        checked: What they are added to.
        progress: Called with what is being looked at, how much of it is done, and how much there is.
    """

    checked: Checked = field(default_factory=Checked)
    progress: Progress | None = None

    def add(
        self, code: str, path: str, severity: Severity, what: str, remedy: str, run: RunId | None = None
    ) -> None:
        """Take one finding."""
        self.checked.findings.append(Finding(code, path, run, severity, what, remedy))

    def doubt(self, code: str, sealed: Sealed, what: str) -> None:
        """Take a suspicion about a run."""
        run_id = sealed.run.run_id
        self.add(code, sealed.path, "suspicious", what, f"gittrack show {run_id}", run_id)

    def link(self, path: Path) -> None:
        """Take a link where only files and folders of ours can be."""
        self.add(
            "symlink-in-store", str(path), "suspicious", "is a link, which is not followed", f"rm '{path}'"
        )

    def unexpected(self, path: Path) -> None:
        """Take something that gittrack did not write."""
        self.add("unexpected-file", str(path), "untidy", "is nothing that gittrack wrote", f"rm -r '{path}'")

    def say(self, what: str, done: int, total: int) -> None:
        """Tell how far the work is."""
        if self.progress is not None:
            self.progress(what, done, total)
