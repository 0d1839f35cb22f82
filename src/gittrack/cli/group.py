"""The commands by purpose; each is imported only when it is run, so that the help is quick."""

from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from gittrack.cli import output

SECTIONS: dict[str, dict[str, str]] = {
    "Record": {
        "init": "Make the store in this repository.",
        "run": "Run a command and record it.",
        "tag": "Set or remove tags of a run.",
        "delete": "Mark runs as deleted; nothing is lost.",
        "restore": "Take back the deletion of runs.",
        "keep": "Keep data that runs read and nobody keeps.",
        "commit": "Commit the runs, and nothing else.",
    },
    "Query": {
        "ls": "List the runs.",
        "search": "List the runs that a filter lets through.",
        "show": "Show one run.",
        "sql": "Ask SQL of every run there is.",
        "log": "Show commits with their runs.",
        "diff": "Compare two runs.",
    },
    "Reproduce": {
        "repro": "Run a run again and check the result.",
        "attest": "Write a signed certificate of a run.",
        "verify": "Check such certificates.",
        "bisect": "Find the commit that moved a metric.",
        "why": "Say why two runs differ.",
    },
    "Housekeeping": {
        "fsck": "Verify every digest.",
        "doctor": "Name what may go wrong.",
        "gc": "Free what no run needs.",
    },
    "Begin": {
        "demo": "Make a repository, track a sweep in it, reproduce the best run.",
        "completion": "Print the completion script of a shell.",
    },
}
COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}
ALIASES = {
    "list": "ls",
    "find": "search",
    "query": "sql",
    "compare": "diff",
    "reproduce": "repro",
    "rm": "delete",
    "undelete": "restore",
}
_MODULES = {"restore": "delete"}  # a command whose file is named after its opposite


class Gittrack(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by its name or alias."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        found = getattr(import_module(f"gittrack.cli.{_MODULES.get(name, name)}"), f"{name}_command")
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            click.UsageError: There is none; the nearest is named.
        """
        if args[0] not in COMMANDS and args[0] not in ALIASES and not args[0].startswith("-"):
            raise _unknown(args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by purpose."""
        longest = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(longest), text) for name, text in commands.items()])

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> NoReturn:
        """Run as the program does, with its exit codes; click's own would map errors in a second way."""
        from gittrack.cli import main

        sys.exit(main(args))


def _unknown(name: str, context: click.Context) -> click.UsageError:
    near = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], n=1, cutoff=0.5)
    meant = f", did you mean '{near[0]}'?" if near else ""
    return click.UsageError(f"there is no command '{name}'{meant}", ctx=context)


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    output.say_version()
    context.exit()


@click.group(
    "gittrack",
    cls=Gittrack,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    invoke_without_command=True,
    epilog="A run is named by its id, by its first four digits or more, or by its name. "
    "'gittrack COMMAND --help' has examples. Nothing recorded yet: "
    "'gittrack run -- python train.py', or 'import gittrack' in train.py.",
)
@click.option(
    "-C",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="Work as if started in DIR.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.pass_context
def gittrack(context: click.Context, folder: str | None) -> None:
    """Experiment tracking that lives in git: record a run once, query all runs with SQL, reproduce any."""
    if folder is not None:
        context.with_resource(contextlib.chdir(folder))
    if context.invoked_subcommand is None:
        output.say(context.get_help())
