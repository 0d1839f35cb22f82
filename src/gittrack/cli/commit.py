"""`gittrack commit`."""

from __future__ import annotations

import click

from gittrack.cli import output, values
from gittrack.cli.options import json_option
from gittrack.cli.reading import where


@click.command(
    "commit",
    epilog="""\b
Examples:
  gittrack commit
  gittrack commit -m "Sweep over learning rate and depth"
""",
)
@click.option("-m", "--message", metavar="MSG", help="The message; by default it counts the runs.")
@json_option
def commit_command(message: str | None, as_json: bool) -> None:
    """Commit what is new in `.gittrack/` and nothing else, whatever is staged or changed beside it.

    Your staging stays as it is, and your hooks do not run.
    """
    from gittrack.housekeeping.commit import commit

    done = commit(*where(), message)
    if as_json:
        output.say_json(
            {
                "commit": done.commit,
                "message": done.message if done.commit else None,
                "runs": [run.run_id for run in done.runs],
                "events": done.events,
            }
        )
        return
    if done.sealed:
        output.remark(f"{values.plural(done.sealed, 'run')} sealed whose process had died")
    if done.put_back:
        output.remark(f"{len(done.put_back)} put back that the working tree had lost")
    if done.commit is None:
        output.remark("nothing new to commit")
        return
    output.say(f"[{done.commit[:10]}] {output.escape(done.message.splitlines()[0])}")
