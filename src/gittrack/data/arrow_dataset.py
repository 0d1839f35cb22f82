"""Datasets that Arrow holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gittrack.data import schema, tables
from gittrack.data.dataset import TableDataset
from gittrack.data.dataset_source_registry import resolve_dataset_source
from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowDataset(TableDataset):
    """An Arrow table; see `gittrack.data.tables.of_arrow` for its digest."""

    def _columns(self) -> list[Any]:
        return list(self._df.column_names)

    def _compute_digest(self) -> str:
        return tables.of_arrow(self._df)

    def _infer_schema(self) -> schema.Schema | None:
        import pyarrow as pa

        chunks = [column.chunks or [pa.nulls(0, column.type)] for column in self._df.columns]
        return schema.of_arrow(self._df.column_names, chunks)


def from_arrow(
    table: pa.Table,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> ArrowDataset:
    """Return the dataset that an Arrow table is, or a batch of one, or whatever offers itself as an Arrow stream.

    Args:
        table: The `pyarrow.Table`.
        source: A path, a URI or a source; by default the script that is running.
        targets: The name of the target column.
        name: By default `dataset`.
        digest: By default the SHA-256 over all of the table.
        predictions: The name of the column with a model's predictions.

    Raises:
        InvalidValue: It is no table, has no such column, or holds values that cannot be digested.
    """
    import pyarrow as pa

    if not isinstance(table, pa.Table):
        try:
            table = pa.table(table)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InvalidValue(
                f"a {type(table).__name__} is no Arrow table", hint="pyarrow.table(...)"
            ) from error
    return ArrowDataset(table, resolve_dataset_source(source), targets, name, digest, predictions)
