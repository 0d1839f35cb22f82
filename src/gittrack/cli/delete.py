"""`gittrack delete` and `gittrack restore`."""

from __future__ import annotations

import click

from gittrack.cli import events, output, values
from gittrack.cli.options import json_option, run_argument
from gittrack.entities.record import Op


@click.command(
    "delete",
    epilog="""\b
Examples:
  gittrack delete 3f2a9c1e
  gittrack delete trial-05 trial-06
""",
)
@run_argument("runs", nargs=-1)
@json_option
def delete_command(runs: tuple[str, ...], as_json: bool) -> None:
    """Mark RUNS as deleted: 'gittrack ls' lists them no more, 'gittrack ls --all' still does.

    Nothing is lost, and 'gittrack restore' takes it back. SQL has the column 'deleted'.
    """
    _write("delete", runs, as_json, "deleted, gittrack restore takes it back")


@click.command(
    "restore",
    epilog="""\b
Examples:
  gittrack restore 3f2a9c1e
""",
)
@run_argument("runs", nargs=-1)
@json_option
def restore_command(runs: tuple[str, ...], as_json: bool) -> None:
    """Take back the deletion of RUNS."""
    _write("restore", runs, as_json, "restored")


def _write(op: Op, runs: tuple[str, ...], as_json: bool, word: str) -> None:
    written = events.write(runs, [(op, None, None)])
    if as_json:
        output.say_json({"runs": list(written), "events": [digest for [digest] in written.values()]})
        return
    output.remark(f"{values.plural(len(written), 'run')} {word}")
