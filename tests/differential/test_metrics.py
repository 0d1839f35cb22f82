"""Metrics: values, steps, timestamps, what the last value is."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.differential.twins import same_in_both

NUMBERS = [1, 0.5, True, "1.5", "1e3", np.float32(0.5), np.int64(3), np.array(2.5), np.array([2.5]), 10**20]
NO_NUMBERS = [None, "abc", ""]
COLLECTIONS = [[1, 2], {"a": 1}, (1,), b"x"]


@same_in_both
def test_a_metric_comes_back_as_it_was_logged(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.log_metric("auc", 0.9, step=3, timestamp=5000))
    history = ml.MlflowClient().get_metric_history(run.info.run_id, "auc")
    see([(point.key, point.value, point.step, point.timestamp) for point in history])
    see(ml.get_run(run.info.run_id).data.metrics)


@same_in_both
def test_a_point_has_the_attributes_of_mlflow(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("auc", 0.9, step=3, timestamp=5000)
    see(ml.MlflowClient().get_metric_history(run.info.run_id, "auc"))


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_what_mlflow_takes_as_a_number_is_one(twins, value) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            see.error(ml.log_metric, "m", value)
            see.error(ml.log_metrics, {"n": value})
        see(ml.get_run(run.info.run_id).data.metrics)

    twins.compare(scenario)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused(twins, value) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            see.error(ml.log_metric, "m", value)
        see(ml.get_run(run.info.run_id).data.metrics)

    twins.compare(scenario)


@pytest.mark.parametrize("value", COLLECTIONS, ids=repr)
def test_a_collection_is_no_value_of_a_metric(twins, value) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            see.refused(ml.log_metric, "m", value, mlflow="TypeError")
            see.error(ml.log_metric, "m", np.array([1, 2]))
        see(ml.get_run(run.info.run_id).data.metrics)

    twins.compare(scenario)


@same_in_both
def test_nan_is_kept(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("m", float("nan"))
        ml.log_metric("n", 1.0, step=0)
        ml.log_metric("n", float("nan"), step=1)
    see(ml.get_run(run.info.run_id).data.metrics)
    see([point.value for point in ml.MlflowClient().get_metric_history(run.info.run_id, "n")])


@same_in_both
def test_numbers_are_kept_exactly(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("up", float("inf"))
        ml.log_metric("down", float("-inf"))
        ml.log_metric("zero", -0.0)
        ml.log_metric("tiny", 5e-324)
        ml.log_metric("third", 1 / 3)
    metrics = ml.get_run(run.info.run_id).data.metrics
    see.differs("exact-numbers", metrics["up"], mlflow=1.7976931348623157e308, gittrack=float("inf"))
    see.differs("exact-numbers", metrics["down"], mlflow=-1.7976931348623157e308, gittrack=float("-inf"))
    see.differs("exact-numbers", metrics["zero"], mlflow=0.0, gittrack=-0.0)
    see([metrics["tiny"], metrics["third"]])


@same_in_both
def test_without_a_step_the_step_is_zero(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("m", 1)
        ml.log_metrics({"n": 2.0, "o": 3})
    for key in "mno":
        see([point.step for point in ml.MlflowClient().get_metric_history(run.info.run_id, key)])


@same_in_both
def test_without_a_timestamp_the_clock_says_the_time(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("m", 1)
        ml.log_metric("m", 1, step=1, timestamp=0)
        ml.log_metrics({"m": 1}, step=2, timestamp=7)
    see([point.timestamp for point in ml.MlflowClient().get_metric_history(run.info.run_id, "m")])


@pytest.mark.parametrize("step", [0, 1, -5, 2**40, True], ids=repr)
def test_a_step_is_any_integer(twins, step) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            ml.log_metric("m", 1, step=step)
        see([int(point.step) for point in ml.MlflowClient().get_metric_history(run.info.run_id, "m")])

    twins.compare(scenario)


@same_in_both
def test_a_step_of_numpy_is_the_integer_that_it_is(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("m", 1, step=np.int64(4))
    step = ml.MlflowClient().get_metric_history(run.info.run_id, "m")[0].step
    see.differs("numpy-steps", step, mlflow=b"\x04" + bytes(7), gittrack=4)


@same_in_both
def test_a_step_that_is_no_integer_is_refused(ml, see) -> None:
    with ml.start_run():
        see.differs(
            "float-steps",
            see.caught(ml.log_metric, "m", 1, step=1.5),
            mlflow=None,
            gittrack="error: INVALID_PARAMETER_VALUE",
        )
        see.error(ml.log_metric, "m", 1, step="one")


@pytest.mark.parametrize("timestamp", [-1, "now"], ids=repr)
def test_a_time_that_is_none_is_refused(twins, timestamp) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run():
            see.error(ml.log_metric, "m", 1, timestamp=timestamp)

    twins.compare(scenario)


@pytest.mark.parametrize(
    "points",
    [
        [(1.0, 0, 10), (2.0, 1, 10), (3.0, 0, 20)],
        [(1.0, 2, 10), (2.0, 1, 99)],
        [(1.0, 1, 20), (2.0, 1, 10)],
        [(2.0, 1, 10), (1.0, 1, 10)],
        [(1.0, 1, 10), (float("nan"), 1, 10)],
        [(float("nan"), 1, 10), (-1.0, 2, 10)],
        [(1.0, -2, 10), (2.0, -1, 10), (3.0, -3, 10)],
    ],
)
def test_the_last_value_is_the_greatest_by_step_timestamp_and_value(twins, points) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            for value, step, timestamp in points:
                ml.log_metric("m", value, step=step, timestamp=timestamp)
        see(ml.get_run(run.info.run_id).data.metrics)

    twins.compare(scenario)


@same_in_both
def test_a_number_is_greater_than_nan(ml, see) -> None:
    with ml.start_run() as run:
        for value in (-1.0, float("nan")):
            ml.log_metric("m", value, step=1, timestamp=10)
    last = ml.get_run(run.info.run_id).data.metrics["m"]
    see.differs("nan-ties", last, mlflow=float("nan"), gittrack=-1.0)


@same_in_both
def test_a_history_is_ordered_by_time_then_step_then_value(ml, see) -> None:
    points = [(1.0, 3, 30), (2.0, 1, 40), (3.0, 2, 10), (5.0, 2, 20), (4.0, 2, 20), (0.0, 9, 20)]
    with ml.start_run() as run:
        for value, step, timestamp in points:
            ml.log_metric("m", value, step=step, timestamp=timestamp)
    history = ml.MlflowClient().get_metric_history(run.info.run_id, "m")
    see([(point.timestamp, point.step, point.value) for point in history])


@same_in_both
def test_a_point_that_is_logged_twice_is_kept_twice(ml, see) -> None:
    with ml.start_run() as run:
        for _ in range(2):
            ml.log_metric("m", 1.0, step=1, timestamp=10)
    history = ml.MlflowClient().get_metric_history(run.info.run_id, "m")
    see.differs("repeated-points", len(history), mlflow=1, gittrack=2)


@same_in_both
def test_several_metrics_share_a_step_and_a_time(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.log_metrics({"a": 1, "b": 2.5}, step=4, timestamp=9))
        see.error(ml.log_metrics, {})
    see(ml.get_run(run.info.run_id).data.metrics)
    for key in "ab":
        history = ml.MlflowClient().get_metric_history(run.info.run_id, key)
        see([(point.timestamp, point.step, point.value) for point in history])


@same_in_both
def test_metrics_can_be_logged_to_a_run_by_id(ml, see) -> None:
    with ml.start_run() as run:
        pass
    with ml.start_run() as other:
        ml.log_metric("m", 1, run_id=run.info.run_id)
        ml.log_metrics({"n": 2}, run_id=run.info.run_id)
    see(ml.get_run(run.info.run_id).data.metrics)
    see(ml.get_run(other.info.run_id).data.metrics)
    see.error(ml.log_metric, "m", 1, run_id="0" * 32)


@same_in_both
def test_a_metric_that_was_never_logged_has_no_history(ml, see) -> None:
    with ml.start_run() as run:
        pass
    see(ml.MlflowClient().get_metric_history(run.info.run_id, "never"))
    for wrong, code in (("0" * 32, "RESOURCE_DOES_NOT_EXIST"), ("no id", "INVALID_PARAMETER_VALUE")):
        answer = see.caught(ml.MlflowClient().get_metric_history, wrong, "never")
        see.differs("errors", answer, mlflow=[], gittrack=f"error: {code}")


@same_in_both
def test_more_points_than_a_page_come_back_whole(ml, see) -> None:
    entities = ml.entities
    with ml.start_run() as run:
        for first in range(0, 2500, 500):
            points = [entities.Metric("m", float(step), step, step) for step in range(first, first + 500)]
            ml.MlflowClient().log_batch(run.info.run_id, metrics=points)
    history = ml.MlflowClient().get_metric_history(run.info.run_id, "m")
    see([len(history), history[0].value, history[-1].value])


def kinds(answers: list[object]) -> list[str]:
    """Return the names of the classes of answers."""
    return [type(answer).__name__ for answer in answers]


@same_in_both
def test_the_same_calls_give_something_to_wait_for_when_asynchronous_logging_is_enabled(ml, see) -> None:
    client, entities = ml.MlflowClient(), ml.entities
    for enabled in (True, False):
        ml.config.enable_async_logging(enabled)
        with ml.start_run() as run:
            one = run.info.run_id
            answers = [
                ml.log_param("p", 1),
                ml.log_params({"q": 1}),
                ml.log_params({}),
                ml.log_metric("m", 1),
                ml.log_metrics({"n": 1}),
                ml.log_metrics({}),
                ml.set_tag("t", 1),
                ml.set_tags({"u": 1}),
                ml.set_tags({}),
                ml.log_text("x", "x.txt"),
                client.log_param(one, "cp", 1),
                client.log_metric(one, "cm", 1),
                client.set_tag(one, "ct", 1),
                client.log_batch(one, [entities.Metric("cb", 1.0, 1, 1)]),
                client.log_batch(one),
                ml.log_param("r", 1, synchronous=True),
                ml.log_params({}, synchronous=False),
                ml.set_tag("v", 1, synchronous=False),
                client.log_batch(one, synchronous=False),
                client.log_metric(one, "cn", 1, synchronous=0),
            ]
            see(kinds(answers))
            see([answer.wait() for answer in answers if hasattr(answer, "wait")])
            see([ml.flush_async_logging(), ml.flush_artifact_async_logging()])
        see(ml.get_run(one).data)


@same_in_both
def test_the_environment_can_enable_asynchronous_logging(ml, see) -> None:
    for text in ("true", "1", "TRUE", "false", "0"):
        os.environ["MLFLOW_ENABLE_ASYNC_LOGGING"] = text
        with ml.start_run():
            see(kinds([ml.set_tag("t", 1), ml.log_param("p", 1), ml.log_metric("m", 1, synchronous=True)]))
            ml.flush_async_logging()


@same_in_both
def test_an_asynchronous_call_has_recorded_when_it_returns_and_refuses_at_once(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_param("p", 1)
        answer = see.caught(ml.log_param, "p", 2, synchronous=False)
        see.differs(
            "asynchronous", answer, mlflow="<RunOperations>", gittrack="error: INVALID_PARAMETER_VALUE"
        )
        if hasattr(answer, "wait"):
            assert see.caught(answer.wait) == "error: INTERNAL_ERROR"
        ml.log_metric("m", 1.0, synchronous=False)
        see.differs("asynchronous", ml.get_run(run.info.run_id).data.metrics, mlflow=..., gittrack={"m": 1.0})


@same_in_both
def test_logging_without_waiting_gives_something_to_wait_for(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_metric("m", 1, synchronous=False).wait()
        ml.log_metrics({"n": 1}, synchronous=False).wait()
        ml.set_tag("t", 1, synchronous=False).wait()
        ml.set_tags({"u": 1}, synchronous=False).wait()
        ml.log_params({"q": 1}, synchronous=False).wait()
        ml.log_param("p", 1, synchronous=False)
        ml.flush_async_logging()
    data = ml.get_run(run.info.run_id).data
    see([data.metrics, data.params, data.tags["t"], data.tags["u"]])
