"""`gittrack repro --all -j 2` in a repository of 2,000 files and 20 MB of data: the time, and what the disk gives."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench import harness
from bench.harness import Figure, Measured, Options

GITTRACK = [sys.executable, "-m", "gittrack"]
TRAIN = """\
import gittrack, sys
from pathlib import Path
with gittrack.start_run():
    gittrack.log_data("data.bin")
    gittrack.log_param("turn", sys.argv[1])
    for step in range(100):
        gittrack.log_metric("loss", 1 / (step + 1), step)
    gittrack.log_text(sys.argv[1] * 20_000, "model.txt")
"""
WORKERS = 2


def measure(options: Options) -> Measured:
    """Measure many reproductions, and how much disk they take beside what their jobs write."""
    runs, files = options.size(200, 4), options.size(2000, 100)
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", files, train=TRAIN)
        (root / ".git" / "info" / "exclude").write_text("data.bin\n")
        (root / "data.bin").write_bytes(bytes(range(256)) * (options.size(20_000_000, 10_000) // 256))
        record(root, 0)
        before = used(root)
        for turn in range(1, runs):
            record(root, turn)
        written = (used(root) - before) / (runs - 1)
        harness.run([*GITTRACK, "ls"], root)
        before = used(root)
        begun = time.perf_counter()
        harness.run([*GITTRACK, "repro", "--all", "-j", str(WORKERS)], root)
        seconds = time.perf_counter() - begun
        pool = used(root / ".git" / "gittrack" / "worktrees")
        grown = used(root) - before - pool
        checkout = sum(used(path) for path in root.iterdir() if path.name not in (".git", ".gittrack"))
    figures = [
        Figure("repro_all.each", f"{runs} reproductions, -j {WORKERS}, each", [seconds / runs * 1e3]),
        Figure(
            "repro_all.disk",
            "what they leave on the disk, over what recording the same runs left",
            [grown / runs / written],
            unit="×",
            bound=1.25,
        ),
        Figure(
            "repro_all.worktrees",
            f"their worktrees, over one checkout of {files:,} files with its data",
            [pool / checkout],
            unit="×",
            bound=WORKERS,
        ),
    ]
    return Measured(figures, {"runs": runs, "files": files})


def record(root: Path, turn: int) -> None:
    """Record one run."""
    harness.run([sys.executable, "train.py", str(turn)], root)


def used(path: Path) -> int:
    """Return the bytes that a folder takes on the disk."""
    files = [path] if path.is_file() else [path, *path.rglob("*")]
    return sum(found.lstat().st_blocks * 512 for found in files)


if __name__ == "__main__":
    harness.main(measure)
