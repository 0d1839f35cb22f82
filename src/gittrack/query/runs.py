"""Runs as a table for people who think in DataFrames, in the shape that MLflow's `search_runs` has."""

# ruff: noqa: S608 - what is put into SQL text are names of our own columns; values are parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gittrack.record.values import as_count

if TYPE_CHECKING:
    import pandas as pd

    from gittrack.query.session import Session

_FACTS = (
    "run_id", "experiment", "name", "status", "start_time", "end_time", "duration_s", "commit", "code_tree",
    "branch", "dirty", "user", "host", "parent_run_id", "repro_of", "command", "environment", "data_digest",
    "deleted", "here",
)  # fmt: skip
_VALUES = {"params": "value", "metrics": "last", "tags": "value"}


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
    wide = [frame]
    for relation, value in _VALUES.items():
        long = session.sql(
            f"select run_id, key, {value} as value from {relation} where run_id in (select run_id {chosen})",
            params,
        ).df()
        table = long.pivot(index="run_id", columns="key", values="value").reindex(frame["run_id"])
        table = table.reindex(columns=sorted(table.columns)).add_prefix(f"{relation}.")
        if relation != "metrics":
            table = table.astype(object).where(table.notna(), None)
        wide.append(table.reset_index(drop=True).rename_axis(columns=None))
    return pd.concat(wide, axis=1)
