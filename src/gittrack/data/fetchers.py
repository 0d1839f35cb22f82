"""What loads the addresses of a scheme; a room above that knows how to adds its function."""

from __future__ import annotations

from collections.abc import Callable

Fetch = Callable[[str, str | None], str]
"""Takes an address and the folder to put the content in, or None; returns where it is."""

FETCHERS: dict[str, Fetch] = {}
