"""The Python that a command runs in, where that is not this one: found by the command's words, asked once.

What it says of itself is remembered by the times of its program, its settings and its folders of packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gittrack.record.pythons import Python, described
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

_PATIENCE_S = 10.0
_PYTHON = re.compile(r"(python|pypy)\d*(\.\d+)*t?(\.exe)?")
_SHELLS = {"sh", "bash", "dash", "zsh"}
_CONDA = {"conda", "mamba", "micromamba"}
_LONG_SHEBANG = re.compile(
    rb"^'''exec' \"?(/[^\"\n]*?)\"? ", re.MULTILINE
)  # pip's and uv's, below `#!/bin/sh`
_OF_ITS_OWN = ("--with", "--isolated", "--no-project", "--python", "-p", "--project", "--directory")
# Options before the command that take a value, which is not the command.
_OF_CONDA = frozenset("-n --name -p --prefix --cwd -r --root-prefix -a --attach -e --env".split())
_OF_UV = frozenset(
    (
        "--extra --no-extra --group --no-group --only-group --package --env-file --config-file --index "
        "--default-index -i --index-url --extra-index-url -f --find-links --cache-dir --link-mode --color "
        "--exclude-newer -P --upgrade-package -C --config-setting"
    ).split()
)
_QUESTION = """\
import sys
sys.path[:] = filter(None, sys.path)  # without the current folder
import json
print(json.dumps({"version": sys.version_info[:3], "implementation": sys.implementation.name, "build": sys.version,
    "cache_tag": sys.implementation.cache_tag, "prefix": sys.prefix, "base": sys.base_prefix, "path": sys.path}))
"""


def of_command(argv: Sequence[str], folder: Path, layout: Layout) -> Python | None:
    """Return the Python that a command runs in; None for this process's own, and where the words tell of none.

    Args:
        argv: Program and arguments.
        folder: Where the command runs.
        layout: Remembers what an interpreter has said.

    Raises:
        OSError: It is another one, and cannot be asked.
    """
    program = program_of(argv, folder)
    if program is None or _is_own(program):
        return None
    said = _said(program, folder, layout)
    above = [str(folder / entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return described(program, {**said, "path": [*above, *said["path"]]})


def program_of(argv: Sequence[str], folder: Path) -> str | None:
    """Return the path of the interpreter that a command runs in, as far as its words and the files here tell."""
    words = list(argv)
    if len(words) > 2 and Path(words[0]).name in _SHELLS and words[1] == "-c":
        with suppress(ValueError):  # quotes that do not match
            words = shlex.split(words[2])
    if not words:
        return None
    name = Path(words[0]).name
    if name in ("uv", "poetry") and "run" in words[1:2]:
        return _of_project(words[2:], folder)
    if name in _CONDA and "run" in words[1:2]:
        return _of_conda(words[2:], folder)
    return _of_program(words[0], folder)


def _of_program(word: str, folder: Path) -> str | None:
    program = shutil.which(str(folder / word) if "/" in word else word)
    if program is None or _PYTHON.fullmatch(Path(program).name):
        return program
    try:
        with open(program, "rb") as file:  # noqa: PTH123
            head = file.read(4096)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    line, _, rest = head[2:].partition(b"\n")
    long = _LONG_SHEBANG.search(rest)
    words = [long[1]] if long else [word for word in line.split() if not word.startswith(b"-")]
    if words and os.path.basename(words[0]) == b"env":  # noqa: PTH119
        words = words[1:]
    found = shutil.which(os.fsdecode(words[0])) if words else None
    return found if found is not None and _PYTHON.fullmatch(Path(found).name) else None


def _of_project(words: Sequence[str], folder: Path) -> str | None:
    """Return the Python of the project that uv, or Poetry, runs a command in; None for one made for the command."""
    if any(name.startswith(_OF_ITS_OWN) for name in _options(words, _OF_UV)):
        return None
    for top in (folder, *folder.parents):
        if (top / "pyproject.toml").is_file():
            return _program_in(top / os.environ.get("UV_PROJECT_ENVIRONMENT", ".venv"))
    return None


def _of_conda(words: Sequence[str], folder: Path) -> str | None:
    options = _options(words, _OF_CONDA)
    prefix = options.get("-p") or options.get("--prefix")
    name = options.get("-n") or options.get("--name")
    if prefix is not None:
        return _program_in(folder / prefix)
    tops = [Path(top) for top in (os.environ.get("MAMBA_ROOT_PREFIX"), _conda_root()) if top]
    homes = (top if name == "base" else top / "envs" / name for top in tops if name)
    return next(filter(None, map(_program_in, homes)), None)


def _options(words: Sequence[str], with_value: Collection[str]) -> dict[str, str]:
    """Return the options before the command that `words` end with: those after its name are the command's own."""
    found = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word in ("-", "--", "-m", "--module"):
            break
        name, equals, value = word.partition("=")
        if not word.startswith("--"):
            name, value = word[:2], word[2:].removeprefix("=")
        found[name] = next(rest, "") if name in with_value and not equals and not value else value
    return found


def _conda_root() -> str | None:
    program = os.environ.get("CONDA_EXE") or shutil.which("conda")
    return None if program is None else str(Path(program).parents[1])


def _program_in(prefix: Path) -> str | None:
    program = prefix / "bin" / "python"
    return str(program) if program.is_file() else None


def _is_own(program: str) -> bool:
    here = Path(sys.executable)
    return Path(program).parent.resolve() == here.parent.resolve() and os.path.realpath(program) == str(
        here.resolve()
    )


def _said(program: str, folder: Path, layout: Layout) -> dict[str, Any]:
    """Return what an interpreter says of itself, from memory while nothing of it has changed."""
    path = os.path.abspath(program)  # noqa: PTH100 - a link into an environment stays what it is
    if _is_script(path):  # pyenv's, which takes another Python in each folder
        return _ask(path, folder)
    settings = os.path.join(os.path.dirname(path), os.pardir, "pyvenv.cfg")  # noqa: PTH118, PTH120
    key = repr((path, _changed(os.path.realpath(path)), _changed(settings)))
    memory = layout.index / f"python-{hashlib.sha256(os.fsencode(key)).hexdigest()}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        known: dict[str, Any] = json.loads(memory.read_bytes())
        if all(_changed(entry) == changed for entry, changed in known["folders"].items()):
            return known
    said = _ask(path, folder)
    said["folders"] = {entry: _changed(entry) for entry in said["path"] if entry.endswith("-packages")}
    with suppress(OSError):
        durable.make_folder(layout.tmp)
        durable.make_folder(layout.index)
        draft = layout.tmp / digests.random_hex()
        durable.write_file(draft, json.dumps(said).encode(), synced=False)
        draft.replace(memory)
    return said


def _ask(program: str, folder: Path) -> dict[str, Any]:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSTARTUP")}
    try:
        done = subprocess.run(
            [program, "-c", _QUESTION],
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
        last = done.stdout.rstrip().rpartition(b"\n")[2]  # what it prints when it starts comes before
        said: dict[str, Any] = json.loads(last)
    except (subprocess.SubprocessError, ValueError) as error:
        raise OSError(f"'{program}' does not say what it is: {error}") from error
    return said


def _is_script(program: str) -> bool:
    with open(program, "rb") as file:  # noqa: PTH123
        return file.read(2) == b"#!"


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0
