"""A repository with a store to fill by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.query.helpers import Store


@pytest.fixture
def store(repo: Path) -> Store:
    """The store of the current repository."""
    return Store(repo)
