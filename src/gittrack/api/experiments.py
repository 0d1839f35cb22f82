"""Experiments: each function is one call of a method of the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gittrack.api.active import client, experiment_id_now
from gittrack.record.values import as_count

if TYPE_CHECKING:
    from gittrack.entities.tracking import Experiment, PagedList


def create_experiment(
    name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None
) -> str:
    """Create an experiment and return its id; see `Client.create_experiment`."""
    return client().create_experiment(name, artifact_location, tags)


def get_experiment(experiment_id: str) -> Experiment:
    """Return an experiment; see `Client.get_experiment`."""
    return client().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Return the experiment of a name, or None; see `Client.get_experiment_by_name`."""
    return client().get_experiment_by_name(name)


def search_experiments(
    view_type: int = 1,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return all experiments that a filter lets through; see `Client.search_experiments`."""
    return _pages(
        None if max_results is None else as_count(max_results, "max_results"),
        lambda count, token: client().search_experiments(view_type, count, filter_string, order_by, token),
    )


def _pages(limit: int | None, ask: Callable[[int, str | None], PagedList[Experiment]]) -> list[Experiment]:
    found: list[Experiment] = []
    token = None
    while limit is None or len(found) < limit:
        answer = ask(min(50_000, (limit or 50_000) - len(found) if limit else 50_000), token)
        found += answer
        token = answer.token
        if not token:
            break
    return found


def delete_experiment(experiment_id: str) -> None:
    """Delete an experiment softly; see `Client.delete_experiment`."""
    client().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Take back the deletion of an experiment; see `Client.restore_experiment`."""
    client().restore_experiment(experiment_id)


def set_experiment_tag(key: str, value: Any) -> None:
    """Put a tag on the active experiment; see `Client.set_experiment_tag`."""
    client().set_experiment_tag(experiment_id_now(), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Put tags on the active experiment, all or none; see `Client.set_experiment_tags`."""
    client().set_experiment_tags(experiment_id_now(), tags)


def delete_experiment_tag(key: str) -> None:
    """Take a tag off the active experiment; see `Client.delete_experiment_tag`."""
    client().delete_experiment_tag(experiment_id_now(), key)
