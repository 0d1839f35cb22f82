"""`gittrack why`."""

from __future__ import annotations

import click

from gittrack.cli import output
from gittrack.cli.options import json_option, run_argument
from gittrack.cli.reading import find, reading


@click.command(
    "why",
    epilog="""\b
Examples:
  gittrack why 3f2a9c1e 8c2e11d0
  gittrack why trial-05 trial-06 --metric val_auc
  gittrack repro trial-05 --swap data=trial-06    # and ask again
""",
)
@run_argument("a")
@run_argument("b")
@click.option("--metric", metavar="NAME", help="Look at this metric alone.")
@json_option
def why_command(a: str, b: str, metric: str | None, as_json: bool) -> None:
    """Say why runs A and B differ: what went into them, what came of it, and how much each input explains.

    What an input explains is known where it was exchanged by 'gittrack repro --swap'; for each other that differs the
    command is named. Nothing is executed.
    """
    from gittrack.errors import NotFound
    from gittrack.repro.why import why

    with reading() as session:
        found = why(session, find(session, a), find(session, b), metric=metric)
    if metric is not None and not any(metric in run.metrics for run in (found.a, found.b)):
        raise NotFound(f"neither run has a metric '{metric}'", hint=f"gittrack diff {a} {b}")
    if as_json:
        output.say_json(found.document())
        return
    for line in found.lines():
        output.say_painted((line, None))
