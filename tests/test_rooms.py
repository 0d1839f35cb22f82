"""The rooms of the house: what may import what, who reads the environment, what a training pays for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack.record.project import Project

SRC = Path(__file__).parents[1] / "src" / "gittrack"
FILES = sorted(SRC.rglob("*.py"))
ROOMS = [
    "errors", "entities", "store", "config", "git", "data", "record", "query", "repro", "housekeeping", "demo",
    "tracking", "artifacts", "client", "exceptions", "api", "cli",
]  # fmt: skip
DOORS = {"__init__.py", "__main__.py"}  # they show what the rooms hold, and are no room
HEAVY = ["yaml", "pyarrow", "duckdb", "numpy", "pandas", "git", "click"]
READS_ENVIRONMENT = {
    "config.py": "settings come in here",
    "cli/__init__.py": "click's completion speaks to the shell through a variable",
    "cli/output.py": "NO_COLOR and TERM say what the terminal takes",
    "demo/tour.py": "the demo hands the user's environment on to the commands it runs, less what leads elsewhere",
    "git/command.py": "git is started with the user's environment, less what would change its answers",
    "record/environment.py": "Windows tells the names of the machine and of its processor nowhere else",
    "record/interpreters.py": "a command's Python is found, and asked, with the variables that the command gets",
    "repro/uv.py": "uv is started as the user would start it: its own variables and pip's name the indexes",
    "record/identity.py": "Windows tells the name of the machine nowhere else",
}


def room_of(file: Path) -> str:
    return file.relative_to(SRC).parts[0].removesuffix(".py")


def modules_imported_by(file: Path) -> Iterator[str]:
    """Yield each module that a file imports anywhere in it, also inside functions and for the type checker."""
    package = ["gittrack", *file.relative_to(SRC).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{name.name}" for name in node.names)


def rooms_imported_by(file: Path) -> set[str]:
    parts = (module.split(".") for module in modules_imported_by(file))
    named = {names[1] for names in parts if names[0] == "gittrack" and len(names) > 1}
    return named & set(ROOMS)


def test_every_file_is_in_a_room() -> None:
    assert {room_of(file) for file in FILES if file.name not in DOORS or file.parent != SRC} <= set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_a_room_imports_only_rooms_before_it(file: Path) -> None:
    if file.parent == SRC and file.name in DOORS:
        return
    here = ROOMS.index(room_of(file))
    assert rooms_imported_by(file) <= set(ROOMS[: here + 1])


@pytest.mark.parametrize(
    ("module", "rooms"), [("git", {"git"}), ("duckdb", {"query"}), ("click", {"cli"}), ("mlflow", set())]
)
def test_a_heavy_outsider_is_known_in_one_room_only(module, rooms) -> None:
    users = {
        room_of(file)
        for file in FILES
        if module in {name.split(".")[0] for name in modules_imported_by(file)}
    }
    assert users <= rooms


def test_only_named_files_read_the_environment() -> None:
    readers = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv"):
                readers.add(file.relative_to(SRC).as_posix())
    assert readers - set(READS_ENVIRONMENT) == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_the_library_runs_no_shell_no_pickle_and_no_text_as_code(file: Path) -> None:
    tree = ast.parse(file.read_text())
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
    assert not set(modules_imported_by(file)) & {
        "pickle",
        "marshal",
        "shelve",
        "dill",
        "cloudpickle",
        "joblib",
    }
    shells = [
        keyword.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for keyword in node.keywords
    ]
    assert "shell" not in shells
    if room_of(file) not in ("cli", "__main__"):
        assert "print" not in called


@pytest.mark.parametrize("module", HEAVY)
def test_nothing_posix_only_or_heavy_is_imported_at_the_top_of_what_a_training_needs(module) -> None:
    light = [
        file
        for file in FILES
        if room_of(file) in ("errors", "entities", "store", "config", "api", "__init__")
    ]
    for file in light:
        for node in ast.parse(file.read_text()).body:
            names = {name.name for name in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            assert not {name.split(".")[0] for name in names} & {module, "fcntl", "resource", "pwd"}, file


def test_a_training_that_starts_logs_and_ends_imports_nothing_heavy(repo) -> None:
    Project.find(repo).init()
    code = (
        "import sys\nbefore = set(sys.modules)\nimport gittrack\n"
        "with gittrack.start_run() as run:\n"
        "    gittrack.log_params({'lr': 0.1, 'depth': 3})\n"
        "    for step in range(100): gittrack.log_metric('loss', 1 / (step + 1), step)\n"
        "    gittrack.set_tag('a', 'b'); gittrack.log_text('x', 'x.txt')\n"
        "assert run.digest is not None\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        f"print(sorted(tops & set({[*HEAVY, 'asyncio', 'logging']!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
