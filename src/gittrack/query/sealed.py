"""Going on with a run that has ended."""

from __future__ import annotations

from gittrack.config import Config
from gittrack.entities.record import RunId
from gittrack.entities.tracking import LifecycleStage
from gittrack.query import standing
from gittrack.record import events, journal
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun


def resume(project: Project, config: Config, run_id: RunId, *, amend: bool = False) -> ActiveRun:
    """Go on with a sealed run, from whatever branch it is on.

    Args:
        project: Where it is.
        config: The project's settings.
        run_id: The run.
        amend: Only add to its record: it stays as it ended.

    Raises:
        NotFound: This clone knows no such run.
        InvalidValue: It is deleted.
        Damaged: The record of the run cannot be read.
    """
    known = standing.of(project.repository, project.layout, run_id, whole=True)
    found, session = known.run(run_id), known.session
    if found is not None and found.info.lifecycle_stage == LifecycleStage.DELETED:
        raise journal.deleted(run_id)
    points = session.points(run_id)
    return ActiveRun.resume(
        project,
        config,
        session.run(run_id),
        seals_of_it=session.seals(run_id),
        seen=events.frontier(session.events(run_id)),
        metrics=points.to_parquet() if len(points) else None,
        patch=session.patch(run_id),
        amend=amend,
    )
