"""Datasets that polars holds."""

from __future__ import annotations

from typing import Any

from gittrack.data import schema, tables
from gittrack.data.dataset import TableDataset
from gittrack.data.dataset_source_registry import resolve_dataset_source
from gittrack.errors import InvalidValue


class PolarsDataset(TableDataset):
    """A polars frame; see `gittrack.data.tables.of_polars` for its digest."""

    def _compute_digest(self) -> str:
        return tables.of_polars(self._df)

    def _infer_schema(self) -> schema.Schema | None:
        columns = self._df.get_columns()
        return schema.of_arrow(self._df.columns, [[tables.arrow_of_polars(column)] for column in columns])


def from_polars(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PolarsDataset:
    """Return the dataset that a polars frame is.

    Args:
        df: The `polars.DataFrame`.
        source: A path, a URI or a source; by default the script that is running.
        targets: The name of the target column.
        name: By default `dataset`.
        digest: By default the SHA-256 over all of the frame.
        predictions: The name of the column with a model's predictions.

    Raises:
        InvalidValue: It is no frame, has no such column, or holds objects that cannot be digested.
    """
    if not hasattr(df, "get_columns"):
        hint = ".collect()" if hasattr(df, "collect") else "polars.DataFrame(...)"
        raise InvalidValue(f"a {type(df).__name__} is no polars DataFrame", hint=hint)
    return PolarsDataset(df, resolve_dataset_source(source), targets, name, digest, predictions)
