"""`gittrack repro`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gittrack.cli import consent, many, output
from gittrack.cli.options import json_option, pairs, run_argument
from gittrack.cli.reading import find, reading, where
from gittrack.cli.reproducing import consent_option, reproduction_options
from gittrack.errors import Conflict

if TYPE_CHECKING:
    from gittrack.query.session import Session
    from gittrack.repro.options import Options
    from gittrack.repro.plan import Plan
    from gittrack.repro.report import Report

_VERDICT_COLOURS = {
    "identical": "green",
    "equivalent": "green",
    "different": "red",
    "failed": "red",
    "impossible": "red",
    "inconclusive": "yellow",
}


@click.command(
    "repro",
    epilog="""\b
Exit codes, by verdict:
  0   identical     every metric point and every artifact is that of the record
  0   equivalent    within --rtol and --atol, or --spread
  7   different     it ran, and the results differ
  8   failed        the command failed where the record's did not
  9   impossible    an input cannot be restored exactly
  10  inconclusive  nothing to compare, or the record is not whole
Of many runs the worst verdict counts: impossible, failed, different, inconclusive.
1 when none of these, but a run got no verdict; 130 when it was interrupted.

\b
Examples:
  gittrack repro 3f2a9c1e
  gittrack repro trial-05 --rtol 1e-6 --rtol 'val/*=1e-3'
  gittrack repro 3f2a9c1e --times 5 --spread
  gittrack repro 3f2a9c1e --dry-run
  gittrack repro 3f2a9c1e --env rebuild
  gittrack repro 3f2a9c1e --env image
  gittrack repro trial-05 trial-06 -j 2
  gittrack repro --all --since origin/main --junit repro.xml --markdown repro.md
  gittrack repro 3f2a9c1e --pass-env AWS_PROFILE
  gittrack repro 3f2a9c1e --swap data=8c2e11d0
  gittrack repro 3f2a9c1e --swap code=HEAD~2
""",
)
@run_argument("runs", nargs=-1, required=False)
@many.many_options
@reproduction_options
@click.option(
    "--swap",
    "swaps",
    multiple=True,
    callback=pairs,
    metavar="KIND=RUN_OR_COMMIT",
    help="Exchange one input: code=RUN_OR_COMMIT, data=RUN, env=RUN or env=current. What the result then differs "
    "in, this input has changed. Can be repeated for different kinds.",
)
@consent_option
@click.option("--dry-run", is_flag=True, help="Restore the inputs, say what differs, execute nothing.")
@json_option
@click.pass_context
def repro_command(
    context: click.Context,
    runs: tuple[str, ...],
    choice: many.Choice,
    options: Options,
    swaps: dict[str, str],
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run RUN again from its recorded inputs, in a worktree of its own, and compare every result with the record.

    A command that another clone recorded is shown whole and is executed only when you agree. Several runs, or
    --all, are reproduced each in a process of its own, those that one process made together.
    """
    if many.is_meant(runs, choice):
        if options.keep or swaps:
            raise click.UsageError(f"{'--keep' if options.keep else '--swap'} is for one RUN.")
        context.exit(many.reproduce(runs, choice, options, yes=yes, dry_run=dry_run, as_json=as_json))
    from gittrack.repro.reproduce import rehearse, reproduce

    (run,) = runs
    with reading() as session, output.Progress() as progress:
        plan = _plan(session, run, swaps)
        if dry_run:
            report = rehearse(plan, options, progress=progress)
        else:
            plan = _agreed(plan, run, yes=yes)
            report = reproduce(plan, options, progress=progress)
    if as_json:
        output.say_json(report.document())
    else:
        _print(report, plan, dry_run=dry_run)
    context.exit(report.exit_code)


def _plan(session: Session, run: str, swaps: dict[str, str]) -> Plan:
    from gittrack.repro.plan import plan
    from gittrack.repro.swap import swapped

    repository, layout = where()
    return swapped(plan(session, repository, layout, find(session, run)), swaps)


def _agreed(plan: Plan, run: str, *, yes: bool) -> Plan:
    """Return a plan that may be executed.

    Raises:
        Conflict: Nobody agreed; nothing was started.
    """
    from gittrack.repro.plan import agree
    from gittrack.repro.report_lines import plan_lines

    if plan.trusted or plan.problem is not None:
        return plan
    if not yes and not consent.ask(plan_lines(plan), run=run):
        raise Conflict("not executed", hint=f"gittrack show {run}")
    return agree(plan)


def _print(report: Report, plan: Plan, *, dry_run: bool) -> None:
    from gittrack.repro.report_lines import plan_lines

    title, *lines = report.lines()
    output.say_painted((title, _VERDICT_COLOURS.get(report.verdict or "")))
    for line in lines:
        output.say_painted((line, None))
    if dry_run and not plan.trusted:
        for line in plan_lines(plan):
            output.say_painted((line, None))
