"""`gittrack attest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gittrack.cli import many, output
from gittrack.cli.formats import replacing
from gittrack.cli.options import json_option, output_option, run_argument
from gittrack.cli.reading import find, reading, where
from gittrack.cli.reproducing import consent_option, tolerance_options
from gittrack.errors import Conflict

if TYPE_CHECKING:
    from gittrack.entities.record import RunId
    from gittrack.query.session import Session
    from gittrack.repro.tolerance import Tolerance


@click.command(
    "attest",
    epilog="""\b
Examples:
  gittrack attest 3f2a9c1e -o model.intoto.json
  gittrack attest 3f2a9c1e --repro -o model.intoto.json
  gittrack attest 3f2a9c1e --no-sign --without-verdict
""",
)
@run_argument("run")
@output_option("Write the certificate to FILE.")
@click.option("--sign/--no-sign", default=True, help="Sign it as git signs a commit; by default it is.")
@click.option("--repro", is_flag=True, help="Reproduce RUN first.")
@click.option("--without-verdict", is_flag=True, help="Say nothing of a reproduction.")
@tolerance_options(
    "Metrics may differ by X times the recorded value: all, or those of a name or glob. Can be repeated; the most "
    "specific name wins.",
    "Metrics may differ by X; as --rtol.",
)
@consent_option
@json_option
def attest_command(
    run: str,
    out: Path | None,
    sign: bool,
    repro: bool,
    without_verdict: bool,
    tolerance: Tolerance,
    yes: bool,
    as_json: bool,
) -> None:
    """Write a certificate of RUN: its digest and its artifacts', what it was made from, and the verdict of its newest
    reproduction, which is compared once more.

    It is an in-toto Statement in a DSSE envelope, signed with the key that git's settings name: user.signingkey,
    gpg.format ssh or openpgp. 'gittrack verify' checks it.
    """
    from gittrack.git import signing
    from gittrack.repro import attest
    from gittrack.repro.recorded import newest_repetition

    if repro and without_verdict:
        raise click.UsageError("--repro and --without-verdict exclude each other.")
    with reading() as session:
        run_id = find(session, run)
        if repro:
            _reproduce(session, run_id, yes=yes)
    with reading(quiet=True) as session:
        repeat = None if without_verdict else newest_repetition(session, run_id)
        if repeat is None and not without_verdict:
            raise Conflict(
                f"run {run_id[:8]} was not reproduced yet",
                hint=f"gittrack attest {run_id[:8]} --repro, or --without-verdict",
            )
        said = attest.statement(session, run_id, repeat, tolerance)
        message = attest.to_sign(attest.PAYLOAD_TYPE, attest.payload(said))
        signature = signing.sign(session.repo, message) if sign else None
    certificate = attest.seal(said, signature).decode()
    if out is None:
        output.say(certificate, end="")
        return
    with replacing(out) as file:
        file.write(certificate)
    reproduction = said["predicate"]["reproduction"]
    verdict = None if reproduction is None else reproduction["verdict"]
    key = None if signature is None else signature.key
    if as_json:
        output.say_json({"run_id": run_id, "verdict": verdict, "key": key, "file": str(out)})
    else:
        signed = "unsigned" if key is None else f"signed with {key}"
        output.remark(f"certificate of run {run_id[:8]}, {verdict or 'without a verdict'}, {signed}: {out}")


def _reproduce(session: Session, run_id: RunId, *, yes: bool) -> None:
    """Reproduce a run, whatever the verdict.

    Raises:
        Conflict: Nobody agreed, or there is no run to compare with.
    """
    from gittrack.repro.many import jobs, reproduce_many

    found = jobs(session, [run_id])
    many.see_consent(session, found, yes=yes)
    repository, _ = where()
    with output.Progress() as progress:
        (result,) = reproduce_many(found, folder=repository.top, progress=progress).results
    if result.repro_run_id is None:
        raise Conflict(
            f"run {run_id[:8]} could not be reproduced: {result.state}, {result.reason or 'interrupted'}",
            hint=result.hint or f"gittrack repro {run_id[:8]}",
        )
