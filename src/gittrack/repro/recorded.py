"""A run held against one that repeated it, from the records of both: nothing is executed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gittrack.entities.record import LeftOut, RunId, RunRecord
from gittrack.repro import swap
from gittrack.repro.differences import compare_environment, compare_hardware
from gittrack.repro.execute import NewRun
from gittrack.repro.pairs import pair
from gittrack.repro.plan import family, with_nested
from gittrack.repro.restore import incomplete
from gittrack.repro.tolerance import Tolerance
from gittrack.repro.verify import Comparison, compare, compare_points, worst

if TYPE_CHECKING:
    from gittrack.query.session import Session


def newest_repetition(session: Session, run_id: RunId) -> RunId | None:
    """Return the newest run that repeats a run and has ended; None when it was never reproduced.

    One that was made with another's input is no repetition.
    """
    found = session.rows(
        "select run_id from runs where repro_of = $run_id and not deleted"
        " and run_id not in (select run_id from tags where key = $swap)"
        " and status not in ('RUNNING', 'SCHEDULED') order by start_time desc, run_id limit 1",
        run_id=run_id,
        swap=swap.TAG,
    )
    return RunId(found[0][0]) if found else None


def comparisons(
    session: Session, run: RunRecord, repeat: RunRecord, tolerance: Tolerance
) -> list[Comparison]:
    """Compare a run, and those nested in it, with what repeats them.

    Raises:
        Damaged: The points of one cannot be read any more.
    """
    originals = family(session, run)
    new = sorted(family(session, repeat), key=lambda one: (one.start_time, one.process.ordinal))
    pairs = pair(originals, [NewRun(one, Path()) for one in new])
    left_out = _not_back(originals[0], new)
    compared = []
    for one in with_nested(run, originals):
        found = pairs.get(one.run_id)
        again = None if found is None else found.run
        series = []
        if again is not None:
            series = compare_points(session.points(one.run_id), session.points(again.run_id), tolerance)
        lacking = incomplete(one, left_out)
        compared.append(compare(one, again, series, tolerance=tolerance, incomplete=lacking))
    return compared


def _not_back(executed: RunRecord, new: Iterable[RunRecord]) -> list[LeftOut]:
    """Return the files that the record lacks and that nobody can say were beside the repetition's code.

    One that was put back is left out of the repetition's capture too, with the digest that it had there.
    """
    there = {(left.path, left.digest) for run in new if run.code for left in run.code.left_out}
    left_out = executed.code.left_out if executed.code else ()
    return [left for left in left_out if left.digest is None or (left.path, left.digest) not in there]


def verified_by(session: Session, run: RunRecord) -> RunId | None:
    """Return the newest repetition of a run if it is identical and was made in this environment, on such a machine.

    Raises:
        Damaged: The points of one cannot be read any more.
    """
    repeat_id = newest_repetition(session, run.run_id)
    if repeat_id is None:
        return None
    repeat = session.run(repeat_id)
    environment = None if repeat.environment is None else session.environment(repeat.environment)
    if compare_environment(environment) or compare_hardware(repeat.host):
        return None
    verdicts = [found.verdict for found in comparisons(session, run, repeat, Tolerance())]
    return repeat_id if worst(verdicts) == "identical" else None
