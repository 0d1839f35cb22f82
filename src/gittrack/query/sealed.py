"""Going on with a run that has ended."""

from __future__ import annotations

from gittrack.config import Config
from gittrack.entities.record import RunId
from gittrack.query.session import Session
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun


def resume(project: Project, config: Config, run_id: RunId) -> ActiveRun:
    """Go on with a sealed run, from whatever branch it is on.

    Raises:
        NotFound: This clone knows no such run.
        Damaged: The record of the run cannot be read.
    """
    session = Session.open(project.repository, project.layout)
    points = session.points(run_id)
    return ActiveRun.resume(
        project,
        config,
        session.run(run_id),
        seals_of_it=session.seals(run_id),
        metrics=points.to_parquet() if len(points) else None,
        patch=session.patch(run_id),
    )
