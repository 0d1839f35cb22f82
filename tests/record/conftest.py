"""What the tests of recording share."""

from __future__ import annotations

import pytest

from gittrack.record import journal


@pytest.fixture
def no_flusher(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread that syncs journals: the steps of a run are the same however slow the machine is."""
    journal._flusher.journals.clear()  # what earlier tests have left behind
    flusher = journal._Flusher()
    monkeypatch.setattr(flusher, "start", lambda: None)
    monkeypatch.setattr(journal, "_flusher", flusher)
