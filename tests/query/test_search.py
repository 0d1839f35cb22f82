"""What a search hands out: the same facts as objects and as a DataFrame of MLflow's shape."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gittrack.query import search
from gittrack.query.search import RunQuery
from gittrack.record.system_tags import BRANCH, RUN_NAME, SOURCE_TYPE
from tests.query.helpers import START, Store, a_run

KEYS = st.sampled_from(["a", "b", "größe", "mlflow.user"])
FACTS = st.lists(
    st.tuples(
        st.dictionaries(KEYS, st.text("xy", max_size=2)),
        st.dictionaries(KEYS, st.text("xy", max_size=2)),
        st.dictionaries(KEYS, st.floats()),
    ),
    max_size=4,
)


def test_a_frame_has_mlflows_columns_in_order_and_nothing_where_a_run_has_nothing(store: Store) -> None:
    store.put(a_run(1, params={"depth": 3, "arm": "x"}), [("auc", 1, START, 0.5)])
    store.put(a_run(2, params={}, tags={"team": "red"}, status="FAILED"), [("loss", 1, START, math.nan)])
    frame = search.frame(store.session(), RunQuery(order_by=["start_time"]), limit=10)
    assert list(frame)[:6] == ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]
    assert list(frame)[6:10] == ["metrics.auc", "metrics.loss", "params.arm", "params.depth"]
    assert {f"tags.{RUN_NAME}", f"tags.{SOURCE_TYPE}", "tags.team"} <= set(frame)
    assert f"tags.{BRANCH}" not in frame, "no run has one"
    assert str(frame["start_time"].dtype) == str(frame["end_time"].dtype) == "datetime64[ns, UTC]"
    assert [frame["metrics.auc"][0], frame["params.depth"][0], frame["tags.team"][1]] == [0.5, "3", "red"]
    assert frame["params.depth"].isna().tolist() == [False, True]
    assert frame["tags.team"].isna().tolist() == [True, False]
    assert frame["metrics.loss"].isna().all()


def test_a_frame_without_runs_has_the_columns_of_a_run(store: Store) -> None:
    store.put(a_run(1))
    frame = search.frame(store.session(), RunQuery(filter_string="metrics.auc > 5"), limit=10)
    assert len(frame) == 0
    assert len(frame.columns) == 6


def test_a_tag_that_was_set_later_is_preferred_to_one_that_every_run_has(store: Store) -> None:
    store.put(a_run(1))
    store.put(a_run(2))
    store.tell(a_run(1).run_id, "set_tag", SOURCE_TYPE, "JOB")
    frame = search.frame(store.session(), RunQuery(order_by=["start_time"]), limit=10)
    assert frame[f"tags.{SOURCE_TYPE}"].tolist() == ["JOB", "LOCAL"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=FACTS)
def test_a_frame_and_a_list_say_the_same(repo: Path, facts: Any) -> None:
    store = Store(repo)
    shutil.rmtree(store.layout.runs, ignore_errors=True)
    for number, (params, tags, metrics) in enumerate(facts):
        rows = [(key, 1, START, value) for key, value in metrics.items()]
        store.put(a_run(number, params=params, tags=tags), rows)
    query = RunQuery(order_by=["start_time"])
    listed = search.runs(store.session(), query, limit=10)
    frame = search.frame(store.session(), query, limit=10)
    assert frame["run_id"].tolist() == [run.info.run_id for run in listed]
    told = {
        f"{part}.{key}"
        for run in listed
        for part in ("metrics", "params", "tags")
        for key in getattr(run.data, part)
    }
    assert set(frame.columns[6:]) == told
    for column in told:
        part, _, key = column.partition(".")
        expected = [getattr(run.data, part).get(key, math.nan) for run in listed]
        assert [str(value) for value in frame[column].fillna(math.nan)] == [str(value) for value in expected]
