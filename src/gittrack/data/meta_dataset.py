"""Datasets of which only the source is known."""

from __future__ import annotations

import json
from typing import Any

from gittrack.data.dataset import Dataset
from gittrack.data.dataset_source import DatasetSource
from gittrack.store import digest as digests


class MetaDataset(Dataset):
    """A source with a name and a schema; without a digest given, it is that of these, not of the content."""

    def __init__(
        self,
        source: DatasetSource,
        name: str | None = None,
        digest: str | None = None,
        schema: Any | None = None,
    ) -> None:
        self._schema = schema
        super().__init__(source, name, digest)

    def _compute_digest(self) -> str:
        told = {
            "name": self.name,
            "source": self.source.to_json(),
            "source_type": self._get_source_type(),
            "schema": self._schema.to_dict() if self._schema else "",
        }
        return digests.of_bytes(json.dumps(told).encode())

    @property
    def schema(self) -> Any | None:
        """Its columns, if the maker told them."""
        return self._schema

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded; source and schema are JSON text."""
        if not self._schema:
            return super().to_dict()
        return {**super().to_dict(), "schema": json.dumps({"mlflow_colspec": self._schema.to_dict()})}
