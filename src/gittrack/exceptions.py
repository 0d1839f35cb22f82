"""Errors under the names that scripts for MLflow catch."""

from __future__ import annotations

from gittrack.errors import (
    AlreadyExists,
    Conflict,
    Damaged,
    GitFailed,
    GittrackError,
    InvalidValue,
    NotFound,
    RecordingNotice,
    RecordingWarning,
    StorageFailed,
)

MlflowException = GittrackError
RestException = GittrackError

__all__ = [
    "AlreadyExists",
    "Conflict",
    "Damaged",
    "GitFailed",
    "GittrackError",
    "InvalidValue",
    "MlflowException",
    "NotFound",
    "RecordingNotice",
    "RecordingWarning",
    "RestException",
    "StorageFailed",
]
