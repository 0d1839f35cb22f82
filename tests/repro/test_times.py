"""A run that is repeated several times tells a random job from an input that changed."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.entities.record import Process, RunId, RunRecord
from gittrack.errors import InvalidValue
from gittrack.git.worktree import checkout, pool, renew
from gittrack.record.points import SortedPoints
from gittrack.repro.options import Options
from gittrack.repro.spread import MEASURED, Repetition, Spread, spread
from gittrack.repro.tolerance import Tolerance
from gittrack.repro.verify import compare, compare_points
from tests.conftest import commit_all, write
from tests.record.strategies import to_points
from tests.repro.helpers import again, gittrack, job, opened, recorded, runs

NOISY = """\
import gittrack, random
with gittrack.start_run():
    for step in range(20):
        gittrack.log_metric("loss", 1 / (step + 1) + 0.001 * random.random(), step=step)
    gittrack.log_metric("calm", 1.0)
"""


def test_a_seeded_job_is_identical_however_often_it_is_run(repo: Path) -> None:
    run = recorded(repo, {"train.py": NOISY.replace("with", "random.seed(3)\nwith")})

    report = again(repo, run, times=3)

    assert (report.verdict, report.exit_code) == ("identical", 0)
    assert report.spread is not None
    assert (report.spread.times, report.spread.results, report.spread.matching) == (3, 1, 3)
    assert not report.suspects
    assert [found.repro_of for found in runs(repo)].count(run.run_id) == 3
    assert set(report.spread.repeats) == {found.run_id for found in runs(repo, "repro_of is not null")}
    assert len(pool(opened(repo)[0])) == 1
    assert any("3 times, 1 result, 3 of them identical to the record" in line for line in report.lines())


def test_an_unseeded_job_is_random_and_said_to_be_so(repo: Path) -> None:
    report = again(repo, recorded(repo, {"train.py": NOISY}), times=3)

    assert (report.verdict, report.exit_code) == ("different", 7)
    assert report.spread is not None
    assert (report.spread.results, report.spread.random) == (3, True)
    assert [(found.key, found.points, found.z) for found in report.spread.series] == [("loss", 20, None)]
    assert report.suspects[0].kind == "randomness"
    assert "the job is random" in str(report.reason)
    assert any(line.startswith("  spread       loss: ") for line in report.lines())
    document = report.document()
    assert document["spread"]["random"] is True
    assert document["spread"]["outside_expected"] == 0.5
    more = f"gittrack repro {report.run_id[:8]} --times"
    assert document["hint"] == f"{more} {'3 --spread' if report.spread.within else '10'}"


def test_a_record_within_the_spread_is_equivalent_where_that_is_accepted(repo: Path) -> None:
    run = recorded(repo, {"train.py": NOISY})

    report = again(repo, run, times=5, accept_spread=True)

    assert report.spread is not None
    (loss,) = report.spread.series
    assert loss.z is not None
    within = loss.low <= loss.recorded <= loss.high or abs(loss.z) <= 3
    assert report.verdict == ("equivalent" if within else "different")
    assert report.spread.within == within


def test_a_nested_run_that_was_not_made_again_is_in_no_spread(repo: Path) -> None:
    code = """\
import gittrack, os
with gittrack.start_run(run_name="sweep"):
    gittrack.log_metric("noise", int.from_bytes(os.urandom(4)))
    for trial in range(1 if "GITTRACK_REPRO_DEPTH" in os.environ else 2):
        with gittrack.start_run(nested=True):
            gittrack.log_metric("loss", trial)
"""
    write(repo, {"train.py": code})
    job(repo, "python", "train.py")
    (sweep,) = runs(repo, "name = 'sweep'")

    report = again(repo, sweep, times=5, accept_spread=True)

    assert report.verdict == "different"
    assert report.spread is not None
    assert report.spread.within is False


def test_a_record_that_ended_otherwise_is_in_no_spread(repo: Path) -> None:
    code = """\
import gittrack, os
with gittrack.start_run():
    gittrack.log_metric("noise", int.from_bytes(os.urandom(4)) if "GITTRACK_REPRO_DEPTH" in os.environ else 2**31)
    assert "GITTRACK_REPRO_DEPTH" in os.environ
"""
    write(repo, {"train.py": code})
    job(repo, "python", "train.py", check=False)
    (run,) = runs(repo)

    report = again(repo, run, times=5, accept_spread=True)

    assert (run.status, report.verdict) == ("FAILED", "different")


def test_a_record_out_of_the_spread_stays_different(repo: Path) -> None:
    moved = "import os\n" + NOISY.replace("1 / (", "os.path.exists(os.environ['HOME'] + '/now') + 1 / (")
    run = recorded(repo, {"train.py": moved})
    (Path(os.environ["HOME"]) / "now").touch()

    report = again(repo, run, times=5, accept_spread=True)

    assert report.verdict == "different"
    assert "outside of their spread" in str(report.reason)


def test_repetitions_that_agree_with_each_other_alone_say_that_something_changed(repo: Path) -> None:
    code = """\
import gittrack, os
with gittrack.start_run():
    gittrack.log_metric("x", os.path.getsize(os.environ["HOME"] + "/table"))
"""
    table = Path(os.environ["HOME"]) / "table"
    table.write_text("one")
    run = recorded(repo, {"train.py": code})
    table.write_text("three")

    report = again(repo, run, times=2, accept_spread=True)

    assert report.verdict == "different"
    assert report.spread is not None
    assert (report.spread.results, report.spread.matching, report.spread.within) == (1, 0, None)
    assert "something outside of it changed" in str(report.reason)
    assert not [found for found in report.suspects if found.kind == "randomness"]


def test_a_job_that_writes_down_the_time_is_known(repo: Path) -> None:
    code = """\
import gittrack, datetime, time
with gittrack.start_run():
    gittrack.log_metric("x", 1.0)
    gittrack.log_dict({"made": datetime.datetime.now().isoformat(), "score": 1}, "report.json")
"""
    run = recorded(repo, {"train.py": code})

    once, often = again(repo, run), again(repo, run, times=2)

    assert once.verdict == often.verdict == "different"
    assert (once.suspects[0].kind, once.suspects[0].name) == ("clock", "report.json")
    assert any("most likely  report.json: differs in nothing but times" in line for line in once.lines())
    assert "nothing but times" in str(often.reason)
    assert often.spread is not None
    assert not often.spread.random


def test_a_difference_found_once_names_the_command_that_tells_more(repo: Path) -> None:
    run = recorded(repo, {"train.py": NOISY})

    report = again(repo, run)

    assert report.hint == f"gittrack repro {run.run_id[:8]} --times 3"
    assert any("tells randomness from a changed input" in line for line in report.lines())


def test_each_repetition_starts_from_the_recorded_inputs(repo: Path) -> None:
    code = """\
import gittrack
from pathlib import Path
with gittrack.start_run():
    gittrack.log_data("big/in.bin")
    gittrack.log_data("big/folder")
    for path in ("big/in.bin", "big/folder/a", "tracked.txt"):
        gittrack.log_metric(path, len(Path(path).read_text()))
        with open(path, "a") as file: file.write("more")
    gittrack.log_metric("left", len(list(Path(".").rglob("left*"))))
    Path("left").write_text(""); Path("big/left").write_text(""); Path("big/folder/left").write_text("")
"""
    write(repo, {".gitignore": "big/\n", "big/in.bin": "1234", "big/folder/a": "12", "tracked.txt": "abc"})
    commit_all(repo)
    run = recorded(repo, {"train.py": code})

    report = again(repo, run, times=3)

    assert report.verdict == "identical", report.lines()
    assert {entry.path: entry.how for entry in report.restored.data} == {
        "big/in.bin": "cache",
        "big/folder": "cache",
    }


def test_data_that_a_job_made_a_link_of_is_restored_for_the_next(repo: Path, tmp_path: Path) -> None:
    code = """\
import gittrack, os
from pathlib import Path
with gittrack.start_run():
    gittrack.log_data("big/in.bin")
    gittrack.log_metric("size", os.path.getsize("big/in.bin"))
    if Path.cwd().name.startswith("gittrack-"):
        os.unlink("big/in.bin"); os.symlink(os.environ["HOME"] + "/target", "big/in.bin")
"""
    target = Path(os.environ["HOME"]) / "target"
    target.write_text("mine")
    write(repo, {".gitignore": "big/\n", "big/in.bin": "12345"})
    commit_all(repo)

    report = again(repo, recorded(repo, {"train.py": code}), times=2)

    assert report.verdict == "identical", report.lines()
    assert target.read_text() == "mine"


def test_a_failure_is_not_asked_again(repo: Path) -> None:
    code = "import gittrack, os\nwith gittrack.start_run():\n    gittrack.log_metric('x', 1)\n"
    run = recorded(
        repo, {"train.py": code + "    if os.path.exists(os.environ['HOME'] + '/broken'): raise OSError\n"}
    )
    (Path(os.environ["HOME"]) / "broken").touch()

    report = again(repo, run, times=4)

    assert (report.verdict, report.spread) == ("failed", None)
    assert len(runs(repo, "repro_of is not null")) == 1


def test_a_job_that_changes_its_input_outside_of_the_repository_is_not_run_again(
    repo: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "table.csv"
    outside.write_text("1")
    code = f"""\
import gittrack, os
from pathlib import Path
with gittrack.start_run():
    gittrack.log_data("{outside}")
    gittrack.log_metric("x", 1)
    if Path.cwd().name.startswith("gittrack-"): Path("{outside}").write_text("2")
"""
    report = again(repo, recorded(repo, {"train.py": code}), times=3)

    assert (report.verdict, report.spread) == ("identical", None)
    assert str(report.reason).startswith("repetition 2 was not run: the data ")


def test_a_kept_worktree_serves_all_repetitions(repo: Path) -> None:
    report = again(repo, recorded(repo), times=2, keep=True)

    assert report.verdict == "identical"
    assert report.kept is not None
    assert (report.kept / "train.py").is_file()


def test_a_spread_needs_repetitions(repo: Path) -> None:
    run = recorded(repo)
    with pytest.raises(InvalidValue, match="1 repetitions"):
        Options(accept_spread=True)
    with pytest.raises(InvalidValue):
        Options(times=0)
    assert "--times 5" in gittrack(repo, "repro", run.run_id, "--spread", check=False)


def test_a_renewed_worktree_spares_what_it_is_told_to_and_nothing_else(repo: Path) -> None:
    run = recorded(repo)
    repository, _ = opened(repo)
    assert run.code is not None
    odd = "odd [1] *\\#.bin"
    with checkout(repository, run.code, None) as place:
        write(place.path, {f"data/{odd}": "1", "data/odd 1 x": "2", "train.py": "broken", "other": "3"})
        renew(repository, run.code, None, place, spare=[f"data/{odd}"])
        assert [file.name for file in (place.path / "data").iterdir()] == [odd]
        assert not (place.path / "other").exists()
        assert (place.path / "train.py").read_text() == (repo / "train.py").read_text()


def record(points: SortedPoints, name: str) -> RunRecord:
    summaries = points.summaries()
    return RunRecord(
        run_id=RunId(name * 32), experiment="e", name=name, status="FINISHED", start_time=0, end_time=1, user="ada",
        host={}, process=Process("p", 1), code=None, command=None, environment=None, metrics=summaries,
    )  # fmt: skip


def together(old: SortedPoints, new: list[SortedPoints]) -> Spread:
    exact = Tolerance()
    run = record(old, "0")
    repetitions = [
        Repetition(
            (compare(run, record(points, "1"), compare_points(old, points, exact), tolerance=exact),),
            {run.run_id: points},
        )
        for points in new
    ]
    return spread(run.run_id, repetitions, {run.run_id: old})


def series(values: list[float]) -> SortedPoints:
    return to_points([("x", step, 0, value) for step, value in enumerate(values)]).sort()


NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3)


@given(NUMBERS, st.lists(NUMBERS, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_a_spread_does_not_depend_on_the_order_of_repetitions(
    old: list[float], new: list[list[float]], chance: random.Random
) -> None:
    shuffled = list(new)
    chance.shuffle(shuffled)

    one, other = (together(series(old), [series(values) for values in order]) for order in (new, shuffled))

    assert (one.results, one.matching, one.within) == (other.results, other.matching, other.within)
    assert [(s.low, s.high, s.outside, s.within) for s in one.series] == [
        (s.low, s.high, s.outside, s.within) for s in other.series
    ]
    assert all((s.z is None) == (len(new) < MEASURED or s.low == s.high) for s in one.series)


@given(NUMBERS, st.integers(2, 6))
def test_repetitions_that_are_all_the_same_are_one_result(old: list[float], times: int) -> None:
    same = together(series(old), [series(old)] * times)
    assert (same.results, same.matching, same.within, same.series) == (1, times, None, ())
    moved = together(series(old), [series([*old[:2], old[2] + 1])] * times)
    assert (moved.results, moved.matching, moved.within, moved.random) == (1, 0, None, False)


def test_a_z_score_is_that_of_one_more_value() -> None:
    found = together(series([3.5]), [series([value]) for value in (1.0, 2.0, 3.0, 4.0, 5.0)])
    (one,) = found.series
    assert one.z == pytest.approx(0.5 / math.sqrt(2.5 * 1.2))
    assert found.outside_expected == pytest.approx(1 / 3)
    assert found.within


def test_a_record_outside_of_few_repetitions_may_be_there_by_chance() -> None:
    few = together(series([3.5]), [series([value]) for value in (1.0, 2.0, 3.0)])
    same = together(series([3.5]), [series([1.0])] * 3)
    many = together(series([9.5]), [series([value]) for value in (1.0, 2.0, 3.0, 2.5, 1.5)])

    assert few.reason().endswith(
        "the record lies outside of their spread, as the next one would in 50 % of all cases"
    )
    assert [one.is_close_call for one in (few, same, many)] == [True, False, False]
    assert many.reason().endswith("but the record lies outside of their spread")
