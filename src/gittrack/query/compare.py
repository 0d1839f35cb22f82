"""Two runs beside each other: params, metrics, code, data, environment."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gittrack.entities.record import Code, DataFile, MetricSummary, RunId, RunRecord, Scalar
from gittrack.errors import GitFailed
from gittrack.git import history, objects
from gittrack.git.repo import Repository
from gittrack.query.session import Session
from gittrack.record import container

T = TypeVar("T")


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not have alike; None where a run does not have it."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class CodeDiff:
    """How the code of two runs differs.

    Attributes:
        same: Whether both ran the same tree; None when one of them has no code on record.
        files: Git's letter (A, D, M, T) and path of each file that differs; empty when it cannot be said.
        text: The difference for people.
        unknown: Why the files cannot be compared, in words; None when they can.
    """

    same: bool | None
    files: tuple[tuple[str, str], ...] = ()
    text: str = ""
    unknown: str | None = None


@dataclass(frozen=True)
class RunDiff:
    """What two runs do not have alike.

    Attributes:
        a: The first run.
        b: The second run.
        params: Params, as they were logged.
        metrics: Last values; NaN is like NaN.
        code: The code.
        data: Input files: digests by path.
        environment: Interpreter, platform, distributions, conda's packages and the image, by name.
        facts: Command, status, host and other facts.
    """

    a: RunRecord
    b: RunRecord
    params: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    code: CodeDiff
    data: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    facts: tuple[Difference, ...]


def diff(session: Session, a: RunId, b: RunId) -> RunDiff:
    """Return what two runs do not have alike.

    Raises:
        NotFound: One is not seen here.
        Damaged: One cannot be read.
    """
    one, other = session.run(a), session.run(b)
    return RunDiff(
        a=one,
        b=other,
        params=_differences(_typed(one.params), _typed(other.params)),
        metrics=_differences(_last(one.metrics), _last(other.metrics)),
        code=_code(session.repo, one.code, other.code),
        data=_differences(_digests(one.data), _digests(other.data)),
        environment=environments(session, one, other),
        facts=_differences(_facts(one), _facts(other)),
    )


class _Exact:
    """A value that is compared by type and bits, so that 1 is not 1.0, nor True, and NaN is NaN."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._identity = (type(value), _bits(value) if isinstance(value, float) else value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Exact) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


def _bits(value: float) -> bytes:
    return b"nan" if value != value else struct.pack("<d", value)


def _differences(a: Mapping[str, _Exact], b: Mapping[str, _Exact]) -> tuple[Difference, ...]:
    return tuple(
        Difference(key, _value(a.get(key)), _value(b.get(key)))
        for key in dict.fromkeys((*a, *b))
        if a.get(key) != b.get(key)
    )


def _value(exact: _Exact | None) -> Any:
    return None if exact is None else exact.value


def _typed(params: Mapping[str, Scalar]) -> dict[str, _Exact]:
    return {key: _Exact(value) for key, value in params.items()}


def _last(metrics: Mapping[str, MetricSummary]) -> dict[str, _Exact]:
    return {key: _Exact(summary.last) for key, summary in metrics.items()}


def _digests(data: tuple[DataFile, ...]) -> dict[str, _Exact]:
    return {entry.path: _Exact(entry.digest) for entry in data}


def environments(session: Session, one: RunRecord, other: RunRecord) -> tuple[Difference, ...]:
    """Return how the environments of two runs differ.

    Files of a distribution count where both records say what they are, of one version from one origin.
    """
    a, b = ((run.environment and session.environment(run.environment)) or {} for run in (one, other))
    alike = {
        name
        for name in a.get("digests", {}).keys() & b.get("digests", {}).keys()
        if all(a.get(of, {}).get(name) == b.get(of, {}).get(name) for of in ("distributions", "origins"))
    }
    return _differences(_environment(a, alike), _environment(b, alike))


def _environment(found: Mapping[str, Any], with_files: Collection[str]) -> dict[str, _Exact]:
    image = container.in_words(found.get("image", {}))
    named = {
        **{f"python {key}": value for key, value in found.get("python", {}).items()},
        **{f"platform {key}": value for key, value in found.get("platform", {}).items()},
        **found.get("distributions", {}),
        **{
            f"{name} {key}": origin[key]
            for name, origin in found.get("origins", {}).items()
            for key in ("commit", "patch", "sha256")
            if key in origin
        },
        **{f"{name} files": found["digests"][name] for name in sorted(with_files)},
        **{f"{name} (conda)": build for name, build in found.get("conda", {}).items()},
        **({} if image is None else {"image": image}),
    }
    return {key: _Exact(value) for key, value in named.items()}


def _facts(run: RunRecord) -> dict[str, _Exact]:
    code, command = run.code, run.command
    facts = {
        "experiment": run.experiment,
        "status": run.status,
        "argv": list(command.argv) if command else None,
        "cwd": command.cwd if command else None,
        "exit_code": command.exit_code if command else None,
        "commit": code.commit if code else None,
        "branch": code.branch if code else None,
        "environment": run.environment,
        "user": run.user,
        **{f"host {key}": value for key, value in run.host.items()},
        **{f"env {key}": value for key, value in (command.env if command else {}).items()},
    }
    return {key: _Exact(tuple(value) if isinstance(value, list) else value) for key, value in facts.items()}


def _code(repo: Repository, a: Code | None, b: Code | None) -> CodeDiff:
    if a is None or b is None:
        return CodeDiff(None, unknown="one of the runs has no code on record")
    if a.code_tree == b.code_tree and a.submodules == b.submodules:
        return CodeDiff(True)
    missing = [
        code.captured
        for code, found in zip((a, b), objects.read(repo, [a.captured, b.captured], max_bytes=0), strict=True)
        if found is None
    ]
    if missing:
        return CodeDiff(False, unknown=f"commit {missing[0][:12]} is not in this clone")
    try:
        files = history.changed_files(repo, a.captured, b.captured)
        return CodeDiff(False, tuple(files), history.diff_text(repo, a.captured, b.captured))
    except GitFailed as error:
        return CodeDiff(False, unknown=str(error))
