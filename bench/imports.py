"""What a process pays for gittrack, over a bare interpreter: the import, and a trivial job whole."""

from __future__ import annotations

import sys
from pathlib import Path

from bench import harness
from bench.harness import JOBS, Figure, Measured, Options

BARE = [sys.executable, "-c", "pass"]
IMPORT = [sys.executable, "-c", "import gittrack"]
TRIVIAL = [sys.executable, JOBS / "trivial.py"]


def measure(options: Options) -> Measured:
    """Measure whole processes, each beside a bare interpreter in the same turn."""
    turns = options.repeats * 3
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", 10)
        for argv in (BARE, IMPORT, TRIVIAL):  # writes the bytecode, and the store
            harness.wall(argv, root)
        taken = [[harness.wall(argv, root) for argv in (BARE, IMPORT, TRIVIAL)] for _ in range(turns)]
        heavy = loaded(root)
    bare = [turn[0] for turn in taken]
    imported, trivial = ([turn[place] - turn[0] for turn in taken] for place in (1, 2))
    job = "a trivial job whole: start, 5 params, 100 points, end"
    figures = [
        Figure("import.over_bare", "import gittrack, over a bare interpreter", imported, bound=80, paired=True),
        Figure("trivial.over_bare", job, trivial, bound=200, paired=True),
        Figure("bare.interpreter", "a bare interpreter", bare),
        Figure("import.modules", "modules that the import loads", [heavy], "modules"),
    ]  # fmt: skip
    return Measured(figures, {"turns": turns})


def loaded(root: Path) -> int:
    """Return how many modules `import gittrack` loads."""
    code = "import sys; before = set(sys.modules); import gittrack; print(len(set(sys.modules) - before))"
    return int(harness.run([sys.executable, "-c", code], root))


if __name__ == "__main__":
    harness.main(measure)
