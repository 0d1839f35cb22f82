from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.cli.demo import _what_next
from gittrack.demo import tour
from gittrack.errors import Conflict, NotFound
from tests.conftest import git


def test_the_tour_ends_with_an_identical_reproduction_of_the_best_of_nine_runs(tmp_path) -> None:
    folder = tmp_path / "tour"
    done = subprocess.run(
        [sys.executable, "-m", "gittrack", "demo", "--json", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert list(told) == ["runs", "best", "val_auc", "verdict", "seconds"]
    assert (told["runs"], told["verdict"]) == (9, "identical")
    assert 0.9 < told["val_auc"] < 1
    for command in (
        "python sweep.py",
        "gittrack commit",
        "gittrack sql",
        "gittrack repro " + told["best"][:12],
    ):
        assert f"$ {command}" in done.stderr
    assert len(git(folder, "ls-files", ".gittrack/runs/*/*/run.yaml").splitlines()) == 9
    names = json.loads(
        subprocess.run(
            [sys.executable, "-m", "gittrack", "sql", "--json", "select distinct path from artifacts order by path"],
            cwd=folder, capture_output=True, check=True,
        ).stdout
    )  # fmt: skip
    assert [row["path"] for row in names] == ["plots/calibration.png", "plots/confusion_matrix.png"]


def test_the_tour_does_not_touch_a_folder_with_something_in_it(tmp_path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        tour.play(folder, print, print)
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]


def test_the_tour_says_what_to_install_before_it_makes_anything(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tour, "_NEEDED", ("no_such_library",))
    with pytest.raises(NotFound, match="no_such_library") as caught:
        tour.play(tmp_path / "tour", print, print)
    assert caught.value.hint == "pip install 'gittrack[demo]'"
    assert not (tmp_path / "tour").exists()


def test_the_tour_says_how_to_go_on_where_gittrack_is_not_on_the_path(tmp_path, monkeypatch) -> None:
    (tmp_path / "activate").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    assert _what_next(Path("my tour")).startswith(f". {tmp_path}/activate && cd 'my tour', ")
    (tmp_path / "gittrack").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _what_next(Path("tour")).startswith("cd tour, ")
