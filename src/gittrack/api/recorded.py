"""Asking for what was recorded: runs by id, filters, SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gittrack.api.active import client, experiment_id_now
from gittrack.errors import InvalidValue
from gittrack.record.values import as_count
from gittrack.tracking import projects

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from gittrack.entities.tracking import Run


def get_run(run_id: str) -> Run:
    """Return a run as it is now; see `Client.get_run`."""
    return client().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """Return the run that a run is part of; see `Client.get_parent_run`."""
    return client().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Delete a run softly; see `Client.delete_run`."""
    client().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Take back the deletion of a run; see `Client.restore_run`."""
    client().restore_run(run_id)


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int = 1,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> pd.DataFrame | list[Run]:
    """Return the runs that a filter lets through.

    Args:
        experiment_ids: The experiments whose runs are asked for; the active one without ids and names.
        filter_string: For instance `metrics.auc > 0.9 AND params.depth = '6'`.
        run_view_type: A `ViewType`: active ones, deleted ones, or all.
        max_results: At most so many.
        order_by: For instance `["metrics.auc DESC"]`; then the newest come first.
        output_format: `pandas` for a DataFrame, `list` for a list of `Run`.
        search_all_experiments: Ask about every experiment when none is named.
        experiment_names: The experiments by name, instead of ids.

    Returns:
        A DataFrame with the columns run_id, experiment_id, status, artifact_uri, start_time and end_time (UTC), then
        `metrics.<key>` (NaN where a run has none), `params.<key>` and `tags.<key>` (text, None); or the list.

    Raises:
        InvalidValue: The filter, the order or another value is not understood.
    """
    from gittrack.query import search
    from gittrack.tracking.connection import check_view

    if output_format not in ("pandas", "list"):
        raise InvalidValue(f"output_format is {output_format!r:.80}", hint="'pandas' or 'list'")
    limit = as_count(max_results, "max_results")
    chosen = _asked(experiment_ids, experiment_names, search_all_experiments)
    query = search.RunQuery(chosen, filter_string, check_view(run_view_type), order_by)
    answer = search.frame if output_format == "pandas" else search.runs
    return answer(projects.session(), query, limit=limit)


def _asked(
    experiment_ids: Sequence[str] | None, names: Sequence[str] | None, everything: bool
) -> list[str] | None:
    """Return the ids of the experiments that a search is about, None for all."""
    from gittrack.tracking.connection import several  # loads what only those who read need

    if experiment_ids and names:
        raise InvalidValue("search_runs takes experiment ids or names", hint="leave one of the two out")
    if names:
        found = (client().get_experiment_by_name(name) for name in several(names, "experiment_names"))
        return [one.experiment_id for one in found if one is not None]
    if experiment_ids:
        return several(experiment_ids, "experiment_ids")
    return None if everything else [experiment_id_now()]


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the rows that runs of the active experiment logged to a table; see `Client.load_table`."""
    return client().load_table(experiment_id_now(), artifact_file, run_ids, extra_columns)


def sql(query: str, **params: Any) -> pd.DataFrame:
    """Answer SQL over every run that this clone knows.

    Args:
        query: SQL over the relations runs, params, metrics, points, tags, artifacts, data, datasets, models,
            experiments, environments, events and commits; `$name` stands for a parameter.
        params: The parameters by name.

    Raises:
        NotARepository: There is no git repository here.
        SqlError: The query is not understood; the message shows where.
    """
    return projects.session().sql(query, params).df()


def runs(**options: Any) -> pd.DataFrame:
    """Return every run as a row of a DataFrame, with columns `params.*`, `metrics.*` and `tags.*`."""
    from gittrack.query.runs import runs as all_runs  # the index is for those who read

    return all_runs(projects.session(), **options)


def points(run_id: str, key: str) -> pa.Table:
    """Return all points of a metric as an Arrow table; see `Client.points`."""
    return client().points(run_id, key)


def set_registry_uri(uri: str) -> None:
    """Do nothing: there is no registry apart from the repository."""
    del uri


def get_registry_uri() -> str:
    """Return the working tree that is recorded into; there is no registry apart from it."""
    return projects.get_tracking_uri()
