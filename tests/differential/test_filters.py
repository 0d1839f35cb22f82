"""Filter and order strings: the same runs, the same experiments, in the same order, or both refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.differential.plain import caught
from tests.differential.twins import at, new_place, row, same_in_both
from tests.query import filter_cases as cases

Fill = Callable[[ModuleType], None]
REFUSED = "error: INVALID_PARAMETER_VALUE"
NAN, INF = float("nan"), float("inf")
RUNS: list[dict[str, Any]] = [
    {
        "name": "one",
        "params": {"lr": "0.1", "depth": "6", "model": "Forest"},
        "metrics": {"auc": 0.5, "val-loss": 1.0, "a/b c": 3.0, "nan_one": NAN},
        "tags": {"team": "red", "mlflow.note.content": "a note"},
        "dataset": ("train", "d1", "training"),
    },
    {
        "name": "two",
        "params": {"lr": "0.01", "depth": "10", "model": "forest"},
        "metrics": {"auc": 0.9, "val-loss": -0.5, "inf_one": INF, "nan_one": 2.0},
        "tags": {"team": "Blue"},
        "dataset": ("train", "d3", "eval"),
    },
    {
        "name": "Three",
        "params": {"lr": "abc", "depth": "6", "model": "it's"},
        "metrics": {"auc": NAN, "a/b c": 4.0, "inf_one": -INF},
        "tags": {"team": "blue", "mlflow.note.content": "100%"},
        "dataset": ("test", "d1", "eval"),
        "status": "FAILED",
    },
    {"name": "no metrics", "params": {"depth": "10"}, "tags": {"team": "red"}, "status": "KILLED"},
    {"name": "no params", "metrics": {"auc": 0.9, "val-loss": -3.5, "nan_one": NAN}, "status": "RUNNING"},
    {"name": "empty"},
    {
        "name": "deleted",
        "params": {"lr": "0.1"},
        "metrics": {"auc": 0.9},
        "tags": {"team": "red"},
        "deleted": True,
    },
]
EXPERIMENTS = [
    ("churn", {"team": "a"}),
    ("Churn", {"team": "b", "a/b c": "x"}),
    ("leavers/2026", {}),
    ("it's", {"team": "A"}),
]
EXPERIMENTS_RIGHT = [
    "",
    "name = 'churn'",
    "name != 'churn'",
    'name = "churn"',
    'name = "it\'s"',
    "name = ''",
    "attribute.name = 'churn'",
    "name LIKE 'c%'",
    "name LIKE 'C%'",
    "name LIKE 'c_urn'",
    "name LIKE '%/%'",
    "name LIKE '%'",
    "name ILIKE 'C%'",
    "tags.team = 'a'",
    "tag.team = 'a'",
    "tags.team != 'a'",
    "tags.team LIKE 'a%'",
    "tags.team ILIKE 'A%'",
    "tags.`team` = 'a'",
    "tags.\"team\" = 'a'",
    "tags.`a/b c` = 'x'",
    "tags.team IS NULL",
    "tags.team IS NOT NULL",
    "tags.never = 'x'",
    "tags.never != 'x'",
    "name = 'churn' AND tags.team = 'a'",
    "name LIKE '%' and tags.team = 'b'",
    "creation_time > 0",
    "creation_time >= 1",
    "creation_time < 5",
    "creation_time != 0",
    "creation_time = 1",
    "last_update_time > 0",
    "last_update_time <= 99999999999999",
    "experiment_id = '0'",
    "experiment_id != '0'",
    "experiment_id IN ('0', '1234567')",
    "experiment_id NOT IN ('0')",
    "name = 'churn' AND",
]
EXPERIMENTS_WRONG = [
    "name",
    "name =",
    "= 'a'",
    "name = churn",
    "name > 'a'",
    "name = 'a",
    "name = 'a', name = 'b'",
    "name = 5",
    "nonsense = 'a'",
    "attributes.team = 'a'",
    "tags.team > 'a'",
    "tags.team = a",
    "tags.team = 5",
    "metrics.auc > 1",
    "params.a = 'b'",
    "creation_time > 'abc'",
    "creation_time LIKE '1'",
    "'name' = 'churn'",
    "; drop",
]
EXPERIMENTS_WRONG_IN_MLFLOW = [
    "lifecycle_stage = 'active'",
    "name = 'churn' OR name = 'Churn'",
    "NOT name = 'churn'",
    "(name = 'churn')",
    "  ",
    "attributes.name = 'churn'",
    "attr.name = 'churn'",
    "name ilike '%LEAVERS%'",
    "name == 'churn'",
    "name IN ('a')",
    "name IS NULL",
    "tags.team IN ('a')",
]
EXPERIMENTS_ORDER_RIGHT = [
    None,
    [],
    ["name"],
    ["name ASC"],
    ["name DESC"],
    ["name asc"],
    ["attribute.name"],
    ["creation_time"],
    ["creation_time DESC"],
    ["last_update_time DESC"],
    ["last_update_time", "name"],
]
EXPERIMENTS_ORDER_WRONG = [
    ["nonsense"],
    ["name DOWN"],
    ["name ASC x"],
    [""],
    ["metrics.auc"],
    ["name, creation_time"],
]


def fill_runs(ml: ModuleType) -> None:
    client, entities = ml.MlflowClient(), ml.entities
    for number, facts in enumerate(RUNS):
        run = client.create_run("0", start_time=1_000 * number + 1_000, run_name=facts["name"])
        one = run.info.run_id
        client.log_batch(
            one,
            metrics=[entities.Metric(key, value, 5, 0) for key, value in facts.get("metrics", {}).items()],
            params=[entities.Param(key, value) for key, value in facts.get("params", {}).items()],
            tags=[entities.RunTag(key, value) for key, value in facts.get("tags", {}).items()],
        )
        if "dataset" in facts:
            name, digest, context = facts["dataset"]
            dataset = entities.Dataset(name, digest, "local", '{"uri": "a.csv"}', None, None)
            client.log_inputs(
                one, [entities.DatasetInput(dataset, [entities.InputTag("mlflow.data.context", context)])]
            )
        if facts.get("status") != "RUNNING":
            client.set_terminated(one, facts.get("status", "FINISHED"), end_time=1_000 * number + 1_500)
        if facts.get("deleted"):
            client.delete_run(one)


def fill_experiments(ml: ModuleType) -> None:
    for name, tags in EXPERIMENTS:
        time.sleep(0.005)  # so that no two are created in the same millisecond
        ml.create_experiment(name, tags=tags)


class Stores:
    """A filled store on either side, filled when it is first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._filled: dict[tuple[str, str], Path] = {}

    def ask(self, side: str, fill: Fill, question: Callable[[ModuleType], Any]) -> Any:
        key = (side, fill.__name__)
        if key not in self._filled:
            root = new_place(side, self._folder / f"{side}-{fill.__name__}")
            with at(side, root) as library:
                fill(library)
            self._filled[key] = root
        with at(side, self._filled[key]) as library:
            return caught(question, library)

    def runs(self, side: str, **asked: Any) -> Any:
        return self.ask(
            side,
            fill_runs,
            lambda ml: [run.info.run_name for run in ml.MlflowClient().search_runs(["0"], **asked)],
        )

    def experiments(self, side: str, **asked: Any) -> Any:
        return self.ask(
            side, fill_experiments, lambda ml: [one.name for one in ml.search_experiments(**asked)]
        )


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return Stores(tmp_path_factory.mktemp("filters"))


@pytest.mark.parametrize("text", cases.RIGHT)
def test_a_filter_finds_the_same_runs(stores, text) -> None:
    theirs, ours = (stores.runs(side, filter_string=text) for side in ("mlflow", "gittrack"))
    assert isinstance(theirs, list)
    assert ours == theirs


@pytest.mark.parametrize("text", cases.WRONG_IN_BOTH)
def test_a_filter_that_mlflow_refuses_is_refused(stores, text) -> None:
    assert [stores.runs(side, filter_string=text) for side in ("mlflow", "gittrack")] == [REFUSED] * 2


@row("more-search")
@pytest.mark.parametrize(("text", "reason"), cases.WRONG_IN_MLFLOW_ONLY)
def test_a_filter_that_only_gittrack_understands_is_answered(stores, text, reason) -> None:
    assert stores.runs("mlflow", filter_string=text).startswith("error: ")
    assert isinstance(stores.runs("gittrack", filter_string=text), list), reason


@row("search-readings")
@pytest.mark.parametrize(("text", "reason"), cases.RIGHT_IN_MLFLOW_ONLY)
def test_a_filter_that_mlflow_reads_as_something_else_is_refused(stores, text, reason) -> None:
    assert isinstance(stores.runs("mlflow", filter_string=text), list)
    assert stores.runs("gittrack", filter_string=text) == REFUSED, reason


@row("search-readings")
@pytest.mark.parametrize(("text", "reason"), cases.READ_OTHERWISE)
def test_a_filter_that_mlflow_reads_otherwise_is_answered(stores, text, reason) -> None:
    theirs, ours = (stores.runs(side, filter_string=text) for side in ("mlflow", "gittrack"))
    assert isinstance(theirs, list)
    assert isinstance(ours, list)
    assert ours != theirs, reason


@pytest.mark.parametrize("order_by", cases.ORDER_RIGHT, ids=str)
def test_runs_are_ordered_alike(stores, order_by) -> None:
    theirs, ours = (stores.runs(side, order_by=order_by) for side in ("mlflow", "gittrack"))
    assert isinstance(theirs, list)
    assert ours == theirs


@pytest.mark.parametrize("order_by", cases.ORDER_WRONG_IN_BOTH, ids=str)
def test_an_order_that_mlflow_refuses_is_refused(stores, order_by) -> None:
    assert stores.runs("mlflow", order_by=order_by).startswith("error: ")
    assert stores.runs("gittrack", order_by=order_by) == REFUSED


@row("more-search")
@pytest.mark.parametrize(("order_by", "reason"), cases.ORDER_WRONG_IN_MLFLOW_ONLY, ids=str)
def test_an_order_that_only_gittrack_understands_is_followed(stores, order_by, reason) -> None:
    assert stores.runs("mlflow", order_by=order_by).startswith("error: ")
    assert isinstance(stores.runs("gittrack", order_by=order_by), list), reason


@row("search-readings")
@pytest.mark.parametrize(("order_by", "reason"), cases.ORDER_READ_OTHERWISE, ids=str)
def test_an_order_that_mlflow_reads_otherwise_is_followed(stores, order_by, reason) -> None:
    theirs, ours = (stores.runs(side, order_by=order_by) for side in ("mlflow", "gittrack"))
    assert isinstance(theirs, list)
    assert isinstance(ours, list)
    assert ours != theirs, reason


@pytest.mark.parametrize("text", EXPERIMENTS_RIGHT)
def test_a_filter_finds_the_same_experiments(stores, text) -> None:
    theirs, ours = (stores.experiments(side, filter_string=text) for side in ("mlflow", "gittrack"))
    assert isinstance(theirs, list)
    assert ours == theirs


@pytest.mark.parametrize("text", EXPERIMENTS_WRONG)
def test_a_filter_of_experiments_that_mlflow_refuses_is_refused(stores, text) -> None:
    assert [stores.experiments(side, filter_string=text) for side in ("mlflow", "gittrack")] == [REFUSED] * 2


@row("more-search")
@pytest.mark.parametrize("text", EXPERIMENTS_WRONG_IN_MLFLOW)
def test_a_filter_of_experiments_that_only_gittrack_understands_is_answered(stores, text) -> None:
    assert stores.experiments("mlflow", filter_string=text) == REFUSED
    assert isinstance(stores.experiments("gittrack", filter_string=text), list)


@same_in_both
def test_two_clauses_need_a_word_between_them(ml, see) -> None:
    answer = see.caught(ml.search_experiments, filter_string="name = 'a' name = 'b'")
    see.differs("search-readings", answer, mlflow=[], gittrack=REFUSED)


@pytest.mark.parametrize("order_by", EXPERIMENTS_ORDER_RIGHT, ids=str)
def test_experiments_are_ordered_alike(stores, order_by) -> None:
    theirs, ours = (stores.experiments(side, order_by=order_by) for side in ("mlflow", "gittrack"))
    assert isinstance(theirs, list)
    assert ours == theirs


@pytest.mark.parametrize("order_by", EXPERIMENTS_ORDER_WRONG, ids=str)
def test_an_order_of_experiments_that_mlflow_refuses_is_refused(stores, order_by) -> None:
    assert [stores.experiments(side, order_by=order_by) for side in ("mlflow", "gittrack")] == [REFUSED] * 2
