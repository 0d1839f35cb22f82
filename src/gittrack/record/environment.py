"""What a job runs in: interpreter, platform, installed distributions, machine.

A *fingerprint* (names and times of the distributions' metadata) is taken at each start; the metadata are read when
it is new. No process is started, except git for a project that is installed in place from another repository, and
another Python than ours, once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gittrack.entities.record import Digest
from gittrack.errors import GittrackError
from gittrack.git import beside
from gittrack.git.beside import Beside
from gittrack.record import container, installed, pythons
from gittrack.record import format as formats
from gittrack.record.installed import Installed, Place
from gittrack.record.pythons import Python
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

RECORDER = "gittrack"  # records, and is no input of a run
_READING = "1"  # changed when the metadata are read in another way: what is kept of them is read anew
_REMEMBERED = 16  # states of lock files, and of projects beside, with one set of distributions
_LOCKS = re.compile(
    r"uv\.lock|pylock(\..+)?\.toml|requirements.*\.txt|poetry\.lock|pdm\.lock|Pipfile\.lock|pixi\.lock"
    r"|environment\.ya?ml|conda-lock\.ya?ml"
)


def capture(roots: Sequence[Path] = (), python: Python | None = None) -> dict[str, Any]:
    """Return what this process, or another interpreter, runs in.

    Args:
        roots: Working trees whose code is recorded by itself: of a project installed in place from there the path
            inside is told, and no commit.
        python: Another interpreter than this process's.

    Returns:
        python, platform, distributions (name to version); origins, digests and conda as far as there are any, see
        `Installed`; image, see `container.around`.
    """
    python = python or pythons.own()
    found = installed.scan(python.path)
    known = installed.read(found)
    states = beside.look_at(_beside(known.origins, roots))
    return _document(python, found, known, states, roots, None, container.around())


def _platform() -> dict[str, str]:
    system = os.uname() if hasattr(os, "uname") else None
    facts = {
        "system": system.sysname if system else sys.platform,
        "release": system.release if system else "",
        "machine": system.machine if system else os.environ.get("PROCESSOR_ARCHITECTURE", ""),
    }
    with suppress(AttributeError, ValueError, OSError):  # another system than Linux, another library
        facts["libc"] = os.confstr("CS_GNU_LIBC_VERSION") or ""
    return facts


def _document(
    python: Python,
    found: Mapping[str, Place],
    known: Installed,
    states: Mapping[Path, Beside],
    roots: Sequence[Path],
    keep: FileStore | None,
    image: Mapping[str, str],
) -> dict[str, Any]:
    loose = _uninstalled(found, roots, python.prefix)
    sources = dict(sorted({**loose, **known.origins}.items()))
    origins = {name: _settled(name, origin, states, roots, keep) for name, origin in sources.items()}
    given = {
        "origins": origins,
        "digests": dict(known.digests),
        "conda": installed.conda(python.prefix),
        "image": dict(image),
    }
    return {
        "python": python.facts,
        "platform": _platform(),
        "distributions": {name: place.version for name, place in found.items()},
        **{key: value for key, value in given.items() if value},
    }


def _uninstalled(found: Mapping[str, Place], roots: Sequence[Path], prefix: str) -> dict[str, dict[str, str]]:
    """Return origins of projects that are imported from the code itself, where a build left their metadata."""
    tops, own = tuple(f"{root}{os.sep}" for root in roots), f"{prefix}{os.sep}"
    return {
        name: {"kind": "editable", "path": os.path.dirname(place.path)}  # noqa: PTH120 - one of hundreds
        for name, place in found.items()
        if place.path.startswith(tops) and not place.path.startswith(own)
    }


def _settled(
    name: str,
    origin: Mapping[str, str],
    states: Mapping[Path, Beside],
    roots: Sequence[Path],
    keep: FileStore | None,
) -> dict[str, str]:
    """Return an origin with what makes a folder's content known: its place in the code, or commit and patch."""
    inside = _inside(origin, roots)
    if inside is not None:
        return {"kind": origin["kind"], "inside": inside}
    state = states.get(Path(origin.get("path", "")))
    if state is None or name == RECORDER:
        return dict(origin)
    facts = {**origin, **({"commit": state.commit} if state.commit else {})}
    if state.untracked:
        facts["untracked"] = str(state.untracked)
    if state.changed and state.commit:
        patch = _patch(Path(origin["path"]))
        if patch is None:
            facts["lost"] = "its uncommitted changes"
        elif patch:
            facts["patch"] = keep.put_bytes(patch)[0] if keep else digests.of_bytes(patch)
    return facts


def _patch(folder: Path) -> bytes | None:
    try:
        return beside.changes(folder)
    except GittrackError:
        return None


def _inside(origin: Mapping[str, str], roots: Iterable[Path]) -> str | None:
    if "path" not in origin:
        return None
    for path in (Path(origin["path"]), Path(origin["path"]).resolve()):
        for root in roots:
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
    return None


def _beside(origins: Mapping[str, Mapping[str, str]], roots: Sequence[Path]) -> list[Path]:
    """Return the folders from which projects are installed that the record of the code does not cover."""
    return [
        Path(origin["path"])
        for name, origin in origins.items()
        if origin["kind"] in ("editable", "folder")
        and "path" in origin
        and name != RECORDER
        and _inside(origin, roots) is None
    ]


class _Taken(NamedTuple):
    """The environment of this process: its digest, its file's content where it was made, and its fingerprint."""

    digest: Digest
    content: bytes | None
    fingerprint: str


_taken: dict[tuple[object, ...], _Taken] = {}


def record(
    layout: Layout,
    roots: Sequence[Path] = (),
    *,
    folder: Path | None = None,
    holds: Callable[[str], bool] | None = None,
    python: Python | None = None,
    image: Mapping[str, str] | None = None,
) -> Digest:
    """Keep an environment in the store; return its digest. Taken once a process.

    Args:
        layout: Where the store is.
        roots: Working trees whose code is recorded by itself; lock files at the top of the first are noted.
        folder: Where the command runs; lock files there are noted too.
        holds: Whether the captured code has a file, by its path from the top; the content of a lock file that it
            lacks is kept.
        python: Another interpreter than this process's, when that is what runs the job.
        image: What is known of the container image that the command runs in, where that is not this process's own.

    Raises:
        OSError: The disk does not take it.
    """
    held = container.around() if image is None else image
    place = (os.getpid(), layout.private, python and python.prefix, *roots, folder, *held.items())
    taken = _taken.get(place)
    if taken is None:
        taken = _taken[place] = _take(python or pythons.own(), layout, roots, folder, holds, held)
    kept = (layout.environment(taken.digest), layout.unsaved.environment(taken.digest))
    if not any(path.is_file() for path in kept):
        if taken.content is None:
            again = _take(python or pythons.own(), layout, roots, folder, holds, held, anew=True)
            taken = _taken[place] = again
        durable.write_once(layout.unsaved.environment(taken.digest), taken.content or b"", tmp=layout.tmp)
    return taken.digest


def _take(
    python: Python,
    layout: Layout,
    roots: Sequence[Path],
    folder: Path | None,
    holds: Callable[[str], bool] | None,
    image: Mapping[str, str],
    *,
    anew: bool = False,
) -> _Taken:
    found = installed.scan(python.path)
    locks = _locks(roots[0] if roots else None, folder)
    fingerprint = _fingerprint(python, found, roots)
    cache = layout.index / f"environment-{fingerprint}.json"
    memory = _memory(cache)
    states = beside.look_at(map(Path, memory.get("beside", ())))
    key = _key(states, locks, image)
    known = memory.get("digests", {}).get(key)
    if digests.is_digest(known) and not anew:
        return _Taken(Digest(known), None, fingerprint)
    facts = installed.read(found)
    around = _beside(facts.origins, roots)
    states = beside.look_at(around)
    key = _key(states, locks, image)
    files = FileStore(layout)
    document = _document(python, found, facts, states, roots, files, image)
    if locks:
        document["locks"] = {name: _kept(path, name, files, holds) for name, (path, _) in locks.items()}
    content = formats.dump_environment(document)
    digest = digests.of_bytes(content)
    latest = dict(list(memory.get("digests", {}).items())[-_REMEMBERED:])
    _remember(
        layout, fingerprint, facts, {"beside": list(map(str, around)), "digests": {**latest, key: digest}}
    )
    return _Taken(digest, content, fingerprint)


def _fingerprint(python: Python, found: Mapping[str, Place], roots: Sequence[Path]) -> str:
    own = (_READING, *python.facts.values(), python.prefix, _platform())
    told = (*own, *map(str, roots), installed.fingerprint(found))
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()


def _key(
    states: Mapping[Path, Beside], locks: Mapping[str, tuple[Path, str]], image: Mapping[str, str]
) -> str:
    told = (
        [(str(path), state.state) for path, state in states.items()],
        [stamp for _, stamp in locks.values()],
        *([sorted(image.items())] if image else []),
    )
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()


def _locks(root: Path | None, folder: Path | None) -> dict[str, tuple[Path, str]]:
    """Return lock files at the top and in the command's folder, by their path from the top, with size and time."""
    if root is None:
        return {}
    found = {}
    for place in dict.fromkeys((root, folder or root)):
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if _LOCKS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                info = entry.stat()
                path = Path(entry.path)
                name = path.relative_to(root).as_posix() if path.is_relative_to(root) else entry.name
                found[name] = (path, f"{name} {info.st_size} {info.st_mtime_ns} {info.st_ino}")
    return found


def _kept(path: Path, name: str, files: FileStore, holds: Callable[[str], bool] | None) -> str:
    if holds is not None and not holds(name):
        return files.put_file(path)[0]
    return digests.of_bytes(path.read_bytes())


def _memory(cache: Path) -> dict[str, Any]:
    try:
        memory = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remember(layout: Layout, fingerprint: str, facts: Installed, memory: dict[str, Any]) -> None:
    """Keep what was read beside the index: the digest is what a start needs, the modules are what an end needs."""
    with suppress(OSError):  # a read-only disk: read again next time
        durable.make_folder(layout.tmp)
        durable.make_folder(layout.index)
        for name, content in (("environment", memory), ("modules", facts.modules)):
            draft = layout.tmp / digests.random_hex()
            durable.write_file(draft, json.dumps(content).encode(), synced=False)  # torn: read again as well
            draft.replace(layout.index / f"{name}-{fingerprint}.json")


def modules(layout: Layout, roots: Sequence[Path] = ()) -> dict[str, list[str]] | None:
    """Return which distributions have a top-level module of a name; None when that is not known.

    Args:
        layout: Where the store is.
        roots: As `record` was given them.
    """
    own = (os.getpid(), layout.private, None)
    taken = next((taken for place, taken in _taken.items() if place[:3] == own), None)
    if taken is not None:
        return _memory(layout.index / f"modules-{taken.fingerprint}.json") or None
    python = pythons.own()
    fingerprint = _fingerprint(python, installed.scan(python.path), roots)
    return _memory(layout.index / f"modules-{fingerprint}.json") or None


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
