"""`gittrack repro` of many runs: choosing them, asking once, the table at the end."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gittrack.cli import consent, output, tables, values
from gittrack.cli.formats import replacing
from gittrack.cli.reading import find, reading, where
from gittrack.errors import Conflict, NotFound

if TYPE_CHECKING:
    from gittrack.query.session import Session
    from gittrack.repro.many import Job, Many
    from gittrack.repro.options import Options

_COLOURS = {
    "identical": "green",
    "equivalent": "green",
    "restored": "green",
    "different": "red",
    "failed": "red",
    "impossible": "red",
    "error": "red",
    "inconclusive": "yellow",
    "not run": "dim",
}

_NAMED = 3  # runs that a hint names

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option("--markdown", type=_FILE, metavar="FILE", help="Write the verdicts to FILE, for a comment."),
    click.option("--junit", type=_FILE, metavar="FILE", help="Write the verdicts to FILE as JUnit XML."),
    click.option(
        "--skip-verified",
        is_flag=True,
        help="Leave out what was reproduced identically before, in this environment on such a machine.",
    ),
    click.option("--fail-fast", is_flag=True, help="Begin no more after the first that is not reproduced."),
    click.option(
        "-j",
        "--jobs",
        "workers",
        type=click.IntRange(min=1),
        default=1,
        metavar="N",
        help="N reproductions at a time.",
    ),
    click.option(
        "--since",
        metavar="REV",
        help="Of all, those of the checked-out tree that a commit or branch has not.",
    ),
    click.option("--experiment", metavar="E", help="Of all, those of this experiment."),
    click.option("--filter", "filter_string", metavar="F", help="Of all, those that a filter lets through."),
    click.option(
        "-a", "--all", "everything", is_flag=True, help="Every run but reproductions and deleted ones."
    ),
)

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Choice:
    """Which runs to reproduce, how many at a time, and where to tell of it.

    Attributes:
        everything: All runs, less what the next three leave out.
        filter_string: Only those that it lets through.
        experiment: Only those of this experiment.
        since: Only those that came since this commit.
        workers: How many at a time.
        fail_fast: Begin no more after the first that is not good.
        skip_verified: Do not reproduce once more what was reproduced identically here.
        junit: A file for JUnit XML.
        markdown: A file for Markdown.
    """

    everything: bool
    filter_string: str | None
    experiment: str | None
    since: str | None
    workers: int
    fail_fast: bool
    skip_verified: bool
    junit: Path | None
    markdown: Path | None


def many_options(command: F) -> F:
    """Add the options about many runs; the command gets a `choice`."""
    names = Choice.__dataclass_fields__

    @wraps(command)
    def with_choice(*args: Any, **given: Any) -> Any:
        choice = Choice(**{name: given.pop(name) for name in names})
        return command(*args, choice=choice, **given)

    for option in _OPTIONS:
        with_choice = option(with_choice)
    return with_choice  # type: ignore[return-value]


def is_meant(runs: Sequence[str], choice: Choice) -> bool:
    """Whether many runs are asked for, or an answer that only many have.

    Raises:
        click.UsageError: None is asked for, or a choice is made among runs that are named.
    """
    if choice.everything == bool(runs):
        raise click.UsageError("Name a RUN, or several, or give --all.")
    if not choice.everything and (choice.filter_string, choice.experiment, choice.since) != (
        None,
        None,
        None,
    ):
        raise click.UsageError("--filter, --experiment and --since go with --all.")
    return choice.everything or len(runs) > 1 or bool(choice.skip_verified or choice.junit or choice.markdown)


def reproduce(
    runs: Sequence[str], choice: Choice, options: Options, *, yes: bool, dry_run: bool, as_json: bool
) -> int:
    """Reproduce what was asked for, write the answer and return what to exit with.

    Args:
        runs: As the user named them; none for all.
        choice: Which of all, and how.
        options: How, for each.
        yes: Agree without being asked.
        dry_run: Restore only.
        as_json: Write JSON.

    Raises:
        Conflict: Nobody agreed to execute what another clone recorded; nothing was started.
    """
    from gittrack.repro.many import reproduce_many, split_verified

    _see_folders(choice)

    with reading() as session:
        found = _jobs(session, runs, choice)
        found, done = split_verified(session, found) if choice.skip_verified else (found, [])
        if not dry_run:
            see_consent(session, found, yes=yes)
    repository, _ = where()
    with output.Progress() as progress:
        many = reproduce_many(
            found,
            folder=repository.top,
            options=options,
            dry_run=dry_run,
            workers=choice.workers,
            fail_fast=choice.fail_fast,
            done=done,
            progress=progress,
        )
    _write(many, choice)
    if as_json:
        output.say_json(many.document())
    else:
        _print(many)
    return many.exit_code


def _jobs(session: Session, runs: Sequence[str], choice: Choice) -> list[Job]:
    from gittrack.repro.many import choose, jobs

    if runs:
        return jobs(session, [find(session, run) for run in runs])
    chosen = choose(
        session, experiment=choice.experiment, filter_string=choice.filter_string, since=choice.since
    )
    return jobs(session, chosen)


def see_consent(session: Session, found: Sequence[Job], *, yes: bool) -> None:
    """Ask, once, for consent to all that this clone's user has not agreed to yet.

    Raises:
        Conflict: Nobody agreed; nothing was started.
    """
    from gittrack.repro.many import consent_lines, untrusted
    from gittrack.repro.plan import agree

    plans = untrusted(session, *where(), found)
    if plans and not yes and not consent.ask(consent_lines(plans, found), run=None):
        raise Conflict("not executed", hint="gittrack show RUN")
    for plan in plans:
        agree(plan)


def _see_folders(choice: Choice) -> None:
    """Find out beforehand that a file cannot be written: hours of reproductions would be told to nobody.

    Raises:
        NotFound: Its folder is not there.
    """
    for path in (choice.junit, choice.markdown):
        if path is not None and not path.absolute().parent.is_dir():
            raise NotFound(
                f"there is no folder '{path.parent}'", hint=f"mkdir -p {shlex.quote(str(path.parent))}"
            )


def _write(many: Many, choice: Choice) -> None:
    from gittrack.repro import published

    for path, make in ((choice.junit, published.junit), (choice.markdown, published.markdown)):
        if path is not None:
            with replacing(path) as file:
                file.write(make(many))


def _print(many: Many) -> None:
    if not many.results:
        output.remark("no run to reproduce")
        return
    ids = values.short_ids([result.run.run_id for result in many.results])
    columns: dict[str, list[Any]] = {
        "run": [ids[result.run.run_id] for result in many.results],
        "name": [result.run.name for result in many.results],
        "verdict": [result.state for result in many.results],
        "seconds": [round(result.seconds, 1) for result in many.results],
        "metrics that differ": [", ".join(result.metrics) for result in many.results],
        "artifacts that differ": [", ".join(result.artifacts) for result in many.results],
        "because": [result.reason for result in many.results],
    }
    columns = {name: column for name, column in columns.items() if any(column) or name == "seconds"}
    style = tables.Style(output.width(), {"verdict": _COLOURS.get})
    left_out = tables.draw(list(columns), zip(*columns.values(), strict=True), style)
    tally = ", ".join(f"{count} {state}" for state, count in many.tally.items())
    runs = values.plural(len(many.results), "run")
    ended = "interrupted, " if many.interrupted else ""
    output.remark(f"{ended}{runs} in {values.duration(many.seconds)}: {tally}")
    if left_out:
        output.remark(f"no room for {', '.join(left_out)}: --json has all of it")
    for hint, run_ids in many.hints.items():  # below the table, which may cut them
        named = ", ".join(ids[run_id] for run_id in run_ids[:_NAMED])
        more = f" and {len(run_ids) - _NAMED} more" if len(run_ids) > _NAMED else ""
        output.say_hint(f"{hint}  ({named}{more})")
