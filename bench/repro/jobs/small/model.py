"""A linear model that is trained by gradient descent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Row = tuple[Sequence[float], float]


def train(rows: Sequence[Row], *, rate: float, epochs: int) -> Iterator[tuple[list[float], float]]:
    """Yield weights and mean squared error after each epoch."""
    weights = [0.0] * (len(rows[0][0]) + 1)
    for _ in range(epochs):
        for features, wanted in rows:
            error = _value(weights, features) - wanted
            for place, feature in enumerate((1.0, *features)):
                weights[place] -= rate * error * feature
        yield (
            list(weights),
            sum((_value(weights, features) - wanted) ** 2 for features, wanted in rows) / len(rows),
        )


def _value(weights: Sequence[float], features: Sequence[float]) -> float:
    return weights[0] + sum(w * x for w, x in zip(weights[1:], features, strict=True))
