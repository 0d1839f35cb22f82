"""`gittrack doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from gittrack.cli import output, values
from gittrack.cli.fsck import print_finding
from gittrack.cli.options import json_option
from gittrack.cli.reading import reading


@click.command(
    "doctor",
    epilog="""\b
Examples:
  gittrack doctor
  gittrack doctor --json
""",
)
@json_option
@click.pass_context
def doctor_command(context: click.Context, as_json: bool) -> None:
    """Name what may go wrong here: data that 'dvc gc' would delete and only runs name, tools that are missing.

    Changes nothing. Each finding has a stable code and a command that helps. Exits with 4 when data is at risk, else
    with 0.
    """
    from gittrack.entities.record import RunId
    from gittrack.errors import Conflict
    from gittrack.housekeeping.doctor import examine

    with reading(quiet=True) as session:
        if session.repo.bare:
            raise Conflict(
                f"'{session.repo.git_dir}' is a bare repository, it has no data",
                hint="git worktree add ../work",
            )
        ids = session.rows("select distinct run_id from data where kept_by = 'dvc' order by run_id")
        found = examine(session.repo, session.layout, [session.run(RunId(run_id)) for (run_id,) in ids])
    if as_json:
        output.say_json({"findings": [asdict(finding) for finding in found.findings], "runs": found.runs})
    else:
        for finding in found.findings:
            print_finding(finding)
        count = values.plural(len(found.findings), "finding")
        output.say(count if found.findings else "nothing was found that may go wrong")
    context.exit(found.exit_code)
