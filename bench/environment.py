"""The capture of an environment of 300 packages, and the way back into one that was rebuilt before."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import gittrack
from bench import harness
from bench.harness import JOBS, Figure, Measured, Options

GITTRACK = [sys.executable, "-m", "gittrack"]
PACKAGES, FILES = 300, 50
INTO = """\
import sys
from pathlib import Path
from gittrack.repro import uv
target, sources = sys.argv[1:]
version = ".".join(map(str, sys.version_info[:3]))
uv.run("venv", "--python", uv.interpreters(version, sys.implementation.name)[0], target)
(site,) = Path(target).glob("lib/*/site-packages")
(site / "gittrack.pth").write_text(sources)
"""


def measure(options: Options) -> Measured:
    """Measure the capture with a new and a known fingerprint, in fresh processes, and a rebuilt environment's reuse."""
    with harness.workspace() as folder:
        installed = {"PYTHONPATH": str(packages(folder / "site-packages", options.size(PACKAGES, 20)))}

        def captured(place: Path) -> dict[str, float]:
            place.mkdir(exist_ok=True)
            found: dict[str, float] = harness.job("environment.py", place, place, extra=installed)
            return found

        new, known = [], []
        for repeat in range(options.repeats):
            new.append(captured(folder / f"store{repeat}"))
            known.append(captured(folder / f"store{repeat}"))
        root = harness.repository(folder / "repository", 10, train=(JOBS / "trivial.py").read_text())
        environment = folder / "then"
        harness.run([sys.executable, "-c", INTO, environment, Path(gittrack.__file__).parents[1]], folder)
        harness.run([environment / "bin" / "python", "train.py"], root)
        (row,) = json.loads(harness.run([*GITTRACK, "sql", "select run_id from runs", "--json"], root))
        built = seconds(root, row["run_id"])
        reused = [seconds(root, row["run_id"]) * 1e3 for _ in range(options.repeats)]
    figures = [
        Figure("environment.known", "capture of the environment at a start", [one["recorded"] for one in known]),
        Figure("environment.listed", "of that, listing what is installed", [one["listed"] for one in known]),
        Figure("environment.new", "the same, something was installed since", [one["recorded"] for one in new]),
        Figure("environment.imported", "at the end, what was imported", [one["imported"] for one in known]),
        Figure("environment.reused", "a rebuilt environment is found again", reused, bound=500),
        Figure("environment.built", "it is made, without packages", [built * 1e3]),
    ]  # fmt: skip
    return Measured(figures, {"packages": PACKAGES, "files_per_package": FILES})


def seconds(root: Path, run: str) -> float:
    """Reproduce a run in its rebuilt environment; return how long it took to have that."""
    report = json.loads(harness.run([*GITTRACK, "repro", run, "--env", "rebuild", "--json"], root))
    found: float = report["restored"]["environment"]["seconds"]
    return found


def packages(folder: Path, count: int) -> Path:
    """Make a folder that looks like installed packages, with the hashes of their files."""
    for number in range(count):
        info = folder / f"package_{number}-1.{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: package-{number}\nVersion: 1.{number}\n")
        hashes = [hashlib.sha256(f"{number} {file}".encode()).hexdigest()[:43] for file in range(FILES)]
        lines = [
            f"package_{number}/part{file:02d}.py,sha256={text},100\n" for file, text in enumerate(hashes)
        ]
        (info / "RECORD").write_text("".join(lines))
    return folder


if __name__ == "__main__":
    harness.main(measure)
