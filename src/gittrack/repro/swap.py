"""A run with one input of another: the experiment that tells which of several changes moved a metric.

The plan of a run says what would be executed; a swap replaces the part of it that is another's, so that the rest of
a reproduction goes its usual way. Consent is asked for what is executed then. It is not needed where each part was
run here before: another run that this clone trusts, a commit that leads to the code of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.git import keep, revision
from gittrack.git.worktree import put_paths
from gittrack.record import environment as environments
from gittrack.record import trust
from gittrack.record.project import Project
from gittrack.repro.differences import compare_environment
from gittrack.repro.exchange import CURRENT, KINDS, NAMES, SHORT, Home, Swap
from gittrack.repro.options import Mode
from gittrack.repro.phrases import plain
from gittrack.repro.plan import Plan, consent_of
from gittrack.repro.plan import plan as plan_of
from gittrack.repro.verify import Comparison, Verdict
from gittrack.store.layout import safe_path

if TYPE_CHECKING:
    from gittrack.git.repo import Repository
    from gittrack.query.session import Session

TAG = "gittrack.swap"


@dataclass(frozen=True, slots=True)
class Move:
    """What a swap made of a metric's last value; None where there is none."""

    key: str
    recorded: float
    swapped: float | None
    there: float | None


def swapped(plan: Plan, wanted: Mapping[str, str]) -> Plan:
    """Return the plan of a run with some of its inputs exchanged for those of others.

    Args:
        plan: The run as it was.
        wanted: For `code` a run or a commit; for `data` a run; for `env` a run, or `current`.

    Raises:
        InvalidValue: There is no such input.
        NotFound: There is no such run or commit.
        Conflict: The other run has no such input; its data has no path in common with the run's; a name means
            both a run and a commit.
        CodeLost: A submodule of the commit is not here.
    """
    for kind in wanted:
        if kind not in KINDS:
            raise InvalidValue(
                f"'{kind}' is no input that can be exchanged", hint="--swap env=RUN, data=RUN or code=COMMIT"
            )
    if plan.problem is not None:
        return plan
    changed, trusted = plan, plan.trusted
    for kind in KINDS:
        if kind in wanted:
            changed, familiar = _EXCHANGES[kind](changed, wanted[kind])
            trusted = trusted and familiar
    consent = consent_of(changed.executed)
    known = consent is not None and _are_trusted(plan, (consent, *changed.inputs))
    return replace(changed, consent=consent, trusted=known or trusted)


def _are_trusted(plan: Plan, consents: Sequence[Digest]) -> bool:
    return all(trust.is_trusted(plan.layout, consent) for consent in consents)


def mode_of(plan: Plan, mode: Mode) -> Mode:
    """Return how the interpreter is chosen: the environment of another run is rebuilt, unless it is the present one."""
    is_foreign = any(swap.kind == "env" and swap.source != CURRENT for swap in plan.swaps)
    differs = any(found.kind == "environment" for found in plan.differences)
    return Mode.REBUILD if mode is Mode.CURRENT and is_foreign and differs else mode


def named(session: Session, repo: Repository, text: str) -> tuple[RunId | None, str | None]:
    """Return the run, or else the commit, that `text` names.

    Raises:
        NotFound: It is neither.
        Conflict: It is both.
    """
    run_id: RunId | None = None
    commit: str | None = None
    unknown: NotFound | None = None
    try:
        run_id = session.find(text)
    except NotFound as error:
        unknown = error
    try:
        commit = repo.resolve(text)
    except NotFound as error:
        if unknown is not None:
            raise NotFound(f"{unknown}, and no commit is", hint="gittrack ls, git log --oneline") from error
    if run_id is not None and commit is not None:
        raise Conflict(
            f"'{text}' is the name of run {run_id[:8]} and of commit {commit[:SHORT]}",
            hint=f"name it by its id: {run_id[:8]} or {commit[:SHORT]}",
        )
    return run_id, commit


def is_familiar(plan: Plan, commit: str) -> bool:
    """Whether a commit leads to the code of a run that this clone made."""
    top = plan.repo.top
    clone = Project(plan.repo, plan.layout, top, top).clone_id()
    of_code = revision.last_of_code(plan.repo, commit)  # runs are committed after them, on the same code
    return revision.is_ancestor(plan.repo, of_code, keep.keep_ref(clone))


def _exchange_code(plan: Plan, text: str) -> tuple[Plan, bool]:
    run_id, commit = named(plan.session, plan.repo, text)
    if run_id is not None:
        other = _plan(plan, run_id)
        if other.executed.code is None:
            raise Conflict(f"run {run_id[:8]} has no code on record", hint=f"gittrack show {run_id[:8]}")
        code, patch, familiar = other.executed.code, other.patch, other.trusted
        swap, inputs = Swap("code", run_id, other.run), other.inputs
    else:
        assert commit is not None
        code, patch, familiar = revision.code_at(plan.repo, commit), None, is_familiar(plan, commit)
        ends = tuple(word for word in plan.code.state if "=" in word)  # line ends are the run's own
        code, swap, inputs = replace(code, state=ends), Swap("code", commit), ()
    changed = replace(
        plan,
        executed=replace(plan.executed, code=code),
        patch=patch,
        inputs=(*plan.inputs, *inputs),
        differences=tuple(found for found in plan.differences if found.kind != "code"),
        swaps=(*plan.swaps, swap),
        homes=_homes(plan),
    )
    return changed, familiar


def _exchange_data(plan: Plan, text: str) -> tuple[Plan, bool]:
    """Exchange the data of the same paths; code can import it, so it needs the consent that the other run's has."""
    other = _plan(plan, plan.session.find(text))
    theirs = {entry.path: [found for found in other.data if found.path == entry.path] for entry in other.data}
    mine = {entry.path for entry in plan.data}
    run_id = other.run.run_id
    if not mine & theirs.keys():
        raise Conflict(
            f"runs {plan.run.run_id[:8]} and {run_id[:8]} have no input data of the same path",
            hint=f"gittrack diff {plan.run.run_id[:8]} {run_id[:8]}",
        )
    notes = [f"'{path}' stays, run {run_id[:8]} has no such data" for path in sorted(mine - theirs.keys())]
    notes += [f"'{path}' of run {run_id[:8]} is left out" for path in sorted(theirs.keys() - mine)]
    changed = replace(
        plan,
        executed=replace(
            plan.executed,
            data=tuple(theirs.get(entry.path, [entry])[0] for entry in plan.executed.data),
        ),
        data=tuple(dict.fromkeys(found for entry in plan.data for found in theirs.get(entry.path, [entry]))),
        inputs=(*plan.inputs, *other.inputs),
        swaps=(*plan.swaps, Swap("data", run_id, other.run, tuple(notes))),
        homes=(
            *(_without(home, theirs.keys()) for home in plan.homes or _homes(plan)),
            *(_only(home, mine) for home in _homes(other)),
        ),
    )
    return changed, _are_trusted(plan, other.inputs)


def _exchange_environment(plan: Plan, text: str) -> tuple[Plan, bool]:
    roots = (plan.repo.top,)
    if text == CURRENT:
        digest: Digest | None = environments.record(plan.layout, roots)
        swap, wanted, familiar = Swap("env", CURRENT), environments.capture(roots), True
    else:
        other = _plan(plan, plan.session.find(text))
        digest, familiar = other.executed.environment, other.trusted
        if other.environment is None:
            raise Conflict(
                f"the environment of run {other.run.run_id[:8]} is not in this clone",
                hint=f"gittrack show {other.run.run_id[:8]}",
            )
        swap, wanted = Swap("env", other.run.run_id, other.run), dict(other.environment)
    here = compare_environment(wanted, roots=roots)
    changed = replace(
        plan,
        executed=replace(plan.executed, environment=digest),
        environment=wanted,
        differences=(*here, *(found for found in plan.differences if found.kind != "environment")),
        swaps=(*plan.swaps, swap),
    )
    return changed, familiar


_EXCHANGES: dict[str, Callable[[Plan, str], tuple[Plan, bool]]] = {
    "code": _exchange_code,
    "data": _exchange_data,
    "env": _exchange_environment,
}


def _plan(plan: Plan, run_id: RunId) -> Plan:
    return plan_of(plan.session, plan.repo, plan.layout, run_id)


def _homes(plan: Plan) -> tuple[Home, ...]:
    """Return where the inputs are that may be files of a run's own code.

    A program under `gittrack run` does not know what git holds, and keeps what it declares elsewhere too.
    """
    inside = (entry for entry in plan.data if entry.how is None and not entry.path.startswith("/"))
    paths = tuple(safe_path(entry.path, what="data path") for entry in inside)
    code = plan.executed.code
    return (Home(code, plan.patch, paths),) if code is not None and paths else ()


def _without(home: Home, paths: Any) -> Home:
    return replace(home, paths=tuple(path for path in home.paths if path not in paths))


def _only(home: Home, paths: Any) -> Home:
    return replace(home, paths=tuple(path for path in home.paths if path in paths))


def bring(plan: Plan, target: Path) -> None:
    """Put the inputs that git keeps elsewhere into the worktree at `target`; they are hashed there later.

    Raises:
        CodeLost: The code that has them cannot be restored exactly.
        GitFailed: git could not write the files.
    """
    for home in plan.homes:
        if home.paths:
            put_paths(plan.repo, home.code, home.patch, target, home.paths, filters=plan.trusted)


def tags(swaps: Sequence[Swap]) -> dict[str, str]:
    """Return the tag of a run that was made with exchanged inputs, none where there are none."""
    return {TAG: " ".join(f"{swap.kind}={swap.source}" for swap in swaps)} if swaps else {}


def exchanged(swaps: Sequence[Swap], verdict: Verdict | None) -> list[str]:
    """Return what was exchanged, in words, and what could not be."""
    meaning = ", which makes no difference" if verdict == "identical" else ""
    return [text for swap in swaps for text in (swap.words + meaning, *swap.notes)]


def moves(swaps: Sequence[Swap], comparisons: Sequence[Comparison]) -> list[str]:
    """Return what became of the metrics that the swap moved, or that the other run has otherwise."""
    names = " and ".join(NAMES[swap.kind] for swap in swaps)
    return [
        _move_in_words(move, names)
        for move in _moves(swaps, comparisons)
        if move.swapped is None
        or not _same(move.recorded, move.swapped)
        or not _same(move.recorded, move.there)
    ]


def _move_in_words(move: Move, names: str) -> str:
    if move.swapped is None:
        return f"{move.key}: {move.recorded:.6g} recorded, none with that {names}"
    now = f"{_moved_in_words(move.recorded, move.swapped)} with that {names}"
    there = "" if move.there is None else f"; {_moved_in_words(move.recorded, move.there)} in that run"
    return f"{move.key}: {move.recorded:.6g} recorded, {now}{there}"


def _moved_in_words(old: float, new: float) -> str:
    """Return a value with how far it is from the recorded one, which six digits may not show."""
    return f"{new:.6g} ({new - old:+.6g})" if not _same(old, new) else f"{new:.6g} (the same)"


def document(swaps: Sequence[Swap], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return what was exchanged and what came of it as plain values; nothing where there was no swap."""
    if not swaps:
        return {}
    return {
        "swaps": [{"kind": swap.kind, "source": swap.source, "notes": list(swap.notes)} for swap in swaps],
        "moves": [
            {
                "key": move.key,
                "recorded": plain(move.recorded),
                "swapped": plain(move.swapped),
                "there": plain(move.there),
            }
            for move in _moves(swaps, comparisons)
        ],
    }


def _moves(swaps: Sequence[Swap], comparisons: Sequence[Comparison]) -> list[Move]:
    """Return the last values of the run that was asked for: recorded, with the swap, and in the run it came from."""
    if not swaps or not comparisons or comparisons[0].repeat is None:
        return []
    sources = {swap.source: swap.run for swap in swaps}
    other = next(iter(sources.values())) if len(sources) == 1 else None
    run, repeat = comparisons[0].run, comparisons[0].repeat
    return [
        Move(key, summary.last, _last(repeat, key), _last(other, key)) for key, summary in run.metrics.items()
    ]


def _last(run: RunRecord | None, key: str) -> float | None:
    return run.metrics[key].last if run is not None and key in run.metrics else None


def _same(recorded: float, value: float | None) -> bool:
    return recorded == value or value is None or (math.isnan(recorded) and math.isnan(value))
