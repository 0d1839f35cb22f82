"""Why two runs differ is said from their records and from the swaps that were run, and nothing is executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gittrack.entities.record import RunId, RunRecord
from gittrack.repro.why import Effect, Moved, Why, _metric_in_words, why
from tests.conftest import commit_all, write
from tests.repro.helpers import gittrack, job, originals, runs, session_of
from tests.repro.test_swap import elsewhere, project


@pytest.fixture
def two(repo: Path) -> tuple[RunRecord, RunRecord]:
    return project(repo, factor=10, text="a", big="bb"), project(repo, factor=100, text="aaaa", big="b")


def asked(root: Path, a: RunRecord, b: RunRecord, metric: str | None = None) -> Why:
    return why(session_of(root), a.run_id, b.run_id, metric=metric)


def text(found: Why) -> str:
    return "\n".join(found.lines())


def test_what_differs_and_what_was_not_tried_is_said(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two

    found = asked(repo, a, b)

    assert [part.kind for part in found.parts] == ["code", "data"]
    assert found.parts[0].summary == "1 file, +1 -1 lines, 1 commit later"
    assert found.parts[0].details == ("model.py  +1 -1",)
    assert "size: 30.0 in A, 500.0 in B: +470" in text(found)
    assert f"not tested   code (gittrack repro {a.run_id[:8]} --swap code={b.run_id[:8]})" in text(found)
    assert f"not tested   data (gittrack repro {a.run_id[:8]} --swap data={b.run_id[:8]})" in text(found)
    assert [moved.key for moved in found.metrics] == ["size"]
    assert not runs(repo, "repro_of is not null")


def test_what_a_swap_explains_is_taken_from_either_side(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two
    gittrack(repo, "repro", a.run_id, "--swap", f"code={b.run_id}", check=False)
    gittrack(repo, "repro", b.run_id, "--swap", f"data={a.run_id}", check=False)

    found = asked(repo, a, b)

    (size,) = found.metrics
    assert [(one.kind, one.moved, one.base) for one in size.effects] == [
        ("code", 270.0, a.run_id),
        ("data", 200.0, b.run_id),
    ]
    assert found.untested == ()
    assert "code explains +270 of +470" in text(found)
    backwards = asked(repo, b, a).metrics[0]
    assert sorted((one.kind, one.moved) for one in backwards.effects) == [("code", -270.0), ("data", -200.0)]


def test_a_change_that_moved_nothing_explains_nothing_from_either_side(repo: Path) -> None:
    project(repo, factor=10, text="a", big="bb")
    write(repo, {"README": "words\n"})
    project(repo, factor=10, text="aaaa", big="bb")
    a, b = originals(repo)
    gittrack(repo, "repro", b.run_id, "--swap", f"code={a.run_id}", check=False)

    assert "code explains +0 of +30" in text(asked(repo, a, b))


def test_a_swap_to_the_commit_of_the_other_run_counts(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two
    gittrack(repo, "repro", a.run_id, "--swap", "code=HEAD", check=False)
    gittrack(repo, "repro", a.run_id, "--swap", "code=HEAD~1", check=False)

    (size,) = asked(repo, a, b).metrics

    assert [(one.kind, one.moved) for one in size.effects] == [("code", 270.0)]


def test_a_swap_of_two_inputs_at_once_explains_neither(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two
    swaps = ("--swap", f"code={b.run_id}", "--swap", f"data={b.run_id}")
    gittrack(repo, "repro", a.run_id, *swaps, check=False)

    found = asked(repo, a, b)

    assert found.metrics[0].effects == ()
    assert [kind for kind, _ in found.untested] == ["code", "data"]


def test_of_several_commits_the_search_for_the_one_is_named(
    repo: Path, two: tuple[RunRecord, RunRecord]
) -> None:
    a, b = two
    assert asked(repo, a, b).search is None  # it is one commit
    c = project(repo, factor=1000, text="a", big="bb")
    commit_later = f"gittrack bisect size --good {a.run_id[:8]} --bad {c.run_id[:8]}"

    assert asked(repo, a, c).search == asked(repo, c, a).search == commit_later
    assert f"which commit {commit_later}" in text(asked(repo, a, c))
    gittrack(repo, *commit_later.split()[1:])

    write(repo, {"in.txt": "aaaaaaa"})
    commit_all(repo)
    write(repo, {"README": "words"})
    commit_all(repo)
    job(repo, "python", "train.py")
    d = originals(repo)[-1]
    gittrack(repo, "repro", c.run_id, "--swap", f"code={d.run_id}", check=False)
    assert asked(repo, c, d).search is None  # it is known that the code moved nothing


def test_plain_repetitions_say_how_much_is_chance(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two
    gittrack(repo, "repro", a.run_id)

    (size,) = asked(repo, a, b).metrics

    assert size.noise == 0
    assert "plain repetitions gave the recorded value" in text(asked(repo, a, b))


def test_what_was_tried_in_another_environment_explains_nothing(repo: Path, tmp_path: Path) -> None:
    project(repo, factor=10, text="a", big="bb")
    a = elsewhere(repo, tmp_path)
    b = project(repo, factor=100, text="aaaa", big="b")
    (tmp_path / "more" / "leftpad-1.0.dist-info").rename(tmp_path / "more" / "leftpad-2.0.dist-info")
    gittrack(repo, "repro", a.run_id, check=False)
    gittrack(repo, "repro", a.run_id, "--swap", f"code={b.run_id}", check=False)
    assert len(runs(repo, "repro_of is not null")) == 2

    found = asked(repo, a, b)

    assert found.metrics[0].effects == ()
    assert found.metrics[0].noise is None
    assert found.untested[0] == (
        "code",
        f"gittrack repro {a.run_id[:8]} --swap code={b.run_id[:8]} --env rebuild",
    )


def test_runs_in_two_images_have_no_equal_inputs(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    image = "registry.example.org/train@sha256:" + "2" * 64
    job(repo, "python", "train.py", env={"GITTRACK_IMAGE": image})
    b = originals(repo)[-1]

    found = asked(repo, a, b)

    assert [part.kind for part in found.parts] == ["environment"]
    assert found.parts[0].details == (f"image: none in A, {image} in B",)


def test_params_command_and_variables_are_named(repo: Path) -> None:
    train = """\
import gittrack, sys
with gittrack.start_run():
    gittrack.log_param("lr", float(sys.argv[1]))
    gittrack.log_metric("loss", float(sys.argv[1]))
"""
    write(repo, {"train.py": train})
    commit_all(repo)
    job(repo, "python", "train.py", "0.1")
    job(repo, "python", "train.py", "0.2", env={"OMP_NUM_THREADS": "1"})
    a, b = originals(repo)

    found = asked(repo, a, b)

    assert {part.kind: part.details for part in found.parts} == {
        "params": ("lr: 0.1 in A, 0.2 in B",),
        "command": (
            "argv: python train.py 0.1 in A, python train.py 0.2 in B",
            "env OMP_NUM_THREADS: none in A, 1 in B",
        ),
    }
    assert found.untested == ()


def test_code_that_differs_in_data_alone_is_no_code(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    b = project(repo, factor=10, text="xyz", big="bb")

    found = asked(repo, a, b)

    assert [part.kind for part in found.parts] == ["data"]
    assert [kind for kind, _ in found.untested] == ["data"]


def test_uncommitted_changes_are_said(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    write(repo, {"model.py": "FACTOR = 7\n"})
    job(repo, "python", "train.py")

    found = asked(repo, a, originals(repo)[-1])

    assert found.parts[0].summary == "1 file, +1 -1 lines, uncommitted changes in B"


def test_runs_with_the_same_inputs_leave_the_job_itself(repo: Path) -> None:
    write(
        repo,
        {
            "train.py": "import gittrack, os\nwith gittrack.start_run():\n    gittrack.log_metric('pid', os.getpid())\n"
        },
    )
    commit_all(repo)
    job(repo, "python", "train.py")
    job(repo, "python", "train.py")
    a, b = originals(repo)

    assert "the job itself makes the difference" in text(asked(repo, a, b))
    alike = text(asked(repo, a, a))
    assert "their metrics are alike" in alike
    assert "the job itself" not in alike


def test_what_chance_does_too_is_said_to_be_so() -> None:
    a, b = RunId("a" * 32), RunId("b" * 32)

    def words(total: float, moved: float, noise: float | None) -> list[str]:
        one = Moved("loss", 1.0, 1.0 + total, (Effect("data", moved, b, a),), noise)
        return [line.strip() for line in _metric_in_words(one)[1:]]

    where = f"({a[:8]} with it: run {b[:8]})"
    assert words(0.5, 0.25, 0.125) == [
        f"data explains +0.25 of +0.5 {where}",
        "plain repetitions were at most 0.125 from the record",
    ]
    assert words(0.5, 0.25, 0.25)[0].endswith("), no more than chance does")
    assert words(0.5, -0.25, None) == [f"data moves it the other way, -0.25 {where}"]
    assert words(0.5, 0.25, 1.0)[1].endswith(
        "at most 1 from the record: chance alone explains the difference"
    )


def test_what_no_swap_exchanges_and_how_far_chance_goes_is_named(repo: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    write(repo, {"model.py": "FACTOR = 7\n"})
    job(repo, "python", "train.py", "--fast")
    b = originals(repo)[-1]

    before = text(asked(repo, a, b))
    gittrack(repo, "repro", a.run_id, "--swap", f"code={b.run_id}", check=False)
    after = text(asked(repo, a, b))

    assert "not tested   command (no swap exchanges that: run the command of B with the code of A)" in before
    assert "chance" not in before
    assert f"not tested   chance (gittrack repro {a.run_id[:8]} --times 3)" in after


def test_an_environment_that_differs_is_ranked(repo: Path, tmp_path: Path) -> None:
    a = project(repo, factor=10, text="a", big="bb")
    (tmp_path / "more" / "leftpad-1.0.dist-info").mkdir(parents=True)
    job(repo, "python", "train.py", env={"PYTHONPATH": str(tmp_path / "more")})
    b = originals(repo)[-1]

    found = asked(repo, a, b, metric="size")

    assert next(part for part in found.parts if part.kind == "environment").details == (
        "leftpad: none in A, 1.0 in B",
    )


def test_the_command_line_answers_in_words_and_in_json(repo: Path, two: tuple[RunRecord, RunRecord]) -> None:
    a, b = two

    words = gittrack(repo, "why", a.run_id[:8], b.run_id[:8], "--metric", "size")
    answer = json.loads(gittrack(repo, "why", a.run_id[:8], b.run_id[:8], "--json"))
    refused = gittrack(repo, "why", a.run_id[:8], b.run_id[:8], "--metric", "none", check=False)

    assert words.startswith(f"A is run {a.run_id[:8]} ({a.name}), B is run {b.run_id[:8]}")
    assert answer["metrics"][0] == {
        "key": "size", "a": 30.0, "b": 500.0, "moved": 470.0, "noise": None, "explained": [],
    }  # fmt: skip
    assert answer["untested"][0]["kind"] == "code"
    assert "neither run has a metric 'none'" in refused
