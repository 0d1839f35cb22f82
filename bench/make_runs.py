"""Makes a store full of made-up sealed runs, quickly: what the query benchmarks read.

Usage: python bench/make_runs.py FOLDER [--runs 10000] [--points 500] [--seed 0]

FOLDER becomes a git repository with the runs loose in its working tree, not committed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
from array import array
from collections.abc import Sequence
from pathlib import Path

from gittrack.entities.record import Code, Command, DataFile, Digest, Process, RunId, RunRecord
from gittrack.record.format import dump_environment
from gittrack.record.live import sealed_files
from gittrack.record.points import SortedPoints
from gittrack.store import digest as digests
from gittrack.store.layout import FOLDER, Layout

START = 1_790_000_000_000
METRICS = ("train_loss", "val_auc", "val_brier", "val_f1", "val_log_loss")
ENVIRONMENT = dump_environment(
    {
        "python": {"version": "3.11.2", "implementation": "cpython"},
        "platform": {"system": "Linux", "release": "6.1", "machine": "x86_64"},
        "distributions": {f"package-{number}": f"1.{number}" for number in range(50)},
    }
)


def make_record(number: int, points: int = 500, *, seed: int = 0) -> tuple[RunRecord, SortedPoints]:
    """Return one made-up run and its points; the same for the same arguments.

    Args:
        number: Which run.
        points: How many metric points it has, spread evenly over five metrics.
        seed: Another seed gives other runs.
    """
    chance = random.Random(f"{seed}/{number}")
    start = START + number * 60_000
    series = _series(chance, start, points)
    run = RunRecord(
        run_id=RunId(f"{chance.getrandbits(128):032x}"),
        experiment=f"experiment-{number % 4}",
        name=f"trial-{number:05d}",
        status="FAILED" if number % 50 == 49 else "FINISHED",
        start_time=start,
        end_time=start + 45_000 + number % 1000,
        user="ada",
        host={"name": "bench", "cpu": "a processor", "cores": 2, "memory_bytes": 1 << 34},
        process=Process(f"{chance.getrandbits(128):032x}", 0),
        code=Code(
            commit=f"{number // 100:040x}",
            branch="main",
            captured=f"{number // 100:040x}",
            code_tree=f"{number // 50:040x}",
            base=f"{number // 100:040x}",
        ),
        command=Command(("python", "train.py", "--trial", str(number)), ".", {"PYTHONHASHSEED": "0"}, 0),
        environment=digests.of_bytes(ENVIRONMENT),
        data=(DataFile("data/train.csv", digests.of_bytes(b"train"), 120_312, "git"),),
        params={
            "learning_rate": round(chance.uniform(0.001, 0.3), 4),
            "max_depth": chance.randrange(2, 12),
            "l2_regularization": chance.choice([0.0, 0.1, 1.0]),
            "optimizer": chance.choice(["sgd", "adam", "lamb"]),
            "early_stopping": chance.random() < 0.5,
            "seed": number,
        },
        metrics=series.summaries(),
        tags={"team": chance.choice(["red", "blue"])},
    )
    return run, series


def _series(chance: random.Random, start: int, points: int) -> SortedPoints:
    per_metric = points // len(METRICS)
    if not per_metric:
        return SortedPoints([], [], array("q"), array("q"), array("d"))
    steps = array("q", range(per_metric)) * len(METRICS)
    times = array("q", range(start, start + per_metric * 90, 90)) * len(METRICS)
    values = array("d", [chance.random() for _ in range(per_metric * len(METRICS))])
    return SortedPoints(list(METRICS), [per_metric] * len(METRICS), steps, times, values)


def write(layout: Layout, numbers: Sequence[int], points: int = 500, *, seed: int = 0) -> list[Digest]:
    """Put made-up runs into the committed folder of a store, without syncing; return their digests."""
    made = [put(layout, *make_record(number, points, seed=seed)) for number in numbers]
    path = layout.environment(digests.of_bytes(ENVIRONMENT))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ENVIRONMENT)
    return made


def put(layout: Layout, run: RunRecord, series: SortedPoints) -> Digest:
    """Put one run into the committed folder of a store, without syncing; return its digest."""
    digest, files = sealed_files(run, series, None)
    folder = layout.run(digest)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(asked.folder)], check=True)
    layout = Layout(asked.folder / FOLDER, asked.folder / ".git" / "gittrack")
    made = write(layout, range(asked.runs), asked.points, seed=asked.seed)
    print(f"{len(made)} runs of {asked.points} points in {asked.folder}")


if __name__ == "__main__":
    main()
