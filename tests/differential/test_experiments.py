"""Experiments: creating, setting, finding, renaming, tagging, deleting, restoring."""

from __future__ import annotations

import os

import pytest

from tests.differential.twins import same_in_both

UNKNOWN = "123456789"


@same_in_both
def test_the_default_experiment_is_number_zero(ml, see) -> None:
    found = ml.get_experiment("0")
    see(found)
    see(found.experiment_id == "0")
    see(ml.get_experiment_by_name("Default").experiment_id == "0")
    with ml.start_run() as run:
        see(run.info.experiment_id == "0")


@same_in_both
def test_an_experiment_is_created_by_name(ml, see) -> None:
    made = ml.create_experiment("churn", tags={"team": "a"})
    see.experiment(made)
    see(ml.get_experiment(made))
    see(ml.get_experiment_by_name("churn"))
    see.error(ml.create_experiment, "churn")
    see.error(ml.create_experiment, "Default")


@same_in_both
def test_creating_an_experiment_does_not_make_it_the_active_one(ml, see) -> None:
    ml.create_experiment("churn")
    with ml.start_run() as run:
        see(run.info.experiment_id)


@same_in_both
def test_setting_an_experiment_creates_it_where_there_is_none(ml, see) -> None:
    see(ml.set_experiment("churn"))
    with ml.start_run() as run:
        pass
    see(run.info.experiment_id == ml.get_experiment_by_name("churn").experiment_id)
    see.experiment(ml.set_experiment("churn").experiment_id)


@same_in_both
def test_an_experiment_can_be_set_by_id(ml, see) -> None:
    made = ml.create_experiment("churn")
    see(ml.set_experiment(experiment_id=made))
    with ml.start_run() as run:
        see(run.info.experiment_id == made)
    see.error(ml.set_experiment, experiment_id=UNKNOWN)
    see.error(ml.set_experiment, "churn", experiment_id=made)
    see.error(ml.set_experiment)


@pytest.mark.parametrize("name", ["", None, 5, "x" * 501, "   "], ids=lambda name: repr(name)[:9])
def test_a_name_that_mlflow_refuses_is_refused(twins, name) -> None:
    def scenario(ml, see) -> None:
        if name == "   ":
            see.differs(
                "errors",
                see.caught(ml.create_experiment, name),
                mlflow="1",
                gittrack="error: INVALID_PARAMETER_VALUE",
            )
        else:
            see.error(ml.create_experiment, name)
            see(len(ml.search_experiments()))

    twins.compare(scenario)


@pytest.mark.parametrize(
    "name", ["a/b/c", "größe", "x" * 500, "it's", "a 'b' \"c\"", "-", "../x", "0"], ids=lambda name: name[:9]
)
def test_any_text_can_be_a_name(twins, name) -> None:
    def scenario(ml, see) -> None:
        ml.create_experiment(name)
        see(ml.get_experiment_by_name(name))

    twins.compare(scenario)


@same_in_both
def test_an_experiment_that_does_not_exist_is_not_found(ml, see) -> None:
    see.error(ml.get_experiment, UNKNOWN)
    see.error(ml.get_experiment_by_name, "never")
    see.error(ml.delete_experiment, UNKNOWN)
    see.error(ml.MlflowClient().restore_experiment, UNKNOWN)
    see.error(ml.MlflowClient().rename_experiment, UNKNOWN, "other")
    see.error(ml.MlflowClient().set_experiment_tag, UNKNOWN, "a", "b")
    see.error(ml.start_run, experiment_id=UNKNOWN)
    see(ml.active_run())


@same_in_both
def test_an_id_that_is_none_is_refused_or_not_found(ml, see) -> None:
    for wrong in ("abc", "-1", "../0"):
        see.error(ml.get_experiment, wrong)
    for wrong in ("", None):
        found = see.caught(ml.get_experiment, wrong)
        name = found if isinstance(found, str) else found.name
        see.differs("errors", name, mlflow="Default", gittrack="error: INVALID_PARAMETER_VALUE")


@same_in_both
def test_a_run_can_be_started_in_an_experiment_by_id(ml, see) -> None:
    made = ml.create_experiment("churn")
    with ml.start_run(experiment_id=made) as run:
        pass
    see(ml.get_run(run.info.run_id).info.experiment_id == made)
    with ml.start_run(experiment_id=0) as run:
        see(run.info.experiment_id)


@same_in_both
def test_a_nested_run_can_be_of_another_experiment(ml, see) -> None:
    made = ml.create_experiment("churn")
    with ml.start_run(), ml.start_run(nested=True, experiment_id=made) as inner:
        see(inner.info.experiment_id == made)


@same_in_both
def test_a_nested_run_is_of_the_experiment_of_its_parent(ml, see) -> None:
    made = ml.create_experiment("churn")
    with ml.start_run(experiment_id=made) as outer, ml.start_run(nested=True) as inner:
        see(outer.info.experiment_id == made)
        see.differs("nested-experiments", inner.info.experiment_id == made, mlflow=False, gittrack=True)


@same_in_both
def test_an_experiment_can_be_renamed(ml, see) -> None:
    client = ml.MlflowClient()
    made = ml.create_experiment("churn")
    other = ml.create_experiment("other")
    see(client.rename_experiment(made, "leavers"))
    see(ml.get_experiment(made).name)
    see(ml.get_experiment_by_name("churn"))
    see(ml.get_experiment_by_name("leavers").experiment_id == made)
    see.refused(
        client.rename_experiment, made, "other", mlflow="BAD_REQUEST", gittrack="RESOURCE_ALREADY_EXISTS"
    )
    see.error(client.rename_experiment, made, None)
    see.error(client.rename_experiment, other, "")
    see(sorted(one.name for one in ml.search_experiments()))


@same_in_both
def test_the_old_name_of_a_renamed_experiment_is_free(ml, see) -> None:
    made = ml.create_experiment("churn")
    ml.MlflowClient().rename_experiment(made, "leavers")
    again = ml.create_experiment("churn")
    see(again != made)
    see(ml.get_experiment_by_name("churn").experiment_id == again)


@same_in_both
def test_an_experiment_has_tags(ml, see) -> None:
    client = ml.MlflowClient()
    made = ml.set_experiment("churn").experiment_id
    see(ml.set_experiment_tag("team", "a"))
    see(ml.set_experiment_tags({"n": 1, "empty": ""}))
    see(client.set_experiment_tag(made, "team", "b"))
    see(ml.get_experiment(made).tags)
    see(ml.delete_experiment_tag("team"))
    see(client.delete_experiment_tag(made, "n"))
    see(ml.get_experiment(made).tags)
    see.error(ml.delete_experiment_tag, "team")
    see.error(client.delete_experiment_tag, made, "never")
    see.error(client.set_experiment_tag, made, "a//b", "c")
    see.error(client.set_experiment_tag, made, "", "c")
    see.error(client.set_experiment_tag, made, None, "c")
    see(ml.get_experiment(made).tags)


@same_in_both
def test_a_long_tag_of_an_experiment_is_kept_whole(ml, see) -> None:
    made = ml.create_experiment("churn")
    see.error(ml.MlflowClient().set_experiment_tag, made, "long", "x" * 5000)
    see(len(ml.get_experiment(made).tags["long"]))
    see.differs(
        "long-values",
        see.caught(ml.MlflowClient().set_experiment_tag, made, "longer", "x" * 20_001),
        mlflow="error: INVALID_PARAMETER_VALUE",
        gittrack=None,
    )


@same_in_both
def test_a_deleted_experiment_can_be_restored(ml, see) -> None:
    client = ml.MlflowClient()
    made = ml.create_experiment("churn", tags={"a": "b"})
    see(ml.delete_experiment(made))
    see(ml.get_experiment(made))
    see(ml.get_experiment_by_name("churn"))
    see([one.name for one in ml.search_experiments()])
    see.error(ml.delete_experiment, made)
    see(client.restore_experiment(made))
    see(ml.get_experiment(made))
    see.error(client.restore_experiment, made)


@same_in_both
def test_experiments_can_be_restored_by_the_fluent_function(ml, see) -> None:
    made = ml.create_experiment("churn")
    ml.delete_experiment(made)
    see(ml.restore_experiment(made))
    see(ml.get_experiment(made).lifecycle_stage)


@same_in_both
def test_nothing_can_be_done_with_a_deleted_experiment(ml, see) -> None:
    client = ml.MlflowClient()
    made = ml.create_experiment("churn", tags={"a": "b"})
    ml.delete_experiment(made)
    see.refused(client.rename_experiment, made, "other", mlflow="INVALID_STATE")
    see.error(client.set_experiment_tag, made, "a", "c")
    see.error(client.delete_experiment_tag, made, "a")
    see.error(client.create_run, made)
    see.error(ml.start_run, experiment_id=made)
    see.error(ml.set_experiment, experiment_id=made)
    see(ml.get_experiment(made).tags)


@same_in_both
def test_the_name_of_a_deleted_experiment_is_free(ml, see) -> None:
    made = ml.create_experiment("churn")
    ml.delete_experiment(made)
    answer = see.caught(ml.set_experiment, "churn")
    name = answer if isinstance(answer, str) else answer.name
    see.differs("free-names", name, mlflow="error: INVALID_PARAMETER_VALUE", gittrack="churn")
    made = ml.create_experiment("other")
    ml.delete_experiment(made)
    refused = see.caught(ml.create_experiment, "other").startswith("error: RESOURCE_ALREADY_EXISTS")
    see.differs("free-names", refused, mlflow=True, gittrack=False)


@same_in_both
def test_deleting_an_experiment_deletes_its_runs(ml, see) -> None:
    client = ml.MlflowClient()
    made = ml.create_experiment("churn")
    with ml.start_run(experiment_id=made) as run:
        pass
    with ml.start_run(experiment_id=made) as gone:
        pass
    ml.delete_run(gone.info.run_id)
    ml.delete_experiment(made)
    see(ml.get_run(run.info.run_id).info.lifecycle_stage)
    see(len(client.search_runs([made])))
    see(len(client.search_runs([made], run_view_type=ml.entities.ViewType.DELETED_ONLY)))
    client.restore_experiment(made)
    see(ml.get_run(run.info.run_id).info.lifecycle_stage)
    stage = ml.get_run(gone.info.run_id).info.lifecycle_stage
    see.differs("restored-runs", stage, mlflow="active", gittrack="deleted")


@same_in_both
def test_the_default_experiment_is_always_there(ml, see) -> None:
    answer = see.caught(ml.delete_experiment, "0")
    see.differs("default-experiment", answer, mlflow=None, gittrack="error: INVALID_PARAMETER_VALUE")
    refused = isinstance(see.caught(ml.start_run), str)
    see.differs("default-experiment", refused, mlflow=True, gittrack=False)


@same_in_both
def test_the_environment_can_name_the_experiment(ml, see) -> None:
    os.environ["MLFLOW_EXPERIMENT_NAME"] = "churn"
    with ml.start_run() as run:
        pass
    see(ml.get_experiment(run.info.experiment_id).name)
    ml.set_experiment("other")
    with ml.start_run() as run:
        pass
    see(ml.get_experiment(run.info.experiment_id).name)


@same_in_both
def test_the_environment_can_give_the_id_of_the_experiment(ml, see) -> None:
    os.environ["MLFLOW_EXPERIMENT_ID"] = ml.create_experiment("churn")
    with ml.start_run() as run:
        pass
    see(ml.get_experiment(run.info.experiment_id).name)


@same_in_both
def test_experiments_are_listed_the_newest_first(ml, see) -> None:
    for name in ("a", "b", "c"):
        ml.create_experiment(name)
    view = ml.entities.ViewType
    ml.delete_experiment(ml.get_experiment_by_name("b").experiment_id)
    see([one.name for one in ml.search_experiments(order_by=["name"])])
    see([one.name for one in ml.search_experiments(view_type=view.DELETED_ONLY)])
    see([one.name for one in ml.search_experiments(view_type=view.ALL, order_by=["name DESC"])])
    see([one.name for one in ml.search_experiments(max_results=1, order_by=["name"])])


@same_in_both
def test_a_page_of_experiments_has_the_token_of_the_next(ml, see) -> None:
    client = ml.MlflowClient()
    for name in ("a", "b", "c"):
        ml.create_experiment(name)
    first = client.search_experiments(max_results=3, order_by=["name"])
    see([one.name for one in first])
    second = client.search_experiments(max_results=3, order_by=["name"], page_token=first.token)
    see([one.name for one in second])
    see(second.token)
    see.error(client.search_experiments, page_token="nonsense")
    see.error(client.search_experiments, max_results=0)
    see.error(client.search_experiments, max_results=-1)
    see.error(client.search_experiments, max_results=50_001)
