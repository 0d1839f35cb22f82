"""What may be behind a result that is not the recorded one, the most likely first.

A suspect is something that is not as it was, or not in the record. Its weight orders the list and is no probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gittrack.entities.record import LeftOut, RunRecord
from gittrack.repro.code_facts import CodeFacts, distributions_of, needed_by
from gittrack.repro.differences import Difference
from gittrack.repro.verify import Comparison

LIKELY = 0.5
"""From this weight on, the first suspect is called the most likely."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NUMERIC = {
    "numpy",
    "scipy",
    "pandas",
    "polars",
    "pyarrow",
    "numba",
    "torch",
    "tensorflow",
    "jax",
    "jaxlib",
    "cupy",
}
_NUMERIC |= {"scikit-learn", "xgboost", "lightgbm", "catboost", "mkl"}
_NUMERIC |= {
    "blas",
    "libblas",
    "liblapack",
    "libopenblas",
    "openblas",
    "cudatoolkit",
    "cudnn",
    "nccl",
}  # conda's
_ON_GPU = {"torch", "tensorflow", "jax", "cupy", "xgboost", "lightgbm"}
_HARMLESS = {"HOME", "PATH", "PWD", "USER", "LOGNAME", "TERM", "SHELL", "TMPDIR", "NO_COLOR", "COLUMNS"}


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that may be behind a result that is not the recorded one.

    Attributes:
        kind: `environment`, `hardware`, `code`, `data`, `record`, `variable`, `clock` or `randomness`.
        name: What it is: a distribution, `python version`, `cpu`, a file, a variable.
        recorded: As recorded, None when the record has nothing to compare with.
        present: As it is here, likewise.
        weight: From 0 to 1; it orders the suspects.
        why: What makes it one, in words.
    """

    kind: str
    name: str
    recorded: str | None
    present: str | None
    weight: float
    why: str | None = None


@dataclass(frozen=True)
class Evidence:
    """What suspects are found in.

    Attributes:
        run: The run whose process was run again.
        differences: What of environment, machine and code is not as recorded.
        left_out: Files that the record lacks and that were not in the worktree.
        facts: What the code says of itself.
        comparisons: The results.
        random: What repetitions showed of the job, in words: that it is random; None when they did not.
    """

    run: RunRecord
    differences: Sequence[Difference] = ()
    left_out: Sequence[LeftOut] = ()
    facts: CodeFacts = field(default_factory=CodeFacts)
    comparisons: Sequence[Comparison] = ()
    random: str | None = None


def rank(evidence: Evidence) -> tuple[Suspect, ...]:
    """Return the suspects, the most likely first."""
    imported = _imported(evidence)
    gpu = bool(imported.keys() & _ON_GPU)
    found = [
        *_random(evidence),
        *_clock(evidence.comparisons),
        *_record(evidence),
        *_variables(evidence),
        *(_environment(found, imported) for found in evidence.differences if found.kind == "environment"),
        *(
            _hardware(found, evidence.run, gpu=gpu)
            for found in evidence.differences
            if found.kind == "hardware"
        ),
        *(_other(found) for found in evidence.differences if found.kind not in ("environment", "hardware")),
    ]
    return tuple(sorted(found, key=lambda suspect: -suspect.weight))


def _imported(evidence: Evidence) -> Mapping[str, str]:
    """Return the distributions that the job uses, each with how that is known; the record knows best."""
    recorded = evidence.run.imports
    if recorded is not None:
        return dict.fromkeys((name.lower().replace("_", "-") for name in recorded), "imported by the job")
    direct = distributions_of(evidence.facts.modules)
    indirect = {
        name: f"needed by {origin}, which the job imports" for name, origin in needed_by(direct).items()
    }
    return {**indirect, **dict.fromkeys(direct, "imported by the job")}


def _random(evidence: Evidence) -> Iterable[Suspect]:
    if evidence.random is not None:
        yield Suspect("randomness", "the job", None, None, 0.98, evidence.random)


def _clock(comparisons: Iterable[Comparison]) -> Iterable[Suspect]:
    """Name artifacts that hold the time; where nothing else differs, they are all there is to explain."""
    apart = [kept for found in comparisons for kept in found.artifacts if kept.outcome == "different"]
    timed = [kept for kept in apart if kept.how is not None and kept.how.only_times]
    moved = any(series.outcome != "identical" for found in comparisons for series in found.series)
    weight = 0.3 if moved or len(timed) < len(apart) else 0.97
    for kept in timed:
        yield Suspect("clock", kept.path, None, None, weight, "differs in nothing but times")


def _record(evidence: Evidence) -> Iterable[Suspect]:
    for left in evidence.left_out:
        recorded = f"{left.size} bytes, left out: {left.reason}"
        yield Suspect("code", left.path, recorded, None, 0.85, "not restored")
    for lost in evidence.run.lost:
        yield Suspect("record", lost, None, None, 0.8, "the record lacks it")


def _variables(evidence: Evidence) -> Iterable[Suspect]:
    kept = evidence.run.command.env if evidence.run.command else {}
    for name in sorted(evidence.facts.variables - {*kept, *_HARMLESS}):
        if not name.startswith(("GITTRACK_", "MLFLOW_")):
            yield Suspect(
                "variable", name, None, None, 0.55, "the job's code reads it, and the record does not have it"
            )


def _environment(found: Difference, imported: Mapping[str, str]) -> Suspect:
    name = found.name.removesuffix(" (conda)")
    why = imported.get(name)
    if found.name == "python version":
        weight = 0.3 if _minor(found.old) == _minor(found.new) else 0.6
    elif found.name.startswith(("python ", "platform ")):
        weight = {"platform machine": 0.65, "platform system": 0.65, "python implementation": 0.7}.get(
            found.name, 0.1
        )
        weight = 0.25 if "libc" in found.name else weight
    elif why is not None:
        weight = 0.75 if why.startswith("imported") else 0.55
        weight += 0.05 * (name in _NUMERIC)
    else:
        weight = 0.35 if name in _NUMERIC else 0.15
    return Suspect("environment", found.name, found.old, found.new, weight, why)


def _minor(version: str | None) -> list[str]:
    return (version or "").split(".")[:2]


def _hardware(found: Difference, run: RunRecord, *, gpu: bool) -> Suspect:
    if found.name == "cores":
        env = run.command.env if run.command else {}
        fixed = next((name for name in _THREADS if name in env), None)
        why = (
            f"threads are set by {fixed}"
            if fixed
            else f"numeric libraries take a thread for each core: {_THREADS[0]}"
        )
        return Suspect("hardware", found.name, found.old, found.new, 0.1 if fixed else 0.45, why)
    weights = {"gpus": 0.7 if gpu else 0.2, "cpu": 0.4}
    reason = "numeric libraries choose their instructions by it" if found.name == "cpu" else None
    return Suspect("hardware", found.name, found.old, found.new, weights.get(found.name, 0.2), reason)


def _other(found: Difference) -> Suspect:
    return Suspect(found.kind, found.name, found.old, found.new, 0.9)
