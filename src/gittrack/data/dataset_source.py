"""Where a dataset came from."""

from __future__ import annotations

import json
from typing import Any, Self

from gittrack.errors import GittrackError


class CannotLoad(GittrackError, NotImplementedError):
    """gittrack knows where the content came from, and has no way to fetch it from there."""

    error_code = "NOT_IMPLEMENTED"


class DatasetSource:
    """Where a dataset came from; recorded as its kind and a JSON object.

    Source: the names and their meaning are those of MLflow 3's `mlflow.data`.
    """

    def _get_source_type(self) -> str:
        """Return the kind of source: local, http, code, s3, ..."""
        raise NotImplementedError

    def load(self, dst_path: str | None = None) -> Any:
        """Return the content, mostly as a path of this machine.

        Args:
            dst_path: The folder to put it in.

        Raises:
            CannotLoad: There is no way to fetch it.
        """
        raise NotImplementedError

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        """Whether `raw_source`, as a user gave it, is an address of this kind."""
        return False

    @classmethod
    def _resolve(cls, raw_source: Any) -> DatasetSource:
        """Return the source with that address."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded, ready for JSON."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return what is recorded as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that `to_dict` told of.

        Raises:
            InvalidValue: The address is missing.
        """
        raise NotImplementedError

    @classmethod
    def from_json(cls, source_json: str) -> Self:
        """Return the source that `to_json` wrote.

        Raises:
            InvalidValue: The address is missing.
        """
        return cls.from_dict(json.loads(source_json))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.to_json()}>"
