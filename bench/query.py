"""10,000 runs of 500 points, loose in the working tree: the index from nothing, `gittrack ls`, and a top ten."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from bench import harness, make_runs
from bench.harness import Figure, Measured, Options
from gittrack.store.layout import FOLDER, Layout

GITTRACK = [sys.executable, "-m", "gittrack"]
POINTS = 500


def measure(options: Options) -> Measured:
    """Measure indexing with its memory, a cold listing and a warm question."""
    runs = options.size(10_000, 200)
    turns = options.repeats * 2
    with harness.workspace() as folder:
        root = store(folder / "all", runs)
        quarter = indexed(store(folder / "quarter", runs // 4), runs // 4)
        every = [indexed(root, runs) for _ in range(max(1, options.repeats // 2))]
        harness.wall([*GITTRACK, "ls"], root)
        listing = [harness.wall([*GITTRACK, "ls"], root) for _ in range(turns)]
        top = harness.job("top10.py", root, turns)
    seconds, peaks = ([one[name] for one in every] for name in ("seconds", "peak_mb"))
    loose = f"index from nothing, {runs:,} loose runs of {POINTS} points"
    figures = [
        Figure("index.seconds", loose, seconds, "s", 12),
        Figure("index.peak_mb", "its peak memory", peaks, "MB"),
        Figure("index.quarter_peak_mb", "peak memory for a quarter of the runs", [quarter["peak_mb"]], "MB"),
        Figure("ls.cold", f"gittrack ls, cold process, {runs:,} runs, index warm", listing, bound=400),
        Figure("top10.warm", "top 10 by metric with a param filter, in process, warm", top["warm"], bound=30),
        Figure("top10.first", "the same, first time in the process", [top["first"]]),
    ]  # fmt: skip
    return Measured(figures, {"runs": runs, "points": POINTS})


def store(root: Path, runs: int, points: int = POINTS) -> Path:
    """Make a repository with so many sealed runs."""
    harness.repository(root, 10)
    make_runs.write(layout(root), range(runs), points)
    return root


def layout(root: Path) -> Layout:
    """Return where the store of the repository at `root` is."""
    return Layout(root / FOLDER, root / ".git" / "gittrack")


def indexed(root: Path, runs: int) -> dict[str, Any]:
    """Index a repository from nothing in a fresh process; return what it took."""
    shutil.rmtree(layout(root).index, ignore_errors=True)
    found: dict[str, Any] = harness.job("index.py", root)
    if found["runs"] != runs:
        raise harness.JobFailed(f"{found['runs']} of {runs} runs are in the index")
    return found


if __name__ == "__main__":
    harness.main(measure)
