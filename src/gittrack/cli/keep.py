"""`gittrack keep`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gittrack.cli import output, values
from gittrack.cli.options import json_option
from gittrack.cli.reading import reading

if TYPE_CHECKING:
    from gittrack.housekeeping.keep import KeptPath


@click.command(
    "keep",
    epilog="""\b
Examples:
  gittrack keep data/extra.csv
  gittrack keep data/images models/base.bin
""",
)
@json_option
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
def keep_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Keep the content of files or folders, so that runs that read it can be reproduced.

    Puts what is at each PATH now into this clone's store, and says which runs name it. Where a run has read other
    content at that path, that is said too, and the present content is kept all the same. What DVC's cache has of PATH
    for runs is kept as well, also when nothing is at PATH now: 'dvc gc' knows nothing of runs.
    """
    from gittrack.housekeeping.keep import keep

    with reading(quiet=True) as session:
        kept = [keep(session, path) for path in paths]
    if as_json:
        output.say_json([asdict(one) for one in kept])
        return
    for one in kept:
        _say(one)


def _say(one: KeptPath) -> None:
    files = f", {values.plural(one.files, 'file')}" if one.files is not None else ""
    name, runs_of_it = output.unspaced(one.path), values.plural(len(one.runs), "run")
    what = f"{values.size(one.size)}{files}" if one.digest is not None else "not here now"
    output.say(f"kept {name} ({what}), read by {runs_of_it}")
    for md5 in one.dvc:
        output.say(f"kept {name} as runs read it, DVC's {md5}")
    for md5 in one.gone:
        output.remark(
            f"a run read {name} as DVC's {md5}, which DVC's cache has no longer: dvc fetch --all-commits"
        )
    if one.others:
        runs = ", ".join(run_id[:8] for run_id in one.others[:3]) + (" …" if len(one.others) > 3 else "")
        output.remark(f"{name} is not what {runs} read there: the content has changed since")
    if not one.runs:
        output.remark(f"no run names this content of {name}: 'gittrack gc' frees it after a day")
