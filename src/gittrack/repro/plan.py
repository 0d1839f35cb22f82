"""What would be executed to repeat a run, before anything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gittrack import config as configs
from gittrack.entities.record import Code, Command, DataFile, Digest, LeftOut, RunId, RunRecord
from gittrack.errors import Conflict, GittrackError
from gittrack.record import trust
from gittrack.record.system_tags import SOURCE, SOURCE_COMMAND
from gittrack.repro.differences import Difference, compare_environment, compare_hardware
from gittrack.repro.exchange import Home, Swap
from gittrack.store.layout import Layout

if TYPE_CHECKING:
    from gittrack.git.repo import Repository
    from gittrack.query.session import Session

Progress = Callable[[str, int, int], None]

MAX_DEPTH = 3  # a recorded command may itself reproduce runs, but not for ever
_FAMILY = """
    with recursive family as (
        select run_id from runs where process = $process
        union
        select runs.run_id from runs join family on runs.parent_run_id = family.run_id
    )
    select run_id from family
"""


class ConsentNeeded(GittrackError):
    """The command was recorded elsewhere, and nobody here has agreed to run it.

    Attributes:
        plan: What would be executed; `report_lines.plan_lines` shows all of it.
    """

    def __init__(self, plan: Plan) -> None:
        what = f"run {plan.run.run_id[:8]} was recorded in another clone; its command is someone else's code"
        if plan.swaps:
            swaps = " and ".join(swap.words for swap in plan.swaps)
            what = f"run {plan.run.run_id[:8]} with {swaps} is nothing that this clone has run"
        super().__init__(
            what, hint=f"look at it with 'gittrack show {plan.run.run_id[:8]}' and --dry-run, then add --yes"
        )
        self.plan = plan


@dataclass(frozen=True)
class Problem:
    """Why a run cannot be repeated exactly, and the command that would help."""

    what: str
    hint: str | None = None


@dataclass(frozen=True)
class Plan:
    """What would be executed to repeat a run.

    Attributes:
        run: The run that was asked for.
        executed: The first run of the process that is run again; its code and command are taken.
        originals: All runs that the process made, and those nested in them; `run` is one.
        patch: `code.patch` of `executed`, or None.
        data: The inputs to restore.
        environment: As recorded; None when the record is not in this clone.
        differences: What of the environment and the machine is not as recorded, and code that changed meanwhile.
        consent: Digest over exactly the bytes that would be executed; None when there is nothing to execute.
        inputs: Digests over the files that are put beside the code, which it could import.
        trusted: Whether this clone's user made all of it, or agreed to it.
        problem: Why nothing can be executed, or None.
        depth: How many reproductions this one is inside of.
        swaps: Inputs that were exchanged for others; all above says what is executed after that.
        homes: Where git has the inputs that it keeps, when that is not the code to restore.
    """

    session: Session
    repo: Repository
    layout: Layout
    run: RunRecord
    executed: RunRecord
    originals: tuple[RunRecord, ...]
    patch: bytes | None
    data: tuple[DataFile, ...]
    environment: Mapping[str, Any] | None
    differences: tuple[Difference, ...]
    consent: Digest | None
    inputs: tuple[Digest, ...]
    trusted: bool
    problem: Problem | None
    depth: int
    swaps: tuple[Swap, ...] = ()
    homes: tuple[Home, ...] = ()

    @property
    def code(self) -> Code:
        """The code to restore; ask `problem` first."""
        assert self.executed.code is not None
        return self.executed.code

    @property
    def command(self) -> Command:
        """The command to run; ask `problem` first."""
        assert self.executed.command is not None
        return self.executed.command

    @property
    def is_command(self) -> bool:
        """Whether the run was made by `gittrack run -- CMD`."""
        return self.executed.tags.get(SOURCE) == SOURCE_COMMAND

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Files that the record of the code lacks."""
        return self.executed.code.left_out if self.executed.code else ()


def plan(session: Session, repo: Repository, layout: Layout, run_id: RunId) -> Plan:
    """Return what would be executed to repeat a run; nothing is restored or run.

    Raises:
        NotFound: There is no such run.
        Conflict: The run has not ended; the repository is bare; too many reproductions inside each other.
        Damaged: The run's patch is not what was recorded.
    """
    run = session.run(run_id)
    if run.status in ("RUNNING", "SCHEDULED"):
        raise Conflict(f"run {run_id[:8]} has not ended", hint=f"gittrack show {run_id[:8]}")
    if repo.root is None:
        raise Conflict(
            f"'{repo.git_dir}' is a bare repository, new runs are recorded in a working tree",
            hint="git worktree add ../work",
        )
    depth = configs.surroundings().depth
    if depth >= MAX_DEPTH:
        raise Conflict(f"run {run_id[:8]} would be reproduced inside of {depth} reproductions")
    originals = family(session, run)
    executed = originals[0]
    problem = _problem(executed)
    environment = None if executed.environment is None else session.environment(executed.environment)
    consent = consent_of(executed)
    inputs = _inputs(originals)
    return Plan(
        session=session,
        repo=repo,
        layout=layout,
        run=run,
        executed=executed,
        originals=originals,
        patch=session.patch(executed.run_id) if executed.code and executed.code.patch_digest else None,
        data=_data(originals),
        environment=environment,
        differences=(
            *_code_changes(run, executed),
            *compare_environment(environment, roots=(repo.root,)),
            *compare_hardware(executed.host),
        ),
        consent=consent,
        inputs=inputs,
        trusted=consent is not None and all(trust.is_trusted(layout, found) for found in (consent, *inputs)),
        problem=problem,
        depth=depth,
    )


def consent_of(executed: RunRecord) -> Digest | None:
    """Return what consent to run a process again is bound to; None when there is nothing to execute."""
    if executed.code is None or executed.command is None:
        return None
    return trust.consent_digest(executed.code, executed.command, executed.environment)


def consents_of(originals: tuple[RunRecord, ...]) -> tuple[Digest, ...]:
    """Return all that must be agreed to before a process is run again; empty when there is nothing to execute."""
    consent = consent_of(originals[0])
    return () if consent is None else (consent, *_inputs(originals))


def agree(plan: Plan) -> Plan:
    """Remember that this clone's user agrees to what `plan` would execute, and return the plan with that.

    Raises:
        OSError: The disk does not take it.
    """
    if plan.consent is None:
        return plan
    for digest in (plan.consent, *plan.inputs):
        trust.agree(plan.layout, digest)
    return replace(plan, trusted=True)


def family(session: Session, run: RunRecord) -> tuple[RunRecord, ...]:
    """Return the runs of the process to run to repeat `run`, its first run first, and those nested in them."""
    seen: set[str] = set()  # forged parents may be a circle
    while True:
        own = sorted(_runs_of(session, run), key=lambda found: found.process.ordinal)
        first = next(found for found in own if found.process.id == run.process.id)
        above = _surrounding(session, first)
        if above is None or above.process.id in seen:
            break
        seen.add(first.process.id)
        run = above
    same = [found for found in own if found.process.id == first.process.id]
    nested = [found for found in own if found.process.id != first.process.id]
    return (*same, *sorted(nested, key=lambda found: (found.start_time, found.process.ordinal)))


def with_nested(run: RunRecord, originals: Sequence[RunRecord]) -> list[RunRecord]:
    """Return a run and those nested in it, at any depth."""
    found = [run]
    ids = {run.run_id}
    more = True
    while more:
        children = [child for child in originals if child.parent_run_id in ids and child.run_id not in ids]
        found += children
        ids.update(child.run_id for child in children)
        more = bool(children)
    return found


def _problem(executed: RunRecord) -> Problem | None:
    if executed.code is None:
        why = next((lost for lost in executed.lost if lost.startswith("code")), "code: not recorded")
        return Problem(f"the record has no code ({why})")
    if executed.command is None or not executed.command.argv:
        return Problem(
            "the record has no command that could be run again: the run came from an interactive session, from "
            "standard input, or from outside the repository",
            hint="put the code into a script: gittrack run -- python script.py",
        )
    return None


def _code_changes(run: RunRecord, executed: RunRecord) -> list[Difference]:
    """Name a file that was edited after the process had started: the process's own code is the first capture's."""
    if run.code is None or executed.code is None or run.code.code_tree == executed.code.code_tree:
        return []
    trees = (executed.code.code_tree[:12], run.code.code_tree[:12])
    return [Difference("code", "the code was edited while the process ran", *trees)]


def _inputs(originals: tuple[RunRecord, ...]) -> tuple[Digest, ...]:
    """Return what consent is needed for besides the command, as each run says it."""
    found = map(trust.inputs_digest, originals)
    return tuple(dict.fromkeys(digest for digest in found if digest is not None))


def _data(originals: tuple[RunRecord, ...]) -> tuple[DataFile, ...]:
    """Return the inputs of all runs; of a path that changed on the way, the first content.

    Of a folder that was found by itself each run knows the files that were read by then: the first run's come last, so
    that they are what lies there.
    """
    entries: dict[tuple[str, Digest | None], DataFile] = {}
    for run in originals:
        for entry in run.data:
            is_part = entry.how is not None and entry.files is not None
            entries.setdefault((entry.path, entry.digest if is_part else None), entry)
    last_first = list(entries.values())[::-1]
    return tuple(sorted(last_first, key=lambda entry: entry.path))


def _runs_of(session: Session, run: RunRecord) -> list[RunRecord]:
    ids = [row[0] for row in session.rows(_FAMILY, process=run.process.id)]
    return [run, *(session.run(RunId(found)) for found in ids if found != run.run_id)]


def _surrounding(session: Session, first: RunRecord) -> RunRecord | None:
    """Return the run whose process must be run to run that of `first`; None when it can be run alone."""
    if first.parent_run_id is None:
        return None
    try:
        parent = session.run(first.parent_run_id)
    except GittrackError:
        return None
    if parent.process.id == first.process.id:
        return None
    joined = first.process.ordinal > 1 and parent.tags.get(SOURCE) == SOURCE_COMMAND
    argv = first.command.argv if first.command else ()
    forked = parent.command is not None and argv == parent.command.argv
    worker = not argv or any("multiprocessing" in word for word in argv)
    return parent if joined or forked or worker else None
