"""Which process writes a journal, and whether it still lives."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gittrack.store import locking

_SILENT_S = 3600.0  # a writer's first record is on disk within a second; the rest is for clocks that differ


def of_this_process() -> Mapping[str, Any]:
    """Return what tells this process from all others, for filesystems without locks."""
    return _of(os.getpid())


@cache
def _of(pid: int) -> Mapping[str, Any]:
    return {"pid": pid, "host": _host(), "boot": _boot_id(), "started": _started(pid)}


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return the start time of a process in clock ticks since boot, empty when it does not run or cannot be seen."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_alive(path: Path, introduction: dict[str, Any]) -> bool:
    """Whether the process that writes the journal at `path` still runs, as far as can be known."""
    held = locking.is_held(path)
    if held is not None:
        return held
    if not introduction:  # torn off by a power cut, or another machine's, on its way
        return time.time() - path.stat().st_mtime < _SILENT_S
    here = of_this_process()
    if introduction.get("host") != here["host"]:
        return True  # another machine, which may still be writing
    same_boot = introduction.get("boot") == here["boot"]
    ticks = _started(int(introduction.get("pid", 0)))
    return bool(same_boot and ticks and ticks == introduction.get("started"))
