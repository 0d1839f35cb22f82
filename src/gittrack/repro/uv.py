"""How uv is started: with the user's own settings of indexes, outside of any project, on what it is given alone."""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gittrack.repro.pins import EnvironmentLost

_INDEXES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_NO_INDEX",
    "UV_CONFIG_FILE",
)
_OF_PIP = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
# They say where uv installs, or which of the user's requirements it adds: here that is the record's to say.
_DROPPED = re.compile(
    r"UV_(PYTHON|SYSTEM_PYTHON|PROJECT.*|CONSTRAINT|OVERRIDE|EXCLUDE.*|BUILD_CONSTRAINT|RESOLUTION|PRERELEASE"
    r"|NO_VERIFY_HASHES|REQUIRE_HASHES|COMPILE_BYTECODE|WORKING_DIR.*)|VIRTUAL_ENV|PYTHONPATH|PYTHONHOME|CONDA_PREFIX"
)
_CAUSE = re.compile(r"^ *cause: (.+)$", re.MULTILINE)
_REQUIRED = re.compile(r"you require ([A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+)")
_FAILED = re.compile(r"Failed to (?:build|download|fetch)[^`]*`([^`]+)`")


class UvFailed(EnvironmentLost):
    """uv ended with an error.

    Attributes:
        pin: The requirement that it could not have, as far as it says.
    """

    def __init__(self, message: str, *, pin: str | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.pin = pin


def program() -> Path:
    """Return the uv that is installed with gittrack, or else the one on the PATH.

    Raises:
        EnvironmentLost: There is none.
    """
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin

        with suppress(FileNotFoundError):
            return Path(find_uv_bin())
    found = shutil.which("uv")
    if found is None:
        raise EnvironmentLost(
            "an environment is rebuilt with uv, which is not installed",
            hint="pip install 'gittrack[rebuild]'",
        )
    return Path(found)


def run(*args: str | Path) -> None:
    """Run uv.

    Raises:
        UvFailed: It ended with an error; the message is the reason that it gives.
        EnvironmentLost: There is none.
    """
    # Started at the root: uv takes settings from a uv.toml or pyproject.toml above the folder that it is started
    # in, and those of the repository are the record's author's.
    done = subprocess.run(
        [program(), "--quiet", "--no-progress", "--color=never", *args],
        cwd=Path(sys.prefix).anchor,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise _failure(done.stderr.decode("utf-8", "replace"))


def _failure(text: str) -> UvFailed:
    causes = _CAUSE.findall(text)
    pin = _REQUIRED.search(text) or _FAILED.search(text)
    first = next((line for line in text.splitlines() if line.startswith("error:")), text.strip()[:200])
    reason = first.removeprefix("error:").strip()
    if causes:
        last = causes[0] if "Because" in causes[0] else causes[-1]
        reason = (
            last.removeprefix("Because ").partition(", we can conclude")[0].partition(" and you require")[0]
        )
    return UvFailed(reason[:1].lower() + reason[1:], pin=pin[1] if pin else None)


def _environment() -> dict[str, str]:
    """Return the user's environment, with pip's indexes where uv has been told none of its own."""
    env = {name: value for name, value in os.environ.items() if not _DROPPED.fullmatch(name)}
    told_by_file = (Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv" / "uv.toml").is_file()
    if told_by_file or any(env.get(name) for name in _INDEXES):
        return env
    found = pip_settings(env)
    for name, ours in _OF_PIP.items():
        if found.get(name):
            separator = "," if name == "find-links" else " "
            env.setdefault(ours, separator.join(found[name].split()))
    if "extra-index-url" in found or "find-links" in found:
        env.setdefault(
            "UV_INDEX_STRATEGY", "unsafe-best-match"
        )  # as pip does: a version may be in any of them
    if "cert" in found:
        env.setdefault("SSL_CERT_FILE", found["cert"])
    return env


def pip_settings(env: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings from its files and variables, by their long names.

    Source: pip documentation, "Configuration".
    """
    parser = configparser.RawConfigParser()
    for file in _pip_files(env):
        with suppress(OSError, UnicodeDecodeError, configparser.Error):
            parser.read_string(file.read_text())
    found = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    found.update(
        {name[4:].lower().replace("_", "-"): value for name, value in env.items() if name.startswith("PIP_")}
    )
    return found


def _pip_files(env: Mapping[str, str]) -> Iterator[Path]:
    own = env.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return
    home = Path(env.get("HOME") or Path.home())
    yield from (
        Path("/etc/pip.conf"),
        Path("/etc/xdg/pip/pip.conf"),
        Path("/Library/Application Support/pip/pip.conf"),
    )
    yield home / ".pip" / "pip.conf"
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if own:
        yield Path(own)


def interpreters(version: str, implementation: str) -> Sequence[str]:
    """Return what to ask uv for to have exactly this interpreter: those that are known here first."""
    request = version if implementation == "cpython" else f"{implementation}@{version}"
    here = ".".join(map(str, sys.version_info[:3]))
    if here == version and sys.implementation.name == implementation:
        return (str(getattr(sys, "_base_executable", sys.executable)), request)
    pyenv = (
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions" / version / "bin" / "python"
    )
    return (str(pyenv), request) if implementation == "cpython" and pyenv.is_file() else (request,)
