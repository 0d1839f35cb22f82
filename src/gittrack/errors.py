"""Everything gittrack tells a user in one sentence, by category; a category carries the exit code."""

from __future__ import annotations


class GittrackError(Exception):
    """Anything gittrack can tell the user in one sentence.

    Attributes:
        hint: A command or an action that helps, or None.
        exit_code: What the command line exits with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InvalidValue(GittrackError, ValueError):
    """A key, value, path or option that cannot be accepted; nothing was written."""

    exit_code = 2


class NotFound(GittrackError, LookupError):
    """What was asked for does not exist here, or its name is ambiguous."""

    exit_code = 3


class Conflict(GittrackError):
    """The thing exists already, is locked, or is in a state that forbids this."""

    exit_code = 4


class Damaged(GittrackError):
    """Stored bytes are not the bytes that were recorded."""

    exit_code = 5


class GitFailed(GittrackError):
    """git, or a remote, did not do what was asked."""

    exit_code = 6


class StorageFailed(GittrackError, OSError):
    """The disk did not take what it was given; raised only where the caller asked for a guarantee."""

    exit_code = 1


class RecordingNotice(UserWarning):
    """Something that the user should know once, and that is no fault."""


class RecordingWarning(UserWarning):
    """Something could not be recorded; the training goes on."""
