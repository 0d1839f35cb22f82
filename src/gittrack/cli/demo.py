"""`gittrack demo`."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import click

from gittrack.cli import output
from gittrack.cli.options import json_option


@click.command(
    "demo",
    epilog="""\b
Examples:
  gittrack demo
  gittrack demo ~/tour --json
""",
)
@click.argument("folder", metavar="[DIR]", default="gittrack-demo", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def demo_command(context: click.Context, folder: Path, as_json: bool) -> None:
    """Make a repository in DIR, track a sweep of eight trials on real data, query it, reproduce the best run.

    Each command is printed before it is run. DIR is 'gittrack-demo' when it is not given; scikit-learn and
    matplotlib are needed. With --json, stdout has one JSON object and all else is on stderr. Exits as
    'gittrack repro' does.
    """
    from gittrack.demo import tour
    from gittrack.repro.verify import EXIT_CODES

    outcome = tour.play(folder.absolute(), _say, _show, sys.stderr if as_json else None)
    if as_json:
        output.say_json(asdict(outcome))
    else:
        output.remark(
            f"{outcome.runs} runs, best {outcome.best[:12]}: {outcome.verdict}, {outcome.seconds} s."
        )
        output.say_hint(_what_next(folder))
    context.exit({str(verdict): code for verdict, code in EXIT_CODES.items()}[outcome.verdict])


def _what_next(folder: Path) -> str:
    scripts = Path(sys.executable).parent
    begin = f"cd {shlex.quote(str(folder))}"
    if shutil.which("gittrack") is None and (scripts / "activate").is_file():
        begin = f". {shlex.quote(str(scripts / 'activate'))} && {begin}"
    return f"{begin}, and try the commands yourself"


def _say(text: str) -> None:
    output.remark("")
    output.remark(text, "bold")


def _show(command: str) -> None:
    output.remark(f"$ {command}", "cyan")
