"""The points of a metric come by time, then step, then value, however they were logged."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gittrack
from gittrack.errors import NotFound

SMALL = st.integers(0, 3)
POINTS = st.lists(
    st.tuples(SMALL, SMALL, st.sampled_from([-1.5, 0.0, 2.5, math.nan])), min_size=1, max_size=8
)


def in_order(point: tuple[int, int, float]) -> tuple[int, int, bool, float]:
    time, step, value = point
    return time, step, math.isnan(value), value


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=POINTS)
def test_a_history_is_in_order_while_a_run_lives_and_after(client: gittrack.Client, points: list) -> None:
    run_id = client.create_run("0").info.run_id
    for time, step, value in points:
        client.log_metric(run_id, "loss", value, time, step)
    expected = [repr(point) for point in sorted(points, key=in_order)]
    for _ in range(2):
        history = client.get_metric_history(run_id, "loss")
        assert [repr((one.timestamp, one.step, one.value)) for one in history] == expected
        table = client.points(run_id, "loss")
        assert table.column_names == ["step", "timestamp", "value"]
        assert [repr(value) for value in table["value"].to_pylist()] == [repr(one.value) for one in history]
        client.set_terminated(run_id)


def test_a_metric_that_was_not_logged_has_no_points_and_an_unknown_run_is_told(
    client: gittrack.Client,
) -> None:
    run_id = client.create_run("0").info.run_id
    assert client.get_metric_history(run_id, "loss") == []
    assert len(client.points(run_id, "loss")) == 0
    with pytest.raises(NotFound):
        client.points("0" * 32, "loss")
