"""`gittrack ls`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from gittrack.cli import output, tables, values
from gittrack.cli.formats import Answer, Form
from gittrack.cli.listing import COLUMNS, MAPS, Listing
from gittrack.cli.options import form_options, scope_options
from gittrack.cli.reading import Scope, is_empty, reading

_FACTS = tuple(column for column in COLUMNS if column not in MAPS)
_DIGITS = 6
_MOST_KEYS = 6  # params, and metrics, in the table; what no screen has room for is for --format csv
_MOST_RUNS = 50
_LAST = ("took", "deleted", "repro of")  # columns after those of params and metrics

Row = dict[str, Any]


@click.command(
    "ls",
    epilog="""\b
Examples:
  gittrack ls
  gittrack ls --experiment churn --sort -val_auc -n 5
  gittrack ls --at v1.2
  gittrack ls --format csv -o runs.csv
""",
)
@click.option("--experiment", metavar="E", help="Only the runs of this experiment.")
@click.option(
    "-n",
    "limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"At most N runs; {_MOST_RUNS} in a table, all in the other formats by default.",
)
@click.option("-a", "--all", "everything", is_flag=True, help="Every run, also deleted ones.")
@click.option(
    "--sort",
    metavar="COL",
    help="Sort by a column, metric or param; -COL: the greatest first. By default the newest run is first.",
)
@form_options
@scope_options
def ls_command(
    experiment: str | None, limit: int | None, everything: bool, sort: str | None, form: Form, scope: Scope
) -> None:
    """List the runs: those of every branch, of the working tree, and those that are running."""
    show(Listing(experiment, everything, sort, limit), form, scope)


def show(listing: Listing, form: Form, scope: Scope) -> None:
    """Write the runs that a question finds; a table has the newest fifty unless a number was asked for."""
    if listing.limit is None and form.is_table and not listing.everything:
        listing = replace(listing, limit=_MOST_RUNS)
    with reading(scope) as session:
        result = listing.find(session)
        if form.format == "parquet":
            form.write(Answer(COLUMNS, (), arrow=result.arrow))
            return
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in result.rows()]
        if not rows and not is_empty(session):
            _tell_none(listing)
        if not form.is_table:
            form.write(_flat(rows, form))
            return
        with form.opened():
            left_out = _print(rows)
        tables.tell_left_out(left_out)
        if len(rows) == listing.limit:
            _tell_more(len(rows), listing.count(session))


def _flat(rows: list[Row], form: Form) -> Answer:
    """Give each param, metric and tag a column; JSON keeps them together."""
    if form.is_json:
        return Answer(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))
    keys = [(kind, key) for kind in MAPS for key in sorted(_counted(rows, kind))]
    columns = [*_FACTS, *(f"{kind}.{key}" for kind, key in keys)]
    return Answer(
        columns,
        (
            [*(row[column] for column in _FACTS), *((row[kind] or {}).get(key) for kind, key in keys)]
            for row in rows
        ),
    )


def _counted(rows: list[Row], kind: str) -> Counter[str]:
    return Counter(key for row in rows for key in row[kind] or {})


def _print(rows: list[Row]) -> list[str]:
    """Write the table; params that are the same for all say nothing here, so they are not in it."""
    if not rows:
        return []
    ids = values.short_ids([row["run_id"] for row in rows])
    shown = values.ago if output.on_terminal(output.stdout()) else values.clock
    columns: dict[str, list[Any]] = {
        "run": [ids[row["run_id"]] for row in rows],
        "status": [row["status"] for row in rows],
        "name": [row["name"] for row in rows],
        "started": [shown(row["start_time"]) for row in rows],
    }
    if _differ([row["experiment"] for row in rows]):
        columns["experiment"] = [row["experiment"] for row in rows]
    for kind, key in _keys(rows):
        title = f"{kind}.{key}" if key in columns or key in _LAST else key
        columns[title] = _column(rows, kind, key)
    columns["took"] = [values.duration(row["duration_s"]) for row in rows]
    if any(row["deleted"] for row in rows):
        columns["deleted"] = ["deleted" if row["deleted"] else None for row in rows]
    if any(row["repro_of"] for row in rows):
        columns["repro of"] = [row["repro_of"] and row["repro_of"][:8] for row in rows]
    style = tables.Style(output.width(), {"status": output.STATUS_COLOURS.get}, _DIGITS)
    return tables.draw(list(columns), zip(*columns.values(), strict=True), style)


def _keys(rows: list[Row]) -> list[tuple[str, str]]:
    metrics = [("metrics", key) for key, _ in _counted(rows, "metrics").most_common(_MOST_KEYS)]
    params = [
        ("params", key)
        for key, _ in _counted(rows, "params").most_common()
        if len(rows) == 1 or _differ([(row["params"] or {}).get(key) for row in rows])
    ]
    return [*metrics, *params[:_MOST_KEYS]]


def _column(rows: list[Row], kind: str, key: str) -> list[Any]:
    found = [(row[kind] or {}).get(key) for row in rows]
    return found if kind == "metrics" else [text and values.typed_number(text) for text in found]


def _differ(found: Sequence[Any]) -> bool:
    return any(value != found[0] for value in found)


def _tell_none(listing: Listing) -> None:
    """A key that no run has is no mistake to a filter, so the answer says where the keys are."""
    if listing.filter_string is not None:
        output.remark("the filter lets no run through")
        output.say_hint('gittrack sql "select distinct key from metrics"')
    else:
        output.remark("no run to list")
        output.say_hint("gittrack ls --all")


def _tell_more(shown: int, total: int) -> None:
    if total > shown:
        output.remark(f"{shown} of {values.plural(total, 'run')}; -n {total} lists every one")
