"""Params: what is kept, what is shown, what is refused."""

from __future__ import annotations

import decimal
import pathlib

import numpy as np

from tests.differential.twins import same_in_both

VALUES = {
    "integer": 1,
    "float": 0.1,
    "exponent": 1e-7,
    "whole": 3.0,
    "big": 2**70,
    "true": True,
    "none": None,
    "text": "Forest",
    "empty": "",
    "spaces": "  a  ",
    "lines": "a\nb\tc",
    "unicode": "größe 木 🌲",
    "list": [1, "two", None],
    "dict": {"a": (1, 2)},
    "nan": float("nan"),
    "inf": float("-inf"),
    "decimal": decimal.Decimal("0.10"),
    "path": pathlib.PurePosixPath("a/b"),
    "bytes": b"raw",
}
ODD_KEYS = ["a", "a.b", "a/b", "a b", "a-b", "a_b", "a:b", "Größe", "木", "1", "a" * 250]
BAD_KEYS = [
    "",
    "a//b",
    "/a",
    "a/",
    "../a",
    "a/../b",
    "./a",
    ".",
    "..",
    "a\\b",
    "a,b",
    "a=b",
    "a@b",
    "a\0",
    "a" * 251,
]


@same_in_both
def test_a_param_is_shown_as_the_text_of_what_was_given(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.log_params(VALUES))
    see(ml.get_run(run.info.run_id).data.params)


@same_in_both
def test_logging_a_param_returns_the_value_that_was_given(ml, see) -> None:
    with ml.start_run():
        for key in ("integer", "float", "true", "none", "text", "list", "dict"):
            see(ml.log_param(key, VALUES[key]))


@same_in_both
def test_numbers_of_numpy_are_shown_as_plain_numbers(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_params({"f8": np.float64(0.1), "f4": np.float32(0.5), "i": np.int64(7), "b": np.bool_(True)})
        ml.log_param("array", np.array([1, 2]))
    see(ml.get_run(run.info.run_id).data.params)


@same_in_both
def test_a_param_is_written_once(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_param("depth", 3)
        see(ml.log_param("depth", 3))
        see(ml.log_param("depth", "3"))
        see.error(ml.log_param, "depth", 4)
        see.error(ml.log_param, "depth", 3.0)
        see.error(ml.log_params, {"depth": 4, "lr": 0.1})
    see(ml.get_run(run.info.run_id).data.params["depth"])


@same_in_both
def test_a_refused_batch_of_params_leaves_none_of_them(ml, see) -> None:
    with ml.start_run() as run:
        see.error(ml.log_params, {"lr": 0.1, "a//b": 1})
        ml.log_param("depth", 3)
        see.error(ml.log_params, {"seed": 1, "depth": 4})
    see(ml.get_run(run.info.run_id).data.params)


@same_in_both
def test_a_resumed_run_still_has_its_params_and_refuses_others(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_param("depth", 3)
    with ml.start_run(run_id=run.info.run_id):
        see(ml.log_param("depth", 3))
        see.error(ml.log_param, "depth", 5)
        ml.log_param("lr", 0.1)
    see(ml.get_run(run.info.run_id).data.params)


@same_in_both
def test_a_key_that_mlflow_takes_is_taken(ml, see) -> None:
    with ml.start_run() as run:
        for key in ODD_KEYS:
            see([key, see.caught(ml.log_param, key, 1)])
            see([key, see.caught(ml.log_metric, key, 1)])
            see([key, see.caught(ml.set_tag, key, 1)])
    data = ml.get_run(run.info.run_id).data
    see([data.params, data.metrics, [data.tags[key] for key in ODD_KEYS]])


@same_in_both
def test_a_key_that_mlflow_refuses_is_refused(ml, see) -> None:
    with ml.start_run() as run:
        for key in BAD_KEYS:
            see([key, see.caught(ml.log_param, key, 1)])
            see([key, see.caught(ml.log_metric, key, 1)])
            see([key, see.caught(ml.set_tag, key, 1)])
            see([key, see.caught(ml.log_params, {key: 1, "good": 1})])
            see([key, see.caught(ml.log_metrics, {"good": 1, key: 1})])
            see([key, see.caught(ml.set_tags, {"good": 1, key: 1})])
    data = ml.get_run(run.info.run_id).data
    see([data.params, data.metrics, "good" in data.tags])


@same_in_both
def test_a_key_that_is_no_text_is_refused(ml, see) -> None:
    with ml.start_run():
        see.error(ml.log_param, None, 1)
        see.error(ml.log_metric, None, 1)
        see.error(ml.set_tag, None, 1)
        for key in (1, ("a",)):
            see.refused(ml.log_param, key, 1, mlflow="TypeError")
            see.refused(ml.log_metric, key, 1, mlflow="TypeError")
            see.refused(ml.set_tag, key, 1, mlflow="INTERNAL_ERROR")


@same_in_both
def test_a_long_param_is_kept_whole(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_param("at the limit", "x" * 6000)
        ml.log_param("long", "x" * 6001)
    params = ml.get_run(run.info.run_id).data.params
    see(len(params["at the limit"]))
    see.differs("long-values", len(params["long"]), mlflow=6000, gittrack=6001)


@same_in_both
def test_params_can_be_logged_to_a_run_by_id(ml, see) -> None:
    with ml.start_run() as run:
        pass
    ml.log_params({"a": 1}, run_id=run.info.run_id)
    see(ml.get_run(run.info.run_id).data.params)
    see(ml.get_run(run.info.run_id).info.status)
    see.error(ml.log_params, {"a": 1}, run_id="0" * 32)


@same_in_both
def test_params_that_are_no_dictionary_are_refused(ml, see) -> None:
    with ml.start_run():
        for params in (None, 1, ["a"]):
            see.refused(ml.log_params, params, mlflow="AttributeError")
        see.error(ml.log_params, {})


@same_in_both
def test_the_number_beside_the_text_of_a_param_can_be_asked_for(ml, see) -> None:
    for name, rate in (("small", 0.01), ("large", 0.1), ("text", "high")):
        with ml.start_run(run_name=name):
            ml.log_param("lr", rate)
    found = see.caught(ml.search_runs, filter_string="params.lr > 0.05", output_format="list")
    names = found if isinstance(found, str) else [run.info.run_name for run in found]
    see.differs("typed-params", names, mlflow="error: INVALID_PARAMETER_VALUE", gittrack=["large"])
