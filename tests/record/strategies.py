"""What hypothesis draws: points and documents, the odd ones often."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from gittrack.record.points import Points

KEYS = st.sampled_from(["loss", "val/auc", "größe", "a.b-c", "指标"])
STEPS = st.one_of(
    st.integers(-5, 300),
    st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63), -1]),
    st.integers(-(2**63), 2**63 - 1),
)
VALUES = st.one_of(
    st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308])
)
TIMES = st.one_of(st.integers(1_700_000_000_000, 1_700_000_000_010), st.integers(0, 2**62))
ROWS = st.lists(st.tuples(KEYS, STEPS, TIMES, VALUES), max_size=300)


def to_points(rows: list[tuple[str, int, int, float]]) -> Points:
    """Return rows of key, step, timestamp, value as points."""
    points = Points()
    places: dict[str, int] = {}
    for key, step, timestamp, value in rows:
        if key not in places:
            places[key] = len(points.keys)
            points.keys.append(key)
        points.key.append(places[key])
        points.step.append(step)
        points.timestamp.append(timestamp)
        points.value.append(value)
    return points
