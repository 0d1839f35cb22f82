"""Two executions are compared bit for bit, or within the tolerance that was asked for."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.entities.record import Artifact, Digest, Process, RunId, RunRecord, Series, Status
from gittrack.errors import InvalidValue
from gittrack.record.points import SortedPoints
from gittrack.record.project import Project
from gittrack.repro.artifact_diff import Contents
from gittrack.repro.growth import Growth
from gittrack.repro.pages import same_points
from gittrack.repro.tolerance import Tolerance
from gittrack.repro.verify import Comparison, Verdict, compare, compare_points, worst
from gittrack.store.objects import FileStore
from tests.record.strategies import ROWS, to_points

EXACT = Tolerance()
Row = tuple[str, int, int, float]


def points(*rows: tuple[str, int, float]) -> SortedPoints:
    return to_points([(key, step, at, value) for at, (key, step, value) in enumerate(rows)]).sort()


def run(
    status: Status = "FINISHED", *, artifacts: dict[str, str] | None = None, **fields: object
) -> RunRecord:
    kept = tuple(Artifact(path, Digest(digest * 64), 1) for path, digest in sorted((artifacts or {}).items()))
    made = RunRecord(
        run_id=RunId("0" * 32),
        experiment="e",
        name="n",
        status=status,
        start_time=0,
        end_time=1,
        user="ada",
        host={},
        process=Process("p", 1),
        code=None,
        command=None,
        environment=None,
        artifacts=kept,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def verdict(
    old: SortedPoints,
    new: SortedPoints,
    *,
    was: RunRecord | None = None,
    now: RunRecord | None = None,
    **options: object,
) -> Verdict | None:
    options.setdefault("tolerance", EXACT)
    series = compare_points(old, new, options["tolerance"])  # type: ignore[arg-type]
    return compare(was or run(), now or run(), series, **options).verdict  # type: ignore[arg-type]


@given(ROWS, st.randoms(use_true_random=False))
def test_the_same_points_at_other_times_and_in_another_order_are_identical(
    rows: list[Row], chance: random.Random
) -> None:
    shuffled = [(key, step, chance.randrange(1 << 40), value) for key, step, _, value in rows]
    chance.shuffle(shuffled)

    results = compare_points(to_points(rows).sort(), to_points(shuffled).sort(), EXACT)

    assert all(found.outcome == "identical" for found in results)
    assert sum(found.points for found in results) == len(rows)


@given(ROWS.filter(bool), st.data())
@settings(max_examples=200)
def test_one_changed_value_is_found_at_its_step(rows: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    key, step, at, value = rows[place]
    other = data.draw(st.floats().filter(lambda x: not _same_bits(x, value)))
    changed = [*rows[:place], (key, step, at, other), *rows[place + 1 :]]

    results = {f.key: f for f in compare_points(to_points(rows).sort(), to_points(changed).sort(), EXACT)}

    assert results[key].outcome == "different"
    assert results[key].first_step == step
    assert all(found.outcome == "identical" for name, found in results.items() if name != key)


@given(ROWS.filter(bool), st.data())
def test_one_lost_point_is_found_at_its_step(rows: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    rest = rows[:place] + rows[place + 1 :]

    results = {f.key: f for f in compare_points(to_points(rows).sort(), to_points(rest).sort(), EXACT)}

    found = results[rows[place][0]]
    assert found.outcome in ("different", "missing")
    assert found.outcome == "missing" or (found.first_step, found.differing) == (rows[place][1], 1)


@given(ROWS)
def test_more_than_a_small_series_is_compared_the_same_way(rows: list[Row]) -> None:
    old, new = to_points(rows), to_points(rows)
    filler = to_points([("big", step, step, step / 3) for step in range(5000)])
    old.extend(filler)
    filler.value[4321] += 1
    new.extend(filler)

    (found,) = [f for f in compare_points(old.sort(), new.sort(), EXACT) if f.outcome != "identical"]

    assert (found.key, found.first_step, found.differing) == ("big", 4321, 1)
    assert found.max_abs == pytest.approx(1)


@given(ROWS.filter(bool), st.integers(0, 1000), st.data())
def test_pages_are_the_same_exactly_when_the_points_are(
    rows: list[Row], later: int, data: st.DataObject
) -> None:
    moved = [(key, step, min(at + later, 2**63 - 1), value) for key, step, at, value in rows]
    place = data.draw(st.integers(0, len(rows) - 1))
    key, step, at, value = moved[place]
    other = [*moved[:place], (key, step, at, 4.25 if value != 4.25 else 1.0), *moved[place + 1 :]]
    old, same, changed = (to_points(found).sort().to_parquet() for found in (rows, moved, other))

    assert same_points(old, same)
    assert not same_points(old, changed)
    assert not same_points(old, b"")
    assert not same_points(old[:-9], old[:-9])


def _same_bits(a: float, b: float) -> bool:
    return a.hex() == b.hex() if a == a and b == b else (a != a) == (b != b)


def test_nan_equals_nan_and_minus_zero_is_not_zero() -> None:
    assert verdict(points(("x", 1, math.nan)), points(("x", 1, -math.nan))) == "identical"
    assert verdict(points(("x", 1, 0.0)), points(("x", 1, -0.0))) == "different"
    assert (
        verdict(points(("x", 1, 0.0)), points(("x", 1, -0.0)), tolerance=Tolerance(atol=1e-9)) == "equivalent"
    )


@pytest.mark.parametrize(
    ("old", "new", "rtol", "atol", "expected"),
    [
        (1.0, 1.0 + 1e-9, 1e-6, 0.0, "equivalent"),
        (1.0, 1.1, 1e-6, 0.0, "different"),
        (0.0, 1e-9, 1e-6, 0.0, "different"),
        (0.0, 1e-9, 0.0, 1e-6, "equivalent"),
        (math.inf, math.inf, 1e-6, 0.0, "identical"),
        (math.inf, -math.inf, 1e-6, 1.0, "different"),
        (math.inf, 1.0, 1e-6, 0.0, "different"),
        (math.nan, 1.0, 1e6, 1e6, "different"),
        (1.0, math.nan, 1e6, 1e6, "different"),
    ],
)
def test_a_tolerance_is_of_the_recorded_value(
    old: float, new: float, rtol: float, atol: float, expected: Verdict
) -> None:
    assert verdict(points(("x", 1, old)), points(("x", 1, new)), tolerance=Tolerance(rtol, atol)) == expected


def test_the_most_specific_name_gives_the_tolerance() -> None:
    asked = Tolerance.of({"*": 1e-6, "val/*": 0.1, "val/loss": 0.2, "val/l*": 0.3}, {"*.csv": 2.0})

    assert [asked.for_name(name).rtol for name in ("loss", "val/acc", "val/loss", "val/lr")] == [
        1e-6,
        0.1,
        0.2,
        0.3,
    ]
    assert asked.for_name("a/b.csv").atol == 2.0
    assert asked.for_name("a/b.json").atol == 0.0
    assert Tolerance.of(0.5, 0.0) == Tolerance(0.5)
    assert not Tolerance.of({"x": 0.0}, 0.0).asked
    with pytest.raises(InvalidValue, match="rtol"):
        Tolerance.of({"x": math.nan}, 0.0)


def test_a_tolerance_that_fits_nothing_is_told_from_one_that_does() -> None:
    given = Tolerance.of({"loss": 1.0, "val/*": 0.1, "*": 0.5}, {"los": 0.1, "loss": 0.1})
    assert given.idle({"loss", "lr"}) == ("val/*", "los")
    assert given.idle({"loss", "val/auc", "los"}) == ()
    assert Tolerance.of(1.0, 1.0).idle(()) == ()


def test_a_tolerance_for_one_metric_leaves_the_others_exact() -> None:
    old, new = points(("a", 1, 1.0), ("b", 1, 1.0)), points(("a", 1, 1.1), ("b", 1, 1.1))

    assert verdict(old, new, tolerance=Tolerance.of({"a": 0.5}, 0.0)) == "different"
    assert verdict(old, new, tolerance=Tolerance.of({"a": 0.5}, {"b": 0.5})) == "equivalent"


def grown(sizes: Sequence[float], *, first: int = 0, base: float = 0.0) -> Growth:
    """Return the growth of a series whose difference has these sizes from step `first` on."""
    old = points(*[("x", step, base) for step in range(first + len(sizes))])
    new = points(
        *[("x", step, base + (sizes[step - first] if step >= first else 0)) for step in range(len(old))]
    )
    (found,) = compare_points(old, new, EXACT)
    assert found.growth is not None
    return found.growth


@given(st.floats(1e-300, 1e-3), st.floats(0.01, 3.0), st.integers(0, 20), st.integers(6, 200))
def test_the_rate_of_an_exact_exponential_is_found(size: float, rate: float, first: int, count: int) -> None:
    count = max(count, int(7 / rate), 10)
    found = grown([size * 2 ** min(rate * step, 900) for step in range(count)], first=first)

    if rate * count < 900:
        assert (found.shape, found.first_step, found.from_start) == ("grows", first, first == 0)
        assert found.doublings == pytest.approx(rate, rel=1e-6)


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=30), st.floats())
def test_a_growth_names_steps_and_sizes_that_are_there(values: list[float], base: float) -> None:
    old = points(*[("x", step, base) for step in range(len(values))])
    new = points(*[("x", step, value) for step, value in enumerate(values)])

    (found,) = compare_points(old, new, EXACT)

    if found.growth is not None:
        assert found.growth.largest == found.max_abs
        assert found.first_step is not None
        assert found.first_step <= found.growth.first_step <= found.growth.largest_step <= len(values) - 1
        assert found.growth.last_step == len(values) - 1


def test_rounding_that_grows_is_told_from_another_input() -> None:
    rounding = grown([1e-16 * 2 ** min(step / 5, 43) for step in range(300)], first=12, base=1.0)
    other = grown([0.1] * 20, base=1.0)

    assert (rounding.shape, rounding.looks_like, rounding.first_step) == ("grows", "rounding", 13)
    assert rounding.doublings == pytest.approx(1 / 5, rel=0.1)
    assert (other.shape, other.looks_like, other.doublings) == ("stays", "input", None)
    assert grown([0, 0, 0.5, 0, 0]).shape == "once"
    assert grown([8.0, 4.0, 2.0, 1.0]).shape == "shrinks"
    assert grown([1.0, 5.0, 0.0, 9.0, 0.0, 2.0]).shape == "varies"
    assert grown([1.0, math.nan]).largest == math.inf


def test_a_tolerance_does_not_excuse_a_missing_point() -> None:
    old = points(("x", 1, 1.0), ("x", 2, 1.0))
    assert verdict(old, points(("x", 1, 1.0)), tolerance=Tolerance(rtol=0.5)) == "different"


def test_the_size_of_a_difference_is_taken_where_steps_are_the_same() -> None:
    old = points(("x", 1, 1.0), ("x", 2, 2.0), ("x", 4, 4.0))
    new = points(("x", 1, 1.0), ("x", 3, 3.0), ("x", 4, 5.0))

    (found,) = compare_points(old, new, EXACT)

    assert (found.first_step, found.old, found.new) == (2, 2.0, None)
    assert (found.differing, found.max_abs, found.max_rel) == (2, 1.0, 0.25)


def test_metrics_decide_where_a_tolerance_is_asked_for_but_no_artifact_may_be_missing() -> None:
    old, new = points(("x", 1, 1.0)), points(("x", 1, 1.0000001))
    within = Tolerance(rtol=1e-3)
    was = run(artifacts={"model": "a"})

    assert verdict(old, new, was=was, now=run(artifacts={"model": "b"}), tolerance=within) == "equivalent"
    assert verdict(old, new, was=was, now=run(), tolerance=within) == "different"
    assert verdict(old, old, was=was, now=run(artifacts={"model": "b"})) == "different"
    empty = points()
    assert verdict(empty, empty, was=was, now=run(artifacts={"model": "b"}), tolerance=within) == "different"


def test_an_artifact_with_other_numbers_is_different_whatever_the_metrics_say(repo: Path) -> None:
    project = Project.find(repo)
    project.init()
    files = FileStore(project.layout)
    one, near, far = (Digest(files.put_bytes(text)[0]) for text in (b"a\n1.0\n", b"a\n1.001\n", b"a\n2.0\n"))
    within = Tolerance(rtol=0.01)
    contents = Contents(project.layout, within)
    same = points(("x", 1, 1.0))

    def artifact(digest: Digest) -> RunRecord:
        return replace(run(), artifacts=(Artifact("p.csv", digest, 1),))

    def found(new: Digest, series: SortedPoints) -> Comparison:
        return compare(
            artifact(one),
            artifact(new),
            compare_points(series, series, within),
            tolerance=within,
            contents=contents,
        )

    assert [found(near, series).verdict for series in (same, points())] == ["equivalent", "equivalent"]
    assert [found(far, series).verdict for series in (same, points())] == ["different", "different"]
    assert found(near, same).artifacts[0].outcome == "equivalent"


def test_what_is_declared_volatile_is_not_compared() -> None:
    was = run(artifacts={"logs/stderr.txt": "a", "model": "c"}, volatile=("logs/*", "time/*"))
    now = run(artifacts={"logs/stderr.txt": "b", "model": "c"})
    old, new = points(("time/step", 1, 0.1), ("x", 1, 1.0)), points(("time/step", 1, 0.2), ("x", 1, 1.0))

    found = compare(was, now, compare_points(old, new, EXACT), tolerance=EXACT)

    assert found.verdict == "identical"
    assert found.volatile == 2


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ("FINISHED", "FAILED", "failed"),
        ("FINISHED", "KILLED", "failed"),
        ("FAILED", "FAILED", "identical"),
        ("FAILED", "FINISHED", "different"),
        ("KILLED", "KILLED", "identical"),
    ],
)
def test_a_failure_counts_only_where_the_record_has_none(was: Status, now: Status, expected: Verdict) -> None:
    same = points(("x", 1, 1.0))
    assert verdict(same, same, was=run(was), now=run(now)) == expected


def test_a_record_that_is_not_whole_is_inconclusive_only_when_the_result_differs() -> None:
    old, new = points(("x", 1, 1.0)), points(("x", 1, 2.0))

    assert verdict(old, new, incomplete="it lacks a file") == "inconclusive"
    assert verdict(old, old, incomplete="it lacks a file") == "identical"
    assert verdict(old, new, was=run("KILLED"), now=run(), incomplete="it was killed") == "inconclusive"


def test_nothing_to_compare_is_no_verdict_and_never_identical() -> None:
    assert verdict(points(), points()) is None
    assert worst([None, None]) is None
    assert worst([None, "identical"]) == "identical"
    assert worst(["identical", "different", None, "equivalent"]) == "different"


def test_series_are_named_even_when_the_record_has_no_points() -> None:
    was = run(series=Series(0, Digest("0" * 64), Digest("0" * 64)))
    found = compare(was, run(), compare_points(points(), points(("x", 3, 1.0)), EXACT), tolerance=EXACT)

    assert found.verdict == "different"
    assert [(one.key, one.outcome, one.first_step) for one in found.series] == [("x", "new", 3)]
