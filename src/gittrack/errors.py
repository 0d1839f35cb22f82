"""Everything gittrack tells a user in one sentence, by category; a category carries the codes.

The exit code is for the command line, the error code for scripts that know MLflow's.
"""

from __future__ import annotations

import json


class GittrackError(Exception):
    """Anything gittrack can tell the user in one sentence.

    Attributes:
        hint: A command or an action that helps, or None.
        exit_code: What the command line exits with.
        error_code: What MLflow calls an error of this kind.
    """

    exit_code = 1
    error_code = "INTERNAL_ERROR"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")  # a training script shows only the traceback

    @property
    def message(self) -> str:
        """The sentence."""
        return str(self)

    def get_http_status_code(self) -> int:
        """Return the status that MLflow's server would answer with."""
        return _HTTP.get(self.error_code, 500)

    def serialize_as_json(self) -> str:
        """Return the error as the JSON object that MLflow's server would answer with."""
        return json.dumps({"error_code": self.error_code, "message": self.message})


_HTTP = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "PERMISSION_DENIED": 403,
    "NOT_IMPLEMENTED": 501,
}


class InvalidValue(GittrackError, ValueError):
    """A key, value, path or option that cannot be accepted; nothing was written."""

    exit_code = 2
    error_code = "INVALID_PARAMETER_VALUE"


class NotFound(GittrackError, LookupError):
    """What was asked for does not exist here, or its name is ambiguous."""

    exit_code = 3
    error_code = "RESOURCE_DOES_NOT_EXIST"


class Conflict(GittrackError):
    """The thing exists already, is locked, or is in a state that forbids this."""

    exit_code = 4
    error_code = "INVALID_STATE"


class AlreadyExists(Conflict):
    """The name is taken."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class Damaged(GittrackError):
    """Stored bytes are not the bytes that were recorded."""

    exit_code = 5


class GitFailed(GittrackError):
    """A command of git, or a remote, did not do what was asked."""

    exit_code = 6


class StorageFailed(GittrackError, OSError):
    """The disk did not take what it was given; raised only where the caller asked for a guarantee."""

    exit_code = 1


class RecordingNotice(UserWarning):
    """Something that the user should know once, and that is no fault."""


class RecordingWarning(UserWarning):
    """Something could not be recorded; the training goes on."""
