"""Points: one call each, beside a bare loop of `os.write` calls of the same bytes; and a million as arrays."""

from __future__ import annotations

from bench import harness
from bench.harness import Figure, Measured, Options


def measure(options: Options) -> Measured:
    """Measure calls a second and points a second."""
    calls = options.size(1_000_000, 20_000)
    rounds = options.repeats
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", 10)
        one = harness.job("points.py", root, rounds, calls // rounds)
        many = harness.job("arrays.py", root, rounds, calls)
    shares = [ours / bare for ours, bare in zip(one["log_metric"], one["bare"], strict=True)]
    heavy = [float(len(one["heavy"]))]
    what = f"log_metric, {calls:,} calls: share of the rate of a bare os.write loop"
    figures = [
        Figure("log_metric.share", what, shares, "×", 0.25, True, True),
        Figure("log_metric.calls_per_s", "log_metric: calls a second", one["log_metric"], "/s", None, True),
        Figure("log_metric.bare_per_s", "a bare loop of os.write: calls a second", one["bare"], "/s", None, True),
        Figure("log_metric.heavy_imports", "log_metric: heavy modules imported", heavy, "modules", 0),
        _arrays("numpy", f"{calls:,} points as a numpy array", many, 5.0),
        _arrays("numpy_flushed", "the same with flush()", many, None),
        _arrays("list", "as a list of floats", many, 5.0),
        _arrays("table", "as an Arrow table, log_points", many, 5.0),
    ]  # fmt: skip
    return Measured(figures, {"calls": calls})


def _arrays(kind: str, what: str, rates: dict[str, list[float]], bound: float | None) -> Figure:
    return Figure(f"arrays.{kind}", what, [rate / 1e6 for rate in rates[kind]], "M/s", bound, True)


if __name__ == "__main__":
    harness.main(measure)
