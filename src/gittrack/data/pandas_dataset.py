"""Datasets that pandas holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gittrack.data import schema, tables
from gittrack.data.dataset import TableDataset
from gittrack.data.dataset_source_registry import resolve_dataset_source
from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import pandas as pd


class PandasDataset(TableDataset):
    """A pandas frame; see `gittrack.data.tables.of_pandas` for its digest."""

    def _compute_digest(self) -> str:
        return tables.of_pandas(self._df)

    def _infer_schema(self) -> schema.Schema | None:
        return schema.of_pandas(self._df)


def from_pandas(
    df: pd.DataFrame,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """Return the dataset that a pandas frame is.

    Args:
        df: The frame.
        source: A path, a URI or a source; by default the script that is running.
        targets: The name of the target column.
        name: By default `dataset`.
        digest: By default the SHA-256 over all of the frame.
        predictions: The name of the column with a model's predictions.

    Raises:
        InvalidValue: It is no frame, has no such column, or holds objects that cannot be digested.
    """
    import pandas as pd

    if not isinstance(df, pd.DataFrame):
        hint = ".to_frame()" if isinstance(df, pd.Series) else "pandas.DataFrame(...)"
        raise InvalidValue(f"a {type(df).__name__} is no pandas DataFrame", hint=hint)
    return PandasDataset(df, resolve_dataset_source(source), targets, name, digest, predictions)
