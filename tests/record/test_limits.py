"""What a run may hold so that its record can be read again, and how long its end may wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import config
from gittrack.errors import InvalidValue, RecordingWarning
from gittrack.record import document, live, origin, seal, values
from gittrack.record.journal import LOCK_FILE
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import locking
from tests.record.processes import only_run

LARGEST = "x" * values.MAX_TEXT_BYTES
TOO_LARGE = "é" * (values.MAX_TEXT_BYTES // 2) + "x"
SETTERS = {
    "param": lambda run, text: run.log_param("text", text),
    "param with another type": lambda run, text: run.log_param("text", [text]),
    "one of many params": lambda run, text: run.log_params({"fine": 1, "text": text}),
    "tag": lambda run, text: run.set_tag("text", text),
    "one of many tags": lambda run, text: run.set_tags({"fine": "1", "text": text}),
    "name": lambda run, text: run.set_name(text),
    "pattern": lambda run, text: run.set_volatile(text),
}


@pytest.fixture
def project(repo: Path) -> Project:
    origin._forget()
    return Project.find(repo)


def begin(project: Project, **options) -> ActiveRun:
    return ActiveRun.begin(project, project.config(), config.surroundings(), **options)


@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
def test_text_over_a_megabyte_is_refused_at_the_call_and_nothing_of_it_recorded(project, setter) -> None:
    with (
        begin(project, name="small") as run,
        pytest.raises(InvalidValue, match=r"1048577|1048581") as refused,
    ):
        setter(run, TOO_LARGE)
    assert "log_text" in refused.value.hint
    recorded = only_run(project.root)
    assert (recorded.name, recorded.params, recorded.tags, recorded.volatile) == ("small", {}, {}, ())
    assert recorded.status == "FINISHED"


@pytest.mark.parametrize(
    "option", [{"name": TOO_LARGE}, {"experiment": TOO_LARGE}, {"tags": {"a": TOO_LARGE}}]
)
def test_a_run_with_text_over_a_megabyte_does_not_start(project, option) -> None:
    with pytest.raises(InvalidValue, match=r"1048577|at most 500"):
        begin(project, **option)
    assert live.folders(project.layout) == []


def test_text_of_a_megabyte_comes_back_exactly(project) -> None:
    with begin(project) as run:
        run.log_param("text", LARGEST)
        run.set_tag("text", "\x00" * values.MAX_TEXT_BYTES)
    recorded = only_run(project.root)
    assert recorded.params == {"text": LARGEST}
    assert recorded.tags == {"text": "\x00" * values.MAX_TEXT_BYTES}


def test_more_text_in_one_call_than_a_record_can_hold_is_refused(project) -> None:
    many = {f"text_{number}": LARGEST for number in range(9)}
    with begin(project) as run:
        with pytest.raises(InvalidValue, match="9 params"):
            run.log_params(many)
        with pytest.raises(InvalidValue, match="9 tags"):
            run.set_tags(many)
        assert run.params == {}


def test_an_integer_too_long_to_be_written_is_refused_before_anything_is(project) -> None:
    with begin(project) as run:
        with pytest.raises(InvalidValue, match="bits"):
            run.log_params({"fine": 1, "huge": 10**5000})
        run.log_param("large", 2**4095)
    assert only_run(project.root).params == {"large": 2**4095}


def test_a_very_long_traceback_keeps_its_two_ends(project) -> None:
    run = begin(project)
    run.end_with(ValueError("first words " + "é" * 10_000_000 + " last words"))
    error = only_run(project.root).error
    assert len(error.encode()) < 64_100
    assert error.startswith("ValueError: first words")
    assert error.endswith(" last words")
    assert "bytes left out" in error


def test_why_something_was_lost_is_said_in_short(project, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("x" * 200_000)

    with begin(project) as run:
        monkeypatch.setattr(run._files, "put_bytes", refuse)
        with pytest.warns(RecordingWarning):
            run.log_text("text", "note.txt")
    [lost] = only_run(project.root).lost
    assert lost.startswith("artifact note.txt: xxx")
    assert len(lost) < 64_100


def test_a_run_too_large_to_be_read_again_is_not_sealed_and_loses_nothing(project, monkeypatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 100_000)
    run = begin(project)
    for number in range(3):
        run.log_param(f"text_{number}", "x" * 50_000)
    with pytest.warns(RecordingWarning, match="at most 100000 can be read"):
        run.end()
    assert run.digest is None
    assert seal.seal_dead(project.layout) == []
    [kept] = live.read_all(project.layout)
    assert (kept.run.status, kept.alive, len(kept.run.params)) == ("FINISHED", False, 3)
    assert not list(project.layout.runs.glob("*/*"))
    monkeypatch.undo()
    assert len(seal.seal_dead(project.layout)) == 1
    assert len(only_run(project.root).params) == 3


def test_the_end_of_a_run_does_not_wait_for_ever_for_somebody_who_holds_its_folder(
    project, monkeypatch
) -> None:
    monkeypatch.setattr(seal, "PATIENCE_S", 0.05)
    run = begin(project)
    run.log_metric("loss", 0.5, 1)
    folder = project.layout.live_run(run.run_id)
    with (
        locking.locked(folder / LOCK_FILE, shared=True),
        pytest.warns(RecordingWarning, match="another process holds"),
    ):
        run.end()
    assert (run.has_ended, run.digest) == (True, None)
    [digest] = seal.seal_dead(project.layout)
    assert project.layout.run(digest).is_dir()
    assert only_run(project.root).status == "FINISHED"
