"""Runs as a table for people who think in DataFrames, in the shape that MLflow's `search_runs` has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gittrack.query.spread import spread
from gittrack.record.values import as_count

if TYPE_CHECKING:
    import pandas as pd

    from gittrack.query.session import Session

_FACTS = (
    "run_id", "experiment", "name", "status", "start_time", "end_time", "duration_s", "commit", "code_tree",
    "branch", "dirty", "user", "host", "parent_run_id", "repro_of", "command", "environment", "data_digest",
    "deleted", "here",
)  # fmt: skip
_EMPTY = {"params": None, "metrics": float("nan"), "tags": None}


def runs(
    session: Session,
    *,
    experiment: str | None = None,
    deleted: bool = False,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return one row for each run, the newest first.

    Args:
        session: What to read.
        experiment: Only the runs of this one.
        deleted: Soft-deleted runs too.
        limit: At most so many.

    Returns:
        Columns as in the relation `runs`, then `params.<key>` (text, as MLflow shows it), `metrics.<key>` (the
        last value) and `tags.<key>`, by key; what a run does not have is None, NaN for a metric.
    """
    import pandas as pd

    where = ["true" if deleted else "not deleted"]
    params: dict[str, Any] = {}
    if experiment is not None:
        where.append("experiment = $experiment")
        params["experiment"] = experiment
    cut = "" if limit is None else f" limit {as_count(limit, 'limit')}"
    facts = ", ".join(f'"{name}"' for name in _FACTS)
    chosen = f"from runs where {' and '.join(where)} order by start_time desc, run_id{cut}"
    frame = session.sql(f"select {facts} {chosen}", params).df()
    maps = session.sql(f"select {', '.join(_EMPTY)} {chosen}", params).arrow()
    wide = {
        f"{part}.{key}": pd.Series(column, dtype=column.dtype, index=frame.index)  # None stays None
        for part, empty in _EMPTY.items()
        for key, column in sorted(spread(maps.column(part), {}, empty=empty).items())
    }
    return pd.concat([frame, pd.DataFrame(wide, index=frame.index)], axis=1)
