"""Searching 10,000 runs: a thousand of them as a DataFrame; MLflow beside it on the same runs, if installed.

The runs have one point a metric: MLflow's search never reads the others, and they would take long to insert.
"""

from __future__ import annotations

from typing import Any

from bench import harness, make_runs, mlflow_beside, query
from bench.harness import Figure, Measured, Options

WHAT = "search_runs with a filter and an order, in process, warm: 1,000 rows of"
POINTS = len(make_runs.METRICS)


def measure(options: Options) -> Measured:
    """Measure a search in warm processes, turn by turn with MLflow."""
    runs = options.size(10_000, 200)
    beside = mlflow_beside.is_installed()
    with harness.workspace() as folder:
        root = query.store(folder / "repository", runs, POINTS)
        if beside:
            mlflow_beside.fill(folder, (make_runs.make_record(number, POINTS) for number in range(runs)))
        turns = [("gittrack", {}), *([("mlflow", mlflow_beside.variables(folder))] if beside else [])]
        taken: dict[str, list[dict[str, Any]]] = {tool: [] for tool, _ in turns}
        harness.wall([*query.GITTRACK, "ls"], root)  # indexes
        for _ in range(options.repeats):
            for tool, extra in turns:
                taken[tool].append(harness.job("search.py", root, tool, 5, extra=extra))
    warm = {tool: [ms for one in found for ms in one["warm"]] for tool, found in taken.items()}
    first = [one["first"] for one in taken["gittrack"]]
    figures = [
        Figure("search.warm", f"{WHAT} {runs:,} runs", warm["gittrack"], bound=150),
        Figure("search.first", "the same, first time in the process", first),
    ]
    if beside:
        shares = [its / mine for its, mine in zip(warm["mlflow"], warm["gittrack"], strict=True)]
        figures += [
            Figure("search.mlflow", "the same with MLflow and its SQLite store", warm["mlflow"]),
            Figure("search.over_mlflow", "so many times as long does MLflow take", shares, "×", None, True, True),
        ]  # fmt: skip
    return Measured(figures, {"runs": runs, "points": POINTS})


if __name__ == "__main__":
    harness.main(measure)
