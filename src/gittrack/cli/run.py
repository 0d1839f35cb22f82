"""`gittrack run`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from gittrack.cli import output, values
from gittrack.cli.options import json_option, pairs

if TYPE_CHECKING:
    from gittrack.record.job import Outcome
    from gittrack.record.project import Project
    from gittrack.record.stages import Work


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
    epilog="""\b
Examples:
  gittrack run -- python train.py --lr 0.1
  gittrack run --experiment churn --data data/train.csv --param lr=0.1 -- ./train.sh
  gittrack run --volatile "logs/*" -- make model
  gittrack run --stage train
  gittrack run -- dvc repro train
  gittrack run --deterministic -- python train.py
  gittrack run --image docker.io/library/python:3.12 -- python train.py
""",
)
@click.option("--experiment", metavar="E", help="The experiment it belongs to.")
@click.option(
    "--name",
    metavar="N",
    help="A name, which counts for more than that of the program; one is made up when there is none.",
)
@click.option("--data", metavar="PATH", multiple=True, help="A file or folder that the command reads.")
@click.option(
    "--param",
    "params",
    metavar="K=V",
    multiple=True,
    callback=pairs,
    help="An input value: a number or true or false if it reads as one, else text.",
)
@click.option("--tag", "tags", metavar="K=V", multiple=True, callback=pairs, help="A tag.")
@click.option(
    "--volatile",
    metavar="GLOB",
    multiple=True,
    help="Artifacts and metrics that no two executions share; 'gittrack repro' does not compare them.",
)
@click.option(
    "--stage",
    metavar="STAGE",
    help="A stage of dvc.yaml: its command is run, unless CMD is given, and what it reads and makes is recorded.",
)
@click.option(
    "--trace",
    is_flag=True,
    help="Find what the command reads with strace, in whatever language it is written (Linux).",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Set what is known to make two executions differ: threads, hash seed, kernels of GPUs, time zone.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --deterministic, so many threads for each library instead of one.",
)
@click.option(
    "--image",
    metavar="IMAGE",
    help="Run the command in a container of this image, by podman or docker, and record the image's digest.",
)
@json_option
@click.argument("argv", metavar="[-- CMD [ARG]...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run_command(
    context: click.Context,
    experiment: str | None,
    name: str | None,
    data: tuple[str, ...],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    volatile: tuple[str, ...],
    stage: str | None,
    trace: bool,
    deterministic: bool,
    threads: int | None,
    image: str | None,
    as_json: bool,
    argv: tuple[str, ...],
) -> None:
    """Run a command and record it: code, exit code, output, environment, data.

    Data that it reads is found by itself in Python processes that import gittrack, and in all with --trace.
    All Python programs of it that call gittrack log to the same run: start a sweep of programs that make a run each
    without 'gittrack run'. Of a stage of a DVC pipeline, run by --stage or by 'dvc repro', the deps, params, metrics
    and outs are recorded. Exits with the command's own code; 128 and the signal's number for a command that was
    killed. With --json, the last line of stdout is the JSON object.
    """
    from gittrack import config
    from gittrack.record import job
    from gittrack.record.project import Project

    if not argv and stage is None:
        raise click.UsageError("Missing argument '-- CMD [ARG]...', or --stage.", context)
    if threads is not None and not deterministic:
        raise click.UsageError("--threads goes with --deterministic.", context)
    if image is not None and trace:
        raise click.UsageError("--trace sees nothing of what --image runs in a container.", context)
    around = config.surroundings()
    project = Project.find(Path.cwd(), worktree=around.worktree)
    work = _work(project, stage, argv)
    variables = _deterministic(project, around.variables, threads or 1) if deterministic else {}
    with contextlib.suppress(OSError):  # a disk that takes nothing does not stop the command
        if project.init():
            output.remark(f"made {output.escape(str(project.layout.committed))}, where runs are recorded")
    outcome = job.run_command(
        project,
        project.config(),
        around,
        argv if work is None else work.argv,
        stdout=_bytes_of("stdout"),
        stderr=_bytes_of("stderr"),
        experiment=experiment,
        name=name,
        params={key: values.typed(value) for key, value in params.items()},
        tags=tags,
        data=data,
        volatile=volatile,
        work=work,
        traced=trace,
        variables=variables,
        image=image,
    )
    _tell(outcome, as_json)
    context.exit(outcome.exit_code)


def _work(project: Project, stage: str | None, argv: tuple[str, ...]) -> Work | None:
    """Return what the stages take and give that are run, None for a command that is of no stage."""
    if stage is None and "repro" not in argv:
        return None
    from gittrack.record import stages

    if stage is not None:
        return stages.of_stage(project, stage, argv, folder=Path.cwd())
    return stages.of_command(project, argv, folder=Path.cwd())


def _deterministic(project: Project, present: Mapping[str, str], threads: int) -> Mapping[str, str]:
    """Return the variables that --deterministic sets; what the user has set otherwise stays, and is said."""
    from gittrack.git.history import time_of_head
    from gittrack.record import determinism

    settings = determinism.settings(present, threads=threads, commit_time=time_of_head(project.repository))
    if settings.kept:
        shown = ", ".join(f"{name}={value}" for name, value in settings.kept.items())
        output.remark(f"--deterministic leaves as you have set it: {output.escape(shown)}")
    return settings.variables


def _bytes_of(stream: str) -> BinaryIO:
    """Return what the command's output goes to, byte for byte: here it speaks, not gittrack."""
    found = getattr(sys, stream)
    if found is None:
        return Path(os.devnull).open("wb")
    found.flush()
    return output.bytes_of(found)


def _tell(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        output.say_json({"run_id": outcome.run_id, "digest": outcome.digest, "exit_code": outcome.exit_code})
        return
    ended = "" if outcome.exit_code == 0 else f", exit code {outcome.exit_code}"
    output.remark(f"recorded as run {outcome.run_id[:8]}{ended}: gittrack show {outcome.run_id[:8]}")
