"""Looking at working trees from outside."""

from __future__ import annotations

import os
from pathlib import Path

from gittrack.git.capture import Capture, capture
from gittrack.git.repo import Repository

CLONE = "c10e"


def look(root: Path, **limits: int) -> Capture:
    return capture(Repository.find(root), clone=CLONE, **limits)


def contents(root: Path) -> dict[str, tuple[str, bytes]]:
    """Every file below `root` by name: what it is and what is in it; git's and gittrack's own aside."""
    found = {}
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in (".git", ".gittrack")]
        folders[:] = [name for name in folders if name != ".git"]
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))]:
            path = os.path.join(folder, name)
            if name == ".git":
                continue
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                found[key] = ("link", os.fsencode(os.readlink(path)))
            else:
                executable = bool(os.stat(path).st_mode & 0o100)
                found[key] = ("program" if executable else "file", Path(path).read_bytes())
    return found
