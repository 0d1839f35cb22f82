"""Start and end of a run in a repository of 10,000 files, with 300 packages installed; each in fresh processes."""

from __future__ import annotations

from pathlib import Path

from bench import harness
from bench.harness import Figure, Measured, Options

EDITED, ADDED = 20, 5
STATUS = ["git", "--no-optional-locks", "status", "--porcelain=v2", "-z", "--untracked-files=all"]


def measure(options: Options) -> Measured:
    """Measure starts in a clean tree, at a new commit, in a dirty tree, and those that follow in one process."""
    files, following = options.size(10_000, 300), 30
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", files)
        installed = {"PYTHONPATH": str(packages(folder / "site-packages"))}

        def starts(runs: int, pause: float = 0.0) -> dict[str, list[float]]:
            taken: dict[str, list[float]] = harness.job("starts.py", root, runs, pause, extra=installed)
            return taken

        ever = starts(1)
        clean, status = [], []
        for _ in range(options.repeats):
            status.append(harness.wall(STATUS, root))
            clean.append(starts(1))
        new, dirty = [], []
        for _ in range(options.repeats):
            harness.git(root, "commit", "-q", "--allow-empty", "-m", "a commit that no run had yet")
            new.append(starts(1))
        for repeat in range(options.repeats):
            edit(root, repeat)
            dirty.append(starts(1))
        harness.git(root, "add", "-A")
        harness.git(root, "commit", "-q", "-m", "the edits, and the runs")
        paused = starts(1 + options.repeats, 1.1)
        row = [starts(following) for _ in range(options.repeats)]
    first = starts_of(clean)
    last = [taken["end"][0] for taken in (*clean, *new, *dirty)]
    edited = starts_of(dirty)
    own = [begun - alone for begun, alone in zip(first, status, strict=True)]
    figures = [
        Figure("start.first_clean", "first start of a process, clean tree", first, bound=25),
        Figure("start.git_status", "git status alone, whose answer that start waits for, in the same turns", status),
        Figure("start.over_status", "so much of that start is gittrack's own", own, paired=True),
        Figure("start.first_new_commit", "the same, HEAD is a commit that no run had yet", starts_of(new)),
        Figure("start.first_dirty", f"first start of a process, {EDITED} files edited, {ADDED} new", edited, bound=70),
        Figure("start.next", "next starts", [ms for taken in row for ms in taken["start"][1:]], bound=3),
        Figure("start.next_later", "next start when more than a second has passed", paused["start"][1:]),
        Figure("start.first_ever", "very first start in a repository", ever["start"]),
        Figure("end.first", "first end of a process, 100 points", last, bound=40),
        Figure("end.next", "next ends, 100 points each", [ms for taken in row for ms in taken["end"][1:]], bound=40),
    ]  # fmt: skip
    return Measured(figures, {"files": files, "packages": 300, "points": 100})


def starts_of(processes: list[dict[str, list[float]]]) -> list[float]:
    """Return the first start of each process."""
    return [taken["start"][0] for taken in processes]


def packages(folder: Path) -> Path:
    """Make a folder that looks like 300 installed packages."""
    for number in range(300):
        info = folder / f"package_{number}-1.{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: package-{number}\nVersion: 1.{number}\n")
    return folder


def edit(root: Path, repeat: int) -> None:
    """Change files in a way that no run has seen."""
    for number in range(EDITED):
        with (root / "src" / "part000" / f"module{number:02d}.py").open("a") as file:
            file.write(f"edited = {repeat}\n")
    for number in range(ADDED):
        (root / f"added{number}.py").write_text(f"added = {repeat}\n")


if __name__ == "__main__":
    harness.main(measure)
