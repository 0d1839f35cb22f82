"""Which interpreter a job gets: the one that runs gittrack, or one with exactly what was recorded.

A rebuilt environment is kept by the digest of its pins, is used by all reproductions that ask for the same ones,
and is read only while one of them runs in it. It counts when what is installed in it is what was recorded.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gittrack.errors import Conflict, Damaged, GitFailed, NotFound
from gittrack.git import beside
from gittrack.record import environment as environments
from gittrack.record import installed, interpreters
from gittrack.record.pythons import Python
from gittrack.repro import containers, uv
from gittrack.repro.containers import Container
from gittrack.repro.differences import CONDA, IMAGE, Difference, compare_environment, is_of_conda
from gittrack.repro.options import Mode
from gittrack.repro.pins import EnvironmentLost, Pin, Recipe, recipe, requirements
from gittrack.store import digest as digests
from gittrack.store import durable, locking
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.repro.plan import Plan, Progress

_MARKER = "gittrack.json"  # written last: an environment without it is not whole
_TURNS = 5  # somebody may remove it between two locks
_SOURCES = "sources"
_NAMED = 5  # of conda's packages, of which there may be hundreds
_REQUIREMENTS = "requirements.txt"
_FACTS = (
    "import json, sys; print(json.dumps([sys.version, sys.implementation.cache_tag, sys.version_info[:3]]))"
)
_REQUIRES = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Interpreter:
    """The Python that a job gets.

    Attributes:
        program: Its path.
        how: `current`, `named` by the command, `rebuilt`, `reused` or `image`.
        differences: What is still not as recorded: all kinds.
        seconds: How long it took to have it.
        home: Folder of the rebuilt environment; None for the present one.
        inside: Folders of the restored code from which the job imports; None to find them in the present one.
        recorder: The Python for `gittrack run`: that of the job, where it has what the command line needs.
        python: The one that the command names; None for any other.
        container: What the job runs in; None for this machine.
    """

    program: Path
    how: str
    differences: tuple[Difference, ...]
    seconds: float = 0.0
    home: Path | None = None
    inside: tuple[str, ...] | None = None
    recorder: Path = Path(sys.executable)
    python: Python | None = None
    container: Container | None = None


class Way(Protocol):
    """How a job comes by its interpreter."""

    def see(self, plan: Plan) -> None:
        """Ask whether it could be had; nothing is made.

        Raises:
            EnvironmentLost: It could not.
        """

    def hold(self, plan: Plan, progress: Progress | None) -> AbstractContextManager[Interpreter]:
        """Hold it, for the job of a plan that was agreed to, for the length of a block.

        Raises:
            EnvironmentLost: It cannot be had exactly; the message names what, the hint says what would help.
        """


class _Present:
    """The interpreter that runs gittrack, or that of the command where it is here and nearer to what was recorded."""

    def see(self, plan: Plan) -> None:
        pass

    @contextmanager
    def hold(self, plan: Plan, progress: Progress | None) -> Iterator[Interpreter]:
        yield _named(plan) or Interpreter(Path(sys.executable), "current", plan.differences)


def _named(plan: Plan) -> Interpreter | None:
    """Return the Python that the command's words name, None when the present one is as near to what was recorded."""
    own = [one for one in plan.differences if one.kind == "environment"]
    if not plan.is_command or not own:
        return None
    folder = plan.repo.top / plan.command.cwd
    program = interpreters.program_of(plan.command.argv, folder)
    if program is None or _is_code(plan, folder / program):
        return None
    try:
        python = interpreters.of_command(plan.command.argv, folder, plan.layout)
    except OSError:
        return None
    if python is None:
        return None
    present = environments.capture((plan.repo.top,), python)
    found = compare_environment(plan.environment, present=present)
    if len(found) >= len(own):
        return None
    return Interpreter(Path(python.program), "named", (*found, *_beside_environment(plan)), python=python)


def _is_code(plan: Plan, program: Path) -> bool:
    """Whether git holds a program of the user's checkout, or the link that leads to it.

    What it is there by now nobody has agreed to: consent is for the code of the run.
    """
    program = Path(os.path.normpath(program))
    tops = {plan.repo.top, plan.repo.top.resolve()}
    ways = [program, program.resolve(), *(path for path in program.parents if path.is_symlink())]
    names = [way.relative_to(top) for way in ways for top in tops.intersection(way.parents)]
    return bool(names) and bool(plan.repo.git("ls-files", "-z", "--", *names))


class _Rebuilt:
    """The recorded environment, made by uv now or before."""

    def see(self, plan: Plan) -> None:
        planned(plan)

    @contextmanager
    def hold(self, plan: Plan, progress: Progress | None) -> Iterator[Interpreter]:
        wanted = planned(plan)
        begun = time.monotonic()
        with _held(plan, wanted, progress) as (place, how):
            differences = (*_left(plan, wanted, _marker(place)), *_beside_environment(plan))
            seconds = time.monotonic() - begun
            program = _program(place)
            recorder = program if "click" in wanted.versions else Path(sys.executable)
            yield Interpreter(program, how, differences, seconds, place, wanted.inside, recorder)


class _InImage:
    """The interpreter of the recorded container image, pulled by its digest if it is not here."""

    def see(self, plan: Plan) -> None:
        containers.see(plan)

    @contextmanager
    def hold(self, plan: Plan, progress: Progress | None) -> Iterator[Interpreter]:
        begun = time.monotonic()
        with containers.held(plan, progress) as held:
            seconds = time.monotonic() - begun
            beside = tuple(_beside_environment(plan))
            if held.holds_all:
                python = Path(held.python)
                inside = tuple(containers.installed_in_place(plan))
                yield Interpreter(
                    python, "image", beside, seconds, inside=inside, recorder=python, container=held
                )
            else:
                yield Interpreter(Path(sys.executable), "image", beside, seconds, inside=(), container=held)


_WAYS: Mapping[Mode, Way] = {
    Mode.CURRENT: _Present(),
    Mode.REBUILD: _Rebuilt(),
    Mode.IMAGE: _InImage(),
}


def way(plan: Plan, mode: Mode) -> Way:
    """Return how the job of a plan comes by its interpreter."""
    return _WAYS[settled(plan, mode)]


def settled(plan: Plan, mode: Mode) -> Mode:
    """Return what a mode comes to for a plan: `auto` rebuilds if what differs was imported."""
    if mode is not Mode.AUTO:
        return mode
    return Mode.REBUILD if matters(plan) else Mode.CURRENT


def matters(plan: Plan) -> tuple[Difference, ...]:
    """Return the differences of the environment that the job could have seen, by what it imported.

    All of them where nobody knows what it imported. Of Python's version the first two numbers count. Packages of
    conda and the image do not, for a rebuilt environment has neither.
    """
    found = [one for one in plan.differences if one.kind == "environment" and can_be_rebuilt(one)]
    known = [run.imports for run in plan.originals if run.imports is not None]
    if plan.is_command or len(known) < len(plan.originals):
        return tuple(found)
    imports = {name for names in known for name in names}
    return tuple(one for one in found if _is_seen(one, imports))


def can_be_rebuilt(difference: Difference) -> bool:
    """Whether a rebuilt environment could have what differs: it has no image, and of conda no packages."""
    return difference.name != IMAGE and not is_of_conda(difference.name)


def _is_seen(difference: Difference, imports: set[str]) -> bool:
    if difference.name == "python version":
        old, new = (str(text).split(".")[:2] for text in (difference.old, difference.new))
        return old != new
    return (
        difference.name in ("environment", "python implementation")
        or difference.name.split(" ")[0] in imports
    )


def planned(plan: Plan) -> Recipe:
    """Return what `rebuild` would install; nothing is.

    Raises:
        EnvironmentLost: The record has no environment, or one that cannot be built.
    """
    if plan.environment is None:
        raise EnvironmentLost(
            "the environment of the run is not in this clone, so it cannot be rebuilt",
            hint=f"gittrack repro {plan.run.run_id[:8]} --env current",
        )
    return recipe(plan.environment, own=_own_needs(), inside=_in_place(plan))


def _own_needs() -> dict[str, str]:
    """Return the distributions that gittrack needs, with the versions that it has here."""
    from importlib import metadata

    found = {}
    with suppress(metadata.PackageNotFoundError):
        for requirement in metadata.requires(environments.RECORDER) or ():
            name = _REQUIRES.match(requirement)
            if name is not None and "extra ==" not in requirement:
                with suppress(metadata.PackageNotFoundError):
                    found[installed.normal(name[0])] = metadata.version(name[0])
    return found


def _in_place(plan: Plan) -> dict[str, str]:
    origins = environments.capture((plan.repo.top,)).get("origins", {})
    return {name: origin["inside"] for name, origin in origins.items() if "inside" in origin}


@contextmanager
def _held(plan: Plan, wanted: Recipe, progress: Progress | None) -> Iterator[tuple[Path, str]]:
    """Yield a whole environment, which nobody removes meanwhile, and whether it was `rebuilt` or `reused`."""
    place = plan.layout.rebuilt(wanted.digest)
    durable.make_folder(place.parent)
    lock, how = _lock(place), "reused"
    for _ in range(_TURNS):
        with locking.locked(lock, shared=True):
            if _is_whole(place):
                _let_record(place, is_installed=wanted.recorder_is_installed)
                yield place, how
                return
        with locking.locked(lock):  # who waits here for another that builds the same finds it whole
            if not _is_whole(place):
                _build(place, wanted, plan.layout, progress)
                how = "rebuilt"
    raise Conflict(f"'{place}' is changed while it is used", hint="gittrack gc --yes")


def _lock(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _is_whole(place: Path) -> bool:
    marker = _marker(place)
    return bool(marker) and os.access(_program(place), os.X_OK) and marker.get("state") == _state(place)


def _marker(place: Path) -> dict[str, Any]:
    try:
        marker = json.loads((place / _MARKER).read_bytes())
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def _program(place: Path) -> Path:
    return place / "bin" / "python"


def _packages(place: Path) -> Path | None:
    return next(iter(sorted(place.glob("lib/*/site-packages"))), None)


def _present(place: Path) -> dict[str, installed.Place]:
    packages = _packages(place)
    found = installed.scan([str(packages)] if packages else [])
    return {installed.normal(name): one for name, one in found.items() if name != environments.RECORDER}


def _state(place: Path) -> str:
    return installed.fingerprint(_present(place))


def _build(place: Path, wanted: Recipe, layout: Layout, progress: Progress | None) -> None:
    """Make the environment at its final path, its marker last."""

    def say(what: str) -> None:
        if progress is not None:
            progress(what, 0, 0)

    durable.remove_folder(place, tmp=layout.tmp)
    say(f"making an environment with Python {wanted.python}")
    _make(place, wanted)
    say(f"installing {len(wanted.pins)} distributions")
    folders = [_folder_of(pin, place, layout) for pin in wanted.pins if not pin.source]
    file = place / _REQUIREMENTS
    file.write_text(requirements(wanted.pins) + "".join(f"{folder}\n" for folder in folders))
    if wanted.pins:
        _install(place, file)
    found = {name: one.version for name, one in _present(place).items()}
    _compare(wanted.versions, found)
    contents = installed.read(_present(place)).digests
    marker = {"state": _state(place), "python": _facts(place), "digests": dict(contents)}
    durable.replace_file(place / _MARKER, json.dumps(marker).encode(), tmp=layout.tmp)


def _make(place: Path, wanted: Recipe) -> None:
    why = "uv gives another one"
    for request in uv.interpreters(wanted.python, wanted.implementation):
        try:
            uv.run("venv", "--no-project", "--clear", "--python", request, place)
        except uv.UvFailed as error:
            why = str(error)
            continue
        if _facts(place)[2] == wanted.python:
            return
    raise _no_python(wanted, why)


def _no_python(wanted: Recipe, why: str) -> EnvironmentLost:
    return EnvironmentLost(
        f"Python {wanted.python} ({wanted.implementation}) cannot be had: {why}",
        hint=f"uv python install {wanted.python}",
    )


def _facts(place: Path) -> list[str]:
    """Return build, cache tag and version of an environment's interpreter."""
    asked = [str(_program(place)), "-I", "-S", "-c", _FACTS]
    done = subprocess.run(asked, capture_output=True, check=True)
    build, tag, version = json.loads(done.stdout)
    return [" ".join(build.split()), tag, ".".join(map(str, version))]


def _install(place: Path, file: Path) -> None:
    """Install wheels, and build what is to be had as source only: old versions are, and the command was agreed to."""
    try:
        uv.run("pip", "install", "--no-deps", "--python", _program(place), "--requirements", file)
    except uv.UvFailed as error:
        if error.pin is None:
            raise EnvironmentLost(f"the recorded distributions cannot be installed: {error}") from error
        name = error.pin.partition("==")[0].partition(" ")[0]
        raise EnvironmentLost(
            f"'{error.pin}' cannot be had: {error}", hint=f"pip index versions {name}"
        ) from error


def _folder_of(pin: Pin, place: Path, layout: Layout) -> str:
    """Return the requirement for a project or an archive of this machine, brought to what was recorded.

    Raises:
        EnvironmentLost: It is not here as it was.
    """
    path = Path(pin.path)
    if not path.is_absolute() or not path.exists():
        raise EnvironmentLost(
            f"'{pin.name}' was installed from '{pin.path}', which is not here",
            hint=f"put it there: {f'commit {pin.commit}' if pin.commit else f'SHA-256 {pin.sha256}'}",
        )
    if pin.sha256:
        if not path.is_file() or digests.of_file(path) != pin.sha256:
            raise EnvironmentLost(f"'{pin.path}', from which '{pin.name}' was installed, has changed")
        return f"{pin.name} @ {path.resolve().as_uri()} --hash=sha256:{pin.sha256}"
    try:
        patch = FileStore(layout).read(digests.parse(pin.patch)) if pin.patch else None
        source = beside.write_out(path, pin.commit, patch, place / _SOURCES / pin.name)
    except (GitFailed, NotFound, Damaged, OSError) as error:
        raise EnvironmentLost(
            f"'{pin.name}' was installed from '{pin.path}' at commit {pin.commit[:12]}, which cannot be restored: "
            f"{error}",
            hint=f"git -C '{pin.path}' fetch --all",
        ) from error
    return f"{pin.name} @ {source.resolve().as_uri()}"


def _compare(wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Ask that exactly the recorded versions are installed.

    Raises:
        EnvironmentLost: They are not.
    """
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            old, new = wanted.get(name, "nothing"), found.get(name, "nothing")
            raise EnvironmentLost(f"of '{name}' the record has {old}, and {new} was installed")


def _let_record(place: Path, *, is_installed: bool) -> None:
    """Let the job import the present gittrack, which records, and none of the present other packages."""
    packages = _packages(place)
    if packages is None:
        return
    mine = installed.scan(sys.path).get(environments.RECORDER)
    sources = [Path(__file__).resolve().parents[1], *([Path(mine.path)] if mine and is_installed else [])]
    for other in packages.glob(f"{environments.RECORDER}-*.dist-info"):
        if other.is_symlink() and other.name not in {source.name for source in sources}:
            other.unlink(missing_ok=True)
    for source in sources:
        link = packages / source.name
        if not link.is_symlink() or link.readlink() != source:
            draft = packages / f".{digests.random_hex()}"
            draft.symlink_to(source, target_is_directory=True)
            draft.replace(link)


def _left(plan: Plan, wanted: Recipe, marker: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what of the environment is not as recorded in spite of all."""
    recorded: Mapping[str, Any] = plan.environment or {}
    build, tag, _ = marker["python"]
    for name, new in (("build", build), ("cache_tag", tag)):
        old = recorded["python"].get(name)
        if old is not None and old != new:
            yield Difference("environment", f"python {name}", old, new)
    for one in plan.differences:
        is_recorder = one.name == environments.RECORDER and wanted.recorder_is_installed
        if is_recorder or one.name == IMAGE or one.name.startswith("platform "):
            yield one
    for name, version in wanted.added.items():
        yield Difference("environment", name, None, version)
    yield from _without_conda(recorded, wanted)
    contents, origins = marker.get("digests", {}), recorded.get("origins", {})
    for name, old in recorded.get("digests", {}).items():
        new = contents.get(installed.normal(name))
        if new is not None and new != old and origins.get(name, {}).get("kind") != "editable":
            yield Difference("environment", f"{name} files", old[:12], new[:12])
    for name, origin in origins.items():
        if origin.get("kind") == "folder" and "inside" in origin:
            yield Difference(
                "environment", name, "as it was when it was installed", "as the code of the run has it"
            )
    for pin in wanted.pins:
        if pin.lacks:
            yield Difference("environment", f"{pin.name} {pin.version}", pin.lacks, None)


def _without_conda(recorded: Mapping[str, Any], wanted: Recipe) -> Iterator[Difference]:
    """Yield one difference that names conda's packages besides Python and the distributions."""
    found = sorted(recorded.get("conda", {}).keys() - {"python", *wanted.versions})
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield Difference("environment", CONDA, f"{', '.join(found[:_NAMED])}{more}", None)


def _beside_environment(plan: Plan) -> Iterator[Difference]:
    return (one for one in plan.differences if one.kind != "environment")


def pool(layout: Layout) -> list[Path]:
    """Return the rebuilt environments that there are, and what is left of unfinished ones."""
    try:
        entries = sorted(layout.rebuilt_environments.iterdir())
    except OSError:
        return []
    return [
        entry
        for entry in entries
        if digests.is_digest(entry.name) and entry.is_dir() and not entry.is_symlink()
    ]


def remove_pool(layout: Layout) -> list[Path]:
    """Remove the rebuilt environments that no reproduction is using, and return where they were."""
    gone = []
    for place in pool(layout):
        with locking.locked(_lock(place), wait=False) as taken:
            if taken:
                durable.remove_folder(place, tmp=layout.tmp)
                gone.append(place)
    return gone
