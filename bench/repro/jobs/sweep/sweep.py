"""Search a step size and a momentum on a grid, one nested run for each pair."""

from __future__ import annotations

import itertools

import gittrack


def descend(rate: float, momentum: float) -> list[float]:
    """Return the height after each step down a bowl that is steep one way."""
    x, y, u, v, heights = 1.0, 1.0, 0.0, 0.0, []
    for _ in range(40):
        u, v = momentum * u - rate * 2 * x, momentum * v - rate * 20 * y
        x, y = x + u, y + v
        heights.append(x * x + 10 * y * y)
    return heights


gittrack.set_experiment("bowl")
with gittrack.start_run(run_name="sweep"):
    best = float("inf")
    for number, (rate, momentum) in enumerate(itertools.product((0.01, 0.03, 0.06), (0.0, 0.5, 0.9))):
        with gittrack.start_run(run_name=f"trial-{number}", nested=True):
            gittrack.log_params({"rate": rate, "momentum": momentum})
            heights = descend(rate, momentum)
            for step, height in enumerate(heights):
                gittrack.log_metric("height", height, step=step)
            best = min(best, heights[-1])
    gittrack.log_metric("best", best)
