"""`gittrack fsck`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gittrack.cli import output, values
from gittrack.cli.options import json_option
from gittrack.cli.reading import where

if TYPE_CHECKING:
    from gittrack.housekeeping.fsck import Checked, Finding

_COLOURS = {"lost": "red", "damaged": "red", "suspicious": "yellow", "untidy": "dim"}


@click.command(
    "fsck",
    epilog="""\b
Examples:
  gittrack fsck
  gittrack fsck --json
""",
)
@json_option
@click.pass_context
def fsck_command(context: click.Context, as_json: bool) -> None:
    """Verify every digest, in the working tree, in every branch and in git's folder; repair nothing.

    Names each finding by a stable code, where it is, the run it belongs to and what can be done. Exits with 5
    when anything is damaged or lost, else with 0.
    """
    from gittrack.housekeeping.fsck import fsck

    with output.Progress() as progress:
        checked = fsck(*where(), progress=progress)
    if as_json:
        output.say_json(
            {
                "findings": [asdict(finding) for finding in checked.findings],
                "runs": checked.runs,
                "files": checked.files,
                "size": checked.size,
                "live": checked.live,
            }
        )
    else:
        for finding in checked.findings:
            print_finding(finding)
        output.say(_summary(checked))
    context.exit(checked.exit_code)


def print_finding(finding: Finding) -> None:
    """Write one finding: what and where, in words, what helps."""
    run = f", run {finding.run[:8]}" if finding.run else ""
    output.say_painted(
        (f"{finding.severity} ", _COLOURS.get(finding.severity)),
        (f"{finding.code}: {finding.path}{run}", None),
    )
    output.say_painted((f"  {finding.what}", None))
    if finding.remedy:
        output.say_painted((f"  {finding.remedy}", "cyan"))


def _summary(checked: Checked) -> str:
    found = (
        values.plural(len(checked.findings), "finding") if checked.findings else "all is as it was recorded"
    )
    files = f"{values.plural(checked.files, 'file')} of {values.size(checked.size)}"
    alive = f", {values.plural(checked.live, 'live run')}" if checked.live else ""
    return f"{values.plural(checked.runs, 'run')}{alive}, {files}: {found}"
