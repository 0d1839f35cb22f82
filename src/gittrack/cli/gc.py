"""`gittrack gc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gittrack.cli import output, values
from gittrack.cli.options import json_option
from gittrack.cli.reading import where

if TYPE_CHECKING:
    from gittrack.housekeeping.gc import GcPlan


@click.command(
    "gc",
    epilog="""\b
Examples:
  gittrack gc --dry-run
  gittrack gc --yes
""",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be freed and why the rest is kept.")
@click.option("-y", "--yes", is_flag=True, help="Free it.")
@json_option
def gc_command(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Free what no run of any branch, working tree or journal needs; runs are never removed."""
    if dry_run == yes:
        raise click.UsageError("Say --dry-run to see what would be freed, or --yes to free it.")
    from gittrack.housekeeping.gc import apply, plan

    with output.Progress() as progress:
        found = plan(*where(), progress=progress)
        freed = apply(found, progress=progress) if yes else None
    if as_json:
        output.say_json(_document(found, freed))
        return
    _print(found)
    if freed is None:
        output.say(f"would free {values.size(found.size)} in {values.plural(len(found.freed), 'place')}")
    else:
        output.say(f"freed {values.size(freed)}")


def _document(plan: GcPlan, freed: int | None) -> dict[str, Any]:
    return {
        "freed": [
            {
                "kind": item.kind,
                "path": str(item.path),
                "size": item.size,
                "why": item.why,
                "digest": item.digest,
            }
            for item in plan.freed
        ],
        "kept": [
            {"what": group.what, "count": group.count, "size": group.size, "why": group.why}
            for group in plan.kept
        ],
        "unreadable": list(plan.unreadable),
        "size": plan.size,
        "freed_size": freed,
    }


def _print(plan: GcPlan) -> None:
    for item in plan.freed:
        output.say_painted((f"free  {item.kind}, {values.size(item.size)}: {item.path}", None))
        output.say_painted((f"      {item.why}", "dim"))
    for group in plan.kept:
        size = f", {values.size(group.size)}" if group.size else ""
        output.say_painted((f"keep  {group.count:,} {group.what}{size}: {group.why}", None))
    for place in plan.unreadable:
        output.say_painted((f"keep  all content, for {place} cannot be read: gittrack fsck", "yellow"))
