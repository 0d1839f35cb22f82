"""Datasets that a script made or read by itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Self

from gittrack.data.dataset_source import CannotLoad, DatasetSource


class CodeDatasetSource(DatasetSource):
    """The code that made a dataset: the tags of the run tell which."""

    def __init__(self, tags: Mapping[str, Any] | None = None) -> None:
        self._tags = dict(tags or {})

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the source that names the script that is running."""
        script = sys.argv[0] if sys.argv else ""
        return cls({"mlflow.source.name": script or sys.executable, "mlflow.source.type": "LOCAL"})

    @property
    def tags(self) -> dict[str, Any]:
        """The tags."""
        return self._tags

    def _get_source_type(self) -> str:
        return "code"

    def load(self, dst_path: str | None = None) -> Any:
        """Refuse: only the code itself can make the dataset again.

        Raises:
            CannotLoad: Always.
        """
        name = self._tags.get("mlflow.source.name", "a script")
        raise CannotLoad(
            f"the dataset was made by code: '{name}'", hint="give source=... where the dataset is made"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded: the tags."""
        return {"tags": self._tags}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that `to_dict` told of."""
        return cls(source_dict.get("tags"))
