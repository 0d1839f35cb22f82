"""What the benchmarks share: figures with their bounds, repositories to measure in, processes, a table, a record."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
RULE = ("---", "---:", "---:", "---:", "---")
JOBS = PROJECT / "bench" / "jobs"
WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, once a repeat.

    Attributes:
        name: The metric under which it is recorded.
        what: What it is, for the table.
        values: One for each repeat, in `unit`.
        unit: Of the values; `×` for a ratio.
        bound: What it has to keep to, or None.
        more_is_better: Whether the bound is the least that will do, rather than the most.
        paired: Each value is a ratio to, or a difference from, what was measured beside it in the same turn. The
            best of those says nothing: it is the turn in which the other was disturbed most.
    """

    name: str
    what: str
    values: Sequence[float]
    unit: str = "ms"
    bound: float | None = None
    more_is_better: bool = False
    paired: bool = False

    @property
    def median(self) -> float:
        """The middle of the repeats: what is held against the bound."""
        return statistics.median(self.values)

    @property
    def best(self) -> float:
        """The repeat that the rest of the machine disturbed least."""
        return max(self.values) if self.more_is_better else min(self.values)

    def keeps(self, value: float) -> bool:
        """Whether `value` is within the bound."""
        return self.bound is None or (value >= self.bound if self.more_is_better else value <= self.bound)

    @property
    def verdict(self) -> str:
        """`yes`, `at best` when only the best repeat keeps the bound, `no`; empty without a bound."""
        if self.bound is None:
            return ""
        if self.keeps(self.median):
            return "yes"
        return "at best" if self.keeps(self.best) and not self.paired else "no"


@dataclass(frozen=True)
class Options:
    """How thoroughly to measure.

    Attributes:
        quick: Small sizes, to see that the benchmarks work; the figures mean nothing then.
        large: Also what takes many minutes and 20 GB of disk.
        repeats: How often each thing is measured.
    """

    quick: bool = False
    large: bool = False
    repeats: int = 7

    def size(self, full: int, quick: int) -> int:
        """Return the size to measure at."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Measured:
    """What one benchmark found.

    Attributes:
        figures: In the order of the table.
        sizes: The params under which it is recorded.
    """

    figures: Sequence[Figure]
    sizes: Mapping[str, Any] = field(default_factory=dict)


Benchmark = Callable[[Options], Measured]


class JobFailed(RuntimeError):
    """A measured process ended with an error."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that is the same for everybody: git without settings, bytecode written once."""
    dropped = ("GIT_", "GITTRACK_", "MLFLOW_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {
        **kept,
        **WHO,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **(extra or {}),
    }


def run(
    argv: Sequence[str | Path],
    folder: Path,
    extra: Mapping[str, str] | None = None,
    *,
    codes: Sequence[int] = (0,),
) -> str:
    """Run a program in `folder` and return what it wrote.

    Raises:
        JobFailed: It ended with another exit code than `codes`.
    """
    done = subprocess.run(
        argv, cwd=folder, env=environment(extra), capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise JobFailed(f"{' '.join(map(str, argv))}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def job(name: str, folder: Path, *args: object, extra: Mapping[str, str] | None = None) -> Any:
    """Run a program of `jobs/` in a fresh process and return the JSON of its last line."""
    out = run([sys.executable, JOBS / name, *map(str, args)], folder, extra)
    return json.loads(out.splitlines()[-1])


def wall(
    argv: Sequence[str | Path],
    folder: Path,
    extra: Mapping[str, str] | None = None,
    *,
    codes: Sequence[int] = (0,),
) -> float:
    """Return how many milliseconds a whole process takes."""
    begun = time.perf_counter()
    run(argv, folder, extra, codes=codes)
    return (time.perf_counter() - begun) * 1e3


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """Yield a folder that is removed afterwards, on the disk that TMPDIR names."""
    with tempfile.TemporaryDirectory(prefix="gittrack-bench-") as folder:
        yield Path(folder).resolve()


def git(folder: Path, *args: str) -> str:
    """Run git as a user would."""
    return run(["git", *args], folder).strip()


def repository(root: Path, files: int, **more: str) -> Path:
    """Make a repository of `files` small files, a hundred to a folder, and those in `more`, in one commit."""
    for number in range(files):
        path = root / "src" / f"part{number // 100:03d}" / f"module{number % 100:02d}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"value = {number}\n" * 20)
    root.mkdir(parents=True, exist_ok=True)
    for name, content in more.items():
        (root / f"{name}.py").write_text(content)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "the code", "--allow-empty")
    time.sleep(1.1)  # git reads files again whose times are those of the index
    git(root, "status")
    return root


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        ("what", "bound", "median", "best", "met"),
        RULE,
        *(_row(figure) for figure in figures),
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    sign = "≥" if figure.more_is_better else "≤"
    bound = "" if figure.bound is None else f"{sign} {shown(figure.bound)} {figure.unit}"
    median, best = (f"{shown(value)} {figure.unit}" for value in (figure.median, figure.best))
    return figure.what, bound, median, "" if figure.paired else best, figure.verdict


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    if row[0] == RULE[0]:
        cells = [
            "-" * (width - cell.count(":")) + ":" * cell.count(":")
            for cell, width in zip(row, widths, strict=True)
        ]
    else:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return f"| {' | '.join(cells)} |"


def shown(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Return what kind of machine this is."""
    from gittrack.record.environment import host

    here = host()
    return {
        "cpu": here["cpu"],
        "cores": here["cores"],
        "memory_gb": round((here["memory_bytes"] or 0) / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "git": git(PROJECT, "--version").removeprefix("git version "),
    }


def record(name: str, measured: Measured, options: Options, load: float) -> str:
    """Keep the figures as a run of the experiment `bench` in this project's own store; return its id."""
    import gittrack

    os.chdir(PROJECT)
    with gittrack.start_run(experiment_name="bench", run_name=f"bench-{name}") as run:
        gittrack.log_params(
            {**machine(), "quick": options.quick, "repeats": options.repeats, **measured.sizes}
        )
        gittrack.log_metrics({"load": load, "sync_us": sync_us()})
        for figure in measured.figures:
            for repeat, value in enumerate(figure.values):
                gittrack.log_metric(f"{figure.name}.each", value, step=repeat)
            gittrack.log_metric(figure.name, figure.median)
            if not figure.paired:
                gittrack.log_metric(f"{figure.name}.best", figure.best)
            if figure.bound is not None:
                gittrack.log_param(f"{figure.name}.bound", figure.bound)
    return run.run_id


def options_of(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Add what every benchmark can be told, and read it."""
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that it works, measures nothing"
    )
    parser.add_argument("--large", action="store_true", help="also what takes many minutes and 20 GB of disk")
    parser.add_argument("--repeats", type=int, default=0, help="how often each thing is measured")
    parser.add_argument("--record", action="store_true", help="keep the figures in this project's own store")
    return parser.parse_args()


def carry_out(name: str, benchmark: Benchmark, asked: argparse.Namespace) -> Measured:
    """Measure, and record when that was asked for."""
    options = Options(asked.quick, asked.large, asked.repeats or (2 if asked.quick else 7))
    before = os.getloadavg()[0]
    measured = benchmark(options)
    if asked.record:
        print(f"recorded as {record(name, measured, options, before)}", file=sys.stderr)
    return measured


def main(benchmark: Benchmark) -> None:
    """Be the program of one benchmark's module."""
    module = sys.modules[benchmark.__module__]
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{Path(str(module.__file__)).stem}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    asked = options_of(parser)
    measured = carry_out(Path(str(module.__file__)).stem, benchmark, asked)
    print(table(measured.figures))
    print(f"\n{conditions()}")


def conditions() -> str:
    """Return the machine's kind, and how busy it was, as one line."""
    here = machine()
    one, _, fifteen = os.getloadavg()
    return (
        f"{here['cpu']}, {here['cores']} cores, {here['memory_gb']} GB, {here['system']}; "
        f"Python {here['python']}, git {here['git']}; "
        f"load {one:.1f} in the last minute, {fifteen:.1f} in the last fifteen; sync of 4 KiB {sync_us():.0f} µs"
    )


def sync_us() -> float:
    """Return how many microseconds the disk takes to sync 4 KiB: half of what a short run costs is that."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(taken)
