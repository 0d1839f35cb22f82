"""What the code of a job says of itself: the modules that it imports, the variables that it reads.

Files are parsed, never imported. The script that the command names is followed into the modules that lie beside it;
where the command names none, every Python file is read, up to a bound.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

_MAX_FILES = 500
_MAX_BYTES = 1 << 20
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAMED_OTHERWISE = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}  # distributions that need not be installed here


@dataclass(frozen=True)
class CodeFacts:
    """What the code of a job says of itself.

    Attributes:
        modules: Top-level modules that it imports, without its own.
        variables: Environment variables that it reads by name.
    """

    modules: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()


def code_facts(target: Path, folder: Path, argv: Sequence[str]) -> CodeFacts:
    """Return what the code in a worktree says of the job that a command starts in it.

    Args:
        target: Top of the worktree.
        folder: Where the command runs.
        argv: The command.
    """
    scripts = [folder / word for word in argv if word.endswith(".py")]
    scripts = [script for script in scripts if _is_source(script)]
    modules = [word for before, word in pairwise(argv) if before == "-m"]
    tops = list(dict.fromkeys([*(script.parent for script in scripts), folder, target, target / "src"]))
    starts = [*scripts, *(file for name in modules for file in _files_of(name, tops))]
    return _gather(starts or _all_sources(target), tops)


def _gather(starts: Iterable[Path], tops: Sequence[Path]) -> CodeFacts:
    """Read files, and those of the modules that they import, each once."""
    waiting = list(starts)
    seen: set[Path] = set()
    modules: set[str] = set()
    variables: set[str] = set()
    while waiting and len(seen) < _MAX_FILES:
        file = waiting.pop(0)
        if file in seen:
            continue
        seen.add(file)
        for node in _nodes(file):
            variables.update(_variable(node))
            for name, level in _imported(node):
                waiting += _files_of(name, [_above(file, level)] if level else tops)
                if not level and not _is_own(name.partition(".")[0], tops):
                    modules.add(name.partition(".")[0])
    return CodeFacts(frozenset(modules), frozenset(variables))


def _all_sources(target: Path) -> list[Path]:
    found: list[Path] = []
    for folder, names, files in os.walk(target):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "node_modules")
        found += [Path(folder, name) for name in sorted(files) if name.endswith(".py")]
        if len(found) >= _MAX_FILES:
            break
    return found[:_MAX_FILES]


def _is_source(file: Path) -> bool:
    """Whether there is a regular file; the job may have left anything in its place."""
    return file.is_file() and not file.is_symlink()


def _nodes(file: Path) -> Iterator[ast.AST]:
    if not _is_source(file) or file.stat().st_size > _MAX_BYTES:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in somebody's code
            tree = ast.parse(file.read_bytes())
        yield from ast.walk(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return


def _imported(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield each module that a statement may import, and how many levels up it is looked for."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, 0) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if base:
            yield base, node.level
        yield from (
            (f"{base}.{alias.name}".lstrip("."), node.level) for alias in node.names if base or node.level
        )


def _above(file: Path, level: int) -> Path:
    folder = file.parent
    for _ in range(level - 1):
        folder = folder.parent
    return folder


def _files_of(module: str, tops: Iterable[Path]) -> list[Path]:
    """Return the file of a module below the first of some folders that has it, and those of its packages."""
    parts = module.split(".")
    for top in tops:
        if not (_is_source(top / f"{parts[0]}.py") or (top / parts[0]).is_dir()):
            continue
        packages = [top.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
        return [file for file in (*packages, top.joinpath(*parts).with_suffix(".py")) if _is_source(file)]
    return []


def _is_own(module: str, tops: Iterable[Path]) -> bool:
    """Whether a top-level module is the job's own; a folder without Python files in it, of results, is none."""
    return any(
        _is_source(top / f"{module}.py") or next((top / module).glob("*.py"), None) is not None
        for top in tops
    )


def _variable(node: ast.AST) -> Iterator[str]:
    """Yield the variable that `os.environ["X"]`, `os.environ.get("X")` or `os.getenv("X")` reads."""
    if isinstance(node, ast.Subscript) and _ends(node.value, "environ"):
        name: ast.AST | None = node.slice if isinstance(node.ctx, ast.Load) else None
    elif isinstance(node, ast.Call) and node.args and _reads(node.func):
        name = node.args[0]
    else:
        return
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        yield name.value


def _reads(function: ast.AST) -> bool:
    if isinstance(function, ast.Attribute) and function.attr == "get":
        return _ends(function.value, "environ")
    return _ends(function, "getenv")


def _ends(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == name) or (
        isinstance(node, ast.Name) and node.id == name
    )


def distributions_of(modules: Iterable[str]) -> frozenset[str]:
    """Return the names of the distributions that top-level modules come from, as far as that is known here."""
    installed = _installed_modules()
    found: set[str] = set()
    for module in modules:
        names = installed.get(module) or [_NAMED_OTHERWISE.get(module, module)]
        found.update(name.lower().replace("_", "-") for name in names)
    return frozenset(found)


@cache
def _installed_modules() -> dict[str, list[str]]:
    from importlib.metadata import packages_distributions

    return {module: list(names) for module, names in packages_distributions().items()}


def needed_by(distributions: Iterable[str]) -> dict[str, str]:
    """Return what distributions need, each with the one that needs it, as far as they are installed here."""
    found: dict[str, str] = {}
    waiting = [(name, name) for name in sorted(distributions)]
    given = {name for name, _ in waiting}
    while waiting:
        name, origin = waiting.pop(0)
        for needed in _requirements(name):
            if needed not in found and needed not in given:
                found[needed] = origin
                waiting.append((needed, origin))
    return found


def _requirements(distribution: str) -> list[str]:
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires(distribution) or []
    except (PackageNotFoundError, ValueError, OSError):
        return []
    plain = (_REQUIREMENT.match(line) for line in lines if "extra ==" not in line)
    return [match[0].lower().replace("_", "-") for match in plain if match]
