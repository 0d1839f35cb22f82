"""What is recorded of an interpreter."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Python(NamedTuple):
    """An interpreter.

    Attributes:
        program: Its path.
        facts: Version, implementation and build, and whether it sees the system's packages.
        prefix: The folder of its environment.
        path: Where it looks for modules.
    """

    program: str
    facts: dict[str, str]
    prefix: str
    path: tuple[str, ...]


def own() -> Python:
    """Return the interpreter of this process."""
    return described(
        sys.executable,
        {
            "version": sys.version_info[:3],
            "implementation": sys.implementation.name,
            "build": sys.version,
            "cache_tag": sys.implementation.cache_tag,
            "prefix": sys.prefix,
            "base": sys.base_prefix,
            "path": sys.path,
        },
    )


def described(program: str, said: Mapping[str, Any]) -> Python:
    """Return the interpreter at `program` by what it says of itself."""
    facts = {
        "version": ".".join(map(str, said["version"])),
        "implementation": said["implementation"],
        "build": " ".join(said["build"].split()),
        "cache_tag": said["cache_tag"] or "",
        "packages": _packages(said["prefix"], said["base"]),
    }
    return Python(program, facts, said["prefix"], tuple(said["path"]))


def _packages(prefix: str, base: str) -> str:
    if prefix == base:
        return "of the interpreter"
    try:
        text = Path(prefix, "pyvenv.cfg").read_text().lower()
    except (OSError, UnicodeDecodeError):
        text = ""
    shared = re.search(r"^include-system-site-packages\s*=\s*true", text, re.MULTILINE)
    return "its own and the system's" if shared else "its own"
