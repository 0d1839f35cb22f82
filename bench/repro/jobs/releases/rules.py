"""Which releases are wanted."""

from __future__ import annotations

from packaging.version import Version


def is_wanted(version: Version) -> bool:
    """Return whether a release counts."""
    return bool(str(version))
