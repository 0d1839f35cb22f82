"""The params, metrics and tags of a run: checked whole, then written to its journal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from gittrack.entities.record import Scalar
from gittrack.errors import InvalidValue
from gittrack.record import columns, values
from gittrack.record.journal import Journal
from gittrack.record.system_tags import RUN_NAME


class ValueLog:
    """The part of a run that takes values.

    Attributes:
        _params: The run's params, as this process knows them.
        _tags: The run's tags, as this process knows them.
        _name: Its label.
        _checked: Keys of metrics that are known to be right.
    """

    _journal: Journal
    _params: dict[str, Scalar]
    _tags: dict[str, str]
    _name: str
    _checked: set[str]
    _halted: bool

    def _must_run(self) -> None:
        raise NotImplementedError

    def log_param(self, key: str, value: Any) -> Any:
        """Record an input value; return it.

        Raises:
            InvalidValue: The key cannot be one or has another value already, or the value is over 1 MB of text.
        """
        self.log_params({values.check_key(key, "param"): value})
        return value

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record input values; all or none.

        Raises:
            InvalidValue: A key cannot be one or has another value already, or a value is over 1 MB of text, or
                all are over 8 MB.
        """
        self._must_run()
        self._write_params(self._new_params(params))

    def _new_params(self, params: Mapping[str, Any]) -> dict[str, Scalar]:
        """Return those params that were not logged before, checked."""
        given = values.check_mapping(params, "param").items()
        new = {values.check_key(key, "param"): values.as_param(value, key) for key, value in given}
        for key, value in new.items():
            if key in self._params and str(self._params[key]) != str(value):
                raise InvalidValue(
                    f"param '{key}' is {self._params[key]!r} already, it cannot become {value!r}",
                    hint="a param is fixed for the run: log a metric, or start another run; "
                    "under 'gittrack run' all programs log to one",
                )
        fresh = {key: value for key, value in new.items() if key not in self._params}
        values.check_together(fresh, "param")
        return fresh

    def _write_params(self, fresh: Mapping[str, Scalar]) -> None:
        if fresh:
            self._params.update(fresh)
            self._journal.fact({"params": fresh})

    def log_batch(
        self,
        points: Sequence[tuple[str, Any, int | None, int | None]],
        params: Mapping[str, Any],
        tags: Mapping[str, Any],
    ) -> None:
        """Record points, params and tags; all or none.

        Args:
            points: Key, value, timestamp (milliseconds since 1970 UTC, None for now) and step (None for 0) of each.
            params: Input values.
            tags: Tags.

        Raises:
            InvalidValue: One of them cannot be recorded; nothing was.
        """
        self._must_run()
        fresh, texts = self._new_params(params), texts_of(tags)
        checked = [
            (
                values.check_key(key, "metric"),
                values.as_float(value, key),
                0 if step is None else values.as_step(step, key),
                None if timestamp is None else values.as_timestamp(timestamp, key),
            )
            for key, value, timestamp, step in points
        ]
        self._write_params(fresh)
        for point in checked:
            self._journal.point(*point)
        if texts:
            self._write_tags(texts)

    def log_metric(
        self, key: str, value: float, step: int | None = None, timestamp: int | None = None
    ) -> None:
        """Record one value of a metric.

        Args:
            key: The metric.
            value: A number; NaN and infinities are kept as they are.
            step: The training step, 0 without one.
            timestamp: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: The key cannot be one, or a number is none.
        """
        if type(key) is not str or key not in self._checked:
            self._checked.add(values.check_key(key, "metric"))
        if type(value) is not float:
            value = values.as_float(value, key)
        if step is None:
            step = 0
        elif type(step) is not int or not -(1 << 63) <= step < 1 << 63:
            step = values.as_step(step, key)
        if timestamp is not None:
            timestamp = values.as_timestamp(timestamp, key)
        if self._halted:
            self._must_run()
        self._journal.point(key, value, step, timestamp)

    def log_metrics(self, metrics: Mapping[str, Any], step: Any = None, timestamp: int | None = None) -> None:
        """Record a value, or a whole sequence of values, of each metric.

        Args:
            metrics: Key to number, or key to sequence of shape (n,).
            step: One step for numbers. For sequences: their n steps, or the first of n consecutive ones (0).
            timestamp: Milliseconds since 1970 UTC; now without one.

        Raises:
            InvalidValue: A key cannot be one, a number is none, or lengths differ; nothing is recorded then.
        """
        self._must_run()
        for key in values.check_mapping(metrics, "metric"):
            values.check_key(key, "metric")
        when = (
            time.time_ns() // 1_000_000 if timestamp is None else values.as_timestamp(timestamp, "timestamp")
        )
        series = {key: value for key, value in metrics.items() if columns.is_sequence(value)}
        numbers = {key: values.as_float(value, key) for key, value in metrics.items() if key not in series}
        at = None if not numbers or step is None else values.as_step(step, next(iter(numbers)))
        blocks = [columns.of_series(key, value, step, when) for key, value in series.items()]
        for key, number in numbers.items():
            self._journal.point(key, number, at or 0, timestamp)
        for block in blocks:
            self._journal.points(block)

    def log_points(self, table: Any) -> None:
        """Record many points at once.

        Args:
            table: An Arrow table, a DataFrame or a mapping with the columns key, step and value, and timestamp
                (milliseconds since 1970 UTC; now without it), n rows each.

        Raises:
            InvalidValue: A column is missing or has values of another kind; nothing is recorded then.
        """
        self._must_run()
        points = columns.of_table(table, time.time_ns() // 1_000_000)
        for key in points.keys:
            values.check_key(key, "metric")
        self._journal.points(points)

    def set_tag(self, key: str, value: Any) -> None:
        """Put a tag on the run; a later value takes the place of an earlier one.

        Raises:
            InvalidValue: The key cannot be one, or the value is over 1 MB of text.
        """
        self.set_tags({values.check_key(key, "tag"): value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Put tags on the run; all or none.

        Raises:
            InvalidValue: A key cannot be one, or a value is over 1 MB of text, or all are over 8 MB.
        """
        self._must_run()
        self._write_tags(texts_of(tags))

    def _write_tags(self, texts: dict[str, str]) -> None:
        name = texts.pop(RUN_NAME, None)
        if name is not None:
            self.set_name(name)
        if texts:
            self._tags.update(texts)
            self._journal.fact({"tags": texts})

    def delete_tag(self, key: str) -> None:
        """Take a tag off the run.

        Raises:
            InvalidValue: The key cannot be one.
        """
        self._must_run()
        self._tags.pop(values.check_key(key, "tag"), None)
        self._journal.fact({"untag": key})

    def set_name(self, name: str) -> None:
        """Give the run another label.

        Raises:
            InvalidValue: It is over 1 MB of text.
        """
        self._must_run()
        self._name = values.as_text(name, "the run's name")
        self._journal.fact({"name": self._name})

    def set_volatile(self, *patterns: str) -> None:
        """Say which artifacts and metrics, by glob, differ from one execution to the next by nature."""
        self._must_run()
        self._journal.fact({"volatile": [values.as_text(pattern, "a pattern") for pattern in patterns]})


def texts_of(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags as text, checked.

    Raises:
        InvalidValue: A key cannot be one, or a value is over 1 MB of text, or all are over 8 MB.
    """
    given = values.check_mapping(tags, "tag").items()
    texts = {values.check_key(key, "tag"): values.as_text(value, f"the tag '{key}'") for key, value in given}
    values.check_together(texts, "tag")
    return texts
