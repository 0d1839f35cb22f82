"""Runs: starting, nesting, resuming, ending, deleting."""

from __future__ import annotations

import os
import threading

import pytest

from tests.differential.twins import same_in_both

UNKNOWN = "0" * 32


@same_in_both
def test_a_run_that_was_just_started_says_so(ml, see) -> None:
    run = ml.start_run(run_name="trial")
    see(run.info)
    see(ml.get_run(run.info.run_id).info)
    see(ml.active_run().info.run_id == run.info.run_id)


@same_in_both
def test_a_run_that_ended_says_when_and_how(ml, see) -> None:
    with ml.start_run(run_name="trial") as run:
        ml.log_param("a", 1)
    found = ml.get_run(run.info.run_id)
    see(found.info)
    see(found.info.end_time >= found.info.start_time)
    see(ml.active_run())


@same_in_both
def test_a_run_without_a_name_is_given_one(ml, see) -> None:
    with ml.start_run() as run:
        pass
    found = ml.get_run(run.info.run_id)
    see(found.info.run_name)
    see(found.data.tags["mlflow.runName"] == found.info.run_name)


@same_in_both
def test_a_whole_run_has_the_attributes_of_mlflow(ml, see) -> None:
    with ml.start_run(run_name="trial") as run:
        ml.log_param("depth", 3)
        ml.log_metric("auc", 0.9)
        ml.set_tag("team", "a")
    found = ml.get_run(run.info.run_id)
    see(found)
    see({name: sorted(part) for name, part in found.to_dictionary().items()})


@same_in_both
def test_a_run_does_not_end_as_one_that_goes_on(ml, see) -> None:
    ml.start_run()
    for status in ("RUNNING", "SCHEDULED"):
        told = see.caught(ml.end_run, status)
        see.differs("true-statuses", told, mlflow=None, gittrack="error: INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_with_the_status_that_is_given(twins, status) -> None:
    def scenario(ml, see) -> None:
        run = ml.start_run()
        see.error(ml.end_run, status)
        see(ml.get_run(run.info.run_id).info.status)
        see(ml.active_run())

    twins.compare(scenario)


@same_in_both
def test_a_status_that_there_is_not_is_refused(ml, see) -> None:
    ml.start_run()
    see.refused(ml.end_run, "DONE", mlflow="Exception")


@same_in_both
def test_ending_without_a_run_does_nothing(ml, see) -> None:
    see(ml.end_run())
    see(ml.active_run())


@same_in_both
def test_an_exception_fails_the_run_and_goes_on(ml, see) -> None:
    for error in (ValueError("no"), KeyboardInterrupt()):
        try:
            with ml.start_run() as run:
                raise error
        except BaseException as caught:  # noqa: BLE001
            see(caught is error)
        if isinstance(error, ValueError):
            see(ml.get_run(run.info.run_id).info.status)
        else:
            status = ml.get_run(run.info.run_id).info.status
            see.differs("true-statuses", status, mlflow="FAILED", gittrack="KILLED")


@same_in_both
def test_leaving_with_exit_code_zero_is_no_failure(ml, see) -> None:
    try:
        with ml.start_run() as run:
            raise SystemExit(0)
    except SystemExit:
        pass
    see.differs(
        "true-statuses", ml.get_run(run.info.run_id).info.status, mlflow="FAILED", gittrack="FINISHED"
    )


@same_in_both
def test_a_second_run_needs_nested(ml, see) -> None:
    ml.start_run()
    see.refused(ml.start_run, mlflow="Exception", gittrack="INVALID_STATE")


@same_in_both
def test_a_nested_run_knows_its_parent(ml, see) -> None:
    with ml.start_run(run_name="outer") as outer:
        with ml.start_run(run_name="inner", nested=True) as inner:
            see(ml.active_run().info.run_name)
        see(ml.active_run().info.run_name)
    see(outer.info.run_id)
    see(ml.get_run(inner.info.run_id).data.tags["mlflow.parentRunId"])
    see(ml.get_parent_run(inner.info.run_id).info.run_name)
    see(ml.get_parent_run(outer.info.run_id))
    see(ml.MlflowClient().get_parent_run(inner.info.run_id).info.run_id)
    see.error(ml.get_parent_run, UNKNOWN)


@same_in_both
def test_ending_the_inner_run_leaves_the_outer_active(ml, see) -> None:
    ml.start_run(run_name="outer")
    ml.start_run(run_name="inner", nested=True)
    ml.end_run()
    see(ml.active_run().info.run_name)
    ml.end_run()
    see(ml.active_run())


@same_in_both
def test_a_parent_can_be_given_by_id(ml, see) -> None:
    with ml.start_run(run_name="outer") as outer:
        pass
    with ml.start_run(parent_run_id=outer.info.run_id) as inner:
        pass
    see(ml.get_parent_run(inner.info.run_id).info.run_name)
    see.error(ml.start_run, parent_run_id=UNKNOWN)
    see.error(ml.start_run, parent_run_id="no id")
    see(ml.active_run())


@same_in_both
def test_a_parent_by_id_must_be_the_active_run_when_there_is_one(ml, see) -> None:
    with ml.start_run() as first:
        pass
    with ml.start_run() as second:
        see.refused(ml.start_run, parent_run_id=first.info.run_id, nested=True, mlflow="INTERNAL_ERROR")
        with ml.start_run(parent_run_id=second.info.run_id, nested=True) as inner:
            pass
    see(ml.get_parent_run(inner.info.run_id).info.run_id == second.info.run_id)


@same_in_both
def test_a_deleted_run_is_no_parent(ml, see) -> None:
    with ml.start_run() as outer:
        pass
    ml.delete_run(outer.info.run_id)
    see.refused(ml.start_run, parent_run_id=outer.info.run_id, mlflow="INTERNAL_ERROR")


@same_in_both
def test_a_run_can_be_resumed(ml, see) -> None:
    with ml.start_run(run_name="trial", tags={"a": 1}) as first:
        ml.log_metric("m", 1, step=1)
    with ml.start_run(run_id=first.info.run_id, tags={"b": 2}, description="again") as again:
        see(again.info.run_id == first.info.run_id)
        see(again.info.status)
        see(ml.get_run(first.info.run_id).info.status)
        see(again.info.run_name)
        ml.log_metric("m", 2, step=2)
    found = ml.get_run(first.info.run_id)
    see(found)
    see(found.info.start_time == first.info.start_time)
    see([point.value for point in ml.MlflowClient().get_metric_history(first.info.run_id, "m")])


@same_in_both
def test_a_resumed_run_can_be_renamed(ml, see) -> None:
    with ml.start_run(run_name="first") as run:
        pass
    with ml.start_run(run_id=run.info.run_id, run_name="second"):
        pass
    found = ml.get_run(run.info.run_id)
    see([found.info.run_name, found.data.tags["mlflow.runName"]])


@same_in_both
def test_a_run_that_does_not_exist_cannot_be_resumed(ml, see) -> None:
    see.error(ml.start_run, run_id=UNKNOWN)
    see.error(ml.start_run, run_id="no id")
    see.error(ml.start_run, run_id="../../etc")
    see(ml.active_run())


@same_in_both
def test_a_deleted_run_cannot_be_resumed(ml, see) -> None:
    with ml.start_run() as run:
        pass
    ml.delete_run(run.info.run_id)
    see.refused(ml.start_run, run_id=run.info.run_id, mlflow="INTERNAL_ERROR")


@same_in_both
def test_the_environment_can_name_the_run_once(ml, see) -> None:
    with ml.start_run() as run:
        pass
    os.environ["MLFLOW_RUN_ID"] = run.info.run_id
    with ml.start_run() as again:
        see(again.info.run_id == run.info.run_id)
    with ml.start_run() as other:
        see(other.info.run_id == run.info.run_id)


@same_in_both
def test_a_resumed_run_must_be_of_the_active_experiment(ml, see) -> None:
    with ml.start_run() as run:
        pass
    ml.set_experiment("churn")
    see.refused(ml.start_run, run_id=run.info.run_id, mlflow="INTERNAL_ERROR")


@same_in_both
def test_logging_without_a_run_starts_one(ml, see) -> None:
    ml.log_metric("m", 1)
    run = ml.active_run()
    see(run is not None)
    ml.log_param("p", 1)
    see(ml.active_run().info.run_id == run.info.run_id)
    ml.end_run()
    see(ml.get_run(run.info.run_id).data.metrics)


@same_in_both
def test_the_last_active_run_is_remembered(ml, see) -> None:
    see(ml.last_active_run())
    with ml.start_run(run_name="first"):
        pass
    see(ml.last_active_run().info.run_name)
    with ml.start_run(run_name="second"):
        see(ml.last_active_run().info.run_name)
        ml.log_metric("m", 1)
        see.differs("active-run", ml.last_active_run().data.metrics, mlflow={}, gittrack={"m": 1.0})
    see(ml.last_active_run().info.status)


@same_in_both
def test_a_deleted_run_is_still_there_until_it_is_restored(ml, see) -> None:
    with ml.start_run(run_name="trial") as run:
        pass
    see(ml.delete_run(run.info.run_id))
    see(ml.get_run(run.info.run_id).info)
    see(ml.search_runs(output_format="list"))
    see.error(ml.delete_run, run.info.run_id)
    see(ml.MlflowClient().restore_run(run.info.run_id))
    see(ml.get_run(run.info.run_id).info.lifecycle_stage)
    see(len(ml.search_runs(output_format="list")))
    see.error(ml.MlflowClient().restore_run, run.info.run_id)
    see.error(ml.delete_run, UNKNOWN)
    see.error(ml.MlflowClient().restore_run, UNKNOWN)


@same_in_both
def test_runs_can_be_restored_by_the_fluent_function(ml, see) -> None:
    with ml.start_run() as run:
        pass
    ml.delete_run(run.info.run_id)
    see(ml.restore_run(run.info.run_id))
    see(ml.get_run(run.info.run_id).info.lifecycle_stage)


@same_in_both
def test_nothing_is_logged_to_a_deleted_run(ml, see) -> None:
    client = ml.MlflowClient()
    with ml.start_run() as run:
        pass
    one = run.info.run_id
    ml.delete_run(one)
    see.error(client.log_param, one, "a", 1)
    see.error(client.log_metric, one, "a", 1)
    see.error(client.set_tag, one, "a", 1)
    see.error(client.delete_tag, one, "a")
    see.error(client.log_batch, one, params=[ml.entities.Param("a", "1")])
    see.error(client.set_terminated, one)
    see.error(client.update_run, one, status="FAILED")
    see.error(client.update_run, one, name="other")
    found = ml.get_run(one)
    see([found.data.params, found.data.metrics, found.info.status])


@same_in_both
def test_deleting_a_parent_leaves_its_children(ml, see) -> None:
    with ml.start_run() as outer, ml.start_run(nested=True) as inner:
        pass
    ml.delete_run(outer.info.run_id)
    see(ml.get_run(inner.info.run_id).info.lifecycle_stage)


@same_in_both
def test_an_ended_run_takes_more_values(ml, see) -> None:
    client = ml.MlflowClient()
    with ml.start_run() as run:
        ml.log_metric("m", 1, step=0)
    client.log_metric(run.info.run_id, "m", 2, step=1)
    client.log_param(run.info.run_id, "p", 1)
    found = ml.get_run(run.info.run_id)
    see([found.data.metrics, found.data.params, found.info.status])


@same_in_both
def test_the_name_that_is_given_as_such_wins_over_the_tag(ml, see) -> None:
    with ml.start_run(run_name="a", tags={"mlflow.runName": "b"}) as run:
        see(run.info.run_name)
    with ml.start_run(run_name="a", tags={"mlflow.runName": "a"}) as run:
        see(run.info.run_name)


@same_in_both
def test_a_name_can_come_from_the_tag(ml, see) -> None:
    with ml.start_run(tags={"mlflow.runName": "b"}) as run:
        see(run.info.run_name)
    see(ml.get_run(run.info.run_id).info.run_name)


@same_in_both
def test_a_thread_has_an_active_run_of_its_own(ml, see) -> None:
    found = []

    def work() -> None:
        found.append(ml.active_run())
        with ml.start_run(run_name="in the thread"):
            ml.log_metric("m", 1)

    with ml.start_run(run_name="outside"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        see(found)
        see(ml.active_run().info.run_name)
        ml.log_metric("n", 1)
    runs = ml.search_runs(output_format="list", order_by=["run_name"])
    see([(run.info.run_name, run.data.metrics) for run in runs])


@same_in_both
def test_a_run_that_does_not_exist_is_not_found(ml, see) -> None:
    see.error(ml.get_run, UNKNOWN)
    see.error(ml.get_run, "no id")
    see.error(ml.get_run, "")
    see.error(ml.get_run, "../../etc/passwd")


@same_in_both
def test_two_runs_of_a_clause_of_with_end_in_turn(ml, see) -> None:
    with ml.start_run(run_name="a"), ml.start_run(run_name="b", nested=True):
        see(
            [
                run.info.run_name
                for run in ml.search_runs(filter_string="status = 'RUNNING'", output_format="list")
            ]
        )
    see(
        [
            run.info.run_name
            for run in ml.search_runs(filter_string="status = 'RUNNING'", output_format="list")
        ]
    )
