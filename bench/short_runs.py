"""Short runs, opened and closed one after another in one process; MLflow's SQLite store beside it, if installed."""

from __future__ import annotations

from pathlib import Path

from bench import harness, mlflow_beside
from bench.harness import Figure, Measured, Options

WHAT = "runs a second in one process, each with 10 params, 5 metrics and 3 tags"


def measure(options: Options) -> Measured:
    """Measure runs a second, turn by turn with MLflow."""
    runs = options.size(200, 10)
    beside = mlflow_beside.is_installed()
    ours, theirs = [], []
    for _ in range(options.repeats):
        with harness.workspace() as folder:
            root = harness.repository(folder / "repository", 10)
            ours += rates("gittrack", root, runs)
            if beside:
                theirs += rates("mlflow", root, runs // 5, extra=mlflow_beside.variables(folder))
    figures = [Figure("short_runs.per_s", WHAT, ours, "/s", 200, True)]
    if beside:
        shares = [mine / its for mine, its in zip(ours, theirs, strict=True)]
        figures += [
            Figure("short_runs.mlflow_per_s", "the same with MLflow and its SQLite store", theirs, "/s", None, True),
            Figure("short_runs.over_mlflow", "gittrack's rate over that of MLflow", shares, "×", None, True, True),
        ]  # fmt: skip
    return Measured(figures, {"runs": runs})


def rates(tool: str, root: Path, runs: int, extra: dict[str, str] | None = None) -> list[float]:
    """Return runs a second of one fresh process, its first run aside."""
    found: list[float] = harness.job("short_runs.py", root, tool, 1, runs, extra=extra)
    return found


if __name__ == "__main__":
    harness.main(measure)
