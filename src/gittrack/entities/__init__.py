"""The words of the field; no I/O.

`entities.record` has what gittrack writes down, one flat dataclass for each kind of file. `entities.tracking` has
what a client hands out, under MLflow's names; scripts import those from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gittrack.entities.tracking import (
        Dataset,
        DatasetInput,
        Experiment,
        ExperimentTag,
        FileInfo,
        InputTag,
        LifecycleStage,
        LoggedModelInput,
        LoggedModelOutput,
        Metric,
        PagedList,
        Param,
        Run,
        RunData,
        RunInfo,
        RunInputs,
        RunOperations,
        RunOutputs,
        RunStatus,
        RunTag,
        SourceType,
        ViewType,
    )

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "LoggedModelInput",
    "LoggedModelOutput",
    "Metric",
    "PagedList",
    "Param",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunOperations",
    "RunOutputs",
    "RunStatus",
    "RunTag",
    "SourceType",
    "ViewType",
]


def __getattr__(name: str) -> Any:
    """Load what a client hands out when it is first asked for: a training that only records never does."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gittrack.entities import tracking

    return getattr(tracking, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
