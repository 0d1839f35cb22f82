"""The calls of a client that are about runs, their params, metrics and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gittrack import config
from gittrack.entities.record import Op, RunId, Status
from gittrack.entities.tracking import (
    DatasetInput,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    PagedList,
    Param,
    Run,
    RunOperations,
    RunStatus,
    RunTag,
    ViewType,
)
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.record import exits, journal
from gittrack.record.experiments import Group
from gittrack.record.run import ActiveRun
from gittrack.record.system_tags import PARENT_RUN_ID, RUN_NAME
from gittrack.record.values import as_text, as_time, check_key
from gittrack.tracking import facts, inputs, open_runs, projects
from gittrack.tracking.connection import all_of, check_page, check_view, operations, page, several
from gittrack.tracking.experiments import ExperimentCalls

if TYPE_CHECKING:
    import pyarrow as pa

    from gittrack.query.standing import Standing


class RunCalls(ExperimentCalls):
    """Runs: created, found, logged to, ended, deleted and restored."""

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Start a run, which is not made the active run; its code and environment are recorded as for any run.

        Args:
            experiment_id: The experiment that it belongs to.
            start_time: Milliseconds since 1970 UTC; now without one.
            tags: Tags to start with.
            run_name: A label; made up when there is none.

        Raises:
            NotFound: There is no such experiment.
            InvalidValue: The experiment is deleted, or a tag cannot be one.
        """
        _, one = self._active_now(experiment_id)
        project = self._project()
        run = ActiveRun.begin(
            project,
            project.config(),
            config.surroundings(),
            experiment=Group(one.experiment_id, one.name),  # type: ignore[arg-type]
            name=run_name,
            tags=tags,
            start_time=start_time,
        )
        exits.watch(run)
        return Run(run.info, run.data, run.inputs)

    def get_run(self, run_id: str) -> Run:
        """Return a run as it is now, deleted or not.

        Raises:
            NotFound: This clone knows no such run.
        """
        from gittrack.query import search

        wanted = open_runs.id_of(run_id)
        found = search.run(self._session(), wanted)
        if found is None:
            raise open_runs.unknown(wanted)
        return found

    def get_parent_run(self, run_id: str) -> Run | None:
        """Return the run that a run is part of, or None.

        Raises:
            NotFound: This clone knows no such run, or no such parent.
        """
        parent = self.get_run(run_id).data.tags.get(PARENT_RUN_ID)
        return None if parent is None else self.get_run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """Return the runs that a filter lets through; see docs/search.md for its language.

        Args:
            experiment_ids: The experiments whose runs are asked for.
            filter_string: For instance `metrics.auc > 0.9 AND params.depth = '6'`.
            run_view_type: Active ones, deleted ones, or all.
            max_results: At most so many, from 1 to 50,000.
            order_by: For instance `["metrics.auc DESC"]`; then the newest come first.
            page_token: The `.token` of the page before.

        Raises:
            InvalidValue: The filter, the order or a number is not understood.
        """
        from gittrack.query import search

        limit, offset = check_page(max_results, page_token)
        query = search.RunQuery(
            several(experiment_ids, "experiment_ids"), filter_string, check_view(run_view_type), order_by
        )
        return page(search.runs(self._session(), query, limit=limit + 1, offset=offset), limit, offset)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Return all points of a metric by time, then step, then value; none for a metric that was not logged.

        Raises:
            NotFound: This clone knows no such run.
        """
        table = self._points(run_id, key)
        times = table.column("timestamp").cast("timestamp[ms]").cast("int64").to_numpy().tolist()
        steps, numbers = (table.column(name).to_numpy().tolist() for name in ("step", "value"))
        return [
            Metric(key, value, time, step) for value, time, step in zip(numbers, times, steps, strict=True)
        ]

    def points(self, run_id: str, key: str) -> pa.Table:
        """Return all points of a metric as an Arrow table.

        Returns:
            Shape (n, 3): step (int64), timestamp (UTC), value (float64), by time, then step, then value.

        Raises:
            NotFound: This clone knows no such run.
        """
        return self._points(run_id, key)

    def _points(self, run_id: str, key: str) -> pa.Table:
        check_key(key, "metric")
        wanted = open_runs.id_of(run_id)
        session = self._session()
        table = session.sql(
            "select step, timestamp, value from points where run_id = $run_id and key = $key",
            {"run_id": wanted, "key": key},
        ).arrow()
        if not len(table) and not session.rows("select 1 from runs where run_id = $run_id", run_id=wanted):
            raise open_runs.unknown(wanted)
        return _in_order(table)

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> RunOperations | None:
        """Record one value of a metric in a run; see `ActiveRun.log_metric`.

        `synchronous` changes only what is answered, no call waits for the disk; the dataset and the model are not kept.

        Raises:
            InvalidValue: The value cannot be recorded, or only one of name and digest is given.
            NotFound: This clone knows no such run.
        """
        inputs.check_measured(dataset_name, dataset_digest)
        self._open(run_id).log_metric(key, value, step, timestamp)
        return operations(synchronous)

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Record an input value in a run; see `ActiveRun.log_param`."""
        self._open(run_id).log_param(key, value)
        return operations(synchronous) or value

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> RunOperations | None:
        """Record metrics, params and tags in a run, of any number; all or none.

        Raises:
            InvalidValue: One of them cannot be recorded, or two params have one key; nothing was recorded.
            NotFound: This clone knows no such run.
        """
        listed = all_of(Param, params, "params")
        given = {param.key: param.value for param in listed}
        if len(given) != len(listed):
            raise InvalidValue("two params of one batch have the same key", hint="a param is logged once")
        measured = all_of(Metric, metrics, "metrics")
        for one in measured:
            inputs.check_measured(one.dataset_name, one.dataset_digest)
        points = [(one.key, one.value, one.timestamp, one.step) for one in measured]
        marks = {tag.key: tag.value for tag in all_of(RunTag, tags, "tags")}
        self._open(run_id).log_batch(points, given, marks)
        return operations(synchronous) if points or given or marks else None

    def set_tag(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> RunOperations | None:
        """Put a tag on a run; that of a run which has ended is a file of its own beside it.

        Raises:
            NotFound: This clone knows no such run.
            InvalidValue: The key cannot be one, or the run is deleted.
        """
        check_key(key, "tag")
        text = as_text(value, f"the tag '{key}'")
        if self._is_live(run_id):
            self._open(run_id).set_tag(key, text)
        else:
            self._say_of_run(run_id, "set_tag", key, text)
        return operations(synchronous)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag off a run.

        Raises:
            NotFound: This clone knows no such run, or the run has no such tag.
            InvalidValue: The key cannot be one, or the run is deleted.
        """
        check_key(key, "tag")
        if not self._is_live(run_id):
            self._say_of_run(run_id, "delete_tag", key, None)
            return
        run = self._open(run_id)
        if key not in run.tags and key not in self.get_run(run_id).data.tags:
            raise NotFound(f"run '{run_id}' has no tag '{key}'")
        run.delete_tag(key)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Give a run another status or label.

        Raises:
            NotFound: This clone knows no such run.
            InvalidValue: There is no such status, or the run is deleted.
        """
        if name is not None:
            self.set_tag(run_id, RUN_NAME, name)
        if status is not None:
            self._set_status(run_id, _status(status))

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """End a run.

        Args:
            run_id: The run.
            status: FINISHED (also without one), FAILED or KILLED.
            end_time: Milliseconds since 1970 UTC; now without one.

        Raises:
            NotFound: This clone knows no such run.
            InvalidValue: There is no such status, or the run is deleted.
        """
        if end_time is not None:
            end_time = as_time(end_time, "the end of the run")
        self._set_status(run_id, _status(status or "FINISHED"), end_time)

    def _set_status(self, run_id: str, status: Status, end_time: int | None = None) -> None:
        run = self._open(run_id)
        if not run.is_owner:
            raise Conflict(f"run '{run_id}' is at work in another process, which says how it goes and ends")
        if RunStatus.is_terminated(RunStatus.from_string(status)):
            run.end(status, end_time=end_time)
            return
        if run.is_amended:
            open_runs.release(run.run_id)
            run = open_runs.resumed(self._project(), run.run_id)
        run.set_status(status)

    def delete_run(self, run_id: str) -> None:
        """Delete a run softly; its children stay. One that is deleted stays so.

        Raises:
            NotFound: This clone knows no such run.
        """
        known, run = self._run_now(run_id)
        if run.info.lifecycle_stage == LifecycleStage.DELETED:
            return
        open_runs.deleted(RunId(run_id), is_deleted=True)
        facts.write(self._project(), known, [RunId(run_id)], [("delete", None, None)])

    def restore_run(self, run_id: str) -> None:
        """Take back the deletion of a run; one that is not deleted stays as it is.

        Raises:
            NotFound: This clone knows no such run.
        """
        known, run = self._run_now(run_id)
        if run.info.lifecycle_stage != LifecycleStage.DELETED:
            return
        facts.write(self._project(), known, [RunId(run_id)], [("restore", None, None)])
        open_runs.deleted(RunId(run_id), is_deleted=False)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Record the use of datasets and models by a run.

        Raises:
            NotFound: This clone knows no such run.
            InvalidValue: One of them is no `DatasetInput`, or no `LoggedModelInput`, or its id cannot be one.
        """
        given = [inputs.used(one) for one in all_of(DatasetInput, datasets or (), "datasets")]
        used = inputs.used_models(models or ())
        run = self._open(run_id)
        run.log_models(used)
        for dataset in given:
            run.log_dataset(dataset)

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record which models a run made; a model is recorded by its id, as it is given.

        The same model at the same step counts once; the step of one without is 0.

        Raises:
            NotFound: This clone knows no such run.
            InvalidValue: One of them is no `LoggedModelOutput`, its id cannot be one, or its step is no integer.
        """
        made = inputs.made_models(models)
        self._open(run_id).log_models(made)

    def _is_live(self, run_id: str) -> bool:
        """Whether some process has the run open; a tag is then one of its records, else an event."""
        wanted = open_runs.id_of(run_id)
        return exits.open_here(wanted) is not None or self._project().layout.live_run(wanted).is_dir()

    def _open(self, run_id: str) -> ActiveRun:
        return open_runs.opened(self._project(), run_id)

    def _run_now(self, run_id: str) -> tuple[Standing, Run]:
        """Return a run as it is now, and what tells so."""
        wanted = open_runs.id_of(run_id)
        known = projects.standing(self._project(), wanted)
        run = known.run(wanted)
        if run is None:
            raise open_runs.unknown(wanted)
        return known, run

    def _say_of_run(self, run_id: str, op: Op, key: str, value: str | None) -> None:
        known, run = self._run_now(run_id)
        _must_be_active(run)
        if op == "delete_tag" and key not in run.data.tags:
            raise NotFound(f"run '{run_id}' has no tag '{key}'")
        facts.write(self._project(), known, [RunId(run_id)], [(op, key, value)])


def _in_order(points: pa.Table) -> pa.Table:
    """Return points by time, then step, then value: mostly as they come, and asking is quicker than sorting."""
    import numpy as np

    times, steps, values = (points.column(name).to_numpy() for name in ("timestamp", "step", "value"))
    later, apart = np.diff(times.astype("int64")), np.diff(steps) > 0
    if ((later > 0) | (later == 0) & apart).all():
        return points
    return points.take(np.lexsort((values, steps, times)))


def _must_be_active(run: Run) -> Run:
    run_id = run.info.run_id
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise journal.deleted(run_id)
    return run


def _status(text: str) -> Status:
    RunStatus.from_string(text)
    return text  # type: ignore[return-value]
