"""What it takes to go on with a run that has ended."""

from __future__ import annotations

from typing import Any

from gittrack.entities import RunId
from gittrack.query.session import Session
from gittrack.record.project import Project


def for_resume(project: Project, run_id: RunId) -> dict[str, Any]:
    """Return what `ActiveRun.resume` needs of a sealed run, from whatever branch it is on.

    Returns:
        `sealed`, the run; `seals_of_it`, the digests of its newest seals; `metrics`, its points as Parquet, or
        None; `patch`, its `code.patch`, or None.

    Raises:
        NotFound: This clone knows no such run.
        Damaged: The record of the run cannot be read.
    """
    session = Session.open(project.repository, project.layout)
    sealed = session.run(run_id)
    points = session.points(run_id)
    return {
        "sealed": sealed,
        "seals_of_it": session.seals(run_id),
        "metrics": points.to_parquet() if len(points) else None,
        "patch": session.patch(run_id),
    }
