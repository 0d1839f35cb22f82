"""Names and signatures: what a script can call, import and pass by name."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import pytest

from tests.differential.twins import same_in_both, the_mlflow

FLUENT = """
    active_run create_experiment delete_experiment delete_experiment_tag delete_run delete_tag
    disable_system_metrics_logging enable_system_metrics_logging end_run flush_artifact_async_logging
    flush_async_logging get_artifact_uri get_experiment get_experiment_by_name get_parent_run get_registry_uri get_run
    get_tracking_uri is_tracking_uri_set last_active_run load_table log_artifact log_artifacts log_dict log_figure
    log_image log_input log_inputs log_metric log_metrics log_outputs log_param log_params log_stream log_table log_text
    restore_experiment restore_run search_experiments search_runs set_experiment set_experiment_tag set_experiment_tags
    set_registry_uri set_system_metrics_node_id set_system_metrics_samples_before_logging
    set_system_metrics_sampling_interval set_tag set_tags set_tracking_uri start_run
""".split()
CLIENT = """
    create_experiment create_run delete_experiment delete_experiment_tag delete_run delete_tag download_artifacts
    get_experiment get_experiment_by_name get_metric_history get_parent_run get_run list_artifacts load_table
    log_artifact log_artifacts log_batch log_dict log_figure log_image log_inputs log_metric log_outputs log_param
    log_stream log_table log_text rename_experiment restore_experiment restore_run search_experiments search_runs
    set_experiment_tag set_tag set_terminated update_run
""".split()
ARTIFACTS = "download_artifacts list_artifacts load_dict load_image load_text".split()
DATA = "from_numpy from_pandas from_polars get_source".split()
OF_OTHERS = {"model_id", "trace_location"}  # the registry of models and traces are other parts
IMPORTED = {
    "": "ActiveRun Image MlflowClient MlflowException artifacts data entities exceptions tracking".split(),
    "artifacts": ARTIFACTS,
    "data": [*DATA, "dataset", "dataset_source"],
    "data.dataset": ["Dataset"],
    "data.dataset_source": ["DatasetSource"],
    "data.http_dataset_source": ["HTTPDatasetSource"],
    "data.meta_dataset": ["MetaDataset"],
    "data.numpy_dataset": ["NumpyDataset"],
    "data.pandas_dataset": ["PandasDataset"],
    "data.polars_dataset": ["PolarsDataset"],
    "entities": """
        Dataset DatasetInput Experiment ExperimentTag FileInfo InputTag LifecycleStage LoggedModelInput
        LoggedModelOutput Metric Param Run RunData RunInfo RunInputs RunOutputs RunStatus RunTag SourceType ViewType
    """.split(),
    "exceptions": ["MlflowException"],
    "tracking": ["MlflowClient"],
}


def named(call: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function by name, in order."""
    return dict(inspect.signature(call).parameters)


def check(theirs: Any, ours: Any) -> None:
    """Check that what can be passed to their function can be passed to ours, by place and by name."""
    wanted = {name: one for name, one in named(theirs).items() if name not in OF_OTHERS}
    given = named(ours)
    assert [name for name in given if name in wanted] == list(wanted)
    places = [name for name, one in given.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    by_place = [name for name, one in wanted.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert [name for name in places if name not in OF_OTHERS][: len(by_place)] == by_place
    for name, one in wanted.items():
        assert (given[name].default is inspect.Parameter.empty) <= (one.default is inspect.Parameter.empty), (
            name
        )


@pytest.mark.parametrize("name", FLUENT)
def test_a_fluent_function_takes_what_mlflows_takes(name) -> None:
    import gittrack

    check(getattr(the_mlflow(), name), getattr(gittrack, name))


@pytest.mark.parametrize("name", CLIENT)
def test_a_method_of_the_client_takes_what_mlflows_takes(name) -> None:
    import gittrack

    check(getattr(the_mlflow().MlflowClient, name), getattr(gittrack.MlflowClient, name))


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_function_of_artifacts_takes_what_mlflows_takes(name) -> None:
    import gittrack.artifacts

    check(getattr(the_mlflow().artifacts, name), getattr(gittrack.artifacts, name))


@pytest.mark.parametrize("name", DATA)
def test_a_function_of_data_takes_what_mlflows_takes(name) -> None:
    import gittrack.data

    check(getattr(the_mlflow().data, name), getattr(gittrack.data, name))


@pytest.mark.parametrize("module", IMPORTED)
def test_a_name_that_scripts_import_is_there(module) -> None:
    the_mlflow()
    for library in ("mlflow", "gittrack"):
        found = importlib.import_module(".".join([library, module]) if module else library)
        missing = [name for name in IMPORTED[module] if not hasattr(found, name)]
        assert not missing, f"{found.__name__} has no {missing}"


@same_in_both
def test_an_error_can_be_caught_and_asked_for_its_code(ml, see) -> None:
    try:
        ml.get_run("0" * 32)
    except ml.exceptions.MlflowException as error:
        see([error.error_code, error.message == str(error), error.get_http_status_code()])
        answer = json.loads(error.serialize_as_json())
        see([answer["error_code"], answer["message"] == error.message])
    try:
        ml.log_metric("a//b", 1)
    except ml.MlflowException as error:
        see([error.error_code, error.get_http_status_code()])


@same_in_both
def test_an_entity_can_be_made_by_place_and_by_name(ml, see) -> None:
    entities = ml.entities
    see(entities.Metric("m", 1.0, 10, 2))
    see(entities.Metric(key="m", value=1.0, timestamp=10, step=2))
    see(entities.Param("p", "1"))
    see(entities.RunTag("t", "1"))
    see(entities.ExperimentTag("t", "1"))
    see(entities.FileInfo("a", False, 5))
    see(entities.InputTag("t", "1"))
    see(entities.Dataset("n", "d", "local", "{}"))
    see(dict(entities.Param("p", "1")))
    see(entities.Param("p", "1") == entities.Param("p", "1"))


@same_in_both
def test_the_numbers_of_statuses_and_views_are_mlflows(ml, see) -> None:
    entities = ml.entities
    see([entities.RunStatus.to_string(number) for number in range(1, 6)])
    see([entities.RunStatus.from_string(word) for word in ("RUNNING", "KILLED")])
    see([entities.RunStatus.is_terminated(number) for number in range(1, 6)])
    see([entities.ViewType.ACTIVE_ONLY, entities.ViewType.DELETED_ONLY, entities.ViewType.ALL])
    see([entities.ViewType.from_string("all"), entities.ViewType.to_string(1)])
    see([entities.LifecycleStage.ACTIVE, entities.LifecycleStage.DELETED])
    see([entities.SourceType.to_string(entities.SourceType.LOCAL)])
    see.refused(entities.RunStatus.to_string, 9, mlflow="Exception")


@same_in_both
def test_an_experiment_says_nothing_of_traces(ml, see) -> None:
    names = {name for name, _ in ml.get_experiment("0")}
    see.differs(
        "no-traces",
        sorted(names & {"trace_location", "workspace"}),
        mlflow=["trace_location", "workspace"],
        gittrack=[],
    )


@same_in_both
def test_a_store_elsewhere_is_refused(ml, see) -> None:
    database = see.caught(ml.set_tracking_uri, f"sqlite:///{see.root}/other.db")
    see.differs("one-store", database, mlflow=None, gittrack="error: INVALID_PARAMETER_VALUE")
    see(ml.is_tracking_uri_set() or see.side == "gittrack")
    see.differs("one-store", ml.get_tracking_uri().startswith("file:"), mlflow=False, gittrack=True)


@same_in_both
def test_the_client_can_be_made_with_a_tracking_uri(ml, see) -> None:
    client = ml.MlflowClient(ml.get_tracking_uri())
    with ml.start_run(run_name="trial") as run:
        pass
    see(client.get_run(run.info.run_id).info.run_name)
    see(client.tracking_uri == ml.get_tracking_uri())
