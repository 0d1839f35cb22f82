"""Datasets: what a run says of its inputs, and how they come back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.differential.twins import same_in_both

FRAME = pd.DataFrame(
    {
        "i": [1, 2, 3],
        "f": [0.5, 1.5, float("nan")],
        "s": ["a", "b", "c"],
        "b": [True, False, True],
        "t": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]),
    }
)
ARRAYS = {
    "matrix": np.arange(6.0).reshape(2, 3),
    "vector": np.arange(4),
    "float32": np.ones((2, 2), np.float32),
}


def facts(dataset) -> list[object]:
    """Return what a dataset says of itself, but for its digest."""
    return [dataset.name, dataset.profile, dataset.schema.to_dict() if dataset.schema else None]


@same_in_both
def test_a_frame_says_what_it_has(ml, see) -> None:
    dataset = ml.data.from_pandas(FRAME, source="train.csv", name="train", targets="i")
    see(facts(dataset))
    see(dataset.df.equals(FRAME))
    see([dataset.targets, dataset.predictions])
    see({key: value for key, value in dataset.to_dict().items() if key != "digest"})
    see(dataset.source.to_dict())


@same_in_both
def test_a_dataset_without_a_name_is_called_dataset(ml, see) -> None:
    see([ml.data.from_pandas(FRAME).name, ml.data.from_numpy(ARRAYS["vector"]).name])


@same_in_both
def test_a_dataset_can_be_given_its_digest(ml, see) -> None:
    see(ml.data.from_pandas(FRAME, digest="mine").digest)
    see(ml.data.from_numpy(ARRAYS["vector"], digest="mine").digest)


@same_in_both
def test_a_digest_is_over_all_of_the_content(ml, see) -> None:
    long = pd.DataFrame({"x": np.zeros(20_000), "when": pd.Timestamp("2026-01-01")})
    changed = long.copy()
    changed.loc[19_999, "when"] = pd.Timestamp("2026-01-02")
    one, other = ml.data.from_pandas(long).digest, ml.data.from_pandas(changed).digest
    see.differs("full-digests", one == other, mlflow=True, gittrack=False)
    see.differs("full-digests", len(one), mlflow=..., gittrack=64)
    see(one == ml.data.from_pandas(long.copy()).digest)


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_says_what_it_has(twins, kind) -> None:
    def scenario(ml, see) -> None:
        dataset = ml.data.from_numpy(ARRAYS[kind], source="x.npy", name="train")
        see(facts(dataset))
        see(np.array_equal(dataset.features, ARRAYS[kind]))
        see(dataset.targets)

    twins.compare(scenario)


@same_in_both
def test_arrays_can_have_names_and_targets(ml, see) -> None:
    see(facts(ml.data.from_numpy(dict(ARRAYS), targets=np.arange(2))))
    see(facts(ml.data.from_numpy(ARRAYS["matrix"], targets={"y": np.arange(2)})))


@same_in_both
def test_a_frame_of_polars_says_what_it_has(ml, see) -> None:
    dataset = ml.data.from_polars(pl.DataFrame({"x": [1, 2], "y": ["a", "b"]}), source="x.csv", name="train")
    see(facts(dataset))
    see(dataset.df.shape)
    schema = ml.data.from_polars(pl.DataFrame({"y": ["a", None]})).schema.to_dict()
    see.differs("nullable", schema[0]["required"], mlflow=True, gittrack=False)


@same_in_both
def test_a_run_keeps_the_datasets_that_it_used(ml, see) -> None:
    Path("train.csv").write_text(FRAME.to_csv())
    train = ml.data.from_pandas(FRAME, source="train.csv", name="train", digest="one")
    test = ml.data.from_numpy(ARRAYS["matrix"], source="x.npy", name="test", digest="two")
    with ml.start_run() as run:
        see(ml.log_input(train, context="training"))
        see(ml.log_input(test, context="testing", tags={"fold": "1"}))
    see(ml.get_run(run.info.run_id).inputs)


@same_in_both
def test_several_datasets_are_logged_at_once(ml, see) -> None:
    datasets = [ml.data.from_pandas(FRAME, name=name, source="a.csv", digest=name) for name in ("a", "b")]
    with ml.start_run() as run:
        see(ml.log_inputs(datasets, ["training", None], [None, {"fold": "1"}], None))
        see.refused(ml.log_inputs, datasets, ["training"], [None, None], None, mlflow="INTERNAL_ERROR")
    inputs = ml.get_run(run.info.run_id).inputs.dataset_inputs
    see([[one.dataset.name, [(tag.key, tag.value) for tag in one.tags]] for one in inputs])


@same_in_both
def test_a_dataset_that_is_logged_twice_is_one_input(ml, see) -> None:
    train = ml.data.from_pandas(FRAME, source="train.csv", name="train", digest="one")
    with ml.start_run() as run:
        ml.log_input(train, context="training")
        ml.log_input(train, context="training")
    see(len(ml.get_run(run.info.run_id).inputs.dataset_inputs))


@same_in_both
def test_a_metric_of_a_dataset_makes_the_dataset_an_input_of_the_run(ml, see) -> None:
    train, test, third = (
        ml.data.from_pandas(FRAME, source="a.csv", name=name, digest=name)
        for name in ("train", "test", "third")
    )
    client = ml.MlflowClient()
    with ml.start_run() as run:
        ml.log_input(train, context="training")
        for step in range(3):
            see(ml.log_metric("auc", 0.9, step=step, dataset=train))
            see(ml.log_metric("auc", 0.8, step=step, dataset=test))
            see(ml.log_metrics({"loss": 0.5}, step=step, dataset=third))
        entity = ml.entities.Dataset("other", "abc", "local", json.dumps({"uri": "b.csv"}), None, None)
        see(ml.log_metric("auc", 0.7, dataset=entity))
        see(client.log_metric(run.info.run_id, "auc", 0.6, dataset_name="x", dataset_digest="y"))
        see.error(client.log_metric, run.info.run_id, "auc", 0.6, dataset_name="x")
        see.error(client.log_metric, run.info.run_id, "auc", 0.6, dataset_digest="y")
        see.refused(ml.log_metric, "auc", 0.5, dataset="train.csv", mlflow="AttributeError")
    inputs = ml.get_run(run.info.run_id).inputs.dataset_inputs
    see(
        sorted(
            (one.dataset.name, one.dataset.digest, [(tag.key, tag.value) for tag in one.tags])
            for one in inputs
        )
    )
    see([(one.dataset_name, one.model_id) for one in client.get_metric_history(run.info.run_id, "auc")])


@same_in_both
def test_a_client_logs_inputs_too(ml, see) -> None:
    entities = ml.entities
    client = ml.MlflowClient()
    one = client.create_run("0").info.run_id
    dataset = entities.Dataset("train", "abc", "local", json.dumps({"uri": "train.csv"}), None, None)
    see(
        client.log_inputs(
            one, [entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", "training")])]
        )
    )
    see(client.get_run(one).inputs)
    see.error(client.log_inputs, "0" * 32, [entities.DatasetInput(dataset, [])])


@same_in_both
def test_the_source_of_a_dataset_can_be_loaded_again(ml, see) -> None:
    Path("train.csv").write_text("x\n1\n")
    with ml.start_run() as run:
        ml.log_input(ml.data.from_pandas(FRAME, source="train.csv"))
    found = ml.get_run(run.info.run_id).inputs.dataset_inputs[0]
    source = ml.data.get_source(found)
    see(Path(source.load()).read_text())
    see(ml.data.get_source(found.dataset).to_dict())


@same_in_both
def test_a_source_can_be_an_address(ml, see) -> None:
    for address in ("https://example.org/train.csv", "s3://bucket/train.csv", "train.csv"):
        source = ml.data.from_pandas(FRAME, source=address).source
        see([source._get_source_type(), source.to_dict()])


@same_in_both
def test_a_dataset_without_a_source_comes_from_the_code(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_input(ml.data.from_pandas(FRAME))
    found = ml.get_run(run.info.run_id).inputs.dataset_inputs[0].dataset
    see(found.source_type)
    see(sorted(json.loads(found.source)))


@same_in_both
def test_runs_are_found_by_their_datasets(ml, see) -> None:
    for name in ("train", "other"):
        with ml.start_run(run_name=name):
            ml.log_input(
                ml.data.from_pandas(FRAME, source="a.csv", name=name, digest=name[:3]), context="training"
            )
    for text in (
        "dataset.name = 'train'",
        "datasets.digest = 'oth'",
        "dataset.context = 'training' AND dataset.name != 'train'",
        "dataset.name LIKE 't%'",
        "dataset.name IN ('other', 'x')",
        "dataset.digest NOT IN ('oth')",
    ):
        found = ml.search_runs(filter_string=text, output_format="list", order_by=["run_name"])
        see([run.info.run_name for run in found])


@same_in_both
def test_what_is_no_dataset_is_refused(ml, see) -> None:
    with ml.start_run():
        see.refused(ml.log_input, FRAME, mlflow="ValueError")
        see.refused(ml.log_input, "train.csv", mlflow="AttributeError")
        for options in ({}, {"context": "training"}):
            answer = see.caught(ml.log_input, None, **options)
            see.differs("errors", answer, mlflow=None, gittrack="error: INVALID_PARAMETER_VALUE")
