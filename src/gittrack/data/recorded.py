"""Datasets on their way into a record, and back from one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gittrack.data import schema as schemas
from gittrack.data.code_dataset_source import CodeDatasetSource
from gittrack.data.dataset import Dataset
from gittrack.data.dataset_source import DatasetSource
from gittrack.data.dataset_source_registry import get_dataset_source_from_json
from gittrack.entities import tracking
from gittrack.errors import InvalidValue


class RecordedDataset(Dataset):
    """A dataset as a run recorded it: everything but the content."""

    def __init__(self, entity: tracking.Dataset) -> None:
        self._entity = entity
        super().__init__(
            get_dataset_source_from_json(entity.source, entity.source_type), entity.name, entity.digest
        )

    @property
    def schema(self) -> schemas.Schema | schemas.TensorDatasetSchema | None:
        """Its columns or arrays, None if they are not known."""
        return schemas.parse(self._entity.schema)

    @property
    def profile(self) -> Any | None:
        """Numbers about it, None if there are none."""
        return json.loads(self._entity.profile or "null")

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded."""
        return {**super().to_dict(), "schema": self._entity.schema, "profile": self._entity.profile}


def as_entity(
    dataset: Dataset, tags: Mapping[str, str] | None = None, *, context: Mapping[str, str] | None = None
) -> tracking.DatasetInput:
    """Return what is recorded of a run's use of a dataset.

    Args:
        dataset: The dataset; one made with MLflow will do.
        tags: On the use.
        context: Tags of the run; they complete a code source.

    Raises:
        InvalidValue: It is no dataset.
    """
    if not callable(getattr(dataset, "to_dict", None)) or not hasattr(dataset, "digest"):
        raise InvalidValue(
            f"a {type(dataset).__name__} is no dataset", hint="gittrack.data.from_pandas(df, source=...)"
        )
    told = dataset.to_dict()
    source = told["source"]
    if context and isinstance(dataset.source, CodeDatasetSource):
        source = CodeDatasetSource({**context, **dataset.source.tags}).to_json()
    entity = tracking.Dataset(
        name=told["name"],
        digest=told["digest"],
        source_type=told["source_type"],
        source=source,
        schema=told.get("schema"),
        profile=told.get("profile"),
    )
    return tracking.DatasetInput(
        entity, [tracking.InputTag(key, str(value)) for key, value in (tags or {}).items()]
    )


def from_entity(entity: tracking.Dataset | tracking.DatasetInput) -> RecordedDataset:
    """Return the dataset that is recorded.

    Raises:
        NotFound: Nobody knows sources of its kind.
    """
    return RecordedDataset(entity.dataset if isinstance(entity, tracking.DatasetInput) else entity)


def get_source(dataset: Dataset | tracking.Dataset | tracking.DatasetInput) -> DatasetSource:
    """Return where a dataset came from, whether made here or read from a run.

    Raises:
        InvalidValue: It is no dataset.
        NotFound: Nobody knows sources of its kind.
    """
    if isinstance(dataset, tracking.Dataset | tracking.DatasetInput):
        return from_entity(dataset).source
    source = getattr(dataset, "source", None)
    if not isinstance(source, DatasetSource):
        raise InvalidValue(
            f"a {type(dataset).__name__} is no dataset", hint="run.inputs.dataset_inputs[0], for example"
        )
    return source
