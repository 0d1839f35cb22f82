"""Data that DVC keeps, in the record of a run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack import config
from gittrack.data import hashing
from gittrack.entities.record import DataFile
from gittrack.errors import Damaged, NotFound, RecordingWarning
from gittrack.housekeeping import gc
from gittrack.record import format as formats
from gittrack.record import origin
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, write
from tests.dvc_projects import dvc_add, dvc_init, md5_of, object_path
from tests.repro.helpers import again, gittrack, job, originals


@pytest.fixture(params=[False, True], ids=["dvc 3", "dvc 2"])
def old(request) -> bool:
    return request.param


@pytest.fixture
def root(repo: Path, old: bool) -> Path:
    """A DVC project with a file and a folder, all of it committed."""
    origin._forget()
    dvc_init(repo)
    dvc_add(repo, "data/train.csv", b"a,b\r\n1,2\r\n", old=old)
    dvc_add(repo, "data/raw", {"é.txt": b"x", "sub/y.txt": b"y"}, old=old)
    commit_all(repo, "data")
    return repo


@pytest.fixture
def run(root: Path):
    project = Project.find(root)
    with ActiveRun.begin(project, project.config(), config.surroundings()) as active:
        yield active


def has_content(run: ActiveRun, entry) -> bool:
    return FileStore(run._project.layout).has(entry.digest)


def test_what_dvc_keeps_is_recorded_by_both_names_and_not_kept_twice(run, root, old) -> None:
    entry = run.log_data("data/train.csv")

    content = b"a,b\n1,2\n" if old else b"a,b\r\n1,2\r\n"
    assert (entry.kept_by, entry.md5, entry.changed) == ("dvc", md5_of(content), False)
    assert (entry.digest, entry.size) == (hashing.measure(root / "data/train.csv").digest, 10)
    assert not has_content(run, entry)


def test_a_folder_that_dvc_keeps_is_one_entry_with_its_list(run, root) -> None:
    entry = run.log_data("data/raw")

    assert (entry.kept_by, entry.files, entry.size) == ("dvc", 2, 2)
    assert entry.md5.endswith(".dir")
    assert entry.digest == hashing.measure(root / "data/raw").digest
    assert has_content(run, entry), "the list of digests is kept, the files are not"


def test_a_file_of_a_folder_that_dvc_keeps_is_dvcs_too(run) -> None:
    entry = run.log_data("data/raw/sub/y.txt")

    assert (entry.kept_by, entry.md5) == ("dvc", md5_of(b"y"))


def test_changed_data_is_kept_by_gittrack_and_named(run, root) -> None:
    md5 = run.log_data("data/train.csv").md5
    write(root, {"data/train.csv": "changed"})

    with pytest.warns(RecordingWarning, match=r"it is not what data/train.csv.dvc says"):
        entry = run.log_data("data/train.csv")

    assert (entry.kept_by, entry.md5, entry.changed) == ("cache", md5, True)
    assert has_content(run, entry)


def test_data_that_dvcs_cache_lacks_is_kept_by_gittrack(run, root, old) -> None:
    for md5 in (md5_of(b"y"), run.log_data("data/train.csv").md5):
        object_path(root / ".dvc/cache", md5, old=old).unlink()

    for path in ("data/train.csv", "data/raw"):
        entry = run.log_data(path)
        assert (entry.kept_by, entry.changed) == ("cache", False)
        assert entry.md5 is not None


def test_links_into_dvcs_cache_are_followed(run, root, old) -> None:
    for name, content in (("sub/y.txt", b"y"), ("é.txt", b"x")):
        (root / "data/raw" / name).unlink()
        (root / "data/raw" / name).symlink_to(object_path(root / ".dvc/cache", md5_of(content), old=old))

    assert run.log_data("data/raw").kept_by == "dvc"


def test_a_cache_elsewhere_is_found_by_the_settings(run, root) -> None:
    (root / ".dvc/cache").rename(root.parent / "shared")
    write(root, {".dvc/config.local": "[cache]\n    dir = ../../shared\n"})

    assert run.log_data("data/raw").kept_by == "dvc"


def test_a_password_of_dvcs_settings_is_nowhere_in_the_record(root) -> None:
    write(
        root,
        {
            ".dvc/config": "[core]\nremote = o\n['remote \"o\"']\nurl = https://ada:geheim1@example.org/x\n",
            ".dvc/config.local": "['remote \"o\"']\n    password = geheim2\n",
        },
    )
    project = Project.find(root)
    with ActiveRun.begin(project, project.config(), config.surroundings()) as active:
        active.log_data("data/train.csv")

    for path in (root / ".git/gittrack", root / ".gittrack"):
        for file in path.rglob("*"):
            if file.is_file() and not file.is_relative_to(project.layout.tmp):
                assert b"geheim2" not in file.read_bytes(), file


def test_broken_dvc_files_never_stand_in_the_way_of_a_run(run, root) -> None:
    write(root, {"data/train.csv.dvc": "outs: [", "dvc.lock": b"\xff", ".dvc/config": b"\0"})

    assert run.log_data("data/train.csv").kept_by == "cache"


def test_what_has_not_changed_is_not_hashed_again(run, root, monkeypatch) -> None:
    from gittrack.data.dvc import objects
    from tests.dvc_projects import aged

    aged(root)
    monkeypatch.setattr("gittrack.data.known.RACY_NS", 0)
    first = run.log_data("data/raw")
    monkeypatch.setattr(objects, "Hashes", None)

    assert run.log_data("data/raw") == first


def test_the_record_keeps_the_md5_and_has_nothing_of_it_without(run) -> None:
    entry = replace(run.log_data("data/raw"), changed=True)
    record = replace(run._start, data=(entry,))
    text = formats.dump_run(record)

    assert formats.load_run(text).data == (entry,)
    without = formats.dump_run(replace(record, data=(replace(entry, md5=None, changed=False),)))
    assert b"md5" not in without
    assert b"changed" not in without
    with pytest.raises(Damaged, match="md5"):
        formats.load_run(text.replace(entry.md5.encode(), b"../../x"))


def test_the_list_of_a_folder_that_dvc_keeps_is_not_freed(root) -> None:
    project = Project.find(root)
    with ActiveRun.begin(project, project.config(), config.surroundings()) as active:
        entry = active.log_data("data/raw")

    gc.apply(gc.plan(project.repository, project.layout, older_than_s=0))

    assert FileStore(project.layout).has(entry.digest)


def test_a_pipe_in_place_of_data_is_not_waited_for(run, root) -> None:
    (root / "data/train.csv").unlink()
    os.mkfifo(root / "data/train.csv")

    with pytest.raises(NotFound):
        run.log_data("data/train.csv")


def test_the_command_line_shows_both_names(run, root) -> None:
    entry = run.log_data("data/train.csv")
    run.end()

    assert f"{entry.digest}  10 B, kept by dvc, DVC's {entry.md5}" in gittrack(root, "show", run.run_id)


JOB = """\
import gittrack
with gittrack.start_run():
    gittrack.log_metric("chars", sum(len(open("data/" + name).read()) for name in {}))
"""
TINY = {".gittrack/config.yaml": "format: gittrack/config/1\ncapture_data_max_bytes: 0\n"}


def reading(root: Path, *names: str) -> dict[str, DataFile]:
    """Return, by path, what is found by itself when a job reads files below `data`."""
    job(root, "python", "-c", JOB.format(list(names)))
    return {entry.path: entry for entry in originals(root)[-1].data}


def test_a_file_that_was_read_is_dvcs_however_large(root, old) -> None:
    write(root, TINY)
    (entry,) = reading(root, "train.csv").values()

    md5 = md5_of(b"a,b\n1,2\n" if old else b"a,b\r\n1,2\r\n")
    digest = hashing.measure(root / "data/train.csv").digest
    assert entry == DataFile("data/train.csv", digest, 10, "dvc", how="read", md5=md5)
    assert not FileStore(Project.find(root).layout).has(digest)


def test_files_that_were_read_of_a_folder_are_one_entry_with_dvcs_name_of_the_folder(root) -> None:
    md5 = dvc_add(root, "data/many", {str(number): b"%d" % number for number in range(4)})
    commit_all(root, "many")
    (entry,) = reading(root, "many/1", "many/3").values()

    manifest = hashing.manifest_of((name, digests.of_bytes(name.encode())) for name in "13")
    assert entry == DataFile("data/many", digests.of_bytes(manifest), 2, "dvc", 2, "read", md5)
    files = FileStore(Project.find(root).layout)
    assert files.read(entry.digest) == manifest
    assert not files.has(digests.of_bytes(b"1"))


def test_what_was_read_and_is_not_what_dvc_says_is_gittracks(root) -> None:
    write(root, {"data/train.csv": "changed", "data/raw/sub/y.txt": "changed too", "data/raw/new": "new"})
    found = reading(root, "train.csv", "raw/sub/y.txt", "raw/é.txt", "raw/new")

    assert {path: (entry.kept_by, entry.changed) for path, entry in found.items()} == {
        "data/train.csv": ("cache", True),
        "data/raw": ("dvc", False),
        "data/raw/new": ("cache", False),
        "data/raw/sub/y.txt": ("cache", True),
    }
    assert found["data/raw"].files == 1
    assert found["data/raw/new"].md5 is None


def test_what_was_read_and_dvcs_cache_lacks_is_gittracks_with_dvcs_name(root, old) -> None:
    object_path(root / ".dvc/cache", md5_of(b"y"), old=old).unlink()
    (entry,) = reading(root, "raw/sub/y.txt").values()

    assert (entry.path, entry.kept_by, entry.md5, entry.changed) == (
        "data/raw/sub/y.txt",
        "cache",
        md5_of(b"y"),
        False,
    )


def test_very_many_changed_files_of_a_folder_are_one_entry_with_those_that_dvc_has(root) -> None:
    md5 = dvc_add(root, "data/many", {str(number): b"%d" % number for number in range(150)})
    commit_all(root, "many")
    write(root, {f"data/many/{number}": "changed" for number in range(120)})
    (entry,) = reading(root, *(f"many/{number}" for number in range(150))).values()

    assert (entry.path, entry.files, entry.kept_by, entry.md5) == ("data/many", 150, "dvc", md5)
    for number in range(150):
        (root / f"data/many/{number}").unlink()
    assert again(root, originals(root)[-1]).verdict == "identical"


def test_broken_dvc_files_do_not_stand_in_the_way_of_what_was_read(root) -> None:
    write(root, {"data/train.csv.dvc": "outs: [", "dvc.lock": b"\xff", ".dvc/config": b"\0"})
    assert reading(root, "train.csv")["data/train.csv"].kept_by == "cache"
