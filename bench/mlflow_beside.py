"""MLflow beside gittrack, where it is installed: the same runs in its SQLite store, made as fast as that can be."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gittrack.entities.record import RunRecord
from gittrack.record.points import SortedPoints


def is_installed() -> bool:
    """Whether there is anything to stand beside."""
    return importlib.util.find_spec("mlflow") is not None


def variables(folder: Path) -> dict[str, str]:
    """Return the environment in which a process uses the store in `folder`."""
    return {"MLFLOW_TRACKING_URI": _uri(folder)}


def _uri(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def fill(folder: Path, runs: Iterable[tuple[RunRecord, SortedPoints]]) -> None:
    """Put runs into a new store in `folder`, through its own tables: its calls would take an hour for 10,000.

    Args:
        folder: A folder that is there.
        runs: Runs with their points.
    """
    from mlflow.store.tracking.dbmodels import models
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(_uri(folder), (folder / "artifacts").as_uri())
    ids: dict[str, int] = {}
    rows: dict[Any, list[dict[str, Any]]] = {
        table: []
        for table in (models.SqlRun, models.SqlParam, models.SqlTag, models.SqlLatestMetric, models.SqlMetric)
    }
    for run, points in runs:
        if run.experiment not in ids:
            ids[run.experiment] = int(store.create_experiment(run.experiment))
        rows[models.SqlRun].append(_run(run, ids[run.experiment]))
        rows[models.SqlParam] += _texts(run, {key: str(value) for key, value in run.params.items()})
        rows[models.SqlTag] += _texts(run, {"mlflow.runName": run.name, "mlflow.user": run.user, **run.tags})
        found = list(_metrics(run, points))
        rows[models.SqlMetric] += found
        rows[models.SqlLatestMetric] += {row["key"]: row for row in found}.values()
    with store.ManagedSessionMaker() as session:
        for table, content in rows.items():
            session.bulk_insert_mappings(table, content)


def _run(run: RunRecord, experiment_id: int) -> dict[str, Any]:
    return {
        "run_uuid": run.run_id,
        "name": run.name,
        "user_id": run.user,
        "status": run.status,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "lifecycle_stage": "active",
        "artifact_uri": f"mlflow-artifacts:/{run.run_id}",
        "experiment_id": experiment_id,
    }


def _texts(run: RunRecord, texts: dict[str, str]) -> list[dict[str, Any]]:
    return [{"run_uuid": run.run_id, "key": key, "value": value} for key, value in texts.items()]


def _metrics(run: RunRecord, points: SortedPoints) -> Iterator[dict[str, Any]]:
    for key, part in points.series():
        for step, timestamp, value in zip(
            points.step[part], points.timestamp[part], points.value[part], strict=True
        ):
            yield {
                "run_uuid": run.run_id, "key": key, "value": value, "timestamp": timestamp, "step": step,
                "is_nan": False,
            }  # fmt: skip
