"""What a recorded environment asks to be installed, each word of it checked before an installer sees it.

A record is someone's text. Names, versions and addresses that could be anything else to an installer, an option, a
file of this machine, a second requirement, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gittrack.entities.record import Digest
from gittrack.errors import GittrackError
from gittrack.record.environment import RECORDER
from gittrack.record.installed import normal
from gittrack.store import digest as digests

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,126}", re.ASCII)
_PYTHON = re.compile(r"[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_URL = re.compile(r"(?:https|ssh)://(?:git@)?[A-Za-z0-9][A-Za-z0-9.:-]*/[A-Za-z0-9._~%+@/-]+", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
_FORMAT = "2"  # of what is built from pins: another one is another environment


class EnvironmentLost(GittrackError):
    """The recorded environment cannot be built exactly."""

    exit_code = 9


@dataclass(frozen=True, order=True)
class Pin:
    """One distribution to install.

    Attributes:
        name: As the index compares it.
        version: Exactly.
        source: What stands after the name in a requirement: `==1.0`, or `@` and an address; empty for a folder.
        path: Of an archive, or of a project's folder, on the machine that recorded it.
        commit: Of the project's repository.
        patch: What its folder had that the commit lacks, by digest.
        sha256: Of an archive.
        lacks: What of the project is not in the record, in words.
    """

    name: str
    version: str
    source: str = ""
    path: str = ""
    commit: str = ""
    patch: str = ""
    sha256: str = ""
    lacks: str = ""

    @property
    def requirement(self) -> str:
        """The line of a requirements file."""
        check = f" --hash=sha256:{self.sha256}" if self.sha256 else ""
        return f"{self.name}{self.source}{check}"


@dataclass(frozen=True)
class Recipe:
    """All that an environment is built from.

    Attributes:
        python: The interpreter's version, exactly.
        implementation: `cpython`, `pypy`.
        pins: By name.
        inside: Folders of the restored code from which the job imports projects installed in place.
        added: Distributions that the recorder needs and the record lacks.
        recorder_is_installed: Whether the recorder was installed as others are, and not just imported.
    """

    python: str
    implementation: str
    pins: tuple[Pin, ...]
    inside: tuple[str, ...] = ()
    added: Mapping[str, str] = field(default_factory=dict)
    recorder_is_installed: bool = False

    @property
    def digest(self) -> Digest:
        """Of all that decides what is installed."""
        told = (_FORMAT, self.python, self.implementation, self.recorder_is_installed, self.pins)
        return digests.of_bytes(repr(told).encode())

    @property
    def versions(self) -> dict[str, str]:
        """Name and version of each distribution that is installed then."""
        return {pin.name: pin.version for pin in self.pins}


def recipe(environment: Mapping[str, Any], *, own: Mapping[str, str], inside: Mapping[str, str]) -> Recipe:
    """Return what must be installed to have a recorded environment.

    Args:
        environment: As recorded.
        own: What the recorder needs, name to the version that is present; what a record lacks of it is added, where
            the recorder was installed as others are.
        inside: Distributions that are known here to be projects of the repository itself, with their folders:
            records of before say nothing of them.

    Raises:
        EnvironmentLost: It names something that no installer must see, or that nobody can bring.
    """
    python = environment["python"]
    origins = environment.get("origins", {})
    is_old = not {"origins", "digests"} & environment.keys()
    pins, folders = [], []
    for name, version in environment["distributions"].items():
        origin = origins.get(name, {})
        place = origin.get("inside") or (inside.get(name) if is_old else None)
        if place is not None:
            folders.append(place)
        elif normal(name) != RECORDER:
            pins.append(_pin(name, version, origin))
    have = {pin.name for pin in pins}
    is_installed = any(normal(name) == RECORDER for name in environment["distributions"])
    added = {name: version for name, version in own.items() if is_installed and name not in have}
    pins += [_pin(name, version, {}) for name, version in added.items()]
    return Recipe(
        _checked(python.get("version", ""), _PYTHON, "version of Python"),
        _checked(python.get("implementation", "cpython"), _NAME, "implementation of Python"),
        tuple(sorted(pins)),
        tuple(sorted(set(folders))),
        added,
        is_installed,
    )


def _pin(name: str, version: str, origin: Mapping[str, str]) -> Pin:
    name = normal(_checked(name, _NAME, "name of a distribution"))
    version = _checked(version, _VERSION, f"version of '{name}'")
    kind = origin.get("kind")
    if kind is None:
        return Pin(name, version, f"=={version}")
    if kind == "git":
        url = _checked(origin.get("url", ""), _URL, f"address of '{name}'")
        commit = _checked(origin.get("commit", ""), _COMMIT, f"commit of '{name}'")
        return Pin(name, version, f" @ git+{url}@{commit}{_below(origin, name)}")
    if kind == "archive":
        return _archive(name, version, origin)
    if kind in ("editable", "folder"):
        return _folder(name, version, origin)
    raise EnvironmentLost(f"'{name}' came by {kind!r:.40}, from which it cannot be installed again")


def _archive(name: str, version: str, origin: Mapping[str, str]) -> Pin:
    sha256 = origin.get("sha256", "")
    if not digests.is_digest(sha256):
        where = origin.get("url") or origin.get("path", "")
        raise EnvironmentLost(
            f"'{name}' came from {where!r:.200}, and the record has no digest of that file",
            hint=f"install '{name}' from an index, or from git, before the next run",
        )
    if "path" in origin:
        return Pin(name, version, path=origin["path"], sha256=sha256)
    url = _checked(origin.get("url", ""), _URL, f"address of '{name}'")
    return Pin(name, version, f" @ {url}{_below(origin, name)}", sha256=sha256)


def _folder(name: str, version: str, origin: Mapping[str, str]) -> Pin:
    path, commit = origin.get("path", ""), origin.get("commit", "")
    if not commit:
        raise EnvironmentLost(
            f"'{name}' was installed from the folder {path!r:.200}, which was in no git repository",
            hint=f"git -C '{path}' init, and commit it before the next run" if path else None,
        )
    patch = origin.get("patch", "")
    if patch and not digests.is_digest(patch):
        raise EnvironmentLost(f"{patch!r:.80} is not the digest of a patch of '{name}'")
    lacks = [origin["lost"]] if "lost" in origin else []
    lacks += [f"{origin['untracked']} untracked files"] if "untracked" in origin else []
    return Pin(
        name,
        version,
        path=path,
        commit=_checked(commit, _COMMIT, f"commit of '{name}'"),
        patch=patch,
        lacks=", ".join(lacks),
    )


def _below(origin: Mapping[str, str], name: str) -> str:
    folder = origin.get("subdirectory")
    return f"#subdirectory={_checked(folder, _FOLDER, f'folder of {name!r}')}" if folder else ""


def _checked(text: object, allowed: re.Pattern[str], what: str) -> str:
    if not isinstance(text, str) or not allowed.fullmatch(text):
        raise EnvironmentLost(f"{text!r:.80} is not the {what}: nothing is installed by it")
    return text


def requirements(pins: Iterable[Pin]) -> str:
    """Return the requirements file of all pins that an index, git or an address has."""
    return "".join(f"{pin.requirement}\n" for pin in pins if pin.source)
