"""What gittrack writes down, as values that never change: frozen dataclasses, and named tuples of what stands alone.

Times are integers, milliseconds since 1970-01-01 UTC, unless a name says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NewType, TypeAlias

from gittrack.errors import InvalidValue

Status: TypeAlias = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
ENDS: tuple[Status, ...] = ("FINISHED", "FAILED", "KILLED")
"""Statuses of a run that has ended."""
ModelRole: TypeAlias = Literal["input", "output"]
Scalar: TypeAlias = str | int | float | bool | None

_RUN_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?", re.ASCII)
_EXPERIMENT_ID = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)

RunId = NewType("RunId", str)
"""32 lower-case hex digits, random, known from the start of a run."""

ExperimentId = NewType("ExperimentId", str)
"""Decimal digits; the same in every clone that creates an experiment of the same name. `Default` has 0."""

Digest = NewType("Digest", str)
"""A SHA-256 as 64 lower-case hex digits: the content address of an object."""


def parse_run_id(text: object) -> RunId:
    """Return the run id that `text` spells.

    Raises:
        InvalidValue: `text` is not 32 lower-case hex digits.
    """
    if not isinstance(text, str) or not _RUN_ID.fullmatch(text):
        raise InvalidValue(f"{text!r} is not a run id", hint="a run id has 32 hex digits: gittrack ls")
    return RunId(text)


def parse_experiment_id(text: object) -> ExperimentId:
    """Return the experiment id that `text`, or a number, spells.

    Raises:
        InvalidValue: It is none.
    """
    spelled = str(text) if type(text) is int else text
    if not isinstance(spelled, str) or not _EXPERIMENT_ID.fullmatch(spelled):
        raise InvalidValue(
            f"{text!r:.80} is not an experiment id",
            hint="gittrack.get_experiment_by_name('...').experiment_id is one",
        )
    return ExperimentId(spelled)


def is_md5(text: object) -> bool:
    """Whether `text` is DVC's name for content: 32 lower-case hex digits, with `.dir` for a folder."""
    return isinstance(text, str) and _MD5.fullmatch(text) is not None


class Point(NamedTuple):
    """One point of a metric: `value` at `step`, logged at `timestamp`."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True)
class MetricSummary:
    """What a whole series comes to; `last` is the greatest by (step, timestamp, value), as in MLflow."""

    last: float
    step: int
    min: float
    max: float
    count: int


@dataclass(frozen=True)
class Artifact:
    """A file that a run saved, kept by digest."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True)
class DataFile:
    """An input file or folder of a run.

    Attributes:
        path: From the repository's top; absolute for data beside it.
        digest: Of the file, or of the folder's manifest.
        size: Bytes, of all files together.
        kept_by: Where its bytes are: `git`, `cache` (this clone's store), `dvc`, `outside` or `nobody`.
        files: Number of files in a folder, None for a file.
        how: `read` for one that was found by itself; of a folder the manifest then has the files that were read. None
            for one that was declared.
        md5: The content that DVC has for the path, as DVC calls it; None where DVC knows nothing of it.
        changed: Whether the run read other bytes than those: DVC did not keep them.
    """

    path: str
    digest: Digest
    size: int
    kept_by: str
    files: int | None = None
    how: str | None = None
    md5: str | None = None
    changed: bool = False


@dataclass(frozen=True)
class UsedDataset:
    """A dataset as a run used it.

    Attributes:
        name: Its name.
        digest: Over its content.
        source_type: Kind of its source: local, http, code, ...
        source: Where it came from, as JSON.
        schema: Its columns, as JSON.
        profile: Numbers about it, as JSON.
        tags: `mlflow.data.context` says what it was used for.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UsedModel:
    """A model that a run read, or one that it made.

    Attributes:
        model_id: Its id, as it was given.
        role: What it was to the run.
        step: The training step at which it was made; None for an input.
    """

    model_id: str
    role: ModelRole
    step: int | None = None


@dataclass(frozen=True)
class LeftOut:
    """A file of the working tree that the code capture did not take, and why."""

    path: str
    size: int
    reason: str
    digest: Digest | None = None


@dataclass(frozen=True)
class Submodule:
    """A submodule at the start of the run; `captured` differs from `commit` when it was dirty."""

    path: str
    commit: str
    captured: str
    code_tree: str


@dataclass(frozen=True)
class Code:
    """The tie to git, taken at the start.

    Attributes:
        commit: HEAD, or None before the first commit.
        branch: Its branch, or None when HEAD is detached.
        captured: The commit that holds the code as it ran: `commit` for a clean tree, else a snapshot of ours.
        code_tree: The root tree of `captured` without `.gittrack/`.
        base: What the patch starts from: the nearest ancestor that outlives the branch; None for an empty tree.
        patch_digest: SHA-256 of `code.patch`, None when `base` lacks nothing.
        patch_files: Number of files that the patch touches.
        dirty: Whether the tree had changes that no commit held.
        left_out: Files that were not captured.
        state: Words for anything unusual: `merging`, `shallow`, `no-commit`, ...
    """

    commit: str | None
    branch: str | None
    captured: str
    code_tree: str
    base: str | None = None
    patch_digest: Digest | None = None
    patch_files: int = 0
    dirty: bool = False
    left_out: tuple[LeftOut, ...] = ()
    submodules: tuple[Submodule, ...] = ()
    state: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """What was run: `argv` from `cwd` (relative to the repository's top), with the variables that matter."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None


@dataclass(frozen=True)
class Process:
    """Which process made the run, and as its how-manieth: `repro` pairs the runs of a process by it."""

    id: str
    ordinal: int


@dataclass(frozen=True)
class Series:
    """The points of a run: their number, the digest of the points, the digest of the Parquet file as sealed."""

    rows: int
    digest: Digest
    file: Digest


@dataclass(frozen=True)
class RunRecord:
    """One recorded execution, as `run.yaml` holds it.

    Attributes:
        experiment: The name of its experiment when it was recorded.
        experiment_id: The id of its experiment, when it is not the one that the name has by itself: the experiment
            was renamed, or its name was used before.
        seen: Newest events about the run that a resumed run has taken in.
        imports: Distributions that the job imported, by name; None when that is not known.
    """

    run_id: RunId
    experiment: str
    name: str
    status: Status
    start_time: int
    end_time: int | None
    user: str
    host: Mapping[str, Any]
    process: Process
    code: Code | None
    command: Command | None
    environment: Digest | None
    parent_run_id: RunId | None = None
    repro_of: RunId | None = None
    supersedes: tuple[Digest, ...] = ()
    seen: tuple[Digest, ...] = ()
    experiment_id: ExperimentId | None = None
    data: tuple[DataFile, ...] = ()
    params: Mapping[str, Scalar] = field(default_factory=dict)
    metrics: Mapping[str, MetricSummary] = field(default_factory=dict)
    series: Series | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[UsedDataset, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    models: tuple[UsedModel, ...] = ()
    volatile: tuple[str, ...] = ()
    imports: tuple[str, ...] | None = None
    error: str | None = None
    lost: tuple[str, ...] = ()  # what the record is known to lack, in words


Op: TypeAlias = Literal["create", "rename", "set_tag", "delete_tag", "delete", "restore"]


class Event(NamedTuple):
    """One later fact about a run or an experiment.

    Attributes:
        subject: The id of the run or the experiment.
        op: What is said of it; only experiments are created and renamed.
        key: The tag's key; None unless `op` is `set_tag` or `delete_tag`.
        value: The tag's value, or the experiment's name; None unless `op` is `set_tag`, `create` or `rename`.
        time: Hybrid logical clock: milliseconds, never less than that of an event this one has seen.
        counter: Orders events of the same `time`.
        seen: Digests of the newest events about the subject that the writer knew.
        user: Who wrote it, for people.
    """

    subject: RunId | ExperimentId
    op: Op
    key: str | None
    value: str | None
    time: int
    counter: int
    seen: tuple[Digest, ...]
    user: str

    @property
    def run_id(self) -> RunId | None:
        """The run that it is about, None for an experiment."""
        return RunId(self.subject) if _RUN_ID.fullmatch(self.subject) else None

    @property
    def experiment_id(self) -> ExperimentId | None:
        """The experiment that it is about, None for a run."""
        return None if _RUN_ID.fullmatch(self.subject) else ExperimentId(self.subject)
