"""The corpus can be played: its table is sound, and its fast jobs are right in this interpreter's environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.repro.environments import Present
from bench.repro.questions import repro
from bench.repro.report import page, word
from bench.repro.scene import HERE, Outcome, play, why_not
from bench.repro.table import JOBS, Job

FAST = ("small", "dirty_tree", "fails", "data_gone", "unseeded", "one_trial", "bisected_open", "attested")
NAMED = {job.name: job for job in JOBS}


def test_there_are_many_jobs_of_different_names_and_each_verdict_is_expected_of_one() -> None:
    assert len(NAMED) == len(JOBS) >= 30
    answers = {question.answer for job in JOBS for question in job.questions}
    assert answers > {"identical", "equivalent", "different", "failed", "impossible", "inconclusive"}


def test_each_command_that_reproduces_or_explains_is_asked() -> None:
    asked = {question.asks.split()[0] for job in JOBS for question in job.questions}
    assert asked == {"repro", "why", "bisect", "attest", "verify"}


def test_each_job_has_its_files_and_none_are_left_over() -> None:
    folders = {job.folder or job.name for job in JOBS}
    assert folders == {folder.name for folder in (HERE / "jobs").iterdir()}


@pytest.mark.parametrize("name", FAST)
def test_a_fast_job_gets_the_answers_that_are_right(name: str, tmp_path: Path) -> None:
    if reason := why_not(NAMED[name], Present(), large=False):
        pytest.skip(reason)  # a machine without ssh-keygen

    outcome = play(NAMED[name], tmp_path / name, Present())

    assert outcome.skipped is None
    assert outcome.trouble == ()
    assert [answer.got for answer in outcome.answers] == [one.answer for one in NAMED[name].questions]


def test_a_wrong_verdict_and_a_job_that_cannot_be_recorded_are_trouble(tmp_path: Path) -> None:
    other = Job("small", "", (repro("different"),), shared=("measurements.csv",))
    wrong = play(other, tmp_path / "wrong", Present())
    broken = play(Job("small", "", record=("python no_such.py",)), tmp_path / "broken", Present())

    assert not wrong.right
    assert "repro RUN: the answer is identical, different is right" in wrong.trouble
    assert not broken.right
    assert "no_such.py" in broken.trouble[0]
    assert "**0 of 2 answers about 2 jobs are right.**" in page([wrong, broken])
    assert "WRONG" in word(wrong)


def test_what_is_missing_is_the_reason_why_a_job_is_skipped(tmp_path: Path) -> None:
    jobs = (
        Job("small", "", programs=("no-such-program",)),
        Job("small", "", packages=("no-such-package==1.0",)),
        Job("small", "", needs=("repro --no-such-option",)),
        NAMED["upgraded"],
        NAMED["torch"],
    )
    outcomes = [play(job, tmp_path / str(number), Present()) for number, job in enumerate(jobs)]

    reasons = [str(outcome.skipped) for outcome in outcomes]
    assert all(outcome.skipped and outcome.right for outcome in outcomes)
    wanted = (
        "no-such-program",
        "no-such-package",
        "repro --no-such-option",
        "environments of its own",
        "--large",
    )
    assert [word in reason for word, reason in zip(wanted, reasons, strict=True)] == [True] * 5
    assert "Not played" in page(outcomes)
    assert word(Outcome(NAMED["torch"], skipped="large")).startswith("skipped")
