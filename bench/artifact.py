"""An artifact of 1 GiB: stored, hashed and on disk, beside a bare `hashlib.file_digest` of the same file."""

from __future__ import annotations

import os
from pathlib import Path

from bench import harness
from bench.harness import Figure, Measured, Options


def measure(options: Options) -> Measured:
    """Measure the rate and the memory."""
    mib = options.size(1024, 32)
    with harness.workspace() as folder:
        root = harness.repository(folder / "repository", 10)
        file = random_file(folder / "model.bin", mib)
        found = harness.job("artifact.py", root, file, options.repeats)
    size = mib * 1.048576
    bare, kept = ([size / seconds for seconds in found[name]] for name in ("bare", "kept"))
    shares = [ours / theirs for ours, theirs in zip(kept, bare, strict=True)]
    what = f"artifact of {mib} MiB: share of hashlib.file_digest's rate"
    figures = [
        Figure("artifact.share", what, shares, "×", 0.7, True, True),
        Figure("artifact.rate", "the same, on disk", kept, "MB/s", None, True),
        Figure("artifact.digest_rate", "hashlib.file_digest alone", bare, "MB/s", None, True),
        Figure("artifact.memory", "memory that it adds at its peak", [found["after"] - found["before"]], "MB"),
    ]  # fmt: skip
    return Measured(figures, {"mib": mib})


def random_file(path: Path, mib: int) -> Path:
    """Write a file that no disk can compress."""
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    return path


if __name__ == "__main__":
    harness.main(measure)
