"""The client: runs by id, whatever is active."""

from __future__ import annotations

import time

import pytest

from tests.differential.twins import same_in_both

UNKNOWN = "0" * 32


@same_in_both
def test_a_client_makes_a_run_without_making_it_active(ml, see) -> None:
    client = ml.MlflowClient()
    run = client.create_run("0", run_name="trial", tags={"team": "a"})
    see(ml.active_run())
    see(
        [
            run.info.run_name,
            run.info.status,
            run.info.end_time,
            run.info.lifecycle_stage,
            run.info.experiment_id,
        ]
    )
    found = client.get_run(run.info.run_id)
    see([found.info.run_name, found.info.status, found.data.tags["team"]])


@same_in_both
def test_a_run_of_a_client_has_the_start_that_is_given(ml, see) -> None:
    run = ml.MlflowClient().create_run("0", start_time=1234)
    see(run.info.start_time)
    see(ml.get_run(run.info.run_id).info.start_time)


@same_in_both
def test_a_run_of_a_client_needs_an_experiment(ml, see) -> None:
    client = ml.MlflowClient()
    see.error(client.create_run, "123456789")
    see.error(client.create_run, "abc")
    see(len(ml.search_runs(output_format="list")))


@same_in_both
def test_a_run_of_a_client_captures_code_too(ml, see) -> None:
    run = ml.MlflowClient().create_run("0")
    tags = ml.get_run(run.info.run_id).data.tags
    see.differs("client-captures", "mlflow.source.git.commit" in tags, mlflow=False, gittrack=True)
    see.differs("client-captures", run.info.user_id == "unknown", mlflow=True, gittrack=False)


@same_in_both
def test_a_client_logs_to_a_run_by_id(ml, see) -> None:
    client = ml.MlflowClient()
    one = client.create_run("0").info.run_id
    see(client.log_param(one, "depth", 3))
    see(client.log_metric(one, "auc", 0.5, timestamp=10, step=1))
    see(client.log_metric(one, "auc", 0.7))
    see(client.set_tag(one, "team", "a"))
    found = client.get_run(one)
    see([found.data.params, found.data.metrics, found.data.tags["team"]])
    see([(point.value, point.step) for point in client.get_metric_history(one, "auc")])
    see.error(client.log_param, one, "depth", 4)


@same_in_both
def test_a_client_can_log_to_the_active_run(ml, see) -> None:
    client = ml.MlflowClient()
    with ml.start_run() as run:
        client.log_param(run.info.run_id, "depth", 3)
        client.log_metric(run.info.run_id, "auc", 0.5)
        ml.log_metric("auc", 0.6, step=1)
        client.set_tag(run.info.run_id, "team", "a")
        found = client.get_run(run.info.run_id)
        see([found.data.params, found.data.metrics, found.data.tags["team"], found.info.status])


@same_in_both
def test_nothing_is_logged_to_a_run_that_does_not_exist(ml, see) -> None:
    client = ml.MlflowClient()
    see.error(client.log_param, UNKNOWN, "a", 1)
    see.error(client.log_metric, UNKNOWN, "a", 1)
    see.error(client.set_tag, UNKNOWN, "a", 1)
    see.error(client.log_batch, UNKNOWN, params=[ml.entities.Param("a", "1")])
    see.error(client.set_terminated, UNKNOWN)
    see.error(client.update_run, UNKNOWN, status="FAILED")
    see.error(client.log_text, UNKNOWN, "text", "a.txt")
    see.error(client.list_artifacts, UNKNOWN)


@same_in_both
def test_an_id_that_no_run_can_have_is_refused(ml, see) -> None:
    client = ml.MlflowClient()
    see.error(client.get_run, "no id")
    see.error(client.log_batch, "no id", params=[ml.entities.Param("a", "1")])
    see.error(client.update_run, "no id", status="FAILED")
    see.error(client.log_text, "no id", "text", "a.txt")
    unknown = "RESOURCE_DOES_NOT_EXIST"
    see.refused(client.log_param, "no id", "a", 1, mlflow=unknown)
    see.refused(client.log_metric, "no id", "a", 1, mlflow=unknown)
    see.refused(client.set_tag, "no id", "a", 1, mlflow=unknown)
    see.refused(client.set_terminated, "no id", mlflow=unknown)
    see.refused(client.list_artifacts, "no id", mlflow=unknown)
    see.refused(client.delete_run, "no id", mlflow=unknown)


@pytest.mark.parametrize("status", [None, "FINISHED", "FAILED", "KILLED", "RUNNING"])
def test_a_client_ends_a_run(twins, status) -> None:
    def scenario(ml, see) -> None:
        client = ml.MlflowClient()
        one = client.create_run("0").info.run_id
        see(client.set_terminated(one, status))
        found = client.get_run(one).info
        see(found.status)
        if status == "RUNNING":
            see.differs("true-statuses", found.end_time is None, mlflow=False, gittrack=True)
        else:
            see(found.end_time)

    twins.compare(scenario)


@same_in_both
def test_a_run_ends_when_the_client_says(ml, see) -> None:
    client = ml.MlflowClient()
    one = client.create_run("0", start_time=1000).info.run_id
    client.set_terminated(one, end_time=5000)
    see(client.get_run(one).info.end_time)
    see.refused(client.set_terminated, one, "DONE", mlflow="Exception")


@same_in_both
def test_a_client_updates_status_and_name(ml, see) -> None:
    client = ml.MlflowClient()
    one = client.create_run("0", run_name="first").info.run_id
    see(client.update_run(one, status="SCHEDULED"))
    see(client.get_run(one).info.status)
    see(client.update_run(one, name="second"))
    found = client.get_run(one)
    see([found.info.run_name, found.data.tags["mlflow.runName"], found.info.status])
    client.update_run(one, status="FINISHED", name="third")
    found = client.get_run(one)
    see([found.info.run_name, found.info.status])
    see.error(client.update_run, one)
    see.refused(client.update_run, one, status="DONE", mlflow="Exception")


@same_in_both
def test_a_run_that_was_ended_can_be_set_running_again(ml, see) -> None:
    client = ml.MlflowClient()
    with ml.start_run() as run:
        pass
    client.update_run(run.info.run_id, status="RUNNING")
    see(client.get_run(run.info.run_id).info.status)
    client.set_terminated(run.info.run_id)
    see(client.get_run(run.info.run_id).info.status)


@same_in_both
def test_a_batch_has_params_metrics_and_tags(ml, see) -> None:
    client, entities = ml.MlflowClient(), ml.entities
    one = client.create_run("0").info.run_id
    see(
        client.log_batch(
            one,
            metrics=[entities.Metric("auc", 0.5, 10, 0), entities.Metric("auc", 0.7, 20, 1)],
            params=[entities.Param("depth", "3"), entities.Param("lr", "0.1")],
            tags=[entities.RunTag("team", "a")],
        )
    )
    found = client.get_run(one)
    see([found.data.params, found.data.metrics, found.data.tags["team"]])
    see([(point.value, point.timestamp, point.step) for point in client.get_metric_history(one, "auc")])
    see(client.log_batch(one))


@same_in_both
def test_a_big_batch_is_taken_whole(ml, see) -> None:
    client, entities = ml.MlflowClient(), ml.entities
    one = client.create_run("0").info.run_id
    client.log_batch(
        one,
        metrics=[entities.Metric(f"m{number}", float(number), number, 0) for number in range(1200)],
        params=[entities.Param(f"p{number}", str(number)) for number in range(150)],
        tags=[entities.RunTag(f"t{number}", str(number)) for number in range(150)],
    )
    found = client.get_run(one)
    see(
        [len(found.data.params), len(found.data.metrics), sum(key.startswith("t") for key in found.data.tags)]
    )


@same_in_both
def test_a_batch_with_a_bad_part_is_refused(ml, see) -> None:
    client, entities = ml.MlflowClient(), ml.entities
    one = client.create_run("0").info.run_id
    client.log_param(one, "depth", "3")
    see.error(client.log_batch, one, metrics=[entities.Metric("a//b", 1.0, 1, 0)])
    see.error(client.log_batch, one, params=[entities.Param("a//b", "1")])
    see.error(client.log_batch, one, tags=[entities.RunTag("a//b", "1")])
    see.error(client.log_batch, one, params=[entities.Param("x", "1"), entities.Param("x", "2")])
    see.error(
        client.log_batch,
        one,
        params=[entities.Param("depth", "4")],
        metrics=[entities.Metric("m", 1.0, 1, 0)],
    )
    see.error(client.log_batch, one, metrics=[entities.Metric("m", "abc", 1, 0)])
    see.error(client.log_batch, one, metrics=[entities.Metric("m", None, 1, 0)])
    see.error(client.log_batch, one, metrics=[entities.Metric("m", 1.0, -1, 0)])
    found = client.get_run(one)
    see([found.data.params, found.data.metrics, "a//b" in found.data.tags])


@same_in_both
def test_the_value_of_a_param_in_a_batch_can_be_any(ml, see) -> None:
    client, entities = ml.MlflowClient(), ml.entities
    one = client.create_run("0").info.run_id
    client.log_batch(one, params=[entities.Param("i", 1), entities.Param("n", None)])
    see(client.get_run(one).data.params)


@same_in_both
def test_a_run_has_no_parent_unless_it_was_given_one(ml, see) -> None:
    client = ml.MlflowClient()
    outer = client.create_run("0").info.run_id
    inner = client.create_run("0", tags={"mlflow.parentRunId": outer}).info.run_id
    see(client.get_parent_run(outer))
    see(client.get_parent_run(inner).info.run_id == outer)


@same_in_both
def test_a_name_can_come_from_the_tag_of_a_client(ml, see) -> None:
    client = ml.MlflowClient()
    see(client.create_run("0", tags={"mlflow.runName": "b"}).info.run_name)
    see(client.create_run("0", run_name="a", tags={"mlflow.runName": "a"}).info.run_name)
    see.error(client.create_run, "0", run_name="a", tags={"mlflow.runName": "b"})


@same_in_both
def test_runs_of_a_client_can_be_searched_page_by_page(ml, see) -> None:
    client = ml.MlflowClient()
    for number in range(5):
        client.create_run("0", run_name=f"run {number}", start_time=number + 1)
    first = client.search_runs(["0"], max_results=2)
    see([run.info.run_name for run in first])
    second = client.search_runs(["0"], max_results=2, page_token=first.token)
    see([run.info.run_name for run in second])
    third = client.search_runs(["0"], max_results=2, page_token=second.token)
    see([run.info.run_name for run in third])
    see([first.token is None, third.token])
    see.error(client.search_runs, ["0"], page_token="nonsense")
    see.error(client.search_runs, ["0"], max_results=0)
    see.error(client.search_runs, ["0"], max_results=-1)
    see.error(client.search_runs, ["0"], max_results=50_001)


@same_in_both
def test_a_client_finds_nothing_where_there_is_no_experiment(ml, see) -> None:
    client = ml.MlflowClient()
    client.create_run("0")
    see(list(client.search_runs([])))
    see(list(client.search_runs(["123456789"])))
    see(len(client.search_runs(["0", "123456789"])))


@same_in_both
def test_times_are_milliseconds(ml, see) -> None:
    client = ml.MlflowClient()
    run = client.create_run("0")
    see(abs(run.info.start_time / 1000 - time.time()) < 3600)
