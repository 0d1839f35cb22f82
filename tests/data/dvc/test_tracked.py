"""Which paths DVC knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.data.dvc.tracked import DvcProject
from gittrack.record import dvc
from gittrack.record.project import Project
from tests.conftest import write
from tests.dvc_projects import aged, dvc_add, dvc_init, md5_of, put_object


@pytest.fixture
def project(repo: Path) -> DvcProject:
    """A DVC project with a file, a folder and a lock."""
    dvc_init(repo)
    dvc_add(repo, "data/train.csv", b"a,b\n")
    dvc_add(repo, "data/raw", {"x.txt": b"x", "sub/y.txt": b"y"})
    model = put_object(repo / ".dvc/cache", b"model")
    lock = f"schema: '2.0'\nstages:\n  s:\n    outs:\n    - {{path: m.bin, hash: md5, md5: {model}}}\n"
    lock += f"    - {{path: data/train.csv, hash: md5, md5: {'0' * 32}}}\n"
    write(repo, {"dvc.lock": lock})
    return of(repo)


def of(repo: Path, path: str = "x") -> DvcProject:
    found = dvc.project_of(repo, path, Project.find(repo).layout)
    assert found is not None
    return found


def test_files_folders_and_outs_of_stages_are_known(project: DvcProject) -> None:
    assert {path: entry.said_by for path, entry in project.tracked().items()} == {
        "data/train.csv": "data/train.csv.dvc",
        "data/raw": "data/raw.dvc",
        "m.bin": "dvc.lock",
    }
    assert project.lookup("data/train.csv").md5 == md5_of(b"a,b\n")


def test_a_file_in_a_folder_is_known_by_the_folders_list(project: DvcProject) -> None:
    assert project.lookup("data/raw/sub/y.txt").md5 == md5_of(b"y")
    assert project.lookup("data/raw/gone.txt") is None
    assert project.lookup("data/raw/sub") is None
    assert project.lookup("train.py") is None


def test_what_has_not_changed_is_not_read_again(project: DvcProject, repo: Path) -> None:
    aged(repo)
    before = project.tracked()

    def fail(content: bytes, what: str) -> dict[str, object]:
        raise AssertionError(what)

    assert DvcProject(repo, "", repo, project.layout, fail).tracked() == before


def test_a_change_is_seen(project: DvcProject, repo: Path) -> None:
    aged(repo)
    project.tracked()
    dvc_add(repo, "data/train.csv", b"other\n")
    dvc_add(repo, "new/more.csv", b"more\n")
    (repo / "data/raw.dvc").unlink()

    found = of(repo).tracked()

    assert found["data/train.csv"].md5 == md5_of(b"other\n")
    assert set(found) == {"data/train.csv", "new/more.csv", "m.bin"}


def test_a_damaged_memory_costs_time_only(project: DvcProject, repo: Path) -> None:
    aged(repo)
    before = project.tracked()
    for content in (
        b"",
        b"[]",
        b'{"folders": {"": 1}, "files": {"dvc.lock": [1]}}',
        b'{"folders": 3, "files": 4}',
    ):
        for path in project.layout.index.glob("dvc-files-*"):
            path.write_bytes(content)
        assert of(repo).tracked() == before


def test_one_file_that_cannot_be_read_costs_one_file(project: DvcProject, repo: Path) -> None:
    write(repo, {"bad.dvc": "outs: [", "tagged.dvc": "outs: !!python/name:x []", "empty.dvc": ""})
    (repo / "link.dvc").symlink_to("/etc/passwd")

    assert set(project.tracked()) == {"data/train.csv", "data/raw", "m.bin"}


def test_environments_and_what_dvc_keeps_itself_are_not_searched(project: DvcProject, repo: Path) -> None:
    stray = f"outs:\n- {{md5: {'1' * 32}, path: stray}}\n"
    write(
        repo,
        {"venv/pyvenv.cfg": "", "venv/a.dvc": stray, "data/raw/a.dvc": stray, ".dvc/tmp/a.dvc": stray},
    )

    assert set(project.tracked()) == {"data/train.csv", "data/raw", "m.bin"}


def test_a_project_in_a_folder_of_the_repository_is_found(repo: Path) -> None:
    dvc_init(repo / "sub")
    dvc_add(repo / "sub", "a.csv", b"a")

    found = of(repo, "sub/a.csv")

    assert (found.below, set(found.tracked())) == ("sub", {"sub/a.csv"})
    assert found.holds(md5_of(b"a"))
    assert dvc.project_of(repo, "a.csv", found.layout) is None


def test_a_link_in_place_of_dvcs_folder_is_no_project(repo: Path) -> None:
    dvc_init(repo / "evil")
    (repo / ".dvc").symlink_to("evil/.dvc")

    assert dvc.project_of(repo, "a.csv", Project.find(repo).layout) is None


def test_dvc_keeps_a_folder_only_with_all_of_its_files(project: DvcProject, repo: Path) -> None:
    md5 = project.lookup("data/raw").md5
    assert project.holds(md5)

    (repo / ".dvc/cache/files/md5" / md5_of(b"y")[:2] / md5_of(b"y")[2:]).unlink()

    assert not of(repo).holds(md5)


def test_the_folder_that_a_file_lies_in_is_its_owner(project: DvcProject) -> None:
    known = project.tracked()

    assert project.owner("data/raw/sub/y.txt", known) == known["data/raw"]
    assert project.owner("data/raw", known) == known["data/raw"]
    assert project.owner("data/train.csv/x", known) is None
    assert project.owner("data", known) is None
