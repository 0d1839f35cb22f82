"""The run that a process logs to as it is now: as recorded, and under MLflow's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import Code, Digest, RunId, RunRecord, Scalar, Status
from gittrack.errors import Damaged
from gittrack.record import format as formats
from gittrack.record import live
from gittrack.record.experiments import Group, id_of
from gittrack.record.project import Project
from gittrack.store.layout import RUN_FILE

if TYPE_CHECKING:
    from gittrack.entities.tracking import Run, RunData, RunInfo, RunInputs, RunOutputs


class ActiveView:
    """The part of a run that shows it.

    Attributes:
        digest: Of the sealed run, None until then.
        _start: The run at its start.
        _params: Its params, as this process knows them.
        _tags: Its tags, likewise.
        _status: Whether it runs, or how it ended.
        _name: Its label.
        _end_time: When this process ended it.
    """

    digest: Digest | None
    _project: Project
    _start: RunRecord
    _params: dict[str, Scalar]
    _tags: dict[str, str]
    _status: Status
    _name: str
    _end_time: int | None
    _deleted: bool

    @property
    def run_id(self) -> RunId:
        """The id, 32 hex digits."""
        return self._start.run_id

    @property
    def experiment(self) -> str:
        """The named group that the run belongs to."""
        return self._start.experiment

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The params logged by this process and before it joined."""
        return dict(self._params)

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags set by this process and before it joined."""
        return dict(self._tags)

    @property
    def code(self) -> Code | None:
        """The tie to git, None when it could not be taken."""
        return self._start.code

    @property
    def experiment_group(self) -> Group:
        """The experiment that the run belongs to, with its id."""
        return Group(self._start.experiment_id or id_of(self.experiment), self.experiment)

    @property
    def info(self) -> RunInfo:
        """Id, name, experiment, status and times, under MLflow's names."""
        from gittrack.record import presented  # a training that only records does not pay for it

        run = replace(
            self._start,
            name=self._name,
            status=self._status,
            end_time=self._start.end_time if self._end_time is None else self._end_time,
        )
        return presented.info(run, deleted=False)

    @property
    def data(self) -> RunData:
        """Params, last values of metrics and tags as they are now, under MLflow's names."""
        return self._now().data

    @property
    def inputs(self) -> RunInputs:
        """The datasets and models that were logged as used until now, under MLflow's names."""
        return self._now().inputs

    @property
    def outputs(self) -> RunOutputs:
        """The models that were logged as made until now, under MLflow's names."""
        return self._now().outputs

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._now())

    def to_dictionary(self) -> dict[str, Any]:
        """Return `info`, `data`, `inputs` and `outputs` as plain dictionaries."""
        return self._now().to_dictionary()

    def _now(self) -> Run:
        from gittrack.record import presented

        layout = self._project.layout
        try:
            if self.digest is not None:
                content = (layout.run(self.digest) / RUN_FILE).read_bytes()
                return presented.run(formats.load_run(content), deleted=self._deleted)
            return presented.run(live.read(layout.live_run(self.run_id)).run, deleted=self._deleted)
        except (OSError, Damaged):  # the disk took nothing: what this process knows
            known = replace(self._start, params=self._params, tags=self._tags, name=self._name)
            known = replace(known, status=self._status, end_time=self._end_time or known.end_time)
            return presented.run(known, deleted=self._deleted)
