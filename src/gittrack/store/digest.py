"""SHA-256 as content address, checkable by anybody with `sha256sum`."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from gittrack.entities.record import Digest
from gittrack.errors import InvalidValue

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_digest(text: object) -> bool:
    """Whether `text` is 64 lower-case hex digits."""
    return isinstance(text, str) and _HEX.fullmatch(text) is not None


def parse(text: object) -> Digest:
    """Return the digest that `text` spells; it may then touch a path.

    Raises:
        InvalidValue: `text` is not 64 lower-case hex digits.
    """
    if not is_digest(text):
        raise InvalidValue(f"{text!r} is not a SHA-256 digest of 64 hex digits")
    return Digest(str(text))


def random_hex() -> str:
    """Return 32 random hex digits: a name that nobody else has. The module `uuid` takes 3 ms to import."""
    return os.urandom(16).hex()


def of_bytes(content: bytes | bytearray | memoryview) -> Digest:
    """Return the digest of `content`."""
    return Digest(hashlib.sha256(content).hexdigest())


def of_file(path: Path) -> Digest:
    """Return the digest of the file at `path`, read in pieces."""
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())
