"""What was found damaged on the way to an answer; the answer is given without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Damage:
    """One damaged object.

    Attributes:
        code: A stable word, as `gittrack fsck` uses it: `digest-mismatch`, `bad-yaml`, ...
        path: Where it is: a path, or `<commit>:<path>` in git.
        what: What is wrong with it, in words.
    """

    code: str
    path: str
    what: str


class Unusable(Exception):
    """An object that cannot be used; carries the damage."""

    def __init__(self, code: str, path: str, what: str) -> None:
        super().__init__(what)
        self.damage = Damage(code, path, what)
