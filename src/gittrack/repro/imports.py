"""What a job imports from the user's working tree because the project is installed in place, found in the worktree."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gittrack.record import pythons
from gittrack.record.pythons import Python
from gittrack.store.layout import safe_path


def moved_imports(root: Path, target: Path, python: Python | None = None) -> list[str]:
    """Return folders of `target` from which a job imports what an interpreter, or this one, imports from `root`.

    A project that is installed in place (`pip install -e .`) would otherwise be imported from the user's working
    tree, as it is now, instead of the code that was restored.
    """
    found: dict[str, None] = {}
    python = python or pythons.own()
    for folder in map(Path, python.path):
        if folder.name not in ("site-packages", "dist-packages") or not folder.is_dir():
            continue
        for place in (*_path_files(folder), *_installed_in_place(folder)):
            inside = _inside(place, root)
            if inside is not None and not place.is_relative_to(python.prefix):
                found.update(dict.fromkeys(_import_folders(target / inside)))
    return list(found)


def recorded_imports(inside: Iterable[str], target: Path) -> list[str]:
    """Return folders of `target` from which a job imports what was installed in place when it was recorded.

    Args:
        inside: Folders of the projects, from the top.
        target: Top of the restored code.
    """
    found: dict[str, None] = {}
    for place in inside:
        folder = target if place == "." else target / safe_path(place)
        found.update(dict.fromkeys(_import_folders(folder)))
    return list(found)


def _path_files(folder: Path) -> list[Path]:
    lines: list[str] = []
    for file in sorted(folder.glob("*.pth")):
        try:
            lines += file.read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            continue
    kept = (line.strip() for line in lines if not line.startswith(("#", "import ", "import\t")))
    return [Path(os.path.normpath(folder / line)) for line in kept if line]


def _installed_in_place(folder: Path) -> list[Path]:
    found = []
    for file in folder.glob("*.dist-info/direct_url.json"):
        try:
            facts = json.loads(file.read_text())
            if facts.get("dir_info", {}).get("editable"):
                found.append(Path(unquote(urlsplit(facts["url"]).path)))
        except (OSError, ValueError, KeyError, AttributeError):
            continue
    return found


def _inside(path: Path, root: Path) -> Path | None:
    for top in (root, root.resolve()):
        if path.is_relative_to(top):
            return path.relative_to(top)
    return None


def _import_folders(project: Path) -> list[str]:
    """Return the folder to import from: the project's `src` where it has one."""
    source = project / "src"
    return [str(folder) for folder in (source if source.is_dir() else project,) if folder.is_dir()]
