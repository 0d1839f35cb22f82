"""Why two runs differ: what went into them, what came of it, and how much each input explains.

What differs is read from the records. What a difference explains is known where it was tried: a reproduction of one
run with that one input of the other (`repro --swap`). Nothing is executed here.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import RunId, RunRecord
from gittrack.errors import GitFailed
from gittrack.git import revision
from gittrack.git.repo import Repository
from gittrack.query.compare import Difference, RunDiff, diff, environments
from gittrack.repro.exchange import KINDS, NAMES, Kind
from gittrack.repro.phrases import change_in_words, plain, plural
from gittrack.repro.swap import TAG

if TYPE_CHECKING:
    from gittrack.query.session import Session

_SHOWN = 6
_LABEL = 13
_HARDWARE = ("host cpu", "host cores", "host gpus")
_COMMAND = ("argv", "cwd")
_BUILT = ("python build", "python cache_tag", "python packages")  # another where an environment is rebuilt
_REPEATED = """
    select runs.run_id, tags.value from runs left join tags on tags.run_id = runs.run_id and tags.key = $key
    where runs.repro_of = $of and runs.status = 'FINISHED' and not runs.deleted order by runs.start_time
"""


@dataclass(frozen=True, slots=True)
class Part:
    """What two runs do not have alike of one kind of input.

    Attributes:
        kind: `code`, `data`, `environment`, `params`, `command` or `hardware`.
        summary: What it comes to, in words.
        details: One line for each thing.
    """

    kind: str
    summary: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What exchanging one input did to a metric.

    Attributes:
        kind: The input.
        moved: How far it brought the metric of the one run towards the other's, in the direction from A to B.
        run_id: The run that shows it.
        base: The run whose other inputs were kept.
    """

    kind: Kind
    moved: float
    run_id: RunId
    base: RunId


@dataclass(frozen=True, slots=True)
class Moved:
    """A metric that two runs do not have alike.

    Attributes:
        key: Its name.
        a: The last value in A, None when A does not have it.
        b: The same of B.
        effects: What is known of its causes.
        noise: How far plain repetitions of A and B were from them at most; None where there is none.
    """

    key: str
    a: float | None
    b: float | None
    effects: tuple[Effect, ...] = ()
    noise: float | None = None

    @property
    def total(self) -> float | None:
        """How far it moved from A to B; None when one of them does not have it."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class Why:
    """Two runs, what differs between them, and what came of it.

    Attributes:
        a: The first run.
        b: The second.
        parts: The inputs that differ, those that gittrack can exchange first.
        metrics: The metrics that differ.
        untested: The inputs that differ and of which nothing is known, with the command that tells.
        search: The command that finds the commit, where several may have moved the first metric.
        elsewhere: Whether there are plain repetitions, and none in the environment of the run that they repeat.
    """

    a: RunRecord
    b: RunRecord
    parts: tuple[Part, ...]
    metrics: tuple[Moved, ...]
    untested: tuple[tuple[Kind, str], ...]
    search: str | None = None
    elsewhere: bool = False

    def lines(self) -> list[str]:
        """Return all of it for a person."""
        lines = [_title(self.a, self.b, alike=not self.metrics)]
        for part in self.parts:
            lines.append(f"  {part.kind:<{_LABEL}}{part.summary}")
            lines += [f"  {'':<{_LABEL}}  {detail}" for detail in _cut(part.details)]
        if not self.parts:
            cause = ": the job itself makes the difference (a seed, time, threads?)" if self.metrics else ""
            lines.append(f"  {'inputs':<{_LABEL}}alike{cause}")
        for moved in self.metrics[:_SHOWN]:
            lines += _metric_in_words(moved)
        if len(self.metrics) > _SHOWN:
            lines.append(f"  and {len(self.metrics) - _SHOWN} more metrics: gittrack diff, or --metric NAME")
        lines += [f"  {'not tested':<{_LABEL}}{what}" for what in self._open()]
        if self.search is not None:
            lines.append(f"  {'which commit':<{_LABEL}}{self.search}")
        if not self.untested and len(self.parts) == 1 and self.metrics:
            lines.append(f"  only the {self.parts[0].kind} differs")
        return lines

    def _open(self) -> list[str]:
        """Return what is not known, with the command that tells."""
        found = [f"{NAMES[kind]} ({command})" for kind, command in self.untested]
        given = " and ".join(part.kind for part in self.parts if part.kind in ("params", "command"))
        if given and self.metrics:
            found.append(f"{given} (no swap exchanges that: run the command of B with the code of A)")
        if any(moved.effects and moved.noise is None for moved in self.metrics):
            found.append(f"chance (gittrack repro {self.a.run_id[:8]} --times 3{_rebuilt(self.elsewhere)})")
        return found

    def document(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "a": self.a.run_id,
            "b": self.b.run_id,
            "inputs": [
                {"kind": part.kind, "summary": part.summary, "details": list(part.details)}
                for part in self.parts
            ],
            "metrics": [_metric(moved) for moved in self.metrics],
            "untested": [{"kind": kind, "command": command} for kind, command in self.untested],
            "search": self.search,
        }


def why(session: Session, a: RunId, b: RunId, *, metric: str | None = None) -> Why:
    """Return why two runs differ, as far as the records and the swaps that were run tell.

    Args:
        session: What this clone knows.
        a: A run.
        b: Another one.
        metric: Look at this metric alone.

    Raises:
        NotFound: One is not seen here.
        Damaged: One cannot be read.
    """
    found = diff(session, a, b)
    tried = [*_swaps(session, found.a, found.b), *_swaps(session, found.b, found.a)]
    swaps = [one for one in tried if _all_else_alike(session, *one)]
    elsewhere = {kind for _, kind, _ in tried} - {kind for _, kind, _ in swaps}
    differing = {kind for kind in KINDS if _differs(found, kind)}
    tested = {kind for _, kind, _ in swaps if kind is not None}
    keys = [entry.key for entry in found.metrics if metric in (None, entry.key)]
    moved = tuple(_moved(found, key, swaps) for key in keys)
    return Why(
        a=found.a,
        b=found.b,
        parts=tuple(_parts(session.repo, found)),
        metrics=moved,
        untested=tuple(
            (kind, f"gittrack repro {a[:8]} --swap {kind}={b[:8]}{_rebuilt(kind in elsewhere)}")
            for kind in KINDS
            if kind in differing - tested and keys
        ),
        elsewhere=None in elsewhere,
        search=_search(session.repo, found, moved) if "code" in differing else None,
    )


_Swapped = tuple[
    RunRecord, Kind | None, RunRecord
]  # base, what was exchanged (None: nothing), the repetition


def _swaps(session: Session, base: RunRecord, other: RunRecord) -> Iterator[_Swapped]:
    """Yield the repetitions of `base`, plain or with one input of `other`."""
    wanted: dict[str | None, Kind | None] = {f"{kind}={other.run_id}": kind for kind in KINDS}
    if other.code is not None:
        wanted[f"code={other.code.captured}"] = "code"
    wanted[None] = None
    for run_id, tag in session.rows(_REPEATED, key=TAG, of=base.run_id):
        if tag in wanted:
            yield base, wanted[tag], session.run(RunId(run_id))


def _all_else_alike(session: Session, base: RunRecord, kind: Kind | None, repeat: RunRecord) -> bool:
    """Whether a repetition was made in the environment of its run: elsewhere, that moves the metrics too."""
    apart = () if kind == "env" else environments(session, base, repeat)
    return all(entry.key in _BUILT or entry.key.endswith(" files") for entry in apart)


def _rebuilt(needed: bool) -> str:
    """Return the option for what was tried already, but in another environment than the recorded one."""
    return " --env rebuild" if needed else ""


def _differs(found: RunDiff, kind: Kind) -> bool:
    match kind:
        case "code":
            return not found.code.same and (found.code.unknown is not None or bool(_code_files(found)))
        case "data":
            return any(entry.a is not None and entry.b is not None for entry in found.data)
        case "env":
            return bool(found.environment)


def _search(repo: Repository, found: RunDiff, metrics: Sequence[Moved]) -> str | None:
    """Return the command that finds which of several commits moved the first metric that the code may have moved."""
    a, b = found.a.code, found.b.code
    moved = next((one for one in metrics if one.total and not _is_cleared(one)), None)
    if moved is None or a is None or b is None:
        return None
    try:
        only_a, only_b = revision.apart(repo, a.commit or a.captured, b.commit or b.captured)
    except GitFailed:
        return None
    good, bad = (found.a, found.b) if only_b else (found.b, found.a)
    if max(only_a, only_b) < 2:
        return None
    key = shlex.quote(moved.key)
    return f"gittrack bisect {key} --good {good.run_id[:8]} --bad {bad.run_id[:8]}"


def _is_cleared(moved: Moved) -> bool:
    """Whether it is known that the code alone moves a metric by nothing."""
    return any(effect.kind == "code" and effect.moved == 0 for effect in moved.effects)


def _moved(found: RunDiff, key: str, swaps: Sequence[_Swapped]) -> Moved:
    a, b = (run.metrics[key].last if key in run.metrics else None for run in (found.a, found.b))
    effects, noise = [], []
    for base, kind, repeat in swaps:
        before = base.metrics[key].last if key in base.metrics else None
        after = repeat.metrics[key].last if key in repeat.metrics else None
        if before is None or after is None:
            continue
        change = after - before if before != after else 0.0
        if kind is None:
            noise.append(abs(change))
        else:
            moved = change if base is found.a else 0.0 - change  # never -0.0
            effects.append(Effect(kind, moved, repeat.run_id, base.run_id))
    known = {(effect.kind, effect.base): effect for effect in effects}  # of several, the last one
    return Moved(key, a, b, tuple(known.values()), max(noise, default=None))


def _parts(repo: Repository, found: RunDiff) -> Iterator[Part]:
    if _differs(found, "code"):
        yield _code(repo, found)
    if found.data:
        yield Part(
            "data", plural(len(found.data), "path"), tuple(_pair(entry, short=True) for entry in found.data)
        )
    if found.environment:
        ranked = sorted(found.environment, key=_rank)
        yield Part("environment", plural(len(ranked), "difference"), tuple(map(_pair, ranked)))
    if found.params:
        yield Part("params", plural(len(found.params), "param"), tuple(map(_pair, found.params)))
    command = [entry for entry in found.facts if entry.key in _COMMAND or entry.key.startswith("env ")]
    if command:
        yield Part("command", plural(len(command), "difference"), tuple(map(_pair, command)))
    hardware = [entry for entry in found.facts if entry.key in _HARDWARE]
    if hardware:
        yield Part("hardware", plural(len(hardware), "difference"), tuple(map(_pair, hardware)))


def _code_files(found: RunDiff) -> list[str]:
    """Return the files of the code that differ and are not data of both runs, which is exchanged by itself."""
    data = {entry.path for entry in found.a.data} & {entry.path for entry in found.b.data}
    return [
        path
        for _, path in found.code.files
        if not any(path == entry or path.startswith(f"{entry}/") for entry in data)
    ]


def _code(repo: Repository, found: RunDiff) -> Part:
    a, b = found.a.code, found.b.code
    if a is None or b is None or found.code.unknown is not None:
        return Part("code", found.code.unknown or "not on record")
    try:
        files = set(_code_files(found))
        changes = [one for one in revision.changed_lines(repo, a.captured, b.captured) if one.path in files]
        only_a, only_b = revision.apart(repo, a.commit or a.captured, b.commit or b.captured)
    except GitFailed as error:
        return Part("code", str(error))
    lines = [sum(getattr(change, side) or 0 for change in changes) for side in ("added", "removed")]
    words = [f"{plural(len(changes), 'file')}, +{lines[0]} -{lines[1]} lines"]
    if only_b:
        words.append(f"{plural(only_b, 'commit')} later")
    if only_a:
        words.append(f"{plural(only_a, 'commit')} that B lacks")
    words += [f"uncommitted changes in {name}" for name, code in (("A", a), ("B", b)) if code.dirty]
    return Part("code", ", ".join(words), tuple(map(change_in_words, changes)))


def _rank(entry: Difference) -> tuple[int, str]:
    """Order what differs by how often it is what moves a number: the interpreter, what is installed, the system."""
    places = {"python": 0, "platform": 2}
    return places.get(entry.key.partition(" ")[0] if " " in entry.key else "", 1), entry.key


def _pair(entry: Difference, *, short: bool = False) -> str:
    a, b = ("none" if value is None else _text(value) for value in (entry.a, entry.b))
    if short:
        a, b = a[:12], b[:12]
    return f"{entry.key}: {a} in A, {b} in B"


def _text(value: Any) -> str:
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _cut(details: Sequence[str]) -> list[str]:
    more = len(details) - _SHOWN
    return [*details[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _title(a: RunRecord, b: RunRecord, *, alike: bool) -> str:
    names = f"A is run {a.run_id[:8]} ({a.name}), B is run {b.run_id[:8]} ({b.name})"
    return f"{names}: their metrics are alike" if alike else names


def _metric_in_words(moved: Moved) -> list[str]:
    total = moved.total
    a, b = ("none" if value is None else repr(value) for value in (moved.a, moved.b))
    lines = [f"  {moved.key}: {a} in A, {b} in B" + ("" if total is None else f": {_signed(total)}")]
    found = [
        _effect_in_words(effect, total) + _if_chance(effect.moved, moved.noise) for effect in moved.effects
    ]
    if moved.noise is not None:
        apart = (
            f"were at most {moved.noise:.6g} from the record" if moved.noise else "gave the recorded value"
        )
        found.append(f"plain repetitions {apart}{_beside(total, moved.noise)}")
    return lines + [f"  {'':<{_LABEL}}{text}" for text in found]


def _beside(total: float | None, noise: float) -> str:
    return ": chance alone explains the difference" if total is not None and 0 < abs(total) <= noise else ""


def _if_chance(size: float, noise: float | None) -> str:
    """Say so where a difference is none that the job does not make by itself."""
    return ", no more than chance does" if noise and abs(size) <= noise else ""


def _effect_in_words(effect: Effect, total: float | None) -> str:
    where = f"({effect.base[:8]} with it: run {effect.run_id[:8]})"
    if total is not None and effect.moved * total < 0:
        return f"{NAMES[effect.kind]} moves it the other way, {_signed(effect.moved)} {where}"
    of = "" if total is None else f" of {_signed(total)}"
    return f"{NAMES[effect.kind]} explains {_signed(effect.moved)}{of} {where}"


def _signed(value: float) -> str:
    return f"{value:+.6g}" if math.isfinite(value) else str(value)


def _metric(moved: Moved) -> dict[str, Any]:
    return {
        "key": moved.key,
        "a": plain(moved.a),
        "b": plain(moved.b),
        "moved": plain(moved.total),
        "noise": plain(moved.noise),
        "explained": [
            {"kind": one.kind, "moved": plain(one.moved), "run_id": one.run_id, "base": one.base}
            for one in moved.effects
        ],
    }
