"""`gittrack diff`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gittrack.cli import output, tables
from gittrack.cli.formats import Answer, Form
from gittrack.cli.options import form_options, run_argument, scope_options
from gittrack.cli.reading import Scope, find, reading

if TYPE_CHECKING:
    from gittrack.query.compare import Difference, RunDiff

_LETTERS = {"A": "added", "D": "removed", "M": "changed", "T": "other type"}
_LINE_COLOURS = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}


@click.command(
    "diff",
    epilog="""\b
Examples:
  gittrack diff 3f2a9c1e 8c2e11d0
  gittrack diff trial-05 trial-06 --patch
  gittrack diff trial-05 trial-06 --json
""",
)
@run_argument("a")
@run_argument("b")
@click.option("-p", "--patch", is_flag=True, help="Show the lines of code that differ too.")
@form_options
@scope_options
def diff_command(a: str, b: str, patch: bool, form: Form, scope: Scope) -> None:
    """Compare runs A and B: params, metrics, code, data, environment, and what else is not alike."""
    from gittrack.query.compare import diff

    with reading(scope) as session:
        found = diff(session, find(session, a), find(session, b))
        if form.is_table:
            with form.opened():
                _print(found, patch=patch)
            return
        form.write(Answer(("section", "key", "a", "b"), list(_rows(found)), document=_document(found)))


def _sections(found: RunDiff) -> Iterator[tuple[str, Sequence[Difference]]]:
    yield "params", found.params
    yield "metrics", found.metrics
    yield "data", found.data
    yield "environment", found.environment
    yield "facts", found.facts


def _rows(found: RunDiff) -> Iterator[tuple[str, str, Any, Any]]:
    for section, differences in _sections(found):
        yield from ((section, entry.key, entry.a, entry.b) for entry in differences)
    for letter, path in found.code.files:
        yield (
            "code",
            path,
            "-" if letter == "A" else "there",
            "-" if letter == "D" else _LETTERS.get(letter, letter),
        )


def _document(found: RunDiff) -> dict[str, Any]:
    document: dict[str, Any] = {"a": found.a.run_id, "b": found.b.run_id}
    for section, differences in _sections(found):
        document[section] = {entry.key: {"a": entry.a, "b": entry.b} for entry in differences}
    document["code"] = asdict(found.code) | {
        "files": [{"change": letter, "path": path} for letter, path in found.code.files]
    }
    return document


def _print(found: RunDiff, *, patch: bool) -> None:
    titles = ["", *(f"{run.run_id[:8]} {run.name}" for run in (found.a, found.b))]
    rows = [
        (f"{section}.{entry.key}", _text(entry.a), _text(entry.b))
        for section, differences in _sections(found)
        for entry in differences
    ]
    if rows:
        tables.draw(titles, rows, tables.Style(output.width()))
    else:
        output.say("params, metrics, data, environment and facts are alike")
    _print_code(found, patch=patch)


def _text(value: Any) -> str:
    """Numbers stand below other values here, so they are text, to the last digit."""
    return "-" if value is None else output.word(value)


def _print_code(found: RunDiff, *, patch: bool) -> None:
    code = found.code
    output.say()
    if code.same:
        output.say("code: the same")
        return
    output.say(f"code: {output.escape(code.unknown)}" if code.unknown else "code:")
    for letter, path in code.files:
        output.say_painted((f"  {_LETTERS.get(letter, letter)}  {path}", None))
    if patch:
        for line in code.text.split("\n"):
            output.say_painted((line, _LINE_COLOURS.get(line[:1])))
