"""Filters and orders as SQL over the relations `runs` and `experiments`; nothing of their text gets into the SQL.

A comparison is true or false, never unknown: with what a run does not have it is false, `!=` too. NaN is equal to
no number, and less or more than none.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any, Literal, TypeAlias

from gittrack.query.filter_text import (
    Comparison,
    Condition,
    FilterError,
    Name,
    Not,
    Ordering,
    Value,
    filter_of,
    order_of,
    shown,
)
from gittrack.record.system_tags import (
    BRANCH,
    COMMIT,
    PARENT_RUN_ID,
    RUN_NAME,
    SOURCE_NAME,
    SOURCE_TYPE,
    USER,
)
from gittrack.record.values import as_list

__all__ = [
    "VIRTUAL_TAGS", "Compiled", "FilterError", "experiments_order", "experiments_where", "runs_order", "runs_where",
    "unrepeated",
]  # fmt: skip

VIRTUAL_TAGS: Mapping[str, str] = {
    RUN_NAME: "name",
    USER: '"user"',
    PARENT_RUN_ID: "parent_run_id",
    COMMIT: "commit",
    BRANCH: "branch",
    SOURCE_TYPE: "'LOCAL'",
    SOURCE_NAME: r"coalesce(nullif(regexp_extract(command, '(?:^|\s)(\S*\.py)(?:\s|$)', 1), ''), command)",
}
"""Tags that a run has without storing them, each with its SQL over `runs`; a stored one is preferred."""

MAX_NAMES = 200  # DuckDB 2 plans a chain of 200 ANDs in 0.2 s, one of 4000 until the memory is full
MAX_LOOKUPS = 30  # each is a join: 300 of them take DuckDB 16 s over 10,000 runs
_LONG_NAME = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Kind: TypeAlias = Literal["text", "number", "time", "boolean"]
_ORDERED = ("<", "<=", ">", ">=", "between")
_OPERATORS: Mapping[_Kind, tuple[str, ...]] = {
    "text": ("=", "like", "ilike", "in", "is null"),
    "number": ("=", *_ORDERED, "in", "is null"),
    "time": ("=", *_ORDERED, "in", "is null"),
    "boolean": ("=", "is null"),
}
_NOUNS: Mapping[_Kind, str] = {
    "text": "text",
    "number": "a number",
    "time": "a time",
    "boolean": "true or false",
}
_EXAMPLES: Mapping[_Kind, str] = {
    "text": "= 'x'",
    "number": "> 0.9",
    "time": "> '2026-11-21T10:00:00Z'",
    "boolean": "= true",
}


@dataclass(frozen=True)
class Compiled:
    """A piece of SQL, the values of its parameters, and the attributes that it is about."""

    sql: str
    params: dict[str, Any]
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Field:
    """An attribute: its kind, its SQL, and the SQL to order by if that is another."""

    kind: _Kind
    sql: str
    order: str = ""


@dataclass(frozen=True)
class _Subject:
    """What is searched: its attributes, what prefixes stand for, and texts that are right, for hints."""

    noun: str
    fields: Mapping[str, _Field]
    aliases: Mapping[str, str]
    prefixes: Mapping[str, str]
    virtual_tags: Mapping[str, str]
    where_example: str
    order_example: str


@dataclass(frozen=True)
class _Place:
    """What a name means, however it is spelled: equal places are the same thing."""

    section: str
    key: str
    function: str | None = None


@dataclass(frozen=True)
class _Operand:
    """The SQL of a place; `rows` when it is found in a relation of its own, which has one row or more for a run."""

    kind: _Kind
    sql: str
    rows: str = ""


_COLUMNS = {name: f"{name}::double" for name in ("min", "max", "count", "last", "step")}
_DATASET = ("name", "digest", "context", "source", "source_type")
_GIT = ("commit", "branch", "dirty", "code_tree")
_ID_ORDER = "try_cast(experiment_id as hugeint)"  # MLflow's ids are integers
_TEXTS = """run_id digest experiment experiment_id name status commit code_tree branch user host parent_run_id
    repro_of process command environment data_digest""".split()
_ATTRIBUTES = dict.fromkeys(("attribute", "attributes", "attr", "run"), "attributes")
_TAGS = dict.fromkeys(("tag", "tags"), "tags")
_RUNS = _Subject(
    "a run",
    {
        **{name: _Field("text", f'"{name}"') for name in _TEXTS},
        **{name: _Field("boolean", name) for name in ("dirty", "deleted", "here")},
        "start_time": _Field("time", "epoch_ms(start_time)"),
        "end_time": _Field("time", "epoch_ms(end_time)"),
        "duration_s": _Field("number", "duration_s"),
        "ordinal": _Field("number", "ordinal::double"),
        "artifact_uri": _Field("text", "('runs:/' || run_id)"),
        "lifecycle_stage": _Field("text", "if(deleted, 'deleted', 'active')"),
    },
    {
        **dict.fromkeys(("run_name", "run name", "Run name", "Run Name"), "name"),
        **dict.fromkeys(("created", "Created"), "start_time"),
        "user_id": "user",
    },
    {
        **_ATTRIBUTES,
        **_TAGS,
        **dict.fromkeys(("metric", "metrics"), "metrics"),
        **dict.fromkeys(("param", "params", "parameter", "parameters"), "params"),
        **dict.fromkeys(("dataset", "datasets"), "datasets"),
        "git": "git",
    },
    VIRTUAL_TAGS,
    "metrics.auc > 0.9 AND params.model = 'forest'",
    "metrics.auc DESC",
)
_EXPERIMENTS = _Subject(
    "an experiment",
    {
        "name": _Field("text", "name"),
        "experiment_id": _Field("text", "experiment_id", order=_ID_ORDER),
        "lifecycle_stage": _Field("text", "lifecycle_stage"),
        "creation_time": _Field("time", "epoch_ms(creation_time)"),
        "last_update_time": _Field("time", "epoch_ms(last_update_time)"),
    },
    {},
    {**_ATTRIBUTES, **_TAGS},
    {},
    "name LIKE 'churn%' AND tags.team = 'red'",
    "last_update_time DESC",
)


def runs_where(text: str | None) -> Compiled:
    """Return a filter as a condition over the relation `runs`; `true` when it is empty.

    The filter is one of MLflow's, or of ours, which has OR, NOT, parentheses, BETWEEN, params as numbers,
    `min(metrics.x)` and all columns of `runs` too.

    Raises:
        FilterError: It is not understood.
    """
    return _where(_RUNS, text)


def runs_order(order_by: Sequence[str] | None) -> Compiled:
    """Return what stands after `order by` over the relation `runs`; at the end the newest runs come first.

    What a run does not have comes last, NaN just before it; params are ordered as text.

    Raises:
        FilterError: An entry is not understood, or there twice.
    """
    return _order(_RUNS, order_by, "start_time desc, run_id")


def unrepeated(where: Compiled) -> str:
    """Return the condition that leaves reproductions out, which repeat what is there; none where they are asked for.

    A filter asks for them when it says something about `repro_of`, or names runs by their id or their parent's: what
    a job asks about its own runs has the same answer when it is reproduced.
    """
    return "true" if where.attributes & {"repro_of", "run_id", "parent_run_id"} else "repro_of is null"


def experiments_where(text: str | None) -> Compiled:
    """Return a filter as a condition over the relation `experiments`; `true` when it is empty.

    Raises:
        FilterError: It is not understood.
    """
    return _where(_EXPERIMENTS, text)


def experiments_order(order_by: Sequence[str] | None) -> Compiled:
    """Return what stands after `order by` over the relation `experiments`; the newest first when nothing is asked.

    Raises:
        FilterError: An entry is not understood, or there twice.
    """
    if not order_by:
        return Compiled(f"creation_time desc, {_ID_ORDER}, experiment_id", {})
    return _order(_EXPERIMENTS, order_by, f"{_ID_ORDER} desc, experiment_id")  # descending, as in MLflow


def _where(subject: _Subject, text: str | None) -> Compiled:
    compiler = _Compiler(subject, "f")
    condition = None if text is None else filter_of(text, example=subject.where_example)
    sql = "true" if condition is None else compiler.condition(condition, False)
    return Compiled(sql, compiler.params, frozenset(compiler.attributes))


def _order(subject: _Subject, order_by: Sequence[str] | None, end: str) -> Compiled:
    if isinstance(order_by, str):
        problem = f"an order is a list, not the text '{shown(order_by)}'"
        raise FilterError(1, problem, hint=f"order_by=['{subject.order_example}']")
    compiler = _Compiler(subject, "o")
    seen: set[_Place] = set()
    terms = []
    for text in as_list(order_by or (), "order_by"):
        ordering = order_of(text, example=subject.order_example)
        place = compiler.place(ordering.name)
        if place in seen:
            problem = f"'{shown(ordering.name.text)}' is ordered by twice"
            raise FilterError(ordering.name.column, problem, hint=subject.order_example)
        seen.add(place)
        terms.append(compiler.order(place, ordering))
    return Compiled(", ".join([*terms, end]), compiler.params)


class _Compiler:
    """Turns what was read into SQL; keys and values become parameters."""

    def __init__(self, subject: _Subject, letter: Literal["f", "o"]) -> None:
        self._subject = subject
        self._letter = letter
        self._names = 0
        self._lookups = 0
        self.params: dict[str, Any] = {}
        self.attributes: set[str] = set()

    def condition(self, condition: Condition, negated: bool) -> str:
        """Return a condition as SQL, or its opposite.

        NOT is brought down to the comparisons: DuckDB takes minutes to plan a hundred of them within each other.
        """
        while isinstance(condition, Not):
            condition, negated = condition.condition, not negated
        if isinstance(condition, Comparison):
            compared = self._comparison(condition)
            return f"not ({compared})" if negated else compared
        word = "and" if (condition.word == "and") != negated else "or"
        # A map, because a comprehension would put one frame more on the stack for each depth.
        parts = map(self.condition, condition.conditions, repeat(negated))
        return f"({f' {word} '.join(parts)})"

    def place(self, name: Name) -> _Place:
        """Return what a name means.

        Raises:
            FilterError: There is no such thing.
        """
        subject = self._subject
        section = "attributes"
        if name.prefix is not None:
            section = subject.prefixes[self._known(name, name.prefix, subject.prefixes, "prefix")]
        if name.function is not None:
            return self._of_metric(name, name.function, section)
        if section == "datasets":
            return _Place(section, self._known(name, name.key, _DATASET, "property of a dataset"))
        if section == "git":
            return _Place("attributes", self._known(name, name.key, _GIT, "property of the code"))
        if section == "attributes":
            known = {**subject.fields, **subject.aliases}
            key = self._known(name, name.key, known, f"attribute of {subject.noun}")
            return _Place(section, subject.aliases.get(key, key))
        return _Place(section, name.key)

    def _known(self, name: Name, word: str, known: Iterable[str], noun: str) -> str:
        if word in known:
            return word
        close = difflib.get_close_matches(word[:_LONG_NAME], known, 1)
        guess = f"; did you mean '{close[0]}'?" if close else ""
        raise self._error(name.column, f"'{shown(word)}' is no {noun}{guess}")

    def _of_metric(self, name: Name, function: str, section: str) -> _Place:
        function = self._known(name, function, _COLUMNS, "function")
        if section != "metrics":
            raise self._error(name.column, f"'{shown(name.text)}' is not of a metric")
        return _Place(section, name.key, None if function == "last" else function)

    def order(self, place: _Place, ordering: Ordering) -> str:
        """Return one term of an order as SQL.

        Raises:
            FilterError: The place has many values.
        """
        if place.section == "datasets":
            text = shown(ordering.name.text)
            raise self._error(ordering.name.column, f"'{text}' has many values, and orders no runs")
        operand = self._operand(place)
        self._count(ordering.name, operand)
        sql = operand.sql
        if operand.rows:  # a run has one row here: its metric's
            sql = f"(select any_value({sql}) {operand.rows} and metrics.run_id = runs.run_id)"
        if place.section == "attributes":
            sql = self._subject.fields[place.key].order or sql
        missing = "nulls first" if ordering.missing_first else "nulls last"
        if operand.kind == "number":
            # Ascending either way: NaN is the greatest number to DuckDB, and so comes after the others.
            return f"{'-' if ordering.descending else ''}{sql} asc {missing}"
        return f"{sql} {'desc' if ordering.descending else 'asc'} {missing}"

    def _comparison(self, found: Comparison) -> str:
        place = self.place(found.name)
        operand = self._operand(place, as_number=_is_about_numbers(found))
        if found.operator not in _OPERATORS[operand.kind]:
            problem = f"'{found.text}' is not for '{shown(found.name.text)}', which is {_NOUNS[operand.kind]}"
            raise self._error(found.column, problem, found.name, operand.kind)
        self._count(found.name, operand)
        if operand.rows:
            return self._looked_up(operand, found)
        return self._two_valued(operand, found, negated=found.negated)

    def _looked_up(self, operand: _Operand, found: Comparison) -> str:
        """Return a comparison with what has rows of its own: it holds where one of them fits."""
        absent = found.operator == "is null" and not found.negated
        fits = self._two_valued(operand, found, negated=found.negated or absent)
        return f"run_id {'not ' if absent else ''}in (select run_id {operand.rows} and {fits})"

    def _two_valued(self, operand: _Operand, found: Comparison, *, negated: bool) -> str:
        if found.operator == "is null":
            return f"{operand.sql} is {'not ' if negated else ''}null"
        test = self._test(operand, found)
        return f"coalesce(not ({test}), false)" if negated else f"coalesce({test}, false)"

    def _test(self, operand: _Operand, found: Comparison) -> str:
        """Return an operator and its values as SQL that is null where there is nothing to compare."""
        values = [self._value(value, operand.kind, found) for value in found.values]
        if found.operator == "in":
            test = f"list_contains({self._bind(values)}, {operand.sql})"
        elif found.operator == "between":
            test = f"{operand.sql} between {self._bind(values[0])} and {self._bind(values[1])}"
        else:
            test = f"{operand.sql} {found.operator} {self._bind(values[0])}"
        return f"{test} and not isnan({operand.sql})" if operand.kind == "number" else test

    def _operand(self, place: _Place, *, as_number: bool = False) -> _Operand:
        if place.section == "attributes":
            self.attributes.add(place.key)
            field = self._subject.fields[place.key]
            return _Operand(field.kind, field.sql)
        if place.section == "datasets":
            return _Operand("text", place.key, "from datasets where true")
        key = self._bind(place.key)
        if place.section == "metrics" and place.function:
            return _Operand("number", _COLUMNS[place.function], f"from metrics where key = {key}")
        if place.section == "metrics":
            return _Operand("number", f"metrics[{key}]")
        if place.section == "params" and as_number:
            return _Operand("number", "number", f"from params where key = {key}")
        virtual = self._subject.virtual_tags.get(place.key) if place.section == "tags" else None
        if virtual == "parent_run_id":
            self.attributes.add(virtual)
        stored = f"{place.section}[{key}]"
        return _Operand("text", f"coalesce({stored}, {virtual})" if virtual else stored)

    def _value(self, value: Value, kind: _Kind, found: Comparison) -> Any:
        content = value.content
        if kind == "text" and isinstance(content, str) and not value.is_word:
            return content
        if kind in ("number", "time") and isinstance(content, float):
            return content
        if kind == "time" and not value.is_word and (time_ms := _time_ms(str(content))) is not None:
            return time_ms
        if kind == "boolean" and value.is_word and value.text.lower() in ("true", "false"):
            return value.text.lower() == "true"
        raise self._wrong(value, kind, found)

    def _wrong(self, value: Value, kind: _Kind, found: Comparison) -> FilterError:
        name = found.name
        is_text = value.is_word and found.operator not in _ORDERED and self.place(name).section == "params"
        if kind == "text" or is_text:
            return self._error(value.column, f"'{shown(value.text)}' needs quotes", name, "text")
        problem = f"'{shown(name.text)}' is compared with {_NOUNS[kind]}, not with {shown(value.text)}"
        return self._error(value.column, problem, name, kind)

    def _bind(self, value: Any) -> str:
        name = f"{self._letter}{len(self.params)}"
        self.params[name] = value
        return f"${name}"

    def _count(self, name: Name, operand: _Operand) -> None:
        self._names += 1
        self._lookups += bool(operand.rows)
        problem = f"'{shown(name.text)}' is one too many"
        if self._names > MAX_NAMES:
            raise self._error(name.column, f"{problem}: at most {MAX_NAMES} names are taken")
        if self._lookups > MAX_LOOKUPS:
            which = "params as numbers, functions of metrics and properties of datasets"
            raise self._error(name.column, f"{problem}: at most {MAX_LOOKUPS} {which} are taken")

    def _error(
        self, column: int, message: str, name: Name | None = None, kind: _Kind | None = None
    ) -> FilterError:
        """Return an error with a text that would be right, about `name` if one is given."""
        example = self._subject.where_example if self._letter == "f" else self._subject.order_example
        if name and kind and len(name.text) <= _LONG_NAME:
            example = f"{name.text} {_EXAMPLES[kind]}"
        return FilterError(column, message, hint=example)


def _is_about_numbers(found: Comparison) -> bool:
    """Whether a param is compared as a number."""
    return found.operator in _ORDERED or any(isinstance(value.content, float) for value in found.values)


def _time_ms(text: str) -> float | None:
    """Return a time in milliseconds since 1970 UTC; None when the text is not one."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH) / timedelta(milliseconds=1)
