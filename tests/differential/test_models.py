"""Models: which ones a run used, and which ones it made."""

from __future__ import annotations

from tests.differential.twins import same_in_both


@same_in_both
def test_a_run_keeps_the_models_that_it_made(ml, see) -> None:
    made = ml.entities.LoggedModelOutput
    with ml.start_run() as run:
        see(ml.log_outputs([made("m-1", 0), made("m-2", 5)]))
        see(ml.log_outputs([made("m-3", -1)]))
        see(ml.log_outputs([]))
    found = ml.get_run(run.info.run_id)
    see([found.outputs, found.inputs])
    see(found.outputs.to_dictionary())
    see([one.outputs for one in ml.search_runs(output_format="list")])


@same_in_both
def test_a_run_keeps_the_models_that_it_used(ml, see) -> None:
    used = ml.entities.LoggedModelInput
    client = ml.MlflowClient()
    with ml.start_run() as run:
        see(ml.log_input(model=used("m-1")))
        see(client.log_inputs(run.info.run_id, models=[used("m-2"), used("m-2")]))
        see(client.log_inputs(run.info.run_id, None, [used("m-1")]))
    see(client.get_run(run.info.run_id).inputs)


@same_in_both
def test_a_client_logs_models_to_any_run(ml, see) -> None:
    made = ml.entities.LoggedModelOutput
    client = ml.MlflowClient()
    one = client.create_run("0").info.run_id
    see(client.log_outputs(one, [made("m-1", 1)]))
    client.set_terminated(one)
    see(client.log_outputs(run_id=one, models=[made("m-2", 2)]))
    see([client.get_run(one).outputs, client.get_run(one).info.status])
    see.error(client.log_outputs, "0" * 32, [made("m-1", 1)])
    client.delete_run(one)
    see.error(client.log_outputs, one, [made("m-3", 3)])


@same_in_both
def test_a_model_may_be_logged_again_and_is_found_with_its_run(ml, see) -> None:
    made, used = ml.entities.LoggedModelOutput, ml.entities.LoggedModelInput
    with ml.start_run() as run:
        ml.log_outputs([made("m-1", 1)])
        for step, steps in ((1, [1]), (2, [1, 2])):
            answer = see.caught(ml.log_outputs, [made("m-1", step)])
            see.differs("run-models", answer, mlflow="error: BAD_REQUEST", gittrack=None)
            found = ml.get_run(run.info.run_id).outputs.model_outputs
            see.differs("run-models", [one.step for one in found], mlflow=..., gittrack=steps)
        answer = see.caught(ml.log_inputs, models=[used("m-2")])
        see.differs("run-models", answer, mlflow="error: INTERNAL_ERROR", gittrack=None)
        ml.log_input(model=used("m-2"))
    [found] = ml.search_runs(output_format="list")
    see.differs(
        "run-models", [one.model_id for one in found.inputs.model_inputs], mlflow=[], gittrack=["m-2"]
    )
    answer = see.caught(ml.log_outputs)
    see.differs("run-models", answer, mlflow="error: INTERNAL_ERROR", gittrack=None)


@same_in_both
def test_what_is_no_model_is_refused(ml, see) -> None:
    made, used = ml.entities.LoggedModelOutput, ml.entities.LoggedModelInput
    one = ml.MlflowClient().create_run("0").info.run_id
    client = ml.MlflowClient()
    see.refused(client.log_outputs, one, None, mlflow="INTERNAL_ERROR")
    see.refused(client.log_outputs, one, ["m-1"], mlflow="INTERNAL_ERROR")
    see.refused(client.log_outputs, one, [used("m-1")], mlflow="INTERNAL_ERROR")
    see.refused(client.log_outputs, one, made("m-1", 1), mlflow="INTERNAL_ERROR")
    see.refused(client.log_outputs, one, [made(None, 1)], mlflow="BAD_REQUEST")
    see.refused(client.log_outputs, one, [made("m-1", 2**63)], mlflow="INTERNAL_ERROR")
    see.refused(client.log_inputs, one, models=["m-1"], mlflow="INTERNAL_ERROR")
    see(client.get_run(one).outputs)
    for odd in (made("", 1), made(5, 1), made("m-2", "x"), made("m-3", 1.5)):
        answer = see.caught(client.log_outputs, one, [odd])
        see.differs("errors", answer, mlflow=None, gittrack="error: INVALID_PARAMETER_VALUE")


@same_in_both
def test_a_metric_of_a_model_makes_the_model_an_input_of_the_run(ml, see) -> None:
    with ml.start_run() as run:
        one = run.info.run_id
        ml.log_outputs([ml.entities.LoggedModelOutput("m-1", 0)])
        for model_id in ("m-1", "m-2", "m-2"):
            answer = see.caught(ml.log_metric, "auc", 0.9, model_id=model_id, run_id=one)
            see.differs("run-models", answer, mlflow="error: BAD_REQUEST", gittrack=None)
        answer = see.caught(ml.log_metrics, {"auc": 0.9}, model_id="m-3", run_id=one)
        see.differs("run-models", answer, mlflow="error: BAD_REQUEST", gittrack=None)
    found = ml.get_run(one)
    see([found.inputs, found.outputs])
