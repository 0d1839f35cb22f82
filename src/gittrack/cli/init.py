"""`gittrack init`."""

from __future__ import annotations

from pathlib import Path

import click

from gittrack.cli import output
from gittrack.cli.options import json_option


@click.command(
    "init",
    epilog="""\b
Examples:
  gittrack init
  git init && gittrack init
""",
)
@json_option
def init_command(as_json: bool) -> None:
    """Make the store, `.gittrack/`, in this repository; the first run would make it too."""
    from gittrack.record.project import Project

    project = Project.find(Path.cwd())
    new = project.init()
    folder = project.layout.committed
    if as_json:
        output.say_json({"folder": str(folder), "new": new})
        return
    output.remark(f"{'made' if new else 'there is already'} {output.escape(str(folder))}")
    if new:
        output.say_hint("gittrack run -- python train.py, then gittrack commit")
