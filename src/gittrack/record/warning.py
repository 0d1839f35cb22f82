"""How the training is told of what could not be recorded."""

from __future__ import annotations

import contextlib
import warnings

from gittrack.errors import RecordingWarning


def warn(message: str) -> None:
    """Warn the training; never raise into it, even where the user turns warnings into errors."""
    with contextlib.suppress(RecordingWarning):
        warnings.warn(message, RecordingWarning, stacklevel=2)
