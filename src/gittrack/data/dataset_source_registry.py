"""From what a user gives as a source, and from what is recorded of one, to the source."""

from __future__ import annotations

import json
from typing import Any

from gittrack.data.code_dataset_source import CodeDatasetSource
from gittrack.data.dataset_source import DatasetSource
from gittrack.data.filesystem_dataset_source import FileSystemDatasetSource, LocalArtifactDatasetSource
from gittrack.data.http_dataset_source import HTTPDatasetSource
from gittrack.errors import InvalidValue, NotFound

_sources: list[type[DatasetSource]] = [
    CodeDatasetSource,
    FileSystemDatasetSource,
    LocalArtifactDatasetSource,
    HTTPDatasetSource,
]
_KINDS: dict[str, type[DatasetSource]] = {
    "code": CodeDatasetSource,
    "local": LocalArtifactDatasetSource,
    "http": HTTPDatasetSource,
}


def register_dataset_source(source: type[DatasetSource]) -> None:
    """Make a kind of source known; it goes before those known so far.

    Args:
        source: A class whose `_get_source_type`, `_can_resolve` and `_resolve` can be called without an instance.
    """
    _sources.append(source)
    _KINDS[source._get_source_type()] = source  # type: ignore[call-arg]  # static in such a class


def get_registered_sources() -> list[type[DatasetSource]]:
    """Return the kinds of sources that are known."""
    return list(_sources)


def resolve_dataset_source(raw_source: Any) -> DatasetSource:
    """Return the source with an address; without one, the script that is running.

    Args:
        raw_source: A path, a URI, a source, or None.

    Raises:
        InvalidValue: No kind of source has such addresses.
    """
    if raw_source is None:
        return CodeDatasetSource.of_this_process()
    if isinstance(raw_source, DatasetSource):
        return raw_source
    for kind in reversed(_sources):
        if kind._can_resolve(raw_source):
            return kind._resolve(raw_source)
    raise InvalidValue(
        f"{raw_source!r:.200} is no source of a dataset", hint="a path, a URI or a DatasetSource"
    )


def get_dataset_source_from_json(source_json: str, source_type: str) -> DatasetSource:
    """Return the source that is recorded.

    Raises:
        NotFound: Nobody knows sources of this kind.
        InvalidValue: What is recorded is not of this kind.
    """
    try:
        recorded = json.loads(source_json)
    except ValueError as error:
        raise InvalidValue(f"the source of a dataset is no JSON: {source_json!r:.200}") from error
    if source_type in _KINDS:
        return _KINDS[source_type].from_dict(recorded)
    if isinstance(recorded, dict) and set(recorded) == {"uri"}:
        return FileSystemDatasetSource.from_dict(recorded)
    raise NotFound(
        f"no source of the kind '{source_type}' is known",
        hint="gittrack.data.dataset_source_registry.register_dataset_source(...)",
    )
