"""Where jobs are recorded and reproduced: environments that uv makes, or the present one."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.harness import PROJECT, JobFailed, run

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Environment:
    """A Python interpreter with packages, gittrack among them.

    Attributes:
        programs: The folder of its programs.
        tools: A folder with uv, which `gittrack repro --env` asks for.
    """

    programs: Path
    tools: Path | None = None

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.programs / "python"

    @property
    def gittrack(self) -> tuple[str, ...]:
        """How gittrack is started in it."""
        program = self.programs / "gittrack"
        return (str(program),) if program.exists() else (str(self.python), "-P", "-m", "gittrack")

    @property
    def variables(self) -> dict[str, str]:
        """What a shell in which it is activated has."""
        folders = (self.programs, os.environ.get("PATH", os.defpath), self.tools)
        return {
            "PATH": os.pathsep.join(str(folder) for folder in folders if folder),
            "VIRTUAL_ENV": str(self.programs.parent),
        }


class Maker(Protocol):
    """Makes the environments of jobs."""

    def lacks(self, packages: Sequence[str], *, apart: bool) -> str | None:
        """Return why these packages cannot be had, None when they can.

        Args:
            packages: Requirements.
            apart: The two environments of the job are not alike.
        """

    def make(
        self,
        packages: Sequence[str],
        *,
        role: str,
        wheels: Path | None = None,
        in_place: Path | None = None,
        own: bool = False,
    ) -> Environment:
        """Return an environment with these packages.

        Args:
            packages: Requirements, beside gittrack.
            role: `record` or `fresh`: the two never share an environment.
            wheels: A folder of wheels that no index has.
            in_place: A project to install in place.
            own: No other job gets it.
        """

    def pins(self, environment: Environment) -> tuple[str, ...]:
        """Return the requirements that make the same environment again."""


class Present:
    """The environment of this interpreter, for both: needs no network."""

    def lacks(self, packages: Sequence[str], *, apart: bool) -> str | None:
        """Return the first package that is not installed here, in whatever version."""
        if apart:
            return "it needs environments of its own: not with --here"
        for package in packages:
            try:
                importlib.metadata.version(_name(package))
            except importlib.metadata.PackageNotFoundError:
                return f"{_name(package)} is not installed here"
        return None

    def make(
        self,
        packages: Sequence[str],
        *,
        role: str,
        wheels: Path | None = None,
        in_place: Path | None = None,
        own: bool = False,
    ) -> Environment:
        """Return the environment of this interpreter."""
        del packages, role, wheels, in_place, own
        return Environment(Path(sys.executable).parent)

    def pins(self, environment: Environment) -> tuple[str, ...]:
        """Return nothing: there is no other environment."""
        del environment
        return ()


class Built:
    """Environments that uv makes; one is used again by the jobs that need the same."""

    def __init__(self, folder: Path, pins: Sequence[str] = ()) -> None:
        self._folder = folder
        self._asked = {_name(pin): pin for pin in pins}
        self._made: dict[tuple[str, ...], Environment] = {}
        self._numbers = itertools.count()
        self._uv = _find_uv()
        self._tools = folder / "tools"
        self._tools.mkdir()
        (self._tools / "uv").symlink_to(self._uv)
        self._gittrack = self._wheel()

    def lacks(self, packages: Sequence[str], *, apart: bool) -> str | None:
        """Return None: what an index lacks is an error."""
        del packages, apart

    def make(
        self,
        packages: Sequence[str],
        *,
        role: str,
        wheels: Path | None = None,
        in_place: Path | None = None,
        own: bool = False,
    ) -> Environment:
        """Return an environment with these packages."""
        asked = self._asked if role == "record" else {}
        wanted = tuple(asked.get(_name(package), package) for package in packages)
        key = (role, *sorted(wanted))
        own = own or wheels is not None or in_place is not None
        if own or key not in self._made:
            made = self._build(wanted, wheels, in_place)
            if own:
                return made
            self._made[key] = made
        return self._made[key]

    def pins(self, environment: Environment) -> tuple[str, ...]:
        """Return what is installed, but projects in place and gittrack."""
        lines = self._run("pip", "freeze", "--python", environment.python).splitlines()
        return tuple(line for line in lines if not line.startswith(("-e ", "gittrack ")))

    def _build(self, packages: Sequence[str], wheels: Path | None, in_place: Path | None) -> Environment:
        folder = self._folder / f"environment{next(self._numbers)}"
        self._run("venv", "--python", sys.executable, folder)
        made = Environment(folder / "bin", self._tools)
        options = ["--find-links", wheels] if wheels else []
        more = ["-e", in_place] if in_place else []
        self._run("pip", "install", "--python", made.python, *options, self._gittrack, *packages, *more)
        return made

    def _wheel(self) -> Path:
        self._run("build", "--wheel", "--out-dir", self._folder / "wheel", PROJECT)
        (wheel,) = (self._folder / "wheel").glob("gittrack-*.whl")
        return wheel

    def _run(self, *words: str | Path) -> str:
        return run([self._uv, *words], self._folder)


def _find_uv() -> str:
    try:
        import uv
    except ImportError:
        found = shutil.which("uv")
        if found is None:
            raise JobFailed("uv makes the environments and is not there: pip install uv, or --here") from None
        return found
    return str(uv.find_uv_bin())


def _name(package: str) -> str:
    found = _NAME.match(package)
    return found.group().lower() if found else package
