"""How the difference of two series goes on: what tells rounding that grows from an input that is another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Shape: TypeAlias = Literal["once", "stays", "grows", "shrinks", "varies"]
Likeness: TypeAlias = Literal["rounding", "input"]

_SMALL = 1e-6  # relative; a few units in the last place of a float32
_MUCH = 8.0  # the factor from which on a difference has grown or shrunk
_FITTED = 8  # points, at least: fewer of a random difference rise often enough by chance
_STEADY = 0.85  # of the logarithm's variance, explained by the step
_RISEN = 5.0  # doublings, at least


@dataclass(frozen=True, slots=True)
class Growth:
    """How the difference of a series goes on after the first point that has one.

    Attributes:
        shape: `once` for a single point; `stays` within a factor of eight.
        first_step: The first step with a difference.
        first: Its size there.
        relative: Its size there, of the recorded value; infinite where that is 0.
        largest_step: The step with the largest difference.
        largest: Its size there.
        last_step: The last step that both series have.
        last: The size there.
        from_start: Whether the first step that both series have differs already.
        doublings: How often it doubles each step until it is at its height, when it grows steadily.
    """

    shape: Shape
    first_step: int
    first: float
    relative: float
    largest_step: int
    largest: float
    last_step: int
    last: float
    from_start: bool
    doublings: float | None = None

    @property
    def looks_like(self) -> Likeness | None:
        """What usually begins so: `rounding` with next to nothing, another `input` or seed at once and in size."""
        if self.relative <= _SMALL:
            return "rounding"
        return "input" if self.from_start else None


def growth(steps: Any, sizes: Any, recorded: Any) -> Growth | None:
    """Return how a difference goes on, None when there is none in size.

    Args:
        steps: Shape (n,), int64, ascending: the steps that both series have.
        sizes: Shape (n,), float64: the absolute differences; infinite for a number against NaN.
        recorded: Shape (n,), float64: the recorded values.
    """
    import numpy as np

    apart = np.flatnonzero(sizes > 0)
    if not len(apart):
        return None
    first, highest = int(apart[0]), int(sizes.argmax())
    doublings = _doublings(steps, sizes, apart)
    with np.errstate(all="ignore"):
        relative = np.abs(sizes[first] / recorded[first])
    return Growth(
        shape=_shape(sizes[first:], sizes[apart], doublings),
        first_step=int(steps[first]),
        first=float(sizes[first]),
        relative=float("inf") if np.isnan(relative) else float(relative),
        largest_step=int(steps[highest]),
        largest=float(sizes[highest]),
        last_step=int(steps[-1]),
        last=float(sizes[-1]),
        from_start=first == 0,
        doublings=doublings,
    )


def _shape(since: Any, sizes: Any, doublings: float | None) -> Shape:
    """Return a word for sizes since the first difference, and for those of them that are not zero."""
    if len(sizes) == 1:
        return "once"
    first, last = float(since[0]), float(since[-1])
    if doublings is not None or last >= _MUCH * first:
        return "grows"
    if last * _MUCH <= first:
        return "shrinks"
    if len(sizes) * 2 > len(since) and float(sizes.max()) < _MUCH * float(sizes.min()):
        return "stays"
    return "varies"


def _doublings(steps: Any, sizes: Any, apart: Any) -> float | None:
    """Fit the logarithm of the difference on the step, from its first point up to half its height."""
    import numpy as np

    used = apart[np.isfinite(sizes[apart])]
    if len(used) < _FITTED:
        return None
    height = float(sizes[used].max()) / 2
    rising = used[: int(np.argmax(sizes[used] >= height)) + 1]
    x, y = steps[rising].astype(np.float64), np.log2(sizes[rising])
    if len(rising) < _FITTED or np.ptp(x) == 0 or y[-1] - y[0] < _RISEN:
        return None
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    explained = slope * float(x @ y) / float(y @ y)
    return slope if slope > 0 and explained >= _STEADY else None
