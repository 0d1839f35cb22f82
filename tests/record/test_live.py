from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gittrack import config
from gittrack.errors import Damaged, NotFound
from gittrack.record import live, origin, seal
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from tests.record.processes import only_run, sealed_runs, steps_of


@pytest.fixture
def project(repo: Path) -> Project:
    origin._forget()
    return Project.find(repo)


def begin(project: Project, **options) -> ActiveRun:
    return ActiveRun.begin(project, project.config(), config.surroundings(), **options)


def test_a_live_run_says_what_it_has_so_far(project) -> None:
    run = begin(project, name="one", tags={"a": "b"})
    run.log_params({"lr": 0.1})
    run.log_metric("loss", 0.5, 3)
    run.log_text("x", "note.txt")
    run.set_name("two")
    run.delete_tag("a")
    [seen] = live.read_all(project.layout)
    assert (seen.alive, seen.run.status, seen.run.end_time) == (True, "RUNNING", None)
    assert (seen.run.name, dict(seen.run.params), dict(seen.run.tags)) == ("two", {"lr": 0.1}, {})
    assert [artifact.path for artifact in seen.run.artifacts] == ["note.txt"]
    assert seen.run.metrics["loss"].last == 0.5
    run.end()


def test_a_run_whose_process_died_is_seen_as_killed_before_anybody_seals_it(project) -> None:
    run = begin(project)
    run.log_metric("loss", 0.5, 3)
    run._journal.close()
    [seen] = live.read_all(project.layout)
    assert (seen.alive, seen.run.status) == (False, "KILLED")
    assert seen.run.end_time >= seen.run.start_time


def test_the_end_of_a_run_that_nobody_ended_is_the_time_of_its_last_record_not_of_the_look(
    project, monkeypatch
) -> None:
    run = begin(project)
    run.log_metric("loss", 0.5, 3)
    run.log_metric("future", 0.5, 3, timestamp=99_000_000_000_000)
    run._journal.close()
    [seen] = live.read_all(project.layout)
    monkeypatch.setattr("time.time_ns", lambda: 99 * 10**18)
    [later] = live.read_all(project.layout)
    assert later.run == seen.run
    assert seen.run.end_time - seen.run.start_time < 60_000, (
        "a timestamp that the user gave is no time of a record"
    )
    [digest] = seal.seal_dead(project.layout)
    assert only_run(project.root).end_time == seen.run.end_time
    assert digest


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage", "other"])
def test_a_live_folder_whose_start_is_damaged_costs_one_run_and_stays_for_fsck(project, damage) -> None:
    bad, good = begin(project), begin(project)
    for run in (bad, good):
        run.log_metric("loss", 1.0, 1)
        run._journal.close()
    folder = project.layout.live_run(bad.run_id)
    start = folder / "run.yaml"
    content = start.read_bytes()
    if damage == "gone":
        start.unlink()
    else:
        start.write_bytes(
            {"empty": b"", "cut": content[:100], "garbage": os.urandom(300), "other": b"a: 1\n"}[damage]
        )
    assert [seen.run.run_id for seen in live.read_all(project.layout)] == [good.run_id]
    with pytest.raises((Damaged, OSError)):
        live.read(folder)
    assert len(seal.seal_dead(project.layout)) == 1
    assert live.folders(project.layout) == [folder]


def test_what_is_no_live_run_is_passed_over(project, tmp_path) -> None:
    run = begin(project)
    (project.layout.live / ".DS_Store").write_bytes(b"")
    (project.layout.live / "notes").mkdir()
    (project.layout.live / ("a" * 32)).symlink_to(tmp_path)
    (project.layout.live / ("b" * 32)).write_bytes(b"a file")
    assert [seen.run.run_id for seen in live.read_all(project.layout)] == [run.run_id]
    assert seal.seal_dead(project.layout) == []
    run.end()


def test_a_link_in_a_live_folder_is_not_followed(project, tmp_path) -> None:
    run = begin(project)
    run.log_metric("loss", 1.0, 1)
    outside = tmp_path / "other.journal"
    [journal] = project.layout.live_run(run.run_id).glob("*.journal")
    shutil.copy(journal, outside)
    (project.layout.live_run(run.run_id) / "x.journal").symlink_to(outside)
    [seen] = live.read_all(project.layout)
    assert seen.run.metrics["loss"].count == 1
    run.end()


def test_a_run_is_sealed_into_the_working_tree_it_was_started_in_or_where_that_is_gone_into_the_one_at_hand(
    project, tmp_path
) -> None:
    from tests.conftest import git

    other = tmp_path / "other"
    git(project.root, "worktree", "add", "-q", str(other))
    for gone in (False, True):
        there = Project.find(other)
        run = begin(there)
        run.log_metric("loss", 1.0, 1)
        run._journal.close()
        if gone:
            shutil.rmtree(other)
        [digest] = seal.seal_dead(project.layout)
        assert (project.layout if gone else there.layout).run(digest).is_dir()
        assert project.layout.unsaved.run(digest).is_dir()


def test_a_live_folder_that_is_removed_while_the_run_goes_on_is_made_again(project) -> None:
    run = begin(project, name="kept")
    run.log_param("lr", 0.1)
    run.log_metric("loss", 1.0, 1)
    run.flush()
    shutil.rmtree(project.layout.private)
    run.log_metric("loss", 1.0, 2)
    run.flush()
    [seen] = live.read_all(project.layout)
    assert seen.alive
    run.end()
    sealed = only_run(project.root)
    assert (sealed.name, dict(sealed.params), sealed.status) == ("kept", {"lr": 0.1}, "FINISHED")
    assert steps_of(project.root, "loss") == [1, 2]


def test_a_repository_that_is_moved_while_a_run_goes_on_keeps_the_run(project, tmp_path) -> None:
    run = begin(project)
    run.log_metric("loss", 1.0, 1)
    moved = tmp_path / "moved"
    project.root.rename(moved)
    run.log_metric("loss", 1.0, 2)
    run.end()
    assert [(found.status, found.metrics["loss"].count) for found in sealed_runs(moved)] == [("FINISHED", 2)]
    assert not (project.root / ".gittrack").exists()


def test_joining_a_run_that_does_not_exist_is_not_found(project) -> None:
    project.init()
    with pytest.raises(NotFound, match="not live"):
        ActiveRun.attach(project, project.config(), "a" * 32)
    assert live.folders(project.layout) == []


def test_who_joins_knows_the_params_that_were_logged_before(project) -> None:
    run = begin(project)
    run.log_param("lr", 0.1)
    joined = ActiveRun.attach(project, project.config(), run.run_id)
    with pytest.raises(ValueError, match=r"is 0\.1 already"):
        joined.log_param("lr", 0.2)
    joined.log_metric("loss", 1.0, 1)
    joined.end("FAILED")
    assert live.read_all(project.layout)[0].run.status == "RUNNING"
    run.end()
    assert only_run(project.root).status == "FINISHED", "the word of the owner counts"
