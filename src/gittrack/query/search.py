"""Searching runs and experiments with filter strings; answers as entities, or as a DataFrame of MLflow's shape."""

# ruff: noqa: S608 - what is put into SQL text are names of our own columns; values are parameters

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import UsedModel
from gittrack.entities.tracking import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    ViewType,
)
from gittrack.query import filters
from gittrack.query.spread import spread
from gittrack.record import presented

if TYPE_CHECKING:
    import pandas as pd

    from gittrack.query.session import Session

_STAGES = {ViewType.ACTIVE_ONLY: "not {deleted}", ViewType.DELETED_ONLY: "{deleted}", ViewType.ALL: "true"}
_VIRTUAL = ", ".join(f'{expression} as "{key}"' for key, expression in filters.VIRTUAL_TAGS.items())
_FACTS = """run_id, experiment_id, "user", status, epoch_ms(start_time) as start_ms, epoch_ms(end_time) as end_ms,
    deleted, name"""
_FRAME_FACTS = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]


@dataclass(frozen=True)
class RunQuery:
    """Which runs are asked for, in which order; reproductions only when the filter asks for them.

    Attributes:
        experiment_ids: Only the runs of these experiments; None for all.
        filter_string: A filter, empty for all.
        view_type: A `ViewType`.
        order_by: Columns with ASC or DESC; then the newest first.
    """

    experiment_ids: Sequence[str] | None = None
    filter_string: str | None = ""
    view_type: int = ViewType.ACTIVE_ONLY
    order_by: Sequence[str] | None = None

    def compiled(self) -> tuple[str, str, dict[str, Any]]:
        """Return the condition, the order, and their parameters.

        Raises:
            FilterError: The filter or the order is not understood.
        """
        where = filters.runs_where(self.filter_string)
        order = filters.runs_order(self.order_by)
        conditions = [
            _STAGES[self.view_type].format(deleted="deleted"),
            where.sql,
            filters.unrepeated(where),
        ]
        params = {**where.params, **order.params}
        if self.experiment_ids is not None:
            conditions.append("list_contains($experiments, experiment_id)")
            params["experiments"] = [str(one) for one in self.experiment_ids]
        return " and ".join(f"({condition})" for condition in conditions), order.sql, params


def runs(session: Session, query: RunQuery, *, limit: int, offset: int = 0) -> list[Run]:
    """Return the runs that are asked for, in order.

    Raises:
        FilterError: The filter or the order is not understood.
    """
    where, order, params = query.compiled()
    rows = session.sql(
        f"""select {_FACTS}, params, metrics, tags, {_VIRTUAL} from runs
        where {where} order by {order} limit {int(limit)} offset {int(offset)}""",
        params,
    ).rows()
    uses = _uses(session, [row[0] for row in rows])
    return [_run(row, uses[row[0]]) for row in rows]


def run(session: Session, run_id: str) -> Run | None:
    """Return one run, deleted or not; None when it is not seen here."""
    rows = session.sql(
        f"select {_FACTS}, params, metrics, tags, {_VIRTUAL} from runs where run_id = $run_id",
        {"run_id": run_id},
    ).rows()
    return _run(rows[0], _uses(session, [run_id])[run_id]) if rows else None


def _run(row: Sequence[Any], uses: _Uses) -> Run:
    run_id, experiment_id, user, status, start, end, deleted, name, params, metrics, tags, *derived = row
    virtual = zip(filters.VIRTUAL_TAGS, derived, strict=True)
    return Run(
        RunInfo(
            run_id=run_id,
            experiment_id=experiment_id,
            user_id=user,
            status=status,
            start_time=start,
            end_time=end,
            lifecycle_stage=LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE,
            artifact_uri=presented.artifact_uri(run_id),
            run_name=name,
        ),
        RunData(metrics, params, {**{key: value for key, value in virtual if value is not None}, **tags}),
        RunInputs(uses.datasets, presented.model_inputs(uses.models)),
        RunOutputs(presented.model_outputs(uses.models)),
    )


@dataclass
class _Uses:
    """What a run used and made."""

    datasets: list[DatasetInput] = field(default_factory=list)
    models: list[UsedModel] = field(default_factory=list)


def _uses(session: Session, run_ids: Sequence[str]) -> defaultdict[str, _Uses]:
    """Return what runs used and made; one question, because each costs what its parsing does."""
    found: defaultdict[str, _Uses] = defaultdict(_Uses)
    for run_id, model_id, role, step, tags, *fields in session.sql(
        """select run_id, null, null, null, tags, name, digest, source_type, source, schema, profile from datasets
        where run_id in (select unnest($run_ids::varchar[]))
        union all select run_id, model_id, role, step, null, null, null, null, null, null, null from models
        where run_id in (select unnest($run_ids::varchar[]))""",
        {"run_ids": list(run_ids)},
    ):
        if role is not None:
            found[run_id].models.append(UsedModel(model_id, role, step))
        else:
            used = DatasetInput(Dataset(*fields), [InputTag(key, value) for key, value in tags.items()])
            found[run_id].datasets.append(used)
    return found


def frame(session: Session, query: RunQuery, *, limit: int) -> pd.DataFrame:
    """Return the runs that are asked for as a DataFrame.

    Returns:
        Columns run_id, experiment_id, status, artifact_uri, start_time and end_time (UTC), then `metrics.<key>`
        (NaN where a run has none), `params.<key>` (text, None) and `tags.<key>` (text, None), by key.

    Raises:
        FilterError: The filter or the order is not understood.
    """
    import pandas as pd

    where, order, params = query.compiled()
    table = session.sql(
        f"""select run_id, experiment_id, status, 'runs:/' || run_id as artifact_uri, start_time, end_time,
        metrics, params, tags, {_VIRTUAL} from runs where {where} order by {order} limit {int(limit)}""",
        params,
    ).arrow()
    facts: pd.DataFrame = table.select(_FRAME_FACTS).to_pandas()
    for name in ("start_time", "end_time"):
        facts[name] = facts[name].astype("datetime64[ns]").dt.tz_localize("UTC")
    derived = ((key, table.column(key)) for key in filters.VIRTUAL_TAGS)
    parts = {
        "metrics": spread(table.column("metrics"), {}, empty=float("nan")),
        "params": spread(table.column("params"), {}, empty=None),
        "tags": spread(
            table.column("tags"),
            {key: column.to_numpy() for key, column in derived if column.null_count < len(column)},
            empty=None,
        ),
    }
    columns = {f"{part}.{key}": found[key] for part, found in parts.items() for key in sorted(found)}
    return pd.concat([facts, pd.DataFrame(columns, index=facts.index)], axis=1)


def experiments(
    session: Session,
    *,
    view_type: int = ViewType.ACTIVE_ONLY,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
    limit: int,
    offset: int = 0,
) -> list[Experiment]:
    """Return the experiments that are asked for, in order.

    Raises:
        FilterError: The filter or the order is not understood.
    """
    where = filters.experiments_where(filter_string)
    order = filters.experiments_order(order_by)
    stage = _STAGES[view_type].format(deleted="(lifecycle_stage = 'deleted')")
    rows = session.sql(
        f"""select experiment_id, name, lifecycle_stage, tags, epoch_ms(creation_time), epoch_ms(last_update_time)
        from experiments where {stage} and ({where.sql}) order by {order.sql}
        limit {int(limit)} offset {int(offset)}""",
        {**where.params, **order.params},
    ).rows()
    location = session.layout.files.as_uri()
    return [Experiment(one, name, location, stage, tags, *times) for one, name, stage, tags, *times in rows]
