"""The client under the module name that scripts for MLflow import it from."""

from __future__ import annotations

from gittrack.tracking.client import Client, MlflowClient

__all__ = ["Client", "MlflowClient"]
