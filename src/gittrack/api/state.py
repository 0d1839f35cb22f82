"""What this process has said to the fluent functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gittrack.entities.record import RunId
    from gittrack.record.experiments import Group


class State:
    """What this process has said to the fluent functions.

    Attributes:
        experiment: Of `set_experiment`.
        joined: Whether the run that the environment names was joined: that counts once.
        last: The run that was active last.
        seed: Of `seed_all`.
        system: How to watch the machine, where that is not what the environment says.
    """

    def __init__(self) -> None:
        self.experiment: Group | None = None
        self.joined = False
        self.last: RunId | None = None
        self.seed: int | None = None
        self.system: dict[str, Any] = {}


STATE = State()


def forget() -> None:
    """Make this process new, as far as the fluent functions can tell."""
    vars(STATE).update(vars(State()))
