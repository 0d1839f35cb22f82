"""What a process runs in: interpreter, platform, installed distributions, machine. No process is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gittrack.entities.record import Digest
from gittrack.record import format as formats
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout


def capture() -> dict[str, Any]:
    """Return python, platform and distributions (name to version) of this process.

    The names of the folders `NAME-VERSION.dist-info` are read, not the files in them: a millisecond for three
    hundred distributions, where importlib.metadata takes eighty.
    """
    system = os.uname() if hasattr(os, "uname") else None
    return {
        "python": {
            "version": ".".join(map(str, sys.version_info[:3])),
            "implementation": sys.implementation.name,
        },
        "platform": {
            "system": system.sysname if system else sys.platform,
            "release": system.release if system else "",
            "machine": system.machine if system else os.environ.get("PROCESSOR_ARCHITECTURE", ""),
        },
        "distributions": dict(sorted(_distributions(sys.path).items())),
    }


def _distributions(path: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in path:
        try:
            entries = os.scandir(folder or ".")
        except OSError:
            continue
        with entries:
            for entry in entries:
                stem, _, kind = entry.name.rpartition(".")
                if kind in ("dist-info", "egg-info") and "-" in stem:
                    name, version = stem.split("-")[:2]
                    found.setdefault(name.lower().replace("_", "-"), version)
    return found


@cache
def _recorded(_process: int) -> tuple[Digest, bytes]:
    content = formats.dump_environment(capture())
    return digests.of_bytes(content), content


def record(layout: Layout) -> Digest:
    """Keep this process's environment in the store; return its digest. Taken once a process.

    Raises:
        OSError: The disk does not take it.
    """
    digest, content = _recorded(os.getpid())
    if not layout.environment(digest).is_file():
        durable.write_once(layout.unsaved.environment(digest), content, tmp=layout.tmp)
    return digest


@cache
def host() -> Mapping[str, Any]:
    """Return name, processor, number of cores, memory in bytes and GPUs of this machine."""
    return {
        "name": os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""),
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": _memory_bytes(),
        "gpus": _gpus(),
    }


def _cpu() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_IDENTIFIER", "")


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _gpus() -> list[str]:
    """Return the models of NVIDIA's GPUs, from the driver's own files."""
    models = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        models += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return models
