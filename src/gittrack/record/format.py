"""The format of sealed files, `gittrack/run/1`, `gittrack/event/1` and `gittrack/environment/1`, both ways.

What is read came from anywhere: ids, digests and paths are checked before they are believed, keys of a later
gittrack are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from gittrack.entities.record import (
    Artifact,
    Code,
    Command,
    DataFile,
    Digest,
    Event,
    LeftOut,
    MetricSummary,
    ModelRole,
    Op,
    Process,
    RunRecord,
    Series,
    Status,
    Submodule,
    UsedDataset,
    UsedModel,
    is_md5,
    parse_experiment_id,
    parse_run_id,
)
from gittrack.errors import Damaged
from gittrack.record import document
from gittrack.record.document import Plain
from gittrack.store import digest as digests
from gittrack.store.layout import safe_path

RUN_FORMAT = "gittrack/run/1"
EVENT_FORMAT = "gittrack/event/1"
ENVIRONMENT_FORMAT = "gittrack/environment/1"

T = TypeVar("T")

_STATUSES = get_args(Status)
_ROLES = get_args(ModelRole)
_OBJECT_ID_LENGTHS = (40, 64)
_RUN_OPS = ("set_tag", "delete_tag", "delete", "restore")
_EXPERIMENT_OPS = get_args(Op)


def time_text(milliseconds: int) -> Plain:
    """Return a time as `2026-11-21T01:36:03.120Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    at = time.gmtime(seconds)  # `datetime` takes 4 ms to import, which a start does not pay
    day = f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d}"
    return Plain(f"{day}T{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}.{rest:03d}Z")


def dump_run(run: RunRecord) -> bytes:
    """Return the bytes of `run.yaml`; their SHA-256 is the run's digest."""
    return document.dump(
        {
            "format": RUN_FORMAT,
            "run_id": run.run_id,
            "experiment": run.experiment,
            **_given(experiment_id=run.experiment_id),
            "name": run.name,
            "status": run.status,
            "start_time": time_text(run.start_time),
            "end_time": None if run.end_time is None else time_text(run.end_time),
            **_given(parent_run_id=run.parent_run_id, repro_of=run.repro_of),
            "process": {"id": run.process.id, "ordinal": run.process.ordinal},
            **_given(supersedes=list(run.supersedes), seen=list(run.seen)),
            "user": run.user,
            "host": run.host,
            "code": None if run.code is None else _code_document(run.code),
            "command": None if run.command is None else _command_document(run.command),
            "environment": run.environment,
            **_given(
                data=[_data_document(entry) for entry in run.data],
                params=run.params,
                metrics={key: _summary_document(summary) for key, summary in run.metrics.items()},
            ),
            **_given(
                series=run.series
                and {"rows": run.series.rows, "digest": run.series.digest, "file": run.series.file},
                tags=run.tags,
                datasets=[_dataset_document(dataset) for dataset in run.datasets],
                artifacts=[{"path": a.path, "digest": a.digest, "size": a.size} for a in run.artifacts],
                models=[_model_document(used) for used in run.models],
                volatile=list(run.volatile),
            ),
            **({} if run.imports is None else {"imports": list(run.imports)}),
            **_given(
                error=run.error,
                lost=list(run.lost),
            ),
        }
    )


def _given(**entries: Any) -> dict[str, Any]:
    """Leave out what is empty: a run's file says what it has."""
    return {key: value for key, value in entries.items() if value is not None and value not in ({}, [])}


def _code_document(code: Code) -> dict[str, Any]:
    patch = code.patch_digest and {"digest": code.patch_digest, "files": code.patch_files}
    return {
        "commit": code.commit,
        "branch": code.branch,
        "code_tree": code.code_tree,
        "captured": code.captured,
        "base": code.base,
        "dirty": code.dirty,
        **_given(
            patch=patch,
            left_out=[
                {"path": left.path, "size": left.size, "reason": left.reason, **_given(digest=left.digest)}
                for left in code.left_out
            ],
            submodules=[
                {"path": sub.path, "commit": sub.commit, "captured": sub.captured, "code_tree": sub.code_tree}
                for sub in code.submodules
            ],
            state=list(code.state),
        ),
    }


def _command_document(command: Command) -> dict[str, Any]:
    return {
        "argv": list(command.argv),
        "cwd": command.cwd,
        **_given(env=dict(command.env), exit_code=command.exit_code),
    }


def _dataset_document(used: UsedDataset) -> dict[str, Any]:
    return {
        "name": used.name,
        "digest": used.digest,
        "source_type": used.source_type,
        "source": used.source,
        **_given(schema=used.schema, profile=used.profile, tags=used.tags),
    }


def _model_document(used: UsedModel) -> dict[str, Any]:
    return {"id": used.model_id, "role": used.role, **_given(step=used.step)}


def _data_document(entry: DataFile) -> dict[str, Any]:
    return {
        "path": entry.path,
        "digest": entry.digest,
        "size": entry.size,
        **_given(files=entry.files),
        "kept_by": entry.kept_by,
        **_given(how=entry.how, md5=entry.md5, changed=entry.changed or None),
    }


def _summary_document(summary: MetricSummary) -> dict[str, Any]:
    return {
        "last": summary.last,
        "step": summary.step,
        "min": summary.min,
        "max": summary.max,
        "count": summary.count,
    }


def load_run(content: bytes, *, what: str = "run.yaml") -> RunRecord:
    """Return the run that a `run.yaml` describes.

    Raises:
        Damaged: It is not the format of a run, or a field has a value that cannot be.
    """
    return _Reader(document.load(content, what=what), what).run()


def dump_event(event: Event) -> bytes:
    """Return the bytes of an event's file; their SHA-256 is its name."""
    return document.dump(
        {
            "format": EVENT_FORMAT,
            **_given(run_id=event.run_id, experiment_id=event.experiment_id),
            "op": event.op,
            **_given(key=event.key, value=event.value),
            "time": time_text(event.time),
            "counter": event.counter,
            **_given(seen=list(event.seen)),
            "user": event.user,
        }
    )


def load_event(content: bytes, *, what: str = "event") -> Event:
    """Return the event that a file describes.

    Raises:
        Damaged: It is not the format of an event, or a field has a value that cannot be.
    """
    return _Reader(document.load(content, what=what), what).event()


def dump_environment(environment: Mapping[str, Any]) -> bytes:
    """Return the bytes of an environment's file; their SHA-256 is its name."""
    return document.dump({"format": ENVIRONMENT_FORMAT, **environment})


def load_environment(content: bytes, *, what: str = "environment") -> dict[str, Any]:
    """Return python, platform and distributions (name to version), and what more is known.

    That is origins, digests, locks, conda and image, each by name; see `gittrack.record.environment.capture`.

    Raises:
        Damaged: It is not the format of an environment.
    """
    reader = _Reader(document.load(content, what=what), what)
    return reader.environment()


class _Reader:
    """Takes the fields of one document, each checked as it is taken."""

    def __init__(self, fields: Mapping[str, Any], what: str) -> None:
        self._fields = fields
        self._what = what

    def run(self) -> RunRecord:
        self._format(RUN_FORMAT)
        return RunRecord(
            run_id=self._take("run_id", parse_run_id),
            experiment=self._take("experiment", _str),
            name=self._take("name", _str),
            status=self._take("status", _one_of(_STATUSES)),
            start_time=self._take("start_time", _time),
            end_time=self._maybe("end_time", _time),
            parent_run_id=self._maybe("parent_run_id", parse_run_id),
            repro_of=self._maybe("repro_of", parse_run_id),
            process=self._take("process", self._nested(_Reader._process)),
            supersedes=self._list("supersedes", digests.parse),
            seen=self._list("seen", digests.parse),
            experiment_id=self._maybe("experiment_id", parse_experiment_id),
            user=self._take("user", _str),
            host=self._maybe("host", _mapping) or {},
            code=self._maybe("code", self._nested(_Reader._code)),
            command=self._maybe("command", self._nested(_Reader._command)),
            environment=self._maybe("environment", digests.parse),
            data=self._list("data", self._nested(_Reader._data)),
            params=self._maybe("params", _scalars) or {},
            metrics=self._maybe("metrics", self._map_of(_Reader._summary)) or {},
            series=self._maybe("series", self._nested(_Reader._series)),
            tags=self._maybe("tags", _texts) or {},
            datasets=self._list("datasets", self._nested(_Reader._dataset)),
            artifacts=self._list("artifacts", self._nested(_Reader._artifact)),
            models=self._list("models", self._nested(_Reader._model)),
            volatile=self._list("volatile", _str),
            imports=self._maybe("imports", _strs),
            error=self._maybe("error", _str),
            lost=self._list("lost", _str),
        )

    def event(self) -> Event:
        self._format(EVENT_FORMAT)
        experiment = self._maybe("experiment_id", parse_experiment_id)
        return Event(
            subject=experiment or self._take("run_id", parse_run_id),
            op=self._take("op", _one_of(_EXPERIMENT_OPS if experiment else _RUN_OPS)),
            key=self._maybe("key", _str),
            value=self._maybe("value", _str),
            time=self._take("time", _time),
            counter=self._take("counter", _count),
            seen=self._list("seen", digests.parse),
            user=self._take("user", _str),
        )

    def environment(self) -> dict[str, Any]:
        self._format(ENVIRONMENT_FORMAT)
        return {
            "python": self._take("python", _texts),
            "platform": self._take("platform", _texts),
            "distributions": self._take("distributions", _texts),
            **_given(
                origins=self._maybe("origins", _origins),
                digests=self._maybe("digests", _digests),
                locks=self._maybe("locks", _digests),
                conda=self._maybe("conda", _texts),
                image=self._maybe("image", _texts),
            ),
        }

    def _format(self, expected: str) -> None:
        found = self._fields.get("format")
        if found != expected:
            raise Damaged(f"{self._what} has the format {found!r}, this gittrack reads {expected!r}")

    def _process(self) -> Process:
        return Process(self._take("id", _str), self._take("ordinal", _count))

    def _code(self) -> Code:
        patch = _Reader(self._maybe("patch", _mapping) or {}, self._what)
        return Code(
            commit=self._maybe("commit", _object_id),
            branch=self._maybe("branch", _str),
            captured=self._take("captured", _object_id),
            code_tree=self._take("code_tree", _object_id),
            base=self._maybe("base", _object_id),
            patch_digest=patch._maybe("digest", digests.parse),
            patch_files=patch._maybe("files", _count) or 0,
            dirty=self._take("dirty", _bool),
            left_out=self._list("left_out", self._nested(_Reader._left_out)),
            submodules=self._list("submodules", self._nested(_Reader._submodule)),
            state=self._list("state", _str),
        )

    def _left_out(self) -> LeftOut:
        return LeftOut(
            self._take("path", _str),
            self._take("size", _count),
            self._take("reason", _str),
            self._maybe("digest", digests.parse),
        )

    def _submodule(self) -> Submodule:
        path = self._take("path", safe_path)
        return Submodule(
            path, *(self._take(name, _object_id) for name in ("commit", "captured", "code_tree"))
        )

    def _command(self) -> Command:
        return Command(
            argv=self._list("argv", _str),
            cwd=self._take("cwd", _folder),
            env=self._maybe("env", _texts) or {},
            exit_code=self._maybe("exit_code", _int),
        )

    def _data(self) -> DataFile:
        return DataFile(
            path=self._take("path", data_path),
            digest=self._take("digest", digests.parse),
            size=self._take("size", _count),
            kept_by=self._take("kept_by", _str),
            files=self._maybe("files", _count),
            how=self._maybe("how", _str),
            md5=self._maybe("md5", _md5),
            changed=self._maybe("changed", _bool) or False,
        )

    def _dataset(self) -> UsedDataset:
        return UsedDataset(
            name=self._take("name", _str),
            digest=self._take("digest", _str),
            source_type=self._take("source_type", _str),
            source=self._take("source", _str),
            schema=self._maybe("schema", _str),
            profile=self._maybe("profile", _str),
            tags=self._maybe("tags", _texts) or {},
        )

    def _model(self) -> UsedModel:
        return UsedModel(
            self._take("id", _str), self._take("role", _one_of(_ROLES)), self._maybe("step", _int)
        )

    def _summary(self) -> MetricSummary:
        return MetricSummary(
            last=self._take("last", _float),
            step=self._take("step", _int),
            min=self._take("min", _float),
            max=self._take("max", _float),
            count=self._take("count", _count),
        )

    def _series(self) -> Series:
        return Series(
            self._take("rows", _count), self._take("digest", digests.parse), self._take("file", digests.parse)
        )

    def _artifact(self) -> Artifact:
        return Artifact(
            self._take("path", safe_path), self._take("digest", digests.parse), self._take("size", _count)
        )

    def _take(self, name: str, check: Callable[[Any], T]) -> T:
        try:
            return check(self._fields[name])
        except KeyError:
            raise Damaged(f"{self._what} has no {name}") from None
        except (ValueError, TypeError, OverflowError) as error:
            raise Damaged(f"{self._what} has {name}: {self._fields[name]!r:.80}") from error

    def _maybe(self, name: str, check: Callable[[Any], T]) -> T | None:
        return None if self._fields.get(name) is None else self._take(name, check)

    def _list(self, name: str, check: Callable[[Any], T]) -> tuple[T, ...]:
        return self._maybe(name, lambda items: tuple(check(item) for item in _sequence(items))) or ()

    def _nested(self, read: Callable[[_Reader], T]) -> Callable[[Any], T]:
        return lambda fields: read(_Reader(_mapping(fields), self._what))

    def _map_of(self, read: Callable[[_Reader], T]) -> Callable[[Any], dict[str, T]]:
        entry = self._nested(read)
        return lambda fields: {key: entry(value) for key, value in _mapping(fields).items()}


def _checked(kind: type[T]) -> Callable[[Any], T]:
    def check(value: Any) -> T:
        if type(value) is not kind:
            raise ValueError(value)
        return value

    return check


_str, _bool = _checked(str), _checked(bool)
_mapping: Callable[[Any], dict[str, Any]] = _checked(dict)
_sequence: Callable[[Any], list[Any]] = _checked(list)


def _int(value: Any) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError(value)
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(value)
    return value


def _float(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(value)
    return float(value)


def _one_of(words: tuple[str, ...]) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in words:
            raise ValueError(value)
        return value

    return check


def _texts(value: Any) -> dict[str, str]:
    return {key: _str(entry) for key, entry in _mapping(value).items()}


def _strs(value: Any) -> tuple[str, ...]:
    return tuple(map(_str, _sequence(value)))


def _digests(value: Any) -> dict[str, Digest]:
    return {key: digests.parse(entry) for key, entry in _mapping(value).items()}


def _origins(value: Any) -> dict[str, dict[str, str]]:
    return {key: _texts(entry) for key, entry in _mapping(value).items()}


def _scalars(value: Any) -> dict[str, Any]:
    if any(isinstance(entry, dict | list) for entry in _mapping(value).values()):
        raise ValueError(value)
    return dict(value)


def _time(value: Any) -> int:
    from datetime import UTC, datetime, timedelta

    moment = datetime.strptime(_str(value), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _object_id(value: Any) -> str:
    text = _str(value)
    if len(text) not in _OBJECT_ID_LENGTHS or set(text) - set("0123456789abcdef"):
        raise ValueError(value)
    return text


def _md5(value: Any) -> str:
    if not is_md5(value):
        raise ValueError(value)
    return str(value)


def _folder(value: Any) -> str:
    return "." if value == "." else safe_path(value)


def data_path(value: object) -> str:
    """Return `value` if a run's file can name data by it: a path in the repository, or an absolute one beside it.

    Data beside the repository keeps its absolute path; it is compared, never written to.

    Raises:
        InvalidValue: It cannot.
    """
    if isinstance(value, str) and value.startswith("/"):
        safe_path(value[1:], what="path of data")
        return value
    return safe_path(value, what="path of data")
