"""What would run is seen whole before anybody agrees to it."""

from __future__ import annotations

import io
import sys

import pytest

from gittrack.cli import consent
from gittrack.errors import Conflict


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def person(monkeypatch: pytest.MonkeyPatch, answer: str) -> Terminal:
    """A person at a terminal who types `answer`; returns what the person sees."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    return screen


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y\n", True), ("YES\n", True), ("\n", False), ("", False), ("no\n", False)]
)
def test_only_yes_is_consent(monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool) -> None:
    screen = person(monkeypatch, answer)

    assert consent.ask(["python train.py"], run="3f2a") is agreed
    assert "python train.py\n" in screen.getvalue()


@pytest.mark.parametrize(
    "argument",
    ["\r\x1b[2Kpython train.py", "\u202egnp.exe", "echo" + " " * 100_000 + "; rm -rf ~", "\x9b1A"],
    ids=["line wiped", "right to left", "pushed out of sight", "cursor moved"],
)
def test_a_command_cannot_hide_itself(monkeypatch: pytest.MonkeyPatch, argument: str) -> None:
    screen = person(monkeypatch, "\n")
    consent.ask([argument], run="3f2a")

    text = screen.getvalue()
    assert not {"\r", "\x1b", "\u202e", "\x9b"} & set(text)
    assert " " * 20 not in text


def test_a_command_too_long_to_be_seen_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    person(monkeypatch, "y\n")
    with pytest.raises(Conflict, match="too long") as caught:
        consent.ask(["echo " + "x" * 100_000], run="3f2a")

    assert caught.value.hint is not None
    assert "--yes" in caught.value.hint


def test_without_a_terminal_nothing_starts_and_yes_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(Conflict, match="no terminal") as caught:
        consent.ask(["python train.py"], run="3f2a")

    assert "--yes" in str(caught.value.hint)
    assert "python train.py" in capsys.readouterr().err
