"""What a client hands out: runs, experiments, metrics and datasets under MLflow's attribute names.

Times are integers, milliseconds since 1970-01-01 UTC. Iterating over an entity yields its attributes as pairs, so
`dict(run.info)` works.

Source: the names and their meaning are those of MLflow 3's `mlflow.entities`.
"""

from __future__ import annotations

import pprint
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

from gittrack.entities.record import ENDS
from gittrack.errors import InvalidValue

T = TypeVar("T")


class Entity:
    """Attributes that can be listed, turned into a dictionary and made from one."""

    __slots__ = ()

    @classmethod
    def _attributes(cls) -> list[str]:
        names: tuple[str, ...] = tuple(getattr(cls, "__dataclass_fields__", {}))
        return sorted(names)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self._attributes():
            yield name, getattr(self, name)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the attributes by name; entities inside become dictionaries too."""
        return {name: _plain(value) for name, value in self}

    @classmethod
    def from_dictionary(cls, the_dict: Mapping[str, Any]) -> Self:
        """Return the entity with these attributes; others are passed over."""
        names = cls._attributes()
        return cls(**{name: value for name, value in the_dict.items() if name in names})

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={_shown(value)}" for name, value in self)
        return f"<{type(self).__name__}: {inside}>"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, Entity) else pprint.pformat(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Entity):
        return value.to_dictionary()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


class RunStatus:
    """Statuses of a run: as numbers here, as words in `RunInfo.status`."""

    RUNNING, SCHEDULED, FINISHED, FAILED, KILLED = range(1, 6)
    _WORDS: ClassVar[dict[int, str]] = {
        1: "RUNNING",
        2: "SCHEDULED",
        3: "FINISHED",
        4: "FAILED",
        5: "KILLED",
    }

    @staticmethod
    def from_string(status_str: str) -> int:
        """Return the number of a status.

        Raises:
            InvalidValue: There is no such status.
        """
        for number, word in RunStatus._WORDS.items():
            if word == status_str:
                return number
        raise InvalidValue(
            f"{status_str!r:.80} is no status of a run", hint=f"one of {', '.join(RunStatus._WORDS.values())}"
        )

    @staticmethod
    def to_string(status: int) -> str:
        """Return the word for a status.

        Raises:
            InvalidValue: There is no such status.
        """
        if status not in RunStatus._WORDS:
            raise InvalidValue(f"{status!r:.80} is no status of a run", hint="a number from 1 to 5")
        return RunStatus._WORDS[status]

    @staticmethod
    def is_terminated(status: int) -> bool:
        """Whether a run with this status has ended."""
        return RunStatus._WORDS.get(status) in ENDS

    @staticmethod
    def all_status() -> list[int]:
        """Return the numbers of all statuses."""
        return list(RunStatus._WORDS)


class ViewType:
    """Which of active and deleted runs or experiments a search sees."""

    ACTIVE_ONLY, DELETED_ONLY, ALL = range(1, 4)
    _WORDS: ClassVar[dict[int, str]] = {1: "active_only", 2: "deleted_only", 3: "all"}

    @classmethod
    def from_string(cls, view_str: str) -> int:
        """Return the number of a view type.

        Raises:
            InvalidValue: There is no such view type.
        """
        for number, word in cls._WORDS.items():
            if word == view_str:
                return number
        raise InvalidValue(
            f"{view_str!r:.80} is no view type", hint=f"one of {', '.join(cls._WORDS.values())}"
        )

    @classmethod
    def to_string(cls, view_type: int) -> str:
        """Return the word for a view type.

        Raises:
            InvalidValue: There is no such view type.
        """
        if view_type not in cls._WORDS:
            raise InvalidValue(f"{view_type!r:.80} is no view type", hint="a number from 1 to 3")
        return cls._WORDS[view_type]


class LifecycleStage:
    """Whether a run or experiment is there or (softly) deleted."""

    ACTIVE = "active"
    DELETED = "deleted"

    @classmethod
    def view_type_to_stages(cls, view_type: int = ViewType.ALL) -> list[str]:
        """Return the stages that a view type sees."""
        stages = {ViewType.ACTIVE_ONLY: [cls.ACTIVE], ViewType.DELETED_ONLY: [cls.DELETED]}
        return stages.get(view_type, [cls.ACTIVE, cls.DELETED])

    @classmethod
    def is_valid(cls, lifecycle_stage: str) -> bool:
        """Whether there is such a stage."""
        return lifecycle_stage in (cls.ACTIVE, cls.DELETED)

    @classmethod
    def matches_view_type(cls, view_type: int, lifecycle_stage: str) -> bool:
        """Whether a view type sees a stage."""
        return lifecycle_stage in cls.view_type_to_stages(view_type)


class SourceType:
    """What kind of thing started a run."""

    NOTEBOOK, JOB, PROJECT, LOCAL, UNKNOWN = 1, 2, 3, 4, 1000
    _WORDS: ClassVar[dict[int, str]] = {1: "NOTEBOOK", 2: "JOB", 3: "PROJECT", 4: "LOCAL", 1000: "UNKNOWN"}

    @staticmethod
    def from_string(status_str: str) -> int:
        """Return the number of a source type.

        Raises:
            InvalidValue: There is no such source type.
        """
        for number, word in SourceType._WORDS.items():
            if word == status_str:
                return number
        raise InvalidValue(f"{status_str!r:.80} is no source type")

    @staticmethod
    def to_string(status: int) -> str:
        """Return the word for a source type.

        Raises:
            InvalidValue: There is no such source type.
        """
        if status not in SourceType._WORDS:
            raise InvalidValue(f"{status!r:.80} is no source type")
        return SourceType._WORDS[status]


@dataclass(slots=True, repr=False)
class Metric(Entity):
    """One point of a metric."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


@dataclass(slots=True, repr=False)
class Param(Entity):
    """An input value fixed for the run, as text."""

    key: str
    value: str


@dataclass(slots=True, repr=False)
class RunTag(Entity):
    """A key and value put on a run."""

    key: str
    value: str


@dataclass(slots=True, repr=False)
class ExperimentTag(Entity):
    """A key and value put on an experiment."""

    key: str
    value: str


@dataclass(slots=True, repr=False)
class InputTag(Entity):
    """A key and value put on the use of a dataset; `mlflow.data.context` says what it was used for."""

    key: str
    value: str


@dataclass(slots=True, repr=False)
class Dataset(Entity):
    """A named, versioned input.

    Attributes:
        name: Its name.
        digest: SHA-256 over all of its content.
        source_type: Kind of its source: local, http, code, ...
        source: Where it came from, as JSON.
        schema: Its columns, as JSON, or None.
        profile: Numbers about it, as JSON, or None.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(slots=True, repr=False)
class DatasetInput(Entity):
    """A run's use of a dataset."""

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class LoggedModelInput(Entity):
    """A model that a run used."""

    model_id: str


@dataclass(slots=True, repr=False)
class LoggedModelOutput(Entity):
    """A model that a run made, at a training step."""

    model_id: str
    step: int


@dataclass(slots=True, repr=False)
class RunInputs(Entity):
    """The datasets and models that a run used."""

    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[LoggedModelInput] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class RunOutputs(Entity):
    """The models that a run made."""

    model_outputs: list[LoggedModelOutput] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class RunInfo(Entity):
    """A run's id, name, experiment, status and times.

    Attributes:
        run_id: 32 hex digits.
        experiment_id: The id of its experiment, digits as text.
        user_id: Who ran it.
        status: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.
        start_time: When it started.
        end_time: When it ended, None while it runs.
        lifecycle_stage: active or deleted.
        artifact_uri: Where its artifacts are: `runs:/<run_id>`.
        run_name: Its label.
    """

    run_id: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str | None = None
    run_name: str | None = None


@dataclass(slots=True, repr=False)
class RunData(Entity):
    """A run's params (as text), the last value of each metric, and tags."""

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, repr=False)
class Run(Entity):
    """A run as it was when it was asked for."""

    info: RunInfo
    data: RunData
    inputs: RunInputs = field(default_factory=RunInputs)
    outputs: RunOutputs = field(default_factory=RunOutputs)


@dataclass(slots=True, repr=False)
class Experiment(Entity):
    """A named group of runs.

    Attributes:
        experiment_id: Digits as text; the same in every clone that creates the same name. `Default` has 0.
        name: Its name.
        artifact_location: The folder of this clone that keeps content by digest, as a file URI.
        lifecycle_stage: active or deleted.
        tags: Its tags.
        creation_time: When it was created.
        last_update_time: When it was last renamed, tagged, deleted or restored.
    """

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None


@dataclass(slots=True, repr=False)
class FileInfo(Entity):
    """A file or folder among a run's artifacts.

    Attributes:
        path: From the root of the run's artifacts, with `/`.
        is_dir: Whether it is a folder.
        file_size: Bytes; None for a folder.
    """

    path: str
    is_dir: bool
    file_size: int | None


class RunOperations:
    """What an asynchronous call returns; it was recorded before it returned."""

    def wait(self) -> None:
        """Return: no call waits for the disk."""


class PagedList(list[T], Generic[T]):
    """A list with the token of the page after it, None when there is none."""

    def __init__(self, items: Iterable[T] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> Sequence[T]:
        """Return the items as a plain list."""
        return list(self)
