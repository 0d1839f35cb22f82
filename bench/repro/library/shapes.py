"""Areas of regular polygons."""

import math


def area(corners: int) -> float:
    """Return the area of a regular polygon in the unit circle."""
    return corners / 2 * math.sin(2 * math.pi / corners)
