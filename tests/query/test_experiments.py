"""Experiments as a relation, and what is said later about them shows on their runs."""

from __future__ import annotations

from dataclasses import replace

from gittrack.record import events
from gittrack.record.experiments import create, id_of
from gittrack.record.system_tags import RUN_NAME
from tests.query.helpers import START, a_run, run_id

EXPERIMENTS = "select experiment_id, name, lifecycle_stage from experiments order by name"
CHURN = id_of("churn")


def test_an_experiment_that_only_runs_tell_of_is_there_and_so_is_default(store) -> None:
    store.put(a_run(1))
    store.put(a_run(2, experiment="Default"))
    assert store.session().rows(EXPERIMENTS) == [("0", "Default", "active"), (CHURN, "churn", "active")]


def test_a_created_experiment_is_there_before_its_first_run(store) -> None:
    create(store.layout, id_of("later"), "later", user="ada")
    assert store.session().rows(EXPERIMENTS) == [
        ("0", "Default", "active"),
        (id_of("later"), "later", "active"),
    ]


def test_a_new_name_shows_on_every_run_whenever_it_was_recorded(store) -> None:
    store.put(a_run(1))
    store.tell(CHURN, "rename", value="churn-2025")
    store.put(a_run(2, experiment="churn-2025", experiment_id=CHURN))
    session = store.session()
    assert (
        session.rows("select experiment, experiment_id from runs order by run_id")
        == [("churn-2025", CHURN)] * 2
    )
    assert session.rows(EXPERIMENTS) == [("0", "Default", "active"), (CHURN, "churn-2025", "active")]


def test_the_runs_of_a_deleted_experiment_are_deleted_and_come_back_with_it(store) -> None:
    store.put(a_run(1))
    store.put(a_run(2, experiment="other"))
    store.tell(CHURN, "delete")
    assert store.session().rows("select name, deleted from runs order by name") == [
        ("trial-1", True),
        ("trial-2", False),
    ]
    store.tell(CHURN, "restore")
    assert store.session().rows("select count(*) from runs where deleted") == [(0,)]


def test_tags_of_an_experiment_are_a_map(store) -> None:
    store.tell(CHURN, "set_tag", "team", "red")
    store.tell(CHURN, "set_tag", "gone", "x")
    store.tell(CHURN, "delete_tag", "gone")
    assert store.session().rows("select tags from experiments where experiment_id = $id", id=CHURN) == [
        ({"team": "red"},)
    ]


def test_an_experiment_is_as_old_as_its_first_run_or_its_creation(store) -> None:
    store.put(a_run(5))
    store.tell(CHURN, "create", value="churn", now=START + 1)
    rows = store.session().rows(
        "select epoch_ms(creation_time), epoch_ms(last_update_time) from experiments where name = 'churn'"
    )
    assert rows == [(START + 1, START + 1)]


def test_a_run_is_renamed_by_its_tag(store) -> None:
    store.put(a_run(1, tags={"team": "red"}))
    store.tell(run_id(1), "set_tag", RUN_NAME, "the good one")
    session = store.session()
    assert session.rows("select name, tags from runs") == [("the good one", {"team": "red"})]
    assert session.rows("select key from tags") == [("team",)]
    assert session.run(run_id(1)).name == "the good one"
    assert session.find("the good one") == run_id(1)


def test_what_a_resumed_run_says_comes_after_the_events_that_it_has_taken_in(store) -> None:
    old = store.put(a_run(1, tags={"stage": "first"}))
    store.tell(run_id(1), "set_tag", "stage", "by hand")
    known = store.session().events(run_id(1))
    resumed = replace(a_run(1, tags={"stage": "resumed"}), supersedes=(old,), seen=events.frontier(known))
    store.put(resumed)
    assert store.session().run(run_id(1)).tags == {"stage": "resumed"}
    store.tell(run_id(1), "set_tag", "stage", "by hand again")
    assert store.session().run(run_id(1)).tags == {"stage": "by hand again"}


def test_datasets_are_a_relation(store) -> None:
    from gittrack.entities.record import UsedDataset

    used = UsedDataset("train", "ab" * 32, "local", '{"uri": "x"}', tags={"mlflow.data.context": "training"})
    store.put(a_run(1, datasets=(used,)))
    rows = store.session().rows("select run_id, name, digest, context, schema, tags from datasets")
    assert rows == [(run_id(1), "train", "ab" * 32, "training", None, {"mlflow.data.context": "training"})]
    assert store.session().run(run_id(1)).datasets == (used,)


def test_models_are_a_relation(store) -> None:
    from gittrack.entities.record import UsedModel

    models = (UsedModel("m-1", "input"), UsedModel("m-2", "output", 0))
    store.put(a_run(1, models=models))
    rows = store.session().rows("select run_id, model_id, role, step from models order by model_id")
    assert rows == [(run_id(1), "m-1", "input", None), (run_id(1), "m-2", "output", 0)]
    assert store.session().run(run_id(1)).models == models
