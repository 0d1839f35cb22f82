"""What this process has said to the fluent functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gittrack.entities.record import RunId
from gittrack.record.experiments import Group


@dataclass
class State:
    """What this process has said to the fluent functions.

    Attributes:
        experiment: Of `set_experiment`.
        joined: Whether the run that the environment names was joined: that counts once.
        last: The run that was active last.
        system: How to watch the machine, where that is not what the environment says.
    """

    experiment: Group | None = None
    joined: bool = False
    last: RunId | None = None
    system: dict[str, Any] = field(default_factory=dict)


STATE = State()


def forget() -> None:
    """Make this process new, as far as the fluent functions can tell."""
    vars(STATE).update(vars(State()))
