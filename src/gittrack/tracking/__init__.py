"""What MLflow calls tracking: a client for experiments, runs and artifacts by id, and which repository is meant.

The fluent functions of `gittrack` are shortcuts to the methods of `Client` and of the active run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gittrack.data.fetchers import FETCHERS
from gittrack.tracking.projects import get_tracking_uri, is_tracking_uri_set, set_tracking_uri

if TYPE_CHECKING:
    from gittrack.tracking.client import Client, MlflowClient

__all__ = [
    "Client",
    "MlflowClient",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_tracking_uri",
]


def _fetch_artifact(uri: str, folder: str | None) -> str:
    from gittrack.tracking import artifacts
    from gittrack.tracking.client import Client

    return Client().download_artifacts(*artifacts.parse_uri(uri), folder)


FETCHERS["runs"] = _fetch_artifact  # a dataset may come from what another run put out


def __getattr__(name: str) -> Any:
    """Load the client when it is first asked for: a training that only records never does."""
    if name not in ("Client", "MlflowClient"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gittrack.tracking import client

    return getattr(client, name)
