"""`search_runs`: what it returns, and of which experiments."""

from __future__ import annotations

import numpy as np
import pytest

from tests.differential.twins import same_in_both


def some_runs(ml) -> None:
    """Make four runs: two complete ones, an empty one and a deleted one."""
    client = ml.MlflowClient()
    for number in range(4):
        one = client.create_run("0", start_time=1000 + number, run_name=f"run {number}").info.run_id
        if number < 2:
            client.log_param(one, "depth", number)
            client.log_metric(one, "auc", number / 2)
            client.set_tag(one, "team", "ab"[number])
        if number == 1:
            client.log_metric(one, "loss", float("nan"))
            client.log_param(one, "lr", 0.1)
        client.set_terminated(one, end_time=2000 + number)
    client.delete_run(one)


def names(runs) -> list[str]:
    """Return the names of runs."""
    return [run.info.run_name for run in runs]


@same_in_both
def test_a_search_returns_a_frame(ml, see) -> None:
    some_runs(ml)
    frame = ml.search_runs()
    see(sorted(column for column in frame.columns if not column.startswith("tags.mlflow.")))
    for column in (
        "run_id",
        "experiment_id",
        "status",
        "artifact_uri",
        "params.depth",
        "params.lr",
        "metrics.auc",
    ):
        see([str(frame[column].dtype), frame[column].tolist()])
    see([str(frame["metrics.loss"].dtype), frame["metrics.loss"].tolist()])
    see([str(frame["tags.team"].dtype), frame["tags.team"].tolist()])
    see(frame["tags.mlflow.runName"].tolist())
    see(list(frame.columns)[:6])
    see(frame.index.tolist())


@same_in_both
def test_times_in_a_frame_are_in_utc(ml, see) -> None:
    some_runs(ml)
    frame = ml.search_runs()
    see([str(frame[column].dtype.tz) for column in ("start_time", "end_time")])
    see(frame["start_time"].tolist())
    see(frame["end_time"].tolist())


@same_in_both
def test_a_run_that_has_not_ended_has_no_end_in_a_frame(ml, see) -> None:
    ml.MlflowClient().create_run("0", start_time=1000)
    frame = ml.search_runs()
    see(frame["end_time"].isna().tolist())
    see(frame["status"].tolist())


@same_in_both
def test_a_frame_without_runs_has_the_columns_of_mlflow(ml, see) -> None:
    frame = ml.search_runs()
    see([len(frame), list(frame.columns)])
    some_runs(ml)
    frame = ml.search_runs(filter_string="metrics.auc > 5")
    see([len(frame), list(frame.columns)])


@same_in_both
def test_a_frame_can_be_selected_and_sorted(ml, see) -> None:
    some_runs(ml)
    frame = ml.search_runs(order_by=["metrics.auc DESC"])
    best = frame[frame["metrics.auc"] >= 0.5].iloc[0]
    see([best["params.depth"], best["tags.team"], best["metrics.auc"]])
    see(frame.sort_values("metrics.auc")["tags.mlflow.runName"].tolist())
    see(bool(np.isnan(frame["metrics.loss"]).all()))


@same_in_both
def test_a_search_returns_a_list_on_request(ml, see) -> None:
    some_runs(ml)
    runs = ml.search_runs(output_format="list")
    see(names(runs))
    see([[run.info.status, run.info.end_time, run.data.params, run.data.metrics] for run in runs])


@same_in_both
def test_a_format_that_there_is_not_is_refused(ml, see) -> None:
    see.refused(ml.search_runs, output_format="polars", mlflow="ValueError")


@same_in_both
def test_a_search_sees_active_runs_unless_asked_for_others(ml, see) -> None:
    some_runs(ml)
    view = ml.entities.ViewType
    for which in (view.ACTIVE_ONLY, view.DELETED_ONLY, view.ALL):
        see(names(ml.search_runs(run_view_type=which, output_format="list")))
        see(names(ml.MlflowClient().search_runs(["0"], run_view_type=which)))


@same_in_both
def test_a_search_returns_no_more_than_asked_for(ml, see) -> None:
    some_runs(ml)
    for limit in (1, 2, 100):
        see(names(ml.search_runs(max_results=limit, output_format="list")))
        see(len(ml.search_runs(max_results=limit)))


@same_in_both
def test_a_search_for_no_run_at_all_finds_none(ml, see) -> None:
    some_runs(ml)
    see.error(ml.search_runs, max_results=0, output_format="list")


@same_in_both
def test_a_search_is_in_the_active_experiment(ml, see) -> None:
    some_runs(ml)
    made = ml.set_experiment("churn").experiment_id
    with ml.start_run(run_name="in churn"):
        pass
    see(names(ml.search_runs(output_format="list")))
    see(names(ml.search_runs(["0"], output_format="list")))
    see(names(ml.search_runs(["0", made], output_format="list")))
    see(names(ml.search_runs(experiment_names=["churn"], output_format="list")))
    see(names(ml.search_runs(experiment_names=["churn", "Default"], output_format="list")))
    see(names(ml.search_runs(experiment_names=["never"], output_format="list")))
    see(names(ml.search_runs(search_all_experiments=True, output_format="list")))
    see(names(ml.search_runs([], search_all_experiments=True, output_format="list")))
    see.error(ml.search_runs, ["0"], experiment_names=["churn"])
    see(names(ml.search_runs(["123456789"], output_format="list")))


@same_in_both
def test_runs_of_a_deleted_experiment_are_not_searched(ml, see) -> None:
    made = ml.create_experiment("churn")
    with ml.start_run(experiment_id=made, run_name="gone"):
        pass
    ml.delete_experiment(made)
    see(names(ml.search_runs([made], output_format="list")))
    see(names(ml.search_runs(search_all_experiments=True, output_format="list")))


@same_in_both
def test_the_newest_run_comes_first(ml, see) -> None:
    some_runs(ml)
    see(names(ml.search_runs(output_format="list")))
    see(names(ml.MlflowClient().search_runs(["0"])))


@same_in_both
def test_a_search_sees_runs_that_have_not_ended(ml, see) -> None:
    with ml.start_run(run_name="live"):
        ml.log_metric("auc", 0.5)
        ml.log_param("depth", 3)
        for text in ("metrics.auc > 0.4", "params.depth = '3'", "status = 'RUNNING'", "metrics.auc > 0.6"):
            see(names(ml.search_runs(filter_string=text, output_format="list")))


@same_in_both
def test_tags_that_mlflow_sets_can_be_searched(ml, see) -> None:
    with ml.start_run(run_name="outer") as outer, ml.start_run(run_name="inner", nested=True):
        pass
    for text in (
        f"tags.mlflow.parentRunId = '{outer.info.run_id}'",
        f"tags.`mlflow.parentRunId` = '{outer.info.run_id}'",
        "tags.mlflow.runName = 'outer'",
        "tags.mlflow.source.type = 'LOCAL'",
        "tags.mlflow.source.git.branch = 'main'",
        "tags.mlflow.user != 'nobody'",
        f"run_id = '{outer.info.run_id}'",
        f"run_id IN ('{outer.info.run_id}', 'x')",
    ):
        see(names(ml.search_runs(filter_string=text, output_format="list", order_by=["run_name"])))


@pytest.mark.parametrize(
    "wrong", [{"filter_string": "metrics.auc >"}, {"order_by": ["nonsense"]}, {"filter_string": "x = 1"}]
)
def test_a_search_that_is_not_understood_is_refused(twins, wrong) -> None:
    def scenario(ml, see) -> None:
        see.error(ml.search_runs, **wrong)
        see.error(ml.MlflowClient().search_runs, ["0"], **wrong)

    twins.compare(scenario)
