"""`gittrack show`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gittrack.cli import output, tables, values
from gittrack.cli.formats import Answer, Form
from gittrack.cli.options import form_options, run_argument, scope_options
from gittrack.cli.reading import Scope, find, reading
from gittrack.entities.record import Code, Command, RunRecord

if TYPE_CHECKING:
    from gittrack.query.session import Session

Fact = tuple[str, str, Any]  # section, key, value


@click.command(
    "show",
    epilog="""\b
Examples:
  gittrack show 3f2a9c1e
  gittrack show trial-05 --json
""",
)
@run_argument("run")
@form_options
@scope_options
def show_command(run: str, form: Form, scope: Scope) -> None:
    """Show what is recorded of RUN: params, metrics, code, command, environment, data, artifacts.

    RUN is its id, the first four digits of it or more, or its name.
    """
    with reading(scope) as session:
        found = session.run(find(session, run))
        deleted = _is_deleted(session, found)
        facts = list(_facts(found, deleted))
        if form.is_table:
            with form.opened():
                _print(found, facts)
            return
        form.write(Answer(("section", "key", "value"), facts, document=_document(found, deleted)))


def _is_deleted(session: Session, run: RunRecord) -> bool:
    [[deleted]] = session.rows("select deleted from runs where run_id = $run_id", run_id=run.run_id)
    return bool(deleted)


def _document(run: RunRecord, deleted: bool) -> dict[str, Any]:
    document = {**asdict(run), "deleted": deleted}
    for key in ("start_time", "end_time"):
        document[key] = values.iso(document[key])
    return document


def _facts(run: RunRecord, deleted: bool) -> Iterator[Fact]:
    """Give every fact of a run, in the order in which it is read."""
    yield from (("run", key, value) for key, value in _identity(run) if value not in (None, ""))
    if deleted:
        yield "run", "deleted", "yes"
    yield from (("params", key, value) for key, value in run.params.items())
    yield from (("metrics", key, summary.last) for key, summary in run.metrics.items())
    yield from (("tags", key, value) for key, value in run.tags.items())
    yield from (("code", key, value) for key, value in _code(run.code) if value)
    yield from (("command", key, value) for key, value in _command(run.command) if value not in (None, ""))
    if run.environment:
        yield "environment", "digest", run.environment
    if run.imports is not None:
        yield "environment", "imports", ", ".join(run.imports) or "no distribution"
    yield from (("data", entry.path, _kept(entry)) for entry in run.data)
    yield from (("artifacts", entry.path, _kept(entry)) for entry in run.artifacts)
    if run.volatile:
        yield "artifacts", "volatile", ", ".join(run.volatile)
    yield from (("lost", str(number), sentence) for number, sentence in enumerate(run.lost, 1))
    if run.error:
        yield "error", "traceback", run.error


def _identity(run: RunRecord) -> Iterator[tuple[str, Any]]:
    yield "run_id", run.run_id
    yield "name", run.name
    yield "experiment", run.experiment
    yield "status", run.status
    yield "started", values.utc(run.start_time)
    yield "ended", values.utc(run.end_time)
    if run.end_time is not None:
        yield "took", values.duration((run.end_time - run.start_time) / 1000)
    yield "user", run.user
    yield "host", run.host.get("name")
    yield "parent_run_id", run.parent_run_id
    yield "repro_of", run.repro_of


def _code(code: Code | None) -> Iterator[tuple[str, Any]]:
    if code is None:
        return
    yield "commit", code.commit
    yield "branch", code.branch
    yield "code_tree", code.code_tree
    yield "dirty", "yes" if code.dirty else ""
    yield "patch", values.plural(code.patch_files, "file") if code.patch_digest else ""
    yield "state", ", ".join(code.state)
    for left in code.left_out:
        yield f"left out: {left.path}", f"{left.reason}, {values.size(left.size)}"
    for submodule in code.submodules:
        yield f"submodule: {submodule.path}", submodule.captured


def _command(command: Command | None) -> Iterator[tuple[str, Any]]:
    if command is None:
        return
    yield "argv", shlex.join(command.argv)
    yield "cwd", command.cwd
    yield "env", " ".join(f"{key}={shlex.quote(value)}" for key, value in command.env.items())
    yield "exit_code", command.exit_code


def _kept(entry: Any) -> str:
    """A digest is cut for no one: it is there to be compared."""
    kept_by = f", kept by {entry.kept_by}" if hasattr(entry, "kept_by") else ""
    if getattr(entry, "md5", None) is not None:
        kept_by += f", not DVC's {entry.md5}" if entry.changed else f", DVC's {entry.md5}"
    kept_by += ", found by itself" if getattr(entry, "how", None) == "read" else ""
    files = f", {values.plural(entry.files, 'file')}" if getattr(entry, "files", None) is not None else ""
    return f"{entry.digest}  {values.size(entry.size)}{files}{kept_by}"


def _print(run: RunRecord, facts: list[Fact]) -> None:
    """Write the facts by section, their values one below the other."""
    widest = max(tables.cells_of(output.escape(key)) for _, key, _ in facts)
    before = ""
    for section, key, value in facts:
        if section != before:
            if before:
                output.say()
            output.say_painted((section, "bold"))
            before = section
        for line in _lines(run, section, key, value, widest):
            output.say_painted(*line)


def _lines(
    run: RunRecord, section: str, key: str, value: Any, widest: int
) -> Iterator[list[tuple[str, str | None]]]:
    if section == "error":
        for line in str(value).splitlines():
            yield [(f"  {line}", None)]
        return
    colour = output.STATUS_COLOURS.get(value) if (section, key) == ("run", "status") else None
    label = output.escape(key)
    text = output.word(value) + (_summary(run, key) if section == "metrics" else "")
    yield [(f"  {label}{' ' * (widest - tables.cells_of(label))}  ", "dim"), (text, colour)]


def _summary(run: RunRecord, key: str) -> str:
    summary = run.metrics[key]
    if summary.count == 1:
        return f"  step {summary.step}"
    least, most = output.word(summary.min), output.word(summary.max)
    return f"  step {summary.step}, {summary.count:,} points, {least} to {most}"
