"""What it costs to find a job's data by itself, and to know 20,000 files again."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from bench import harness
from bench.harness import JOBS, Figure, Measured, Options

OFF = {"GITTRACK_CAPTURE_READS": "0"}


def measure(options: Options) -> Measured:
    """Measure the hook, a short and a longer job with and without it, and an unchanged folder of data."""
    opens, files = options.size(100_000, 2_000), options.size(20_000, 500)
    seconds = options.size(30, 1)
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", 10)
        (root / ".gitignore").write_text("data/\n")
        folder_of_data(root / "data" / "many", files)
        (root / "data" / "small.csv").write_text("a,b\n1,2\n" * 1000)
        harness.git(root, "add", "-A")
        harness.git(root, "commit", "-q", "-m", "what is ignored")
        time.sleep(2.5)  # digests of files that have just changed are believed by nobody
        hook = [harness.job("opens.py", root, opens) for _ in range(options.repeats)]
        short, long, rate = [], [], []
        for _ in range(options.repeats * 3):
            turn = both(root, "0")
            short.append(turn[1] - turn[0])
        for _ in range(3):
            turn = both(root, str(seconds), str(files))
            long.append(turn[1] - turn[0])
            rate.append(100 * (turn[1] - turn[0]) / turn[0])
        declared = harness.job("folder.py", root, options.repeats)
        traced = [trace_of(root) for _ in range(3)] if shutil.which("strace") else []
    opened, passed = [one["open"] for one in hook], [one["id"] for one in hook]
    unchanged = f"log_data of {files:,} files that nobody changed (2 kB each)"
    figures = [
        Figure("hook.open", f"the hook, per open of a file, {opens:,} of one file", opened, "µs", bound=1),
        Figure("hook.other", "the hook, per call of `id`, which it passes over", passed, "µs", bound=1),
        Figure(
            "capture.short", "a short job that reads one file: so much more", short, bound=40, paired=True
        ),
        Figure(
            "capture.long",
            f"a job of {seconds} s that reads {files:,} files: so much more",
            long,
            paired=True,
        ),
        Figure("capture.long_share", "the same, in percent", rate, "%", bound=3, paired=True),
        Figure("data.unchanged", unchanged, declared, bound=1000),
    ]
    if traced:
        what = "gittrack run --trace of 500 processes: so many times as long"
        figures.append(Figure("trace.share", what, traced, "×"))
    return Measured(figures, {"files": files, "opens": opens})


def both(root: Path, *arguments: str) -> list[float]:
    """Return how long a job takes without and with the capture, in ms."""
    return [harness.wall([sys.executable, JOBS / "reads.py", *arguments], root, env) for env in (OFF, {})]


def folder_of_data(top: Path, files: int) -> None:
    """Make a folder of small files, a hundred to a folder."""
    for number in range(files):
        path = top / f"{number // 100:03d}" / f"{number % 100:02d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(2000))


def trace_of(root: Path) -> float:
    """Return how many times as long a traced shell job takes."""
    command = ["sh", "-c", "for i in $(seq 500); do cat data/small.csv > /dev/null; done"]
    gittrack = [sys.executable, "-P", "-m", "gittrack", "run"]
    return harness.wall([*gittrack, "--trace", "--", *command], root) / harness.wall(
        [*gittrack, "--", *command], root
    )


if __name__ == "__main__":
    harness.main(measure)
