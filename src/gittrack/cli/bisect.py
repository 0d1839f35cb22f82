"""`gittrack bisect`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from gittrack.cli import consent, output
from gittrack.cli.options import json_option
from gittrack.cli.reading import reading, where
from gittrack.cli.reproducing import job_options, tolerance_options
from gittrack.errors import Conflict

if TYPE_CHECKING:
    from gittrack.repro.bisection import Search
    from gittrack.repro.options import Mode
    from gittrack.repro.tolerance import Tolerance


@click.command(
    "bisect",
    epilog="""\b
Exit codes:
  0   the commit was found
  4   it is not the code that moved the metric
  10  commits that had to be skipped leave it open

\b
Examples:
  gittrack bisect val_auc --good 3f2a9c1e --bad 8c2e11d0
  gittrack bisect val_auc --good v1.2 --bad main --run trial-05
  gittrack bisect loss --good trial-01 --bad trial-09 --threshold 0.35
  gittrack bisect loss --good trial-01 --bad trial-09 --atol 0.01 --env rebuild
""",
)
@click.argument("metric")
@click.option("--good", required=True, metavar="RUN_OR_COMMIT", help="Where the metric was as it should be.")
@click.option("--bad", required=True, metavar="RUN_OR_COMMIT", help="Where it is not.")
@click.option(
    "--run",
    metavar="RUN",
    help="The run whose command and data, and with --env rebuild environment, are used; without it that of --bad.",
)
@click.option(
    "--threshold",
    type=float,
    metavar="X",
    help="Values on the same side of X as the good end's are good; without it those nearer to the good end's.",
)
@tolerance_options(
    "Values that differ from the good end's by at most X times it are good, all others bad.",
    "Values that differ from the good end's by at most X are good, all others bad.",
)
@job_options
@click.option(
    "--times",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Run each commit N times and take the median, for a job that is random.",
)
@click.option("--first-parent", is_flag=True, help="Follow only the first parent of a merge.")
@click.option("-y", "--yes", is_flag=True, help="Agree to execute code that was not run here before.")
@json_option
@click.pass_context
def bisect_command(
    context: click.Context,
    metric: str,
    good: str,
    bad: str,
    run: str | None,
    threshold: float | None,
    tolerance: Tolerance,
    env: Mode,
    pass_env: tuple[str, ...],
    times: int,
    first_parent: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Find the commit that moved METRIC, by running one job with the code of commits between two.

    Command and data stay those of one run, and the environment is the same at every commit, so that nothing but the
    code changes: the present one, or with --env rebuild the one recorded with that run, whatever a commit pins. Your
    checkout is not touched. A commit with which the command fails is skipped. What was run stays recorded and is not
    run again.
    """
    from gittrack.repro.bisect import bisect, prepare
    from gittrack.repro.options import Options

    with reading() as session:
        search = prepare(
            session,
            *where(),
            metric,
            good=good,
            bad=bad,
            run=run,
            threshold=threshold,
            options=Options(tolerance, times, env=env, pass_env=pass_env),
            first_parent=first_parent,
        )
        found = bisect(_agreed(search, yes=yes), output.remark)
    if as_json:
        output.say_json(found.document())
    else:
        title, *lines = found.lines()
        output.say_painted((title, "green" if found.first_bad else "yellow"))
        for line in lines:
            output.say_painted((line, None))
    context.exit(found.exit_code)


def _agreed(search: Search, *, yes: bool) -> Search:
    """Return a search that may be executed.

    Raises:
        Conflict: Nobody agreed; nothing was started.
    """
    if search.trusted:
        return search
    if not yes and not consent.ask(search.lines(), run=None):
        raise Conflict("not executed", hint="git log --oneline GOOD..BAD")
    return replace(search, agreed=True)
