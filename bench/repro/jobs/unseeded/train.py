"""Anneal a tour through cities with a generator that nobody seeded."""

from __future__ import annotations

import math
import random

import gittrack

CITIES = [(math.cos(7 * number), math.sin(3 * number)) for number in range(24)]


def length(tour: list[int]) -> float:
    """Return how long a tour is."""
    return sum(math.dist(CITIES[a], CITIES[b]) for a, b in zip(tour, [*tour[1:], tour[0]], strict=True))


with gittrack.start_run():
    tour, heat = list(range(len(CITIES))), 1.0
    for step in range(300):
        a, b = sorted(random.sample(range(len(CITIES)), 2))
        other = tour[:a] + tour[a:b][::-1] + tour[b:]
        if length(other) < length(tour) or random.random() < math.exp(-1 / heat):
            tour = other
        heat *= 0.98
        gittrack.log_metric("length", length(tour), step=step)
