"""The command reference cannot rot."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from gittrack.cli.group import COMMANDS, SECTIONS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_what_the_help_says_now() -> None:
    made = runpy.run_path(str(DOCS / "make_cli_reference.py"))["reference"]()

    assert (DOCS / "cli.md").read_text(encoding="utf-8") == made, "run: python docs/make_cli_reference.py"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_in_the_reference(name: str) -> None:
    assert f"### gittrack {name}\n" in (DOCS / "cli.md").read_text(encoding="utf-8")


def test_each_purpose_is_a_chapter() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")

    assert all(f"## {title}\n" in page for title in SECTIONS)
