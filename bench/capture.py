"""What it costs to find a job's data by itself, and to know 20,000 files again; with --large also 10 GB of them."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench import harness
from bench.harness import JOBS, Figure, Measured, Options

OFF = {"GITTRACK_CAPTURE_READS": "0"}


def measure(options: Options) -> Measured:
    """Measure the hook, a short and a longer job with and without it, and an unchanged folder of data."""
    opens, files = options.size(100_000, 2_000), options.size(20_000, 500)
    with harness.workspace() as folder:
        root = repository(folder, files, 2_000)
        hook = [harness.job("opens.py", root, opens) for _ in range(options.repeats)]
        opened, passed = [one["open"] for one in hook], [one["id"] for one in hook]
        figures = [
            Figure(
                "hook.open", f"the hook, per open of a file, {opens:,} of one file", opened, "µs", bound=1
            ),
            Figure("hook.other", "the hook, per call of `id`, which it passes over", passed, "µs", bound=1),
            *short_job(root, options),
            *long_job(root, options.size(30, 1), files),
            *long_job(root, options.size(30, 1), files // 25),
            *unchanged(root, options, files, "2 kB"),
            *traced(root),
        ]
    if options.large:
        with harness.workspace() as folder:
            figures += unchanged(repository(folder, files, 500_000), options, files, "500 kB")
    return Measured(figures, {"files": files, "opens": opens})


def repository(folder: Path, files: int, size: int) -> Path:
    """Make a repository that ignores a small file and a folder of so many files of one size."""
    root = harness.repository(folder / "repository", 10)
    (root / ".gitignore").write_text("data/\n")
    for number in range(files):  # a hundred to a folder
        path = root / "data" / "many" / f"{number // 100:03d}" / f"{number % 100:02d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    (root / "data" / "small.csv").write_text("a,b\n1,2\n" * 1000)
    harness.git(root, "add", "-A")
    harness.git(root, "commit", "-q", "-m", "what is ignored")
    time.sleep(2.5)  # digests of files that have just changed are believed by nobody
    return root


def short_job(root: Path, options: Options) -> list[Figure]:
    """Measure a job that reads one file and ends."""
    more = [difference(root, 0)[0] for _ in range(options.repeats * 3)]
    return [
        Figure("capture.short", "a short job that reads one file: so much more", more, bound=40, paired=True)
    ]


def long_job(root: Path, seconds: int, files: int) -> list[Figure]:
    """Measure a job that computes for so many seconds and reads files that nobody has seen before."""
    some = 10_000_000
    steps = seconds * 1000 * some // int(spent(root, OFF, some)[0] - spent(root, OFF, 0)[0])
    more = []
    for _ in range(3):
        forget(root)
        more.append(difference(root, steps, files))
    wall, processor = zip(*more, strict=True)
    what = f"a job of {seconds} s that reads {files:,} new files: so much more"
    return [
        Figure(f"capture.long.{files}", what, wall, paired=True),
        Figure(f"capture.cpu.{files}", "the same, processor time", processor, paired=True),
        Figure(f"capture.share.{files}", "the same, in percent of the job", [one / seconds / 10 for one in wall], "%",
               bound=3, paired=True),
    ]  # fmt: skip


def unchanged(root: Path, options: Options, files: int, size: str) -> list[Figure]:
    """Measure the first and the next starts with a folder of data, found by itself and declared."""
    what, size = f"{files:,} files of {size}", size.replace(" ", "")
    forget(root)
    reads = [difference(root, 0, files)[0] for _ in range(options.repeats + 1)]
    forget(root)
    declared = harness.job("folder.py", root, options.repeats + 1)
    return [
        Figure(f"reads.first.{size}", f"a job that reads {what}: so much more", reads[:1], paired=True),
        Figure(f"reads.next.{size}", "the next ones", reads[1:], bound=1000, paired=True),
        Figure(f"data.first.{size}", f"log_data of {what}, which it keeps", declared[:1]),
        Figure(f"data.next.{size}", "the next ones, when nobody has changed them", declared[1:], bound=1000),
    ]


def difference(root: Path, *arguments: int) -> list[float]:
    """Return how many ms a job takes longer with the capture than without, by the clock and of the processor."""
    without, captured = (spent(root, env, *arguments) for env in (OFF, {}))
    return [more - less for more, less in zip(captured, without, strict=True)]


def spent(root: Path, env: Mapping[str, str], *arguments: int) -> list[float]:
    """Return how many ms a job takes, by the clock and of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = harness.wall([sys.executable, JOBS / "reads.py", *map(str, arguments)], root, env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return [wall, 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)]


def forget(root: Path) -> None:
    """Remove what the clone knows and keeps of data, so that all of it is new."""
    shutil.rmtree(root / ".git/gittrack/files", ignore_errors=True)
    (root / ".git/gittrack/index/digests").unlink(missing_ok=True)


def traced(root: Path) -> list[Figure]:
    """Measure a shell job under strace, where that is installed."""
    if shutil.which("strace") is None:
        return []
    what = "gittrack run --trace of 500 processes: so many times as long"
    return [Figure("trace.share", what, [trace_of(root) for _ in range(3)], "×")]


def trace_of(root: Path) -> float:
    """Return how many times as long a traced shell job takes."""
    command = ["sh", "-c", "for i in $(seq 500); do cat data/small.csv > /dev/null; done"]
    gittrack = [sys.executable, "-P", "-m", "gittrack", "run"]
    return harness.wall([*gittrack, "--trace", "--", *command], root) / harness.wall(
        [*gittrack, "--", *command], root
    )


if __name__ == "__main__":
    harness.main(measure)
