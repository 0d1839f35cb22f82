"""All points of a metric of one run, as objects and as an Arrow table; MLflow beside it, if installed."""

from __future__ import annotations

import random
from array import array
from dataclasses import replace

from bench import harness, make_runs, mlflow_beside, query
from bench.harness import Figure, Measured, Options
from gittrack.entities.record import RunRecord
from gittrack.record.points import SortedPoints


def measure(options: Options) -> Measured:
    """Measure reading a history in warm processes, turn by turn with MLflow."""
    points = options.size(100_000, 1_000)
    beside = mlflow_beside.is_installed()
    run, series = make(points)
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", 10)
        make_runs.put(query.layout(root), run, series)
        if beside:
            mlflow_beside.fill(folder, [(run, series)])
        turns = [("gittrack", {}), *([("mlflow", mlflow_beside.variables(folder))] if beside else [])]
        harness.wall([*query.GITTRACK, "ls"], root)  # indexes
        taken: dict[str, list[dict[str, list[float]]]] = {tool: [] for tool, _ in turns}
        for _ in range(options.repeats):
            for tool, extra in turns:
                taken[tool].append(harness.job("history.py", root, tool, run.run_id, points, 3, extra=extra))
    ours, arrow = ([ms for one in taken["gittrack"] for ms in one[name]] for name in ("history", "arrow"))
    figures = [
        Figure("history.objects", f"get_metric_history, {points:,} points, in process, warm", ours, bound=150),
        Figure("history.arrow", "gittrack.points, the same as an Arrow table", arrow, bound=10),
    ]  # fmt: skip
    if beside:
        theirs = [ms for one in taken["mlflow"] for ms in one["history"]]
        shares = [its / mine for its, mine in zip(theirs, ours, strict=True)]
        figures += [
            Figure("history.mlflow", "get_metric_history with MLflow and its SQLite store", theirs),
            Figure("history.over_mlflow", "so many times as long does MLflow take", shares, "×", None, True, True),
        ]  # fmt: skip
    return Measured(figures, {"points": points})


def make(points: int) -> tuple[RunRecord, SortedPoints]:
    """Return a run with one long metric."""
    run, _ = make_runs.make_record(0, 0)
    chance = random.Random(0)
    times = array("q", range(run.start_time, run.start_time + points))
    values = array("d", [chance.random() for _ in range(points)])
    series = SortedPoints(["loss"], [points], array("q", range(points)), times, values)
    return replace(run, metrics=series.summaries()), series


if __name__ == "__main__":
    harness.main(measure)
