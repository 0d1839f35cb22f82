"""How far a repeated number may lie from the recorded one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from gittrack.errors import InvalidValue

ALL = "*"
Given: TypeAlias = float | Mapping[str, float]
"""One number for everything, or one for each name or glob of metrics and artifacts."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a value may lie from the recorded one: `abs(new - old) <= atol + rtol * abs(old)`.

    Attributes:
        rtol: Relative, for what no name or glob says otherwise.
        atol: Absolute, likewise.
        rtols: Names or globs, each with its own relative tolerance.
        atols: Names or globs, each with its own absolute tolerance.
    """

    rtol: float = 0.0
    atol: float = 0.0
    rtols: tuple[tuple[str, float], ...] = ()
    atols: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, rtol: Given, atol: Given) -> Tolerance:
        """Return the tolerance that a caller asks for.

        Raises:
            InvalidValue: One is negative, infinite or not a number.
        """
        plain, named = _split(rtol, "rtol")
        plain_atol, named_atol = _split(atol, "atol")
        return cls(plain, plain_atol, named, named_atol)

    @property
    def given_rtol(self) -> tuple[tuple[str, float], ...]:
        """The relative tolerances, the plain one under `*`, as `of` takes them."""
        return (ALL, self.rtol), *self.rtols

    @property
    def given_atol(self) -> tuple[tuple[str, float], ...]:
        """The absolute tolerances, likewise."""
        return (ALL, self.atol), *self.atols

    @property
    def asked(self) -> bool:
        """Whether anything but equality was asked for, for anything."""
        named = (value for _, value in (*self.rtols, *self.atols))
        return self.rtol > 0 or self.atol > 0 or any(value > 0 for value in named)

    def for_name(self, name: str) -> Tolerance:
        """Return the tolerance for one metric or artifact: the most specific name or glob wins."""
        return Tolerance(
            _most_specific(self.rtols, name, self.rtol), _most_specific(self.atols, name, self.atol)
        )

    def idle(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the names and globs that fit none of the metrics and artifacts that there are."""
        given = dict.fromkeys(name for name, _ in (*self.rtols, *self.atols))
        return tuple(glob for glob in given if not any(_fits(glob, name) for name in names))

    def close(self, old: Any, new: Any) -> Any:
        """Return where `new` lies within the plain tolerance of `old`; NaN is within it of NaN alone.

        Args:
            old: Shape (n,), float64.
            new: Shape (n,), float64.
        """
        import numpy as np

        with np.errstate(all="ignore"):
            same = (old == new) | (np.isnan(old) & np.isnan(new))
            size = np.abs(new - old)
            return same | (np.isfinite(size) & (size <= self.atol + self.rtol * np.abs(old)))


def distances(old: Any, new: Any) -> tuple[Any, Any]:
    """Return how far numbers lie apart, absolutely and relative to the recorded ones; a number from NaN infinitely.

    Args:
        old: Shape (n,), float64, as recorded.
        new: Shape (n,), float64.
    """
    import numpy as np

    with np.errstate(all="ignore"):
        same = (old == new) | (np.isnan(old) & np.isnan(new))
        size = np.where(same, 0.0, np.abs(new - old))
        size = np.where(np.isnan(size), np.inf, size)
        relative = np.where(same, 0.0, size / np.abs(old))
        return size, np.where(np.isnan(relative), np.inf, relative)


EXACT = Tolerance()


def _split(given: Given, what: str) -> tuple[float, tuple[tuple[str, float], ...]]:
    named = dict(given) if isinstance(given, Mapping) else {ALL: given}
    for value in named.values():
        if not 0 <= value < math.inf:
            raise InvalidValue(f"{value!r} is no {what}", hint=f"a number from 0 on: --{what} 1e-6")
    return named.pop(ALL, 0.0), tuple(named.items())


def _most_specific(named: tuple[tuple[str, float], ...], name: str, otherwise: float) -> float:
    """Return the value of the name itself, else of the glob with most plain characters, the later of two."""
    fitting = [
        (glob == name, sum(char not in "*?[]" for char in glob), place, value)
        for place, (glob, value) in enumerate(named)
        if _fits(glob, name)
    ]
    return max(fitting)[-1] if fitting else otherwise


def _fits(glob: str, name: str) -> bool:
    return glob == name or fnmatchcase(name, glob)
