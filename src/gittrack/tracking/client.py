"""The client: every call takes the id of what it is about."""

from __future__ import annotations

from pathlib import Path

from gittrack.tracking.run_artifacts import ArtifactCalls


class Client(ArtifactCalls):
    """Experiments, runs and artifacts of a repository, by id; MLflow's client.

    Args:
        tracking_uri: The top of a git working tree, as a path or `file:` URI; the one around the current folder
            without it.
        registry_uri: MLflow's; there is no registry apart from the repository.

    Raises:
        InvalidValue: `tracking_uri` points anywhere else.
    """

    def __init__(
        self, tracking_uri: str | Path | None = None, registry_uri: str | Path | None = None
    ) -> None:
        super().__init__(tracking_uri)
        del registry_uri


MlflowClient = Client
