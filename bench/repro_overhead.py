"""`gittrack repro` in a repository of 10,000 files, beside the job that it runs again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench import harness
from bench.harness import JOBS, Figure, Measured, Options

GITTRACK = [sys.executable, "-m", "gittrack"]
TRAIN = [sys.executable, "train.py"]


def measure(options: Options) -> Measured:
    """Measure the command less the job, the first time and later."""
    files = options.size(10_000, 300)
    with harness.workspace() as folder:
        first, alone = [], []
        for repeat in range(max(1, options.repeats // 3)):
            root = harness.repository(
                folder / f"repository{repeat}", files, train=(JOBS / "trivial.py").read_text()
            )
            run = recorded(root)
            alone.append(harness.wall(TRAIN, root))
            first.append(reproduced(root, run) - alone[-1])
        later = [reproduced(root, run) - harness.wall(TRAIN, root) for _ in range(options.repeats)]
    figures = [
        Figure(
            "repro_overhead.later",
            f"repro beside the job itself, {files:,} files",
            later,
            bound=700,
            paired=True,
        ),
        Figure(
            "repro_overhead.first",
            "the same, the first one in a clone: all files are checked out",
            first,
            bound=700,
            paired=True,
        ),
        Figure("repro_overhead.job", "the job itself", alone),
    ]
    return Measured(figures, {"files": files})


def recorded(root: Path) -> str:
    """Run the job, commit its run and return its id."""
    harness.run(TRAIN, root)
    harness.run([*GITTRACK, "commit"], root)
    (row,) = json.loads(harness.run([*GITTRACK, "sql", "select run_id from runs", "--json"], root))
    return str(row["run_id"])


def reproduced(root: Path, run: str) -> float:
    """Reproduce a run; return how many milliseconds that took."""
    return harness.wall([*GITTRACK, "repro", run], root)


if __name__ == "__main__":
    harness.main(measure)
