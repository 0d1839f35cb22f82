"""`gittrack log`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gittrack.cli import output, tables, values
from gittrack.cli.formats import Answer, Form
from gittrack.cli.options import form_options, scope_options
from gittrack.cli.reading import Scope, reading

if TYPE_CHECKING:
    from gittrack.query.history import LoggedCommit, LoggedRun

_COLUMNS = (
    "commit",
    "time",
    "author",
    "subject",
    "branches",
    "how",
    "run_id",
    "name",
    "experiment",
    "status",
    "metrics",
)
_MOST_METRICS = 4


@click.command(
    "log",
    epilog="""\b
Examples:
  gittrack log
  gittrack log -n 3
  gittrack log --at v1.2 --json
""",
)
@click.option("-n", "limit", type=click.IntRange(min=1), metavar="N", help="At most N commits.")
@form_options
@scope_options
def log_command(limit: int | None, form: Form, scope: Scope) -> None:
    """Show the commits that have runs, the newest first: runs made from each, and runs it added."""
    from gittrack.query import history

    with reading(scope) as session:
        logged = history.log(session, limit)
        if form.is_table:
            with form.opened():
                _print(logged)
            return
        rows = [row for entry in logged for row in _rows(entry)]
        form.write(Answer(_COLUMNS, rows, document=[_document(entry) for entry in logged]))


def _document(entry: LoggedCommit) -> dict[str, Any]:
    document: dict[str, Any] = asdict(entry.commit)
    document["time"] = values.iso(entry.commit.time)
    for how, runs in (("made", entry.made), ("committed", entry.committed)):
        document[how] = [asdict(run) for run in runs]
    return document


def _rows(entry: LoggedCommit) -> list[Sequence[Any]]:
    commit = entry.commit
    about = (commit.commit, values.iso(commit.time), commit.author, commit.subject, list(commit.branches))
    return [
        (*about, how, run.run_id, run.name, run.experiment, run.status, run.metrics)
        for how, runs in (("made", entry.made), ("committed", entry.committed))
        for run in runs
    ]


def _print(logged: Sequence[LoggedCommit]) -> None:
    now = time.time()
    for place, entry in enumerate(logged):
        if place:
            output.say()
        _print_commit(entry, now)


def _print_commit(entry: LoggedCommit, now: float) -> None:
    commit = entry.commit
    moment = values.moment(commit.time)
    shown = values.ago(moment, now) if output.on_terminal(output.stdout()) else values.clock(moment)
    branches = f" ({', '.join(commit.branches)})" if commit.branches else ""
    output.say_painted(
        (commit.commit[:10], "yellow"),
        (branches, "green"),
        (f"  {commit.subject}", "bold"),
        (f"  {commit.author}, {shown}", "dim"),
    )
    made = {run.run_id for run in entry.made}
    for run in entry.made:
        _print_run("made from it", run)
    for run in entry.committed:
        if run.run_id not in made:
            _print_run("added by it ", run)


def _print_run(how: str, run: LoggedRun) -> None:
    metrics = ", ".join(
        f"{key} {tables.text_of(value, 6)}" for key, value in list(run.metrics.items())[:_MOST_METRICS]
    )
    output.say_painted(
        (f"  {how}  {run.run_id[:8]}  ", None),
        (f"{run.status:<9}", output.STATUS_COLOURS.get(run.status)),
        (f"  {run.name}  {metrics}".rstrip(), None),
    )
