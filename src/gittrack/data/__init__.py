"""Files, folders and tables as inputs and outputs of runs.

A folder's digest is that of its *manifest*: a text of lines `DIGEST  PATH`, sorted by path, which `sha256sum -c`
understands and which is itself kept as content. A *dataset* is a named input with the digest of its content, whatever
library holds it; its *source* says where it came from, its *schema* what columns or arrays it has, its *profile* how
large it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gittrack.data.arrow_dataset import ArrowDataset, from_arrow
    from gittrack.data.dataset import Dataset
    from gittrack.data.meta_dataset import MetaDataset
    from gittrack.data.numpy_dataset import NumpyDataset, from_numpy
    from gittrack.data.pandas_dataset import PandasDataset, from_pandas
    from gittrack.data.polars_dataset import PolarsDataset, from_polars
    from gittrack.data.recorded import as_entity, from_entity, get_source
    from gittrack.data.sources import (
        CodeDatasetSource,
        DatasetSource,
        FileSystemDatasetSource,
        HTTPDatasetSource,
        LocalArtifactDatasetSource,
    )

__all__ = [
    "ArrowDataset",
    "CodeDatasetSource",
    "Dataset",
    "DatasetSource",
    "FileSystemDatasetSource",
    "HTTPDatasetSource",
    "LocalArtifactDatasetSource",
    "MetaDataset",
    "NumpyDataset",
    "PandasDataset",
    "PolarsDataset",
    "as_entity",
    "from_arrow",
    "from_entity",
    "from_numpy",
    "from_pandas",
    "from_polars",
    "get_source",
]

_PLACES = {
    "arrow_dataset": ("ArrowDataset", "from_arrow"),
    "dataset": ("Dataset",),
    "meta_dataset": ("MetaDataset",),
    "numpy_dataset": ("NumpyDataset", "from_numpy"),
    "pandas_dataset": ("PandasDataset", "from_pandas"),
    "polars_dataset": ("PolarsDataset", "from_polars"),
    "recorded": ("as_entity", "from_entity", "get_source"),
    "sources": (
        "CodeDatasetSource",
        "DatasetSource",
        "FileSystemDatasetSource",
        "HTTPDatasetSource",
        "LocalArtifactDatasetSource",
    ),
    "code_dataset_source": (),
    "dataset_source": (),
    "dataset_source_registry": (),
    "filesystem_dataset_source": (),
    "http_dataset_source": (),
}
_HOME = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load what has to do with datasets when it is first asked for: every training imports this room."""
    if name in _PLACES:
        return import_module(f"gittrack.data.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"gittrack.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
