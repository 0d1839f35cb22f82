"""The commit that moved a metric is found, and the user's own work is left alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.git import revision
from gittrack.git.repo import Repository
from gittrack.repro import bisect as bisecting
from gittrack.repro.bisect import bisect, prepare
from gittrack.repro.bisection import Bisection, Search
from gittrack.repro.differences import Difference
from gittrack.repro.options import Mode, Options
from gittrack.repro.plan import ConsentNeeded
from gittrack.repro.tolerance import EXACT, Tolerance
from tests.conftest import commit_all, git, write
from tests.repro.helpers import commit, gittrack, job, opened, originals, runs, session_of

TRAIN = """\
import gittrack
from model import score
with gittrack.start_run():
    gittrack.log_metric("score", score())
"""
GOOD, BAD = "0.9", "0.7"


def history(root: Path, scores: list[str]) -> tuple[list[str], RunRecord, RunRecord]:
    """Commit one model after another, each a line longer, and record a run of the first and of the last."""
    write(root, {".gitignore": "__pycache__/\n", "train.py": TRAIN})
    commits = []
    for number, score in enumerate(scores):
        write(root, {"model.py": "#\n" * number + f"def score():\n    return {score}\n"})
        commits.append(commit_all(root, f"model {number}"))
        if number in (0, len(scores) - 1):
            job(root, "python", "train.py")
    first, last = originals(root)
    return commits, first, last


def mine(root: Path) -> tuple[str, str]:
    """Return what is the user's: checkout, index, branch, bisection; the new runs aside."""
    status = git(root, "status", "--porcelain=v2", "--branch", "--", ".", ":(exclude).gittrack")
    return status, git(root, "for-each-ref", "refs/bisect", "refs/heads")


def searched(root: Path, good: str, bad: str, **options: object) -> Search:
    return prepare(session_of(root), *opened(root), "score", good=good, bad=bad, **options)  # type: ignore[arg-type]


def found(root: Path, good: str, bad: str, **options: object) -> tuple[Bisection, list[str]]:
    told: list[str] = []
    return bisect(searched(root, good, bad, **options), told.append), told


def test_the_commit_between_two_runs_that_moved_the_metric_is_found(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD] * 5 + [BAD] * 4)
    before = mine(repo)

    answer, told = found(repo, a.run_id[:8], b.run_id[:8])

    assert answer.first_bad is not None
    assert (answer.first_bad.commit, answer.first_bad.subject) == (commits[5], "model 5")
    assert (answer.before, answer.since) == (0.9, 0.7)
    assert answer.lines()[0] == f"{commits[5]} is the first bad commit"
    assert answer.drift is None
    assert answer.exit_code == 0
    assert "Bisecting: 3 revisions left to test after this (roughly 2 steps)" in told
    assert [line for line in told if line.endswith((": good", ": bad"))]
    assert mine(repo) == before


def test_few_commits_are_run_and_none_twice(repo: Path) -> None:
    _, a, b = history(repo, [GOOD] * 5 + [BAD] * 4)

    first, _ = found(repo, a.run_id, b.run_id)
    made = len(runs(repo, "repro_of is not null"))
    second, told = found(repo, a.run_id, b.run_id)

    assert made <= 4  # the good end, and three steps for eight commits
    assert len(runs(repo, "repro_of is not null")) == made
    assert {one.how for one in second.tested} == {"known"}
    assert second.first_bad == first.first_bad
    assert any(line.endswith("known") for line in told)


CALLS = """\
from pathlib import Path
def calls():
    file = Path.home() / "calls"
    file.write_text(file.read_text() + "x" if file.exists() else "x")
    return len(file.read_text())
"""


def test_a_job_that_gave_two_results_for_one_commit_is_run_again(repo: Path) -> None:
    write(repo, {"calls.py": CALLS})
    moving = " + 0.001 * __import__('calls').calls()"
    commits, a, b = history(repo, [GOOD + moving, BAD + moving, BAD + moving])
    gittrack(repo, "repro", b.run_id, "--swap", f"code={commits[1]}", check=False)
    once = {one.commit: one.how for one in found(repo, a.run_id, b.run_id)[0].tested}
    gittrack(repo, "repro", b.run_id, "--swap", f"code={commits[1]}", check=False)
    twice = {one.commit: one.how for one in found(repo, a.run_id, b.run_id)[0].tested}

    assert (once[commits[1]], twice[commits[1]]) == ("known", "run")


def test_commits_that_differ_in_runs_alone_are_not_run(repo: Path) -> None:
    write(repo, {".gitignore": "__pycache__/\n", "train.py": TRAIN, "model.py": "def score(): return 0.9\n"})
    commit_all(repo)
    job(repo, "python", "train.py")
    commit(repo)
    job(repo, "python", "train.py")
    commit(repo)
    write(repo, {"model.py": "def score(): return 0.70\n"})
    culprit = commit_all(repo, "spoil")
    job(repo, "python", "train.py")
    commit(repo)
    a, _, b = originals(repo)

    answer, _ = found(repo, a.run_id, "HEAD", run=b.run_id)

    assert answer.first_bad is not None
    assert answer.first_bad.commit == culprit
    assert len(runs(repo, "repro_of is not null")) == 1


def test_commits_take_the_command_of_a_run_that_is_named(repo: Path) -> None:
    commits, _, b = history(repo, [GOOD, GOOD, BAD, BAD])

    answer, _ = found(repo, commits[0], "HEAD", run=b.run_id)

    assert answer.candidates == (commits[2],)
    with pytest.raises(InvalidValue, match="does not say what to run"):
        searched(repo, commits[0], "HEAD")


def test_a_commit_with_which_the_job_fails_is_skipped(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, "1 / 0", GOOD, GOOD, BAD])

    answer, _ = found(repo, a.run_id, b.run_id)

    assert answer.candidates == (commits[4],)


def test_skipped_commits_that_hide_the_answer_are_all_named(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, "1 / 0", "1 / 0", BAD])

    answer, told = found(repo, a.run_id, b.run_id)

    assert answer.first_bad is None
    assert set(answer.candidates) == set(commits[1:])
    assert answer.exit_code == 10
    assert "  skipped: the command ended with exit code 1" in told
    assert "could be any of" in answer.lines()[0]
    assert json.loads(json.dumps(answer.document()))["first_bad"] is None


def test_the_nearer_end_decides_and_a_threshold_overrules_it(repo: Path) -> None:
    commits, a, b = history(repo, ["0.9", "0.88", "0.85", "0.72", "0.7"])

    nearer, _ = found(repo, a.run_id, b.run_id)
    strict, _ = found(repo, a.run_id, b.run_id, threshold=0.87)

    assert nearer.candidates == (commits[3],)
    assert strict.candidates == (commits[2],)
    with pytest.raises(InvalidValue, match="does not part score"):
        found(repo, a.run_id, b.run_id, threshold=0.5)


def test_a_loss_that_is_no_number_any_more_is_on_the_bad_side_of_a_threshold(repo: Path) -> None:
    commits, good, bad = history(repo, ["0.1", "0.2", "float('nan')"])
    answer, _ = found(repo, good.run_id, bad.run_id, threshold=0.5)
    assert answer.first_bad is not None
    assert answer.first_bad.commit == commits[2]


def test_a_metric_that_other_inputs_moved_is_not_blamed_on_code(repo: Path) -> None:
    train = TRAIN.replace("score())", "score() * float(open('factor').read()))").replace(
        "with gittrack.start_run():", "with gittrack.start_run():\n    gittrack.log_data('factor')"
    )
    write(
        repo,
        {".gitignore": "factor\n__pycache__/\n", "train.py": train, "model.py": "def score(): return 1\n"},
    )
    write(repo, {"factor": "2"})
    commit_all(repo)
    job(repo, "python", "train.py")
    write(repo, {"factor": "3", "notes.md": "x"})
    commit_all(repo)
    job(repo, "python", "train.py")
    a, b = originals(repo)

    with pytest.raises(Conflict, match="the code is not what moved it") as caught:
        found(repo, a.run_id, b.run_id)

    assert caught.value.hint == f"gittrack why {a.run_id[:8]} {b.run_id[:8]}"

    write(repo, {"factor": "5", "model.py": "def score(): return 1.5\n"})
    commit_all(repo)
    job(repo, "python", "train.py")
    c = originals(repo)[-1]
    with pytest.raises(Conflict, match=r"from the 2.0 on record, or not most of the way") as caught:
        found(repo, a.run_id, c.run_id)
    assert "--threshold 6.25" in (caught.value.hint or "")


def test_histories_that_part_are_searched_from_where_they_do(repo: Path) -> None:
    commits, a, _ = history(repo, [GOOD, GOOD])
    git(repo, "switch", "-q", "-c", "topic", commits[0])
    write(repo, {"model.py": "# topic\ndef score():\n    return 0.7\n"})
    culprit = commit_all(repo, "topic")
    job(repo, "python", "train.py")

    answer, _ = found(repo, "main", originals(repo)[-1].run_id)

    assert answer.candidates == (culprit,)
    with pytest.raises(Conflict, match="is not newer"):
        searched(repo, originals(repo)[-1].run_id, a.run_id)


def test_a_merged_branch_is_searched_unless_only_the_first_parent_is_followed(repo: Path) -> None:
    commits, a, _ = history(repo, [GOOD, GOOD])
    git(repo, "switch", "-q", "-c", "topic", commits[0])
    write(repo, {"aside.md": "x"})
    commit_all(repo, "aside")
    write(repo, {"train.py": TRAIN.replace("score())", "score() - 0.2)")})
    culprit = commit_all(repo, "spoil")
    git(repo, "switch", "-q", "main")
    git(repo, "merge", "-q", "--no-ff", "-m", "merge", "topic")
    merge = git(repo, "rev-parse", "HEAD")
    job(repo, "python", "train.py")
    b = originals(repo)[-1]

    answer, _ = found(repo, a.run_id, b.run_id)
    along, _ = found(repo, a.run_id, b.run_id, first_parent=True)

    assert answer.candidates == (culprit,)
    assert along.candidates == (merge,)


def test_uncommitted_changes_can_be_what_moved_it(repo: Path) -> None:
    _, a, _ = history(repo, [GOOD, GOOD])
    write(repo, {"model.py": "def score(): return 0.70\n"})
    job(repo, "python", "train.py")
    b = originals(repo)[-1]
    assert b.code is not None

    answer, _ = found(repo, a.run_id, b.run_id)

    assert answer.candidates == (b.code.captured,)


def test_a_users_own_bisection_has_no_part_in_it(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, GOOD, BAD, BAD, BAD])
    git(repo, "bisect", "start", commits[4], commits[3])
    state = git(repo, "for-each-ref"), git(repo, "bisect", "log")

    answer, _ = found(repo, a.run_id, b.run_id)

    assert answer.candidates == (commits[2],)
    assert git(repo, "bisect", "log") == state[1]


def test_code_that_this_clone_never_ran_is_asked_about(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, GOOD, BAD])
    write(repo, {"model.py": "def score(): return 0.7  # new\n"})
    commit_all(repo)

    search = searched(repo, commits[0], "HEAD", run=b.run_id)

    assert searched(repo, a.run_id, b.run_id).trusted
    assert not search.trusted
    assert search.lines()[0] == "bisecting score would execute:"
    assert commits[0] in search.lines()[-1]
    with pytest.raises(ConsentNeeded, match="nothing that this clone has run"):
        bisect(search)
    refused = gittrack(
        repo, "bisect", "score", "--good", "HEAD~3", "--bad", "HEAD", "--run", b.run_id, check=False
    )
    assert "no terminal to ask for your consent on" in refused


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"threshold": 0.8, "options": Options(Tolerance(atol=0.1))}, InvalidValue, "both the threshold 0.8"),
        ({"run": "nothing"}, NotFound, "no run is called 'nothing'"),
    ],
)
def test_what_cannot_be_searched_is_named(
    repo: Path, options: dict[str, object], error: type[Exception], says: str
) -> None:
    _, a, b = history(repo, [GOOD, BAD])

    with pytest.raises(error, match=says):
        searched(repo, a.run_id, b.run_id, **options)
    with pytest.raises(NotFound, match="has no metric 'lost'"):
        prepare(session_of(repo), *opened(repo), "lost", good=a.run_id, bad=b.run_id)


def test_several_runs_of_each_commit_count_by_their_median(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, BAD])

    answer, _ = found(repo, a.run_id, b.run_id, options=Options(times=2))

    assert answer.candidates == (commits[1],)
    assert len(runs(repo, "repro_of is not null")) == 4


def test_a_job_that_does_not_give_its_own_recorded_value_again_is_said_to_be_moved_by_more_than_code(
    repo: Path,
) -> None:
    write(repo, {"calls.py": CALLS})
    moving = " + 0.001 * __import__('calls').calls()"
    _, a, b = history(repo, [GOOD + moving, BAD + moving, BAD + moving])

    answer, _ = found(repo, a.run_id, b.run_id, options=Options(times=2))

    assert answer.drift is not None
    recorded, now = answer.drift
    assert recorded == b.metrics["score"].last
    assert recorded < now
    assert (
        f"run {b.run_id[:8]} has {recorded!r} on record, and its own code gives {now!r}" in answer.lines()[-1]
    )
    assert answer.document()["drift"] == {"recorded": recorded, "present": now}


@given(st.permutations([math.nan, 1.0, 2.0, 3.0, math.nan]))
def test_a_median_does_not_depend_on_the_order_of_values_that_are_no_numbers(
    values: list[float],
) -> None:
    assert bisecting._median(values) == 2.0
    assert math.isnan(bisecting._median([*values, math.nan]))


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("numpy", True),
        ("mkl (conda)", False),
        ("conda packages", False),
        ("image", False),
        ("platform libc", False),
    ],
)
def test_what_no_rebuilt_environment_has_makes_the_recorded_value_none_of_the_searchs(
    repo: Path, name: str, same: bool
) -> None:
    _, good, bad = history(repo, [GOOD, GOOD, BAD])
    search = searched(repo, good.run_id, bad.run_id, options=Options(env=Mode.REBUILD))
    apart = (Difference("environment", name, "1", "2"),)
    search = replace(search, plan=replace(search.plan, differences=apart))

    assert bisecting._Bisecting(search, print)._is_as_recorded() is same


def test_values_within_a_tolerance_of_the_good_end_are_good(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, "0.9001", "0.85", "0.6", BAD])
    within = Options(Tolerance.of({"score": 0.01, "*": 0.5}, 0.0))

    nearest, _ = found(repo, a.run_id, b.run_id)
    answer, _ = found(repo, a.run_id, b.run_id, options=within)

    assert (nearest.candidates, answer.candidates) == ((commits[3],), (commits[2],))
    with pytest.raises(
        Conflict, match=r"within the tolerance, all else alike: the code is not what moved it"
    ):
        found(repo, a.run_id, b.run_id, options=Options(Tolerance(rtol=0.5)))


def test_the_command_line_tells_the_steps_and_answers_in_json(repo: Path) -> None:
    commits, a, b = history(repo, [GOOD, GOOD, BAD])

    text = gittrack(repo, "bisect", "score", "--good", a.run_id[:8], "--bad", b.run_id[:8])
    answer = gittrack(repo, "bisect", "score", "--good", a.run_id[:8], "--bad", b.run_id[:8], "--json")

    assert f"{commits[2]} is the first bad commit" in text
    assert "Bisecting: 0 revisions left to test after this (roughly 0 steps)" in text
    line = next(line for line in answer.splitlines() if line.startswith("{"))
    assert json.loads(line)["first_bad"]["commit"] == commits[2]


@given(st.integers(1, 5000))
def test_the_steps_are_those_that_halving_takes(count: int) -> None:
    assert -1.6 <= bisecting._steps(count) - math.log2(count) <= 0


@given(st.floats(), st.floats(), st.floats())
def test_every_value_is_on_one_side_and_the_ends_are_on_their_own(
    value: float, good: float, bad: float
) -> None:
    if good == bad or (math.isnan(good) and math.isnan(bad)):
        return
    assert bisecting._is_good(good, good, bad, None, EXACT)
    assert not bisecting._is_good(bad, good, bad, None, EXACT)
    assert bisecting._is_good(value, good, bad, None, EXACT) in (True, False)


def test_halves_are_those_of_git_bisect(repo: Path) -> None:
    commits = [commit_all(repo, f"{number}") for number in range(9)]
    found_repo = Repository.find(repo)
    git(repo, "bisect", "start", commits[-1], commits[0])
    asked = git(repo, "rev-parse", "HEAD")

    (first, _), *_ = revision.halves(found_repo, commits[-1], [commits[0]])

    assert first in (asked, commits[commits.index(asked) + 1], commits[commits.index(asked) - 1])
