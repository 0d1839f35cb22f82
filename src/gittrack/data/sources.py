"""The kinds of sources, in one place."""

from gittrack.data.code_dataset_source import CodeDatasetSource
from gittrack.data.dataset_source import CannotLoad, DatasetSource
from gittrack.data.filesystem_dataset_source import FileSystemDatasetSource, LocalArtifactDatasetSource
from gittrack.data.http_dataset_source import HTTPDatasetSource

__all__ = [
    "CannotLoad",
    "CodeDatasetSource",
    "DatasetSource",
    "FileSystemDatasetSource",
    "HTTPDatasetSource",
    "LocalArtifactDatasetSource",
]
