"""Growth towards a limit."""

from __future__ import annotations


def grow(rate: float, *, steps: int) -> list[float]:
    """Return the share of the limit that is reached after each step."""
    share, shares = 0.01, []
    for _ in range(steps):
        share += rate * share * (1.0 - share)
        shares.append(share)
    return shares
