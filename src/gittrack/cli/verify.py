"""`gittrack verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gittrack.cli import output
from gittrack.cli.options import json_option
from gittrack.cli.reading import reading

if TYPE_CHECKING:
    from gittrack.repro.attest import Verified

_COLOURS = {"holds": "green", "not here": "dim", "unproven": "yellow", "differs": "red"}
_WORDS = {0: ("verified", "green"), 1: ("unproven", "yellow"), 5: ("differs", "red")}
_LABEL = 10


@click.command(
    "verify",
    epilog="""\b
Exit codes:
  0  somebody known signed it, and all of it that is here is as it says
  1  nobody known signed it, or the run or its code is not here
  5  a signature, a record, an artifact or the verdict is not what it says

\b
Examples:
  gittrack verify model.intoto.json
  gittrack verify certificates/*.json --json
  git config gpg.ssh.allowedSignersFile ~/signers    # ada@example.org ssh-ed25519 AAAA…
""",
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
)
@json_option
@click.pass_context
def verify_command(context: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Check certificates that 'gittrack attest' wrote, against their signatures and against what is here.

    A signer is known by gpg.ssh.allowedSignersFile of git's settings, a file with a line 'MAIL KEY' for each, or by
    your keyring. An ssh signature has the namespace 'gittrack'.
    """
    from gittrack.repro import attest

    with reading(quiet=True) as session:
        found = [(file, attest.verify(session, file.read_bytes())) for file in files]
    code = max(verified.exit_code for _, verified in found)
    if as_json:
        documents = [{"file": str(file), **verified.document()} for file, verified in found]
        output.say_json({"certificates": documents, "exit_code": code})
    else:
        for file, verified in found:
            _print(file, verified)
    context.exit(code)


def _print(file: Path, verified: Verified) -> None:
    word, colour = _WORDS[verified.exit_code]
    about = f", run {verified.run_id[:8]}" if verified.run_id else ""
    output.say_painted((word, colour), (f": {file}{about}", None))
    for finding in verified.findings:
        output.say_painted(
            (f"  {finding.standing:<{_LABEL}}", _COLOURS[finding.standing]),
            (f"{finding.what}: {finding.text}", None),
        )
