"""Datasets that numpy holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gittrack.data import schema, tables
from gittrack.data.dataset import Dataset
from gittrack.data.dataset_source import DatasetSource
from gittrack.data.dataset_source_registry import resolve_dataset_source
from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]


class NumpyDataset(Dataset):
    """Arrays, or named ones, of features and targets; see `gittrack.data.tables.of_arrays` for the digest."""

    def __init__(
        self,
        features: Arrays,
        source: DatasetSource,
        targets: Arrays | None = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        self._features = features
        self._targets = targets
        super().__init__(source, name, digest)

    def _compute_digest(self) -> str:
        return tables.of_arrays(self._features, self._targets)

    @property
    def features(self) -> Arrays:
        """The features."""
        return self._features

    @property
    def targets(self) -> Arrays | None:
        """The targets, or None."""
        return self._targets

    @property
    def profile(self) -> dict[str, Any]:
        """Shape, number of elements and bytes of each array."""
        parts = {"features": self._features, "targets": self._targets}
        return {
            f"{part}_{fact}": _fact(arrays, fact)
            for part, arrays in parts.items()
            if arrays is not None
            for fact in ("shape", "size", "nbytes")
        }

    @cached_property
    def schema(self) -> schema.TensorDatasetSchema | None:
        """Type and shape of each array, None when one of them has no dimension."""
        features = schema.of_arrays(self._features)
        targets = None if self._targets is None else schema.of_arrays(self._targets)
        if features is None or (targets is None and self._targets is not None):
            return None
        return schema.TensorDatasetSchema(features, targets)

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded; source, schema and profile are JSON text."""
        shapes = None if self.schema is None else json.dumps(self.schema.to_dict())
        return {**super().to_dict(), "schema": shapes, "profile": json.dumps(self.profile)}


def from_numpy(
    features: Arrays,
    source: Any = None,
    targets: Arrays | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> NumpyDataset:
    """Return the dataset that arrays are.

    Args:
        features: An array, or arrays by name.
        source: A path, a URI or a source; by default the script that is running.
        targets: An array, or arrays by name.
        name: By default `dataset`.
        digest: By default the SHA-256 over all of the arrays.

    Raises:
        InvalidValue: They are no arrays, or hold objects that cannot be digested.
    """
    for arrays in (features, targets):
        if arrays is not None:
            _check(arrays)
    return NumpyDataset(features, resolve_dataset_source(source), targets, name, digest)


def _check(arrays: Any) -> None:
    import numpy as np

    for array in arrays.values() if isinstance(arrays, Mapping) else (arrays,):
        if not isinstance(array, np.ndarray):
            raise InvalidValue(f"a {type(array).__name__} is no numpy array", hint="numpy.asarray(...)")


def _fact(arrays: Any, name: str) -> Any:
    if isinstance(arrays, Mapping):
        return {key: getattr(array, name) for key, array in arrays.items()}
    return getattr(arrays, name)
