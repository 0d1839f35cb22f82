"""What is installed for this interpreter, from the files that installers leave.

They are read as they are: importlib.metadata takes 80 ms for the names of three hundred distributions alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from gittrack.store import digest as digests

_SEPARATORS = re.compile(r"[-_.]+")
_UNHASHED = b",,"  # ends the line of a file that is made after the installation, as bytecode is
_MODULE = re.compile(rb"[^/,.]+")
_NEEDS = re.compile(rb"^Requires-Dist:[ \t]*([A-Za-z0-9._-]+)", re.MULTILINE)


class Place(NamedTuple):
    """Where a distribution's metadata are; `changed` is the time of their folder, in nanoseconds."""

    version: str
    path: str
    changed: int


class Installed(NamedTuple):
    """What the metadata of all distributions say.

    Attributes:
        origins: Where a distribution came from that is from no index: `kind` git, archive, folder or editable, and
            `url`, `path`, `commit`, `sha256`, `subdirectory` as they are known. No credentials.
        digests: Over the files that a distribution brought, by their SHA-256 in its RECORD.
        modules: The distributions that have a top-level module of a name.
    """

    origins: Mapping[str, Mapping[str, str]]
    digests: Mapping[str, str]
    modules: Mapping[str, Sequence[str]]


def scan(path: Iterable[str]) -> dict[str, Place]:
    """Return the distributions in the folders of an import path, by name; the first of a name counts.

    The names of the folders `NAME-VERSION.dist-info` are read, not the files in them: a millisecond for three
    hundred.
    """
    found: dict[str, Place] = {}
    for folder in path:
        try:
            entries = os.scandir(os.path.abspath(folder))  # noqa: PTH100 - none of ours: it may not be there
        except OSError:
            continue
        with entries:
            for entry in entries:
                stem, _, kind = entry.name.rpartition(".")
                if kind in ("dist-info", "egg-info") and "-" in stem:
                    name, version = stem.split("-")[:2]
                    found.setdefault(
                        name.lower().replace("_", "-"), Place(version, entry.path, _changed(entry))
                    )
    return dict(sorted(found.items()))


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:
        return 0


def normal(name: str) -> str:
    """Return a distribution's name as the index compares it."""
    return _SEPARATORS.sub("-", name).lower()


def fingerprint(found: Mapping[str, Place]) -> str:
    """Return what changes when a distribution is installed, removed or installed again."""
    told = "\n".join(f"{place.path}\0{place.changed}" for place in found.values())
    return hashlib.sha256(os.fsencode(told)).hexdigest()


def read(found: Mapping[str, Place]) -> Installed:
    """Read the metadata of distributions; what cannot be read is left out."""
    origins, contents = {}, {}
    modules: dict[str, list[str]] = {}
    for name, place in found.items():
        origin = _origin(place)
        if origin is not None:
            origins[name] = origin
        lines = _record(place)
        if lines:
            contents[name] = digests.of_bytes(b"\n".join(lines))
        for module in sorted(_modules(lines) | _modules_in_place(name, origin)):
            modules.setdefault(module, []).append(name)
    return Installed(origins, contents, modules)


def _record(place: Place) -> list[bytes]:
    """Return the lines of RECORD that are the same whoever installed it: no scripts, no metadata, no bytecode."""
    content = _read(f"{place.path}/RECORD") or b""
    others = (b"../", os.fsencode(place.path.rpartition("/")[2]) + b"/")
    return sorted(
        [
            line
            for line in content.splitlines()
            if not line.startswith(others) and not line.endswith(_UNHASHED)
        ]
    )


def requirements(place: Place) -> set[str] | None:
    """Return the names of what a distribution needs, also for its extras; None when its metadata do not tell."""
    head = (_read(f"{place.path}/METADATA") or b"").partition(b"\n\n")[0]
    if not head:  # an egg's, which has more than one form
        return None
    return {normal(name.decode()) for name in _NEEDS.findall(head)}


def _modules(lines: list[bytes]) -> set[str]:
    tops = map(_MODULE.match, {line.partition(b"/")[0] for line in lines})
    return {top[0].decode("utf-8", "replace") for top in tops if top is not None}


def _modules_in_place(name: str, origin: Mapping[str, str] | None) -> set[str]:
    """Return the modules of a project that is installed in place: its RECORD does not know them."""
    if origin is None or origin["kind"] != "editable" or "path" not in origin:
        return set()
    found = {name.replace("-", "_")}
    for folder in (origin["path"], f"{origin['path']}/src"):
        try:
            with os.scandir(folder) as entries:
                found |= {entry.name.removesuffix(".py") for entry in entries if _is_module(entry)}
        except OSError:
            continue
    return found


def _is_module(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".py") or os.path.exists(f"{entry.path}/__init__.py")  # noqa: PTH110


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - three hundred of them: half the time of a Path
            return file.read()
    except OSError:
        return None


def _origin(place: Place) -> dict[str, str] | None:
    content = _read(f"{place.path}/direct_url.json")
    if content is None:
        return None
    try:
        return origin_of(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def origin_of(facts: Mapping[str, Any]) -> dict[str, str] | None:
    """Return where a distribution came from, by its `direct_url.json`; None for a builder's folder that is gone.

    Source: PyPA specifications, "Direct URL Data Structure".
    """
    url = str(facts["url"])
    where = {"path": _path(url)} if url.startswith("file:") else {"url": without_credentials(url)}
    below = {"subdirectory": str(facts["subdirectory"])} if facts.get("subdirectory") else {}
    if "vcs_info" in facts:
        info = facts["vcs_info"]
        url_only = {"url": without_credentials(url)}
        return {"kind": str(info["vcs"]), **url_only, "commit": str(info["commit_id"]), **below}
    if "archive_info" in facts:
        return {"kind": "archive", **where, **_sha256(facts["archive_info"], where.get("path")), **below}
    editable = bool(facts["dir_info"].get("editable"))
    if not editable and not Path(where.get("path", "")).is_dir():
        return None  # a package of conda names the folder in which it was built
    return {"kind": "editable" if editable else "folder", **where}


def _sha256(info: Mapping[str, Any], path: str | None) -> dict[str, str]:
    found = (info.get("hashes") or {}).get("sha256") or str(info.get("hash") or "").partition("sha256=")[2]
    if not found and path is not None:
        content = _read(path)  # uv does not tell
        found = digests.of_bytes(content) if content is not None else ""
    return {"sha256": str(found)} if found else {}


def _path(url: str) -> str:
    return os.path.normpath(unquote(urlsplit(url).path))


def without_credentials(url: str) -> str:
    """Return an address without password, token or query; of a user only `git`, which ssh needs, is left."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    kept = "git@" if at and user == "git" and parts.scheme.endswith("ssh") else ""
    return urlunsplit((parts.scheme, kept + host, parts.path, "", ""))


def conda(prefix: str) -> dict[str, str]:
    """Return the packages of a conda environment, name to version and build; empty where there is none."""
    try:
        names = os.listdir(f"{prefix}/conda-meta")  # noqa: PTH208
    except OSError:
        return {}
    parts = [name.removesuffix(".json").rsplit("-", 2) for name in sorted(names) if name.endswith(".json")]
    return {part[0]: f"{part[1]} {part[2]}" for part in parts if len(part) == 3}
