"""Packages of conda: compared, and never rebuilt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gittrack.entities.record import RunRecord
from gittrack.record import environment, pythons
from gittrack.record.pythons import Python
from gittrack.repro.differences import Difference, compare_environment
from gittrack.repro.environments import _without_conda, matters
from gittrack.repro.pins import recipe
from gittrack.repro.suspects import Evidence, rank
from tests.conftest import write
from tests.repro.helpers import planned, recorded

BUILDS = {"mkl": "2024.1 h_691", "openssl": "3.3.0 h_0", "numpy": "1.26.4 py311_0", "python": "3.11.7 h_0"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with what conda leaves of its packages."""
    for name, build in BUILDS.items():
        put(tmp_path / "conda", name, build)
    return tmp_path / "conda"


def put(home: Path, name: str, build: str) -> None:
    write(home / "conda-meta", {f"{name}-{build.replace(' ', '-')}.json": "{}"})


def python(home: Path) -> Python:
    """Return the present interpreter as if it lay in another environment."""
    return pythons.own()._replace(prefix=str(home))


def compared(before: dict[str, Any], home: Path) -> list[tuple[str, str | None, str | None]]:
    present = environment.capture(python=python(home))
    return [(one.name, one.old, one.new) for one in compare_environment(before, present=present)]


def test_a_package_of_conda_that_differs_is_named_and_one_that_does_not_is_not(home: Path) -> None:
    before = environment.capture(python=python(home))
    assert (before["conda"], compared(before, home)) == (BUILDS, [])
    (home / "conda-meta/mkl-2024.1-h_691.json").unlink()
    put(home, "mkl", "2025.0 h_1")
    put(home, "zlib", "1.3 h_0")
    assert compared(before, home) == [
        ("mkl (conda)", "2024.1 h_691", "2025.0 h_1"),
        ("zlib (conda)", None, "1.3 h_0"),
    ]


def test_a_distribution_of_another_version_is_named_once(home: Path) -> None:
    before = environment.capture(python=python(home))
    before["distributions"]["numpy"], before["conda"]["numpy"] = "1.0", "1.0 py311_0"
    assert [name for name, _, _ in compared(before, home)] == ["numpy"]


def test_an_environment_without_conda_is_one_difference(home: Path, tmp_path: Path) -> None:
    before = environment.capture(python=python(home))
    assert compared(before, tmp_path / "bare") == [("conda packages", "4 packages", None)]


def test_a_record_of_no_conda_says_nothing_of_it(home: Path, tmp_path: Path) -> None:
    assert compared(environment.capture(python=python(tmp_path / "bare")), home) == []


def test_a_library_of_conda_that_computes_is_suspected_before_others(run: RunRecord) -> None:
    names = ("zlib (conda)", "libopenblas (conda)", "conda packages")
    found = rank(Evidence(run, tuple(Difference("environment", name, "1", "2") for name in names)))
    assert found[0].name == "libopenblas (conda)"


@pytest.fixture
def run(repo: Path) -> RunRecord:
    """A small job's run."""
    return recorded(repo)


def test_auto_does_not_rebuild_for_what_a_rebuilt_environment_has_not(repo: Path, run: RunRecord) -> None:
    plan = replace(planned(repo, run), differences=(Difference("environment", "mkl (conda)", "1", "2"),))
    assert matters(plan) == ()


def test_a_rebuilt_environment_says_what_of_conda_it_lacks(home: Path) -> None:
    before = environment.capture(python=python(home))
    before["distributions"] = {"numpy": "1.26.4"}
    [found] = _without_conda(before, recipe(before, own={}, inside={}))
    assert (found.name, found.old, found.new) == ("conda packages", "mkl, openssl", None)
