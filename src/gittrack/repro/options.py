"""How a run is reproduced: one set of choices for one run, for many in processes of their own, and for a search."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gittrack.errors import InvalidValue
from gittrack.repro.tolerance import EXACT, Tolerance


class Mode(StrEnum):
    """Where a job's interpreter comes from; `environments` knows how each is had."""

    CURRENT = "current"
    REBUILD = "rebuild"
    AUTO = "auto"
    IMAGE = "image"


@dataclass(frozen=True)
class Options:
    """What the user chooses for a reproduction.

    Attributes:
        tolerance: How far numbers may lie from the recorded ones.
        times: How often to run it. Two or more tell a random job from an input that changed.
        accept_spread: Call a record that lies within the spread of the repetitions equivalent.
        keep: Leave the worktree for the user to look at.
        env: The interpreter of the job: the one that runs gittrack; one made from exactly the recorded versions; or
            that only if something differs that the job imported; or that of the recorded container image.
        pass_env: Names of variables that the command gets besides those recorded and the machine's.

    Raises:
        InvalidValue: `times` is below 1, or below 2 where the spread is to be accepted.
    """

    tolerance: Tolerance = EXACT
    times: int = 1
    accept_spread: bool = False
    keep: bool = False
    env: Mode = Mode.CURRENT
    pass_env: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.times < 1 or (self.accept_spread and self.times < 2):
            what = "a spread" if self.accept_spread else "a reproduction"
            raise InvalidValue(
                f"{what} cannot come of {self.times} repetitions", hint="gittrack repro RUN --times 5"
            )

    def arguments(self) -> list[str]:
        """Return them as arguments of `gittrack repro`, for a process of its own; it keeps no worktree."""
        return [
            *(f"--rtol={name}={size!r}" for name, size in self.tolerance.given_rtol),
            *(f"--atol={name}={size!r}" for name, size in self.tolerance.given_atol),
            f"--times={self.times}",
            *(["--spread"] if self.accept_spread else []),
            f"--env={self.env}",
            *(f"--pass-env={name}" for name in self.pass_env),
        ]


AS_RECORDED = Options()
