"""The question that `gittrack ls` and `gittrack search` ask of the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gittrack.errors import NotFound
from gittrack.query import filters

if TYPE_CHECKING:
    from gittrack.query.session import Result, Session

COLUMNS = (
    "run_id", "name", "experiment", "status", "start_time", "end_time", "duration_s", "commit", "branch",
    "dirty", "user", "host", "parent_run_id", "repro_of", "here", "deleted", "params", "metrics", "tags",
)  # fmt: skip
MAPS = ("params", "metrics", "tags")
_NEWEST_FIRST = "start_time desc, run_id"


@dataclass(frozen=True)
class Listing:
    """Which runs to list, and in which order.

    Attributes:
        experiment: Only those of this experiment.
        everything: Deleted runs too.
        sort: A column, metric or param; with `-` before it the greatest first; None for the newest first.
        limit: At most so many.
        filter_string: Only those that it lets through; None for all.
        order_by: Instead of `sort`: columns with ASC or DESC, as a filter names them.
    """

    experiment: str | None = None
    everything: bool = False
    sort: str | None = None
    limit: int | None = None
    filter_string: str | None = None
    order_by: tuple[str, ...] = ()

    def find(self, session: Session) -> Result:
        """Return the runs with the columns `COLUMNS`.

        Raises:
            NotFound: There is no column, metric or param to sort by.
            FilterError: The filter or the order is not understood.
        """
        where, params = self._where()
        order, key = self._order(session)
        columns = ", ".join(f'"{column}"' for column in COLUMNS)
        limit = "" if self.limit is None else f" limit {self.limit:d}"
        query = f"select {columns} from runs where {where} order by {order}{limit}"  # noqa: S608
        return session.sql(query, params | key)

    def count(self, session: Session) -> int:
        """Return how many runs there are without the limit."""
        where, params = self._where()
        return int(session.rows(f"select count(*) from runs where {where}", **params)[0][0])  # noqa: S608

    def _where(self) -> tuple[str, dict[str, Any]]:
        chosen = filters.runs_where(self.filter_string)
        conditions = ["true" if self.everything else "not deleted", f"({chosen.sql})"]
        if self.filter_string is not None and not self.everything:
            conditions.append(filters.unrepeated(chosen))
        if self.experiment is None:
            return " and ".join(conditions), dict(chosen.params)
        conditions.append("experiment = $experiment")
        return " and ".join(conditions), {**chosen.params, "experiment": self.experiment}

    def _order(self, session: Session) -> tuple[str, dict[str, Any]]:
        if self.order_by:
            ordered = filters.runs_order(self.order_by)
            return ordered.sql, dict(ordered.params)
        if self.sort is None:
            return _NEWEST_FIRST, {}
        name = self.sort.removeprefix("-")
        direction = "desc nulls last" if self.sort.startswith("-") else "asc nulls last"
        if name in COLUMNS and name not in MAPS:
            return f'"{name}" {direction}, run_id', {}
        relation, key = _kind(session, name)
        value = f"{relation}[$sort]"
        order = f"{value} {direction}" if relation == "metrics" else _by_number(value, direction)
        return f"{order}, run_id", {"sort": key}


def _by_number(value: str, direction: str) -> str:
    return f"try_cast({value} as double) {direction}, {value} {direction}"


def _kind(session: Session, name: str) -> tuple[str, str]:
    """Return which map of `runs` has the key that `name` means: metrics before params, these before tags."""
    kind, dot, key = name.partition(".")
    if dot and kind in MAPS:
        return kind, key
    for relation in ("metrics", "params", "tags"):
        if session.rows(f"select 1 from {relation} where key = $key limit 1", key=name):  # noqa: S608
            return relation, name
    raise NotFound(
        f"no run has a column, metric, param or tag '{name}' to sort by",
        hint='gittrack sql "select distinct key from metrics"',
    )
