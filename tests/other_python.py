"""An environment of another Python than the one that runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from gittrack.entities.record import RunRecord
from gittrack.record import interpreters
from tests.conftest import write
from tests.record.processes import sealed_runs


def made(home: Path) -> Path:
    """Make an environment at `home` that has one distribution and no gittrack."""
    venv.create(home, symlinks=True)
    put(home, "ghost", "1.0")
    write(home, {"bin/ghostly": f"#!{home}/bin/python\nprint('boo')\n"})
    (home / "bin/ghostly").chmod(0o755)
    return home


def put(home: Path, name: str, version: str) -> None:
    """Leave what an installer leaves of a distribution with one module."""
    [packages] = home.glob("lib/*/site-packages")
    info = f"{name}-{version}.dist-info"
    write(
        packages,
        {
            f"{name}.py": "",
            f"{info}/METADATA": f"Name: {name}\n",
            f"{info}/RECORD": f"{name}.py,sha256=abc,0\n",
        },
    )


def run_of(repo: Path, *argv: str | Path, **env: str) -> RunRecord:
    """Run a command as a run, and return that."""
    words = [sys.executable, "-m", "gittrack", "run", "--", *map(str, argv)]
    done = subprocess.run(words, cwd=repo, capture_output=True, check=False, env={**os.environ, **env})
    assert done.returncode == 0, done.stderr
    return max(sealed_runs(repo), key=lambda run: run.start_time)


def share(home: Path) -> None:
    """Let an environment import gittrack and what that needs."""
    source = str(Path(interpreters.__file__).parents[2])
    [packages] = home.glob("lib/*/site-packages")
    others = [entry for entry in sys.path if entry.endswith("site-packages")]
    (packages / "shared.pth").write_text("\n".join([source, *others]))
