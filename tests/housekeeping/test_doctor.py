"""What may go wrong with data that DVC keeps, told before it does."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from gittrack import config
from gittrack.entities.record import RunRecord
from gittrack.errors import NotFound
from gittrack.housekeeping import dvc as dvc_data
from gittrack.housekeeping.doctor import Diagnosis, examine
from gittrack.housekeeping.keep import keep
from gittrack.record import origin
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.cli.conftest import program
from tests.conftest import commit_all, write
from tests.dvc_projects import dvc_add, dvc_init, md5_of, object_path, put_object
from tests.repro.helpers import gittrack, job, originals, session_of

FOLDER = {"x.txt": b"x", "sub/y.txt": b"y"}


@pytest.fixture
def root(repo: Path) -> Path:
    """A DVC project with a run that read a file and a folder, both as HEAD names them."""
    origin._forget()
    dvc_init(repo)
    dvc_add(repo, "data/train.csv", b"1\n")
    dvc_add(repo, "data/raw", FOLDER)
    commit_all(repo, "data")
    train(repo, "data/train.csv", "data/raw", "data/raw/x.txt")
    return repo


def train(root: Path, *paths: str) -> None:
    project = Project.find(root)
    with ActiveRun.begin(project, project.config(), config.surroundings()) as run:
        assert {run.log_data(path).kept_by for path in paths} == {"dvc"}


def examined(root: Path) -> Diagnosis:
    project = Project.find(root)
    return examine(project.repository, project.layout, runs(root))


def runs(root: Path) -> list[RunRecord]:
    return originals(root)


def codes(root: Path) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in examined(root).findings if found.severity != "untidy"]


def move_on(root: Path) -> None:
    """Commit other data at the same paths."""
    dvc_add(root, "data/train.csv", b"2\n")
    dvc_add(root, "data/raw", {"x.txt": b"other"})
    commit_all(root, "other data")


def test_nothing_is_at_risk_while_head_names_it(root) -> None:
    assert codes(root) == []
    assert examined(root).exit_code == 0


def test_data_that_only_runs_name_is_told_with_what_keeps_it(root) -> None:
    move_on(root)
    found = [one for one in examined(root).findings if one.severity != "untidy"]

    assert [(one.code, one.path) for one in found] == [
        ("dvc-gc-would-delete", "data/raw"),
        ("dvc-gc-would-delete", "data/raw/x.txt"),
        ("dvc-gc-would-delete", "data/train.csv"),
    ]
    assert found[2].remedy == "gittrack keep data/train.csv"
    assert found[2].run == runs(root)[0].run_id
    assert md5_of(b"1\n") in found[2].what
    assert examined(root).exit_code == 4


def test_what_is_kept_is_at_risk_no_longer(root) -> None:
    move_on(root)
    project = Project.find(root)
    done = list(dvc_data.keep(project.repository, project.layout, dvc_data.named_by(runs(root))))

    assert [kept for _, kept in done] == [True, True, True]
    assert codes(root) == []
    files = FileStore(project.layout)
    assert all(dvc_data.is_here(entry, files) for run in runs(root) for entry in run.data)


def test_the_command_that_doctor_names_keeps_what_runs_read(root) -> None:
    move_on(root)
    for found in examined(root).findings:
        if found.severity != "untidy":
            gittrack(root, *shlex.split(found.remedy)[1:])

    assert codes(root) == []


def test_what_dvc_has_is_kept_when_nothing_lies_there_any_more(root) -> None:
    move_on(root)
    (root / "data/train.csv").unlink()

    kept = keep(session_of(root), root / "data/train.csv")

    (run,) = runs(root)
    assert (kept.digest, kept.dvc, kept.gone) == (None, (md5_of(b"1\n"),), ())
    assert (kept.runs, kept.others) == ((run.run_id,), ())
    assert "data/train.csv" not in dict(codes(root)).values()


def test_what_dvc_has_no_longer_is_named(root) -> None:
    object_path(root / ".dvc/cache", md5_of(b"1\n")).unlink()
    dvc_add(root, "data/train.csv", b"2\n")
    said = gittrack(root, "keep", "data/train.csv")
    assert f"a run read data/train.csv as DVC's {md5_of(bytes([49, 10]))}" in said

    (root / "data/train.csv").unlink()
    with pytest.raises(NotFound, match="no longer") as caught:
        keep(session_of(root), root / "data/train.csv")
    assert caught.value.hint == "dvc fetch --all-commits"


def test_of_a_folder_only_what_runs_read_is_at_risk_and_kept(root) -> None:
    write(root, {"job.py": "import gittrack\nwith gittrack.start_run(): open('data/many/a').read()\n"})
    dvc_add(root, "data/many", {"a": b"a", "b": b"b"})
    commit_all(root, "many")
    job(root, "python", "job.py")
    object_path(root / ".dvc/cache", md5_of(b"b")).unlink()
    dvc_add(root, "data/many", {"a": b"other"})
    commit_all(root, "other data")
    assert codes(root) == [("dvc-gc-would-delete", "data/many")]

    assert len(keep(session_of(root), root / "data/many").dvc) == 1
    assert codes(root) == []
    assert FileStore(Project.find(root).layout).has(digests.of_bytes(b"a"))


def test_a_damaged_object_is_not_kept(root) -> None:
    path = object_path(root / ".dvc/cache", md5_of(b"1\n"))
    path.chmod(0o644)
    path.write_bytes(b"x\n")
    project = Project.find(root)
    done = dvc_data.keep(project.repository, project.layout, dvc_data.named_by(runs(root)))

    assert {one.entry.path: kept for one, kept in done}["data/train.csv"] is False
    assert not FileStore(project.layout).has(runs(root)[0].data[-1].digest)


def test_data_that_is_gone_is_told(root) -> None:
    object_path(root / ".dvc/cache", md5_of(b"y")).unlink()

    assert codes(root) == [("dvc-data-gone", "data/raw")]


def test_a_lock_at_head_names_data_wherever_its_stage_runs(root) -> None:
    move_on(root)
    lock = "schema: '2.0'\nstages:\n  s:\n    deps:\n"
    lock += f"    - {{path: ../../x, md5: {md5_of(b'1' + bytes([10]))}}}\n"
    write(root, {"dvc.lock": lock})
    commit_all(root, "lock")

    assert ("dvc-gc-would-delete", "data/train.csv") not in codes(root)


def test_a_remote_that_cannot_be_read_here_is_told_without_its_secrets(root) -> None:
    write(
        root, {".dvc/config.local": "['remote \"o\"']\nurl = azure://ada:geheim@box/x\npassword = geheim\n"}
    )
    told = [found for found in examined(root).findings if found.code == "no-remote-package"]

    assert [found.path for found in told] == ["azure://box/x"]
    assert "geheim" not in str(told)
    assert told[0].remedy.startswith("pip install ")


def test_the_command_tells_it_and_exits_by_it(root, monkeypatch) -> None:
    monkeypatch.chdir(root)
    before = program("doctor")
    assert before.returncode == 0, before.stderr

    move_on(root)
    put_object(root / ".dvc/cache", b"unrelated")
    after, as_json = program("doctor"), program("doctor", "--json")

    assert (after.returncode, as_json.returncode) == (4, 4)
    assert "dvc-gc-would-delete: data/train.csv" in after.stdout
    assert "  gittrack keep data/train.csv\n" in after.stdout
    assert '"code": "dvc-gc-would-delete"' in as_json.stdout


def test_outside_of_a_dvc_project_nothing_is_at_risk(repo) -> None:
    assert codes(repo) == []
