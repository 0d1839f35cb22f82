"""An input that stands in the place of a run's own, as a plan has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gittrack.entities.record import Code, RunRecord

Kind: TypeAlias = Literal["code", "data", "env"]
KINDS: tuple[Kind, ...] = ("code", "data", "env")
NAMES: dict[Kind, str] = {"code": "code", "data": "data", "env": "environment"}
CURRENT = "current"
SHORT = 12  # digits of a commit's id


@dataclass(frozen=True)
class Swap:
    """One input that was exchanged.

    Attributes:
        kind: Which.
        source: Whose it is instead: a run's id, a commit's full id, or `current`.
        run: The run whose it is, None when it is no run's.
        notes: What could not be exchanged, in words.
    """

    kind: Kind
    source: str
    run: RunRecord | None = None
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it is: `the code of 1a2b3c4d (trial-05)`."""
        if self.source == CURRENT:
            return f"the present {NAMES[self.kind]}"
        of = f"{self.run.run_id[:8]} ({self.run.name})" if self.run else f"commit {self.source[:SHORT]}"
        return f"the {NAMES[self.kind]} of {of}"


@dataclass(frozen=True)
class Home:
    """Code that has some inputs of a run among its files."""

    code: Code
    patch: bytes | None
    paths: tuple[str, ...]
