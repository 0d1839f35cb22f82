"""The options of a reproduction, for every command that makes one or judges one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

from gittrack.repro.options import Mode, Options
from gittrack.repro.tolerance import ALL, Tolerance

F = TypeVar("F", bound=Callable[..., Any])

_REPRODUCTION = (
    click.option(
        "--spread",
        is_flag=True,
        help="Call a record within the spread of the N repetitions equivalent, not different.",
    ),
    click.option(
        "--times",
        type=click.IntRange(min=1),
        default=1,
        metavar="N",
        help="Run it N times: tells a random job from an input that changed, and where the record lies among them.",
    ),
)


consent_option = click.option(
    "-y", "--yes", is_flag=True, help="Agree to execute what another clone recorded, without being asked."
)


def reproduction_options(command: F) -> F:
    """Add all options of a reproduction; the command gets `options`."""

    @wraps(command)
    def with_options(
        *args: Any,
        tolerance: Tolerance,
        times: int,
        spread: bool,
        keep: bool,
        env: Mode,
        pass_env: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        if spread and times < 2:
            raise click.UsageError("--spread needs repetitions to lie within: --times 5.")
        return command(*args, options=Options(tolerance, times, spread, keep, env, pass_env), **rest)

    wrapped = job_options(with_options)
    wrapped = click.option("--keep", is_flag=True, help="Leave the worktree in which it ran.")(wrapped)
    for option in _REPRODUCTION:
        wrapped = option(wrapped)
    return tolerance_options(
        "Numbers may differ by X times the recorded one: in all metrics and artifacts, or in those of a name or "
        "glob. Can be repeated; the most specific name wins.",
        "Numbers may differ by X; as --rtol.",
    )(wrapped)  # type: ignore[return-value]


def job_options(command: F) -> F:
    """Add `--env` and `--pass-env`, what a job runs in; the command gets `env` and `pass_env`."""

    @wraps(command)
    def with_mode(*args: Any, env: str, **rest: Any) -> Any:
        return command(*args, env=Mode(env), **rest)

    for option in (
        click.option(
            "--pass-env",
            metavar="NAME",
            multiple=True,
            help="A variable that the command gets besides those recorded and those that say where things are (HOME, "
            "PATH, TMPDIR, …); tokens and keys are never passed on by themselves.",
        ),
        click.option(
            "--env",
            type=click.Choice([mode.value for mode in Mode]),
            default=Mode.CURRENT.value,
            show_default=True,
            help="Run it with the Python that runs gittrack; with one that uv makes from exactly the recorded "
            "versions; with that only if something differs that the job imported; or in a container of exactly the "
            "recorded image, by podman or docker.",
        ),
    ):
        with_mode = option(with_mode)
    return with_mode  # type: ignore[return-value]


def tolerance_options(rtol: str, atol: str) -> Callable[[F], F]:
    """Add `--rtol` and `--atol`, with what they mean for the command; it gets a `tolerance`."""

    def add(command: F) -> F:
        @wraps(command)
        def with_tolerance(*args: Any, rtol: dict[str, float], atol: dict[str, float], **rest: Any) -> Any:
            return command(*args, tolerance=Tolerance.of(rtol, atol), **rest)

        for name, meaning in (("--atol", atol), ("--rtol", rtol)):
            option = click.option(name, multiple=True, callback=_numbers, metavar="[NAME=]X", help=meaning)
            with_tolerance = option(with_tolerance)
        return with_tolerance  # type: ignore[return-value]

    return add


def _numbers(_: click.Context, parameter: click.Parameter, given: Sequence[str]) -> dict[str, float]:
    """Return X and NAME=X options as a number for each name or glob, the plain number under `*`.

    Raises:
        click.BadParameter: X is no number from 0 on, or a name is given twice with different numbers.
    """
    found: dict[str, float] = {}
    for text in given:
        name, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf or (equals and not name):
            raise click.BadParameter(f"'{text}' is not {parameter.metavar}.", param=parameter)
        if found.setdefault(name or ALL, value) != value:
            raise click.BadParameter(
                f"'{name or number}' is given twice, as {found[name or ALL]:g} and {value:g}.",
                param=parameter,
            )
    return found
