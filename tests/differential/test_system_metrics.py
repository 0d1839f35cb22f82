"""System metrics: the same names."""

from __future__ import annotations

import time

import pytest

from tests.differential.twins import same_in_both

pytest.importorskip("psutil")


def watched(ml, run_id: str) -> list[str]:
    """Return the names of the system metrics of a run, once there are some."""
    for _ in range(200):
        names = sorted(key for key in ml.get_run(run_id).data.metrics if key.startswith("system/"))
        if names:
            return names
        time.sleep(0.05)
    return []


@same_in_both
def test_a_run_that_is_watched_has_the_metrics_of_mlflow(ml, see) -> None:
    ml.set_system_metrics_sampling_interval(0.1)
    ml.set_system_metrics_samples_before_logging(1)
    with ml.start_run(log_system_metrics=True) as run:
        see(watched(ml, run.info.run_id))


@same_in_both
def test_the_metrics_of_a_node_have_its_name(ml, see) -> None:
    ml.set_system_metrics_sampling_interval(0.1)
    ml.set_system_metrics_samples_before_logging(1)
    ml.set_system_metrics_node_id("left")
    ml.enable_system_metrics_logging()
    try:
        with ml.start_run() as run:
            see(watched(ml, run.info.run_id))
    finally:
        ml.disable_system_metrics_logging()
        ml.set_system_metrics_node_id(None)


@same_in_both
def test_a_run_is_not_watched_unless_asked(ml, see) -> None:
    with ml.start_run() as run:
        time.sleep(0.3)
    see(ml.get_run(run.info.run_id).data.metrics)
