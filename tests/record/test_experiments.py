"""Experiments: ids that every clone agrees on, names that can be had again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.entities.record import parse_experiment_id
from gittrack.errors import InvalidValue
from gittrack.record import events as folding
from gittrack.record.experiments import DEFAULT, Experiments, Group, create, free_id, id_of, named
from gittrack.record.project import Project


@pytest.fixture
def project(repo) -> Project:
    found = Project.find(repo)
    found.init()
    return found


def said(project: Project, group: Group, op, value=None, now_ms=10**13) -> None:
    known = Experiments(project.layout)._events()
    about = {digest: event for digest, event in known.items() if event.subject == group.experiment_id}
    event = folding.new_event(group.experiment_id, op, None, value, known=about, now_ms=now_ms, user="ada")
    folding.write_event(project.layout, event)


@given(st.text(max_size=40), st.integers(0, 5))
def test_an_id_is_a_number_that_comes_from_the_name_alone(name, generation) -> None:
    found = id_of(name, generation)
    assert found == id_of(name, generation) == parse_experiment_id(found)
    assert found == "0" if (name, generation) == (DEFAULT, 0) else 10**17 <= int(found) < 10**18


def test_the_id_of_a_name_never_changes_from_one_version_to_the_next() -> None:
    assert id_of("Default") == "0"
    assert id_of("churn") == "903267568066428096"
    assert id_of("churn", 1) == id_of("churn", 1) != id_of("churn")


def test_default_is_there_before_anything_was_recorded(project) -> None:
    assert [(group.name, group.experiment_id) for group in Experiments(project.layout).groups()] == [
        ("Default", "0")
    ]


def test_an_experiment_is_created_once(project) -> None:
    first = Experiments(project.layout).ensure("churn", user="ada")
    again = Experiments(project.layout).ensure("churn", user="bob")
    assert first.experiment_id == again.experiment_id == id_of("churn")
    assert len(list(project.layout.events.rglob("*.yaml"))) == 1
    assert again.creation_time == first.creation_time


def test_a_renamed_experiment_keeps_its_id_and_frees_its_name(project) -> None:
    old = Experiments(project.layout).ensure("churn", user="ada")
    said(project, old, "rename", "churn-2025")
    new = Experiments(project.layout).ensure("churn", user="ada")
    names = {group.experiment_id: group.name for group in Experiments(project.layout).groups()}
    assert names == {"0": "Default", old.experiment_id: "churn-2025", new.experiment_id: "churn"}
    assert new.experiment_id == id_of("churn", 1)


def test_the_name_of_a_deleted_experiment_is_free_again(project) -> None:
    old = Experiments(project.layout).ensure("churn", user="ada")
    said(project, old, "delete")
    new = Experiments(project.layout).ensure("churn", user="ada")
    assert new.experiment_id != old.experiment_id
    assert not new.deleted


def test_the_name_of_a_deleted_experiment_stays_taken_where_that_is_asked_for(project) -> None:
    old = Experiments(project.layout).ensure("churn", user="ada")
    said(project, old, "delete")
    with pytest.raises(InvalidValue, match="'churn' is deleted"):
        Experiments(project.layout).ensure("churn", user="ada", reserve_deleted=True)


def test_a_name_given_later_counts_more_than_a_creation_elsewhere(project) -> None:
    group = Experiments(project.layout).ensure("churn", user="ada")
    said(project, group, "rename", "churn-2025")
    late = folding.new_event(
        group.experiment_id, "create", None, "churn", known={}, now_ms=10**14, user="bob"
    )
    folding.write_event(project.layout, late)
    assert Experiments(project.layout).of_id(group.experiment_id).name == "churn-2025"


def test_two_clones_that_give_one_name_to_two_experiments_are_told_apart_by_id() -> None:
    groups = [Group(id_of("b"), "same"), Group(id_of("a"), "same"), Group(id_of("c"), "same", deleted=True)]
    assert named(groups, "same").experiment_id == min(id_of("a"), id_of("b"), key=int)
    assert named(groups, "other") is None


def test_a_free_id_is_one_that_nobody_has() -> None:
    taken = [Group(id_of("churn"), "renamed"), Group(id_of("churn", 1), "churn", deleted=True)]
    assert free_id(taken, "churn") == id_of("churn", 2)


@pytest.mark.parametrize("name", ["", "   ", "x" * 501, None, 7])
def test_what_cannot_be_a_name_is_refused(project, name) -> None:
    with pytest.raises(InvalidValue):
        Experiments(project.layout).ensure(name, user="ada")


def test_events_about_runs_and_damaged_files_are_passed_over(project) -> None:
    create(project.layout, id_of("churn"), "churn", user="ada")
    shard = project.layout.events / "ab"
    shard.mkdir(exist_ok=True)
    (shard / ("c" * 62 + ".yaml")).write_text("format: gittrack/event/1\nexperiment_id: '5'\n")
    (shard / ("d" * 62 + ".yaml")).write_bytes(b"\xff\xfe")
    (shard / "notes.txt").write_text("mine")
    for _ in range(2):  # the second time from what the first remembered
        assert {group.name for group in Experiments(project.layout).groups()} == {"Default", "churn"}
