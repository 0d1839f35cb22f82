"""Datasets: named inputs of runs, known by the digest of their content."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

from gittrack.data.dataset_source import DatasetSource
from gittrack.errors import InvalidValue


class Dataset:
    """A named input with a digest, a source, a schema and a profile.

    The digest is taken when the dataset is made: what is changed in the data afterwards does not count.

    Source: the names and their meaning are those of MLflow 3's `mlflow.data`.
    """

    def __init__(self, source: DatasetSource, name: str | None = None, digest: str | None = None) -> None:
        self._name = name
        self._source = source
        self._digest = digest or self._compute_digest()

    def _compute_digest(self) -> str:
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name, by default `dataset`."""
        return "dataset" if self._name is None else self._name

    @property
    def digest(self) -> str:
        """SHA-256 over all of the content, 64 hex digits, or what the maker gave."""
        return self._digest

    @property
    def source(self) -> DatasetSource:
        """Where it came from."""
        return self._source

    @property
    def schema(self) -> Any | None:
        """Its columns or arrays, None if they are not known."""
        return None

    @property
    def profile(self) -> Any | None:
        """Numbers about it, None if there are none."""
        return None

    def _get_source_type(self) -> str:
        return self.source._get_source_type()

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded; source, schema and profile are JSON text."""
        return {
            "name": self.name,
            "digest": self.digest,
            "source": self.source.to_json(),
            "source_type": self._get_source_type(),
        }

    def to_json(self) -> str:
        """Return what is recorded as JSON text."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name} {self.digest:.12}>"


class TableDataset(Dataset):
    """A table, whichever library holds it; one of its columns may be the target, one a model's predictions."""

    def __init__(
        self,
        df: Any,
        source: DatasetSource,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
        predictions: str | None = None,
    ) -> None:
        self._df = df
        self._targets = targets
        self._predictions = predictions
        for column in (targets, predictions):
            if column is not None and column not in self._columns():
                raise InvalidValue(
                    f"the table has no column '{column}'",
                    hint=f"one of {', '.join(map(str, self._columns()))}"[:200],
                )
        super().__init__(source, name, digest)

    def _columns(self) -> list[Any]:
        return list(self._df.columns)

    @property
    def df(self) -> Any:
        """The table."""
        return self._df

    @property
    def targets(self) -> str | None:
        """The name of the target column, or None."""
        return self._targets

    @property
    def predictions(self) -> str | None:
        """The name of the column of predictions, or None."""
        return self._predictions

    @property
    def profile(self) -> dict[str, int]:
        """The numbers of rows and of cells."""
        rows, columns = self._df.shape
        return {"num_rows": rows, "num_elements": rows * columns}

    @cached_property
    def schema(self) -> Any | None:
        """Its columns, None when it has none."""
        return self._infer_schema()

    def _infer_schema(self) -> Any | None:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded; source, schema and profile are JSON text."""
        schema = None if self.schema is None else json.dumps({"mlflow_colspec": self.schema.to_dict()})
        return {**super().to_dict(), "schema": schema, "profile": json.dumps(self.profile)}
