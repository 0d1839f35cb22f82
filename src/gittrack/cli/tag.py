"""`gittrack tag`."""

from __future__ import annotations

import click

from gittrack.cli import events, output
from gittrack.cli.options import json_option, pairs, run_argument


@click.command(
    "tag",
    epilog="""\b
Examples:
  gittrack tag 3f2a9c1e reviewed=yes
  gittrack tag trial-05 --remove reviewed
""",
)
@run_argument("run")
@click.argument("tags", metavar="[K=V]...", nargs=-1)
@click.option("-d", "--remove", metavar="K", multiple=True, help="Remove this tag.")
@json_option
@click.pass_context
def tag_command(
    context: click.Context, run: str, tags: tuple[str, ...], remove: tuple[str, ...], as_json: bool
) -> None:
    """Set or remove tags of RUN, also of one that has ended.

    A tag set later is a file of its own beside the run; the run itself is never changed.
    """
    parameter = next(param for param in context.command.params if param.name == "tags")
    given = pairs(context, parameter, tags)
    if not given and not remove:
        raise click.UsageError("Name a tag to set, K=V, or to remove, --remove K.")
    facts: list[events.Fact] = [("set_tag", key, value) for key, value in given.items()]
    facts += [("delete_tag", key, None) for key in remove]
    [(run_id, digests)] = events.write([run], facts).items()
    if as_json:
        output.say_json({"run_id": run_id, "events": digests})
        return
    words = [*(f"{key}={value}" for key, value in given.items()), *(f"{key} removed" for key in remove)]
    output.remark(f"run {run_id[:8]}: {output.escape(', '.join(words))}")
