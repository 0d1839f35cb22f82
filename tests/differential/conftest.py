"""The differential suite needs MLflow: without it the folder is passed over, unless GITTRACK_TEST_MLFLOW=1 asks."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from tests.differential.twins import Twins

if importlib.util.find_spec("mlflow") is None:
    if os.environ.get("GITTRACK_TEST_MLFLOW") == "1":
        raise RuntimeError(
            "GITTRACK_TEST_MLFLOW=1, but MLflow is not installed: pip install 'gittrack[mlflow]'"
        )
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    """MLflow and gittrack, each in a repository of its own."""
    return Twins(tmp_path)
