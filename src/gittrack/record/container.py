"""Container images in a record: which one this process runs in, and what a word that names one says.

No engine tells a container the digest of its image: podman gives name and id to privileged ones, Docker and
Kubernetes nothing at all. `GITTRACK_IMAGE`, set where the container is started, does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from gittrack import config as configs
from gittrack.record.warning import warn

UNKNOWN = "its digest"  # under `lost`: the image has a name alone, and names move
COMMAND = "command"  # under `holds`: the image is that of the command, all else is of the recorder outside

_TOLD_BY_PODMAN = Path("/run/.containerenv")
_ID = r"sha256:[0-9a-f]{64}"  # compiled when one is read: most processes are in no container
_PART = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(?::[0-9]{1,5})?"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_NAME = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::{_TAG})?"
_LENGTH = 500


def parse(reference: str) -> dict[str, str] | None:
    """Return name, digest and id of an image, as far as `reference` has them; None when it names no image.

    Args:
        reference: `name`, `name:tag`, `name@sha256:…`, `name:tag@sha256:…`, or an image's id, `sha256:…`.
    """
    if len(reference) > _LENGTH:
        return None
    if reference.startswith("sha256:"):
        return {"id": reference} if re.fullmatch(_ID, reference, re.ASCII) else None
    name, at, digest = reference.partition("@")
    if not re.fullmatch(_NAME, name, re.ASCII) or (at and not re.fullmatch(_ID, digest, re.ASCII)):
        return None
    return {"name": name, **({"digest": digest} if at else {})}


def reference(image: Mapping[str, str]) -> str | None:
    """Return what names exactly a recorded image, by its digest or its id; None when the record has neither.

    A record is someone's text: what could be anything else to an engine, an option, a second word, is none.
    """
    for text in (f"{image.get('name')}@{image.get('digest')}", image.get("id", "")):
        if (parse(text) or {}).keys() & {"digest", "id"}:
            return text
    return None


def address(reference: str) -> str:
    """Return a reference without the tag that it has beside a digest: not every engine takes both."""
    name, at, digest = reference.partition("@")
    return f"{without_tag(name)}@{digest}" if at else reference


def without_tag(name: str) -> str:
    """Return the name of an image without its tag."""
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def in_words(image: Mapping[str, str]) -> str | None:
    """Return what a record calls an image, for a person: all of it where it names none exactly; None for no image."""
    return reference(image) or " ".join(f"{name}={text}" for name, text in sorted(image.items())) or None


def around() -> dict[str, str]:
    """Return what is known of the image that this process runs in; empty outside of a container, or for nothing.

    Returns:
        name, digest (the registry's), id (the engine's), lost, and python, the path of the interpreter in it.
    """
    said = configs.image()
    found = _told_by_podman() if said is None else _said(said)
    return {**found, "python": sys.executable} if found else {}


def _said(text: str) -> dict[str, str]:
    facts = parse(text) or {"name": text}
    if "digest" in facts or "id" in facts:
        return facts
    _warn_once(
        f"GITTRACK_IMAGE is '{text}', which does not say the image's digest: runs cannot be repeated in it; "
        "NAME@sha256:… does"
    )
    return {**facts, "lost": UNKNOWN}


@cache
def _warn_once(message: str) -> None:
    warn(message)


def _told_by_podman() -> dict[str, str]:
    try:
        lines = _TOLD_BY_PODMAN.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    told = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    known = {"name": told.get("image", ""), "id": f"sha256:{told.get('imageid', '')}"}
    return {name: text for name, text in known.items() if parse(text) is not None}
