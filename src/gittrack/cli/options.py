"""Options and arguments that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gittrack.cli.formats import BY_SUFFIX, FORMATS, Form

_PLAIN = re.compile(r"[\w.-]+", re.ASCII)  # what a shell takes as it is

F = TypeVar("F", bound=Callable[..., Any])


def output_option(meaning: str) -> Callable[[F], F]:
    """Add `-o FILE`; the command gets `out`."""
    file = click.Path(path_type=Path, dir_okay=False)
    return click.option("-o", "--output", "out", metavar="FILE", type=file, help=meaning)


def form_options(command: F) -> F:
    """Add `--format`, `--json` and `-o`; the command gets a `form`."""

    @wraps(command)
    def with_form(*args: Any, format_: str | None, as_json: bool, out: Path | None, **rest: Any) -> Any:
        return command(*args, form=_form(format_, as_json, out), **rest)

    for option in (
        output_option("Write to FILE; its ending says the format when --format does not."),
        click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
        click.option(
            "-f",
            "--format",
            "format_",
            type=click.Choice(FORMATS),
            help="How to write it; a table by default.",
        ),
    ):
        with_form = option(with_form)
    return with_form  # type: ignore[return-value]


def _form(format_: str | None, as_json: bool, out: Path | None) -> Form:
    if as_json and format_ not in (None, "json"):
        raise click.UsageError(f"--json and --format {format_} exclude each other.")
    if as_json:
        return Form("json", out)
    return Form(format_ or BY_SUFFIX.get(out.suffix.lower() if out else "", "table"), out)


def json_option(command: F) -> F:
    """Add `--json`; the command gets `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON object on one line.")(command)


def scope_options(command: F) -> F:
    """Add `--here` and `--at`; the command gets a `scope`, to be given to `reading`."""

    @wraps(command)
    def with_scope(*args: Any, here: bool, at: str | None, **rest: Any) -> Any:
        if here and at is not None:
            raise click.UsageError("--here and --at exclude each other.")
        return command(*args, scope=(here, at), **rest)

    for option in (
        click.option("--at", metavar="REV", help="Only what was known at a commit, branch or git tag."),
        click.option("--here", is_flag=True, help="Only the runs of the checked-out tree."),
    ):
        with_scope = option(with_scope)
    return with_scope  # type: ignore[return-value]


def run_argument(name: str, *, nargs: int = 1, required: bool = True) -> Callable[[F], F]:
    """Add an argument that names a run, completed by the shell."""
    metavar = _metavar(name, nargs) if required else f"[{_metavar(name, nargs)}]"
    return click.argument(name, nargs=nargs, required=required, metavar=metavar, shell_complete=_complete_run)


def _metavar(name: str, nargs: int) -> str:
    return f"{name.upper().removesuffix('S')}..." if nargs == -1 else name.upper()


def _complete_run(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the runs whose id or name starts so; a shell's completion must never show an error."""
    from gittrack.cli.reading import reading
    from gittrack.errors import GittrackError

    try:
        with reading(quiet=True) as session:
            found = session.rows(
                "select case when $text <> '' and starts_with(run_id, $text) then run_id[:8] else name end, "
                "name || ' ' || status from runs "
                "where starts_with(run_id, $text) or starts_with(name, $text) "
                "order by start_time desc limit 50",
                text=incomplete,
            )
    except (GittrackError, OSError):
        return []
    return [CompletionItem(word, help=text) for word, text in found if _PLAIN.fullmatch(word)]


def pairs(_: click.Context, parameter: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    """Return KEY=VALUE options as a dictionary.

    Raises:
        click.BadParameter: One has no `=` or no key, or a key is given twice with different values.
    """
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            wanted = (parameter.metavar or "").strip("[].")
            raise click.BadParameter(f"'{text}' is not {wanted}.", param=parameter)
        if found.setdefault(key, value) != value:
            raise click.BadParameter(
                f"'{key}' is given twice, as '{found[key]}' and '{value}'.", param=parameter
            )
    return found
