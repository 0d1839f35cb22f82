"""What a library answers, as plain data that can be compared: what differs by nature gets one name on both sides."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NOW = range(1_500_000_000_000, 4_000_000_000_000)  # milliseconds: a test's own times are small
NOT_OURS = {"effective_trace_archival_retention", "trace_location", "workspace"}  # the row `no-traces`
BY_ITSELF = {
    "artifact_location": "LOCATION",
    "mlflow.source.name": "SCRIPT",
}  # tests of their own look at these
_RUN_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
_MLFLOW_FOLDER = re.compile(r"^(?:file://)?ROOT/mlruns/\d+/(run#\d+)/artifacts")
_MILLISECONDS = re.compile(r"(?<!\d)1[5-9]\d{11}(?!\d)")


class Plainer:
    """Turns the answers of one side into plain data.

    Run ids become `run#1`, `run#2` in the order in which they are seen, ids of experiments `experiment#1`, times of
    the clock `NOW`, names that were made up `MADE-UP`, the folder of the side `ROOT`.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._runs: dict[str, str] = {}
        self._experiments: dict[str, str] = {"0": "experiment#0"}

    def __call__(self, value: Any) -> Any:
        """Return `value` as None, numbers, text, lists and dictionaries."""
        if value is None or isinstance(value, bool | bytes):
            return value
        if isinstance(value, str | Path):
            return self._text(str(value))
        if isinstance(value, int):
            return "NOW" if value in NOW else value
        if isinstance(value, float):
            return float(value)  # NumPy has a class of its own
        if isinstance(value, datetime.datetime):
            return "NOW" if value.year > 2020 else value.isoformat()
        return self._composed(value)

    def _composed(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self(key): self._attribute(key, one) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value)]
        if type(value).__name__ == "DataFrame":
            return {name: self._column(name, value[name]) for name in value.columns}
        if hasattr(value, "dtype"):
            return self(value.tolist())  # of NumPy
        if "entities" in type(value).__module__ or _kind(value) == "Run":
            named = {name: self._attribute(name, one) for name, one in value if name not in NOT_OURS}
            return {"": _kind(value), **named}
        return f"<{type(value).__name__}>"

    def _attribute(self, name: Any, value: Any) -> Any:
        if name == "experiment_id" and value is not None:
            return self.experiment(value)
        return BY_ITSELF.get(name) or self(value)

    def _column(self, name: str, column: Any) -> list[Any]:
        return [str(column.dtype), *(self._attribute(name, one) for one in column.tolist())]

    def experiment(self, experiment_id: Any) -> str:
        """Return the name of an experiment's id."""
        assert isinstance(experiment_id, str), f"{experiment_id!r} is not the id of an experiment"
        return self._experiments.setdefault(experiment_id, f"experiment#{len(self._experiments)}")

    def _text(self, text: str) -> str:
        text = text.replace(self._root, "ROOT")
        text = _UUID.sub("UUID", text)
        text = _RUN_ID.sub(lambda found: self._runs.setdefault(found[0], f"run#{len(self._runs) + 1}"), text)
        text = _MLFLOW_FOLDER.sub(r"runs:/\1", text)
        return _MILLISECONDS.sub("NOW", "MADE-UP" if _MADE_UP.fullmatch(text) else text)


def _kind(value: Any) -> str:
    return "Run" if type(value).__name__ == "ActiveRun" else type(value).__name__


def caught(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return what a call answers; of an error its code, or its class where it has none."""
    try:
        return call(*args, **options)
    except Exception as error:  # noqa: BLE001 - which errors there are is the question
        message = str(error)
        if type(error).__module__.startswith("gittrack"):
            assert message.strip(), "an error without a sentence"
            assert "\n" not in message, f"more than a sentence: {message}"
        return f"error: {getattr(error, 'error_code', type(error).__name__)}"


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal, types included; NaN is equal to itself, -0.0 not to 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)
