"""The fluent functions mean what MLflow's mean."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import gittrack
from gittrack.api import state
from gittrack.errors import Conflict, InvalidValue, NotFound
from gittrack.record import origin
from tests.record.processes import script, sealed_runs


@pytest.fixture(autouse=True)
def fresh(repo: Path, monkeypatch: pytest.MonkeyPatch):
    """Make each test a process of its own as far as the fluent functions can tell."""
    monkeypatch.chdir(repo)
    state.forget()
    monkeypatch.delenv("GITTRACK_EXPERIMENT_ID", raising=False)  # and put it back as it was, unset
    origin._forget()
    yield
    while gittrack.active_run():
        gittrack.end_run()


def test_a_run_is_active_from_its_start_to_its_end() -> None:
    assert gittrack.active_run() is None
    run = gittrack.start_run(run_name="first", tags={"a": 1}, description="what for")
    assert gittrack.active_run() is run
    assert (run.info.run_name, run.info.status, run.info.end_time) == ("first", "RUNNING", None)
    gittrack.end_run()
    assert gittrack.active_run() is None
    assert run.info.status == "FINISHED"
    [sealed] = sealed_runs(Path.cwd())
    assert dict(sealed.tags) == {"a": "1", "mlflow.note.content": "what for"}


def test_ending_without_a_run_does_nothing() -> None:
    gittrack.end_run()
    gittrack.end_run("FAILED")


def test_a_second_start_is_refused_unless_it_is_nested(repo) -> None:
    with gittrack.start_run(run_name="outer") as outer:
        with pytest.raises(Conflict, match="'outer' is active") as caught:
            gittrack.start_run()
        assert "nested=True" in caught.value.hint
        with gittrack.start_run(nested=True) as inner:
            assert gittrack.active_run() is inner
            with gittrack.start_run(nested=True) as innermost:
                assert gittrack.active_run() is innermost
        assert gittrack.active_run() is outer
    parents = {run.run_id: run.parent_run_id for run in sealed_runs(repo)}
    assert parents == {outer.run_id: None, inner.run_id: outer.run_id, innermost.run_id: inner.run_id}


def test_the_inner_run_that_fails_does_not_fail_the_outer_one(repo) -> None:
    with gittrack.start_run(run_name="outer"):
        with pytest.raises(ValueError, match="broken"), gittrack.start_run(run_name="inner", nested=True):
            raise ValueError("broken")
        gittrack.log_metric("after", 1.0)
    assert {run.name: run.status for run in sealed_runs(repo)} == {"outer": "FINISHED", "inner": "FAILED"}


def test_end_run_takes_the_status(repo) -> None:
    for status in ("FINISHED", "FAILED", "KILLED"):
        gittrack.start_run()
        gittrack.end_run(status)
    assert [run.status for run in sealed_runs(repo)] == ["FINISHED", "FAILED", "KILLED"]


def test_runs_go_to_the_experiment_that_was_set_and_nested_ones_to_their_parents(repo) -> None:
    with gittrack.start_run(run_name="default"):
        pass
    gittrack.set_experiment("churn")
    with gittrack.start_run(run_name="set"), gittrack.start_run(run_name="nested", nested=True):
        pass
    with (
        gittrack.start_run(run_name="named", experiment_name="other"),
        gittrack.start_run(run_name="in", nested=True),
    ):
        pass
    experiments = {run.name: run.experiment for run in sealed_runs(repo)}
    assert experiments == {
        "default": "Default",
        "set": "churn",
        "nested": "churn",
        "named": "other",
        "in": "other",
    }
    for name in ("", "  ", None, 3):
        with pytest.raises(InvalidValue):
            gittrack.set_experiment(name)


def test_logging_without_a_run_starts_one(repo) -> None:
    assert gittrack.log_param("lr", 0.1) == 0.1
    run = gittrack.active_run()
    gittrack.log_metric("loss", 1.0, step=3)
    assert gittrack.active_run() is run
    gittrack.end_run()
    [sealed] = sealed_runs(repo)
    assert (dict(sealed.params), sealed.metrics["loss"].step) == ({"lr": 0.1}, 3)


def test_a_run_that_was_ended_by_itself_is_no_longer_active() -> None:
    run = gittrack.start_run()
    run.end()
    assert gittrack.active_run() is None
    with pytest.raises(Conflict, match="has ended"):
        run.log_metric("loss", 1.0)
    assert gittrack.start_run() is not run


def test_threads_have_runs_of_their_own(repo) -> None:
    outer = gittrack.start_run(run_name="main")
    together = threading.Barrier(4)

    def work(number: int) -> None:
        assert gittrack.active_run() is None
        with gittrack.start_run(run_name=f"thread-{number}"):
            together.wait()
            for step in range(50):
                gittrack.log_metric("loss", number, step)
            together.wait()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert gittrack.active_run() is outer
    gittrack.end_run()
    runs = {run.name: run for run in sealed_runs(repo)}
    assert set(runs) == {"main", *(f"thread-{number}" for number in range(4))}
    for number in range(4):
        summary = runs[f"thread-{number}"].metrics["loss"]
        assert (summary.count, summary.min, summary.max) == (50, number, number)
    assert dict(runs["main"].metrics) == {}


def test_tasks_have_runs_of_their_own_inside_the_run_they_were_started_in(repo) -> None:
    async def work(number: int) -> None:
        with gittrack.start_run(run_name=f"task-{number}", nested=True) as run:
            for step in range(20):
                gittrack.log_metric("loss", number, step)
                await asyncio.sleep(0)
                assert gittrack.active_run() is run

    async def main() -> None:
        with gittrack.start_run(run_name="main") as outer:
            await asyncio.gather(*(work(number) for number in range(5)))
            assert gittrack.active_run() is outer

    asyncio.run(main())
    runs = {run.name: run for run in sealed_runs(repo)}
    assert len(runs) == 6
    for number in range(5):
        run = runs[f"task-{number}"]
        assert run.parent_run_id == runs["main"].run_id
        assert (run.metrics["loss"].count, run.metrics["loss"].min, run.metrics["loss"].max) == (
            20,
            number,
            number,
        )


@pytest.mark.parametrize("variable", ["GITTRACK_RUN_ID", "MLFLOW_RUN_ID"])
def test_the_run_that_the_environment_names_is_joined_once(repo, variable) -> None:
    with gittrack.start_run(run_name="outer") as outer:
        done = subprocess.run(
            [
                sys.executable, "-c",
                "import gittrack\nfor _ in range(2):\n"
                "    with gittrack.start_run() as run: gittrack.log_metric('loss', 1.0); print(run.run_id)",
            ],
            cwd=repo, env={**os.environ, variable: outer.run_id}, capture_output=True, text=True, check=True,
        )  # fmt: skip
    first, second = done.stdout.split()
    assert first == outer.run_id != second
    assert {run.run_id: run.metrics["loss"].count for run in sealed_runs(repo)} == {first: 1, second: 1}


def test_a_run_id_that_is_none_is_refused_in_one_sentence(monkeypatch) -> None:
    for wrong in ("../" * 11, "", 3):
        with pytest.raises(InvalidValue, match="is not a run id"):
            gittrack.start_run(run_id=wrong)
    for unknown in ("abc", "A" * 32, "g" * 32):  # MLflow takes such ids: they could be somebody's
        with pytest.raises(NotFound, match=f"no run has the id '{unknown}'"):
            gittrack.start_run(run_id=unknown)
    monkeypatch.setenv("GITTRACK_RUN_ID", "x")
    with pytest.raises(NotFound, match="'x'"):
        gittrack.start_run()


def test_a_parent_can_be_named_by_its_id(repo) -> None:
    with gittrack.start_run() as parent:
        pass
    with gittrack.start_run(parent_run_id=parent.run_id) as child:
        pass
    assert {run.run_id: run.parent_run_id for run in sealed_runs(repo)}[child.run_id] == parent.run_id


def test_every_name_that_is_offered_is_there_and_has_a_sentence() -> None:
    for name in gittrack.__all__:
        assert (getattr(gittrack, name).__doc__ or "").strip(), name


def test_a_repository_without_a_store_gets_one_and_the_folder_one_stands_in_does_not_matter(
    repo, monkeypatch
) -> None:
    monkeypatch.chdir(repo / "src")
    with gittrack.start_run():
        pass
    assert (repo / ".gittrack" / "config.yaml").is_file()
    assert len(sealed_runs(repo)) == 1


def test_a_job_may_leave_its_folder_while_it_runs(repo, tmp_path) -> None:
    done = script(
        repo, f"gittrack.start_run()\nos.chdir({str(tmp_path)!r})\ngittrack.log_metric('loss', 1.0, 1)\n"
    )
    assert done.returncode == 0, done.stderr
    [run] = sealed_runs(repo)
    assert (run.status, run.metrics["loss"].count) == ("FINISHED", 1)


def test_the_first_recording_says_once_where_runs_go(repo) -> None:
    code = "import gittrack\nwith gittrack.start_run(): pass\nwith gittrack.start_run(): pass"
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert (
        done.stderr.count(f"runs are recorded in {repo / '.gittrack'}; 'gittrack commit' commits them") == 1
    )
    again = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert again.stderr == ""


def test_what_helps_is_in_the_traceback_of_a_script() -> None:
    with gittrack.start_run():
        gittrack.log_param("depth", 1)
        with pytest.raises(InvalidValue) as refused:
            gittrack.log_param("depth", 2)

    shown = "".join(traceback.format_exception(refused.value))
    assert "param 'depth' is 1 already, it cannot become 2\nhint: a param is fixed for the run: " in shown
    assert str(refused.value) == "param 'depth' is 1 already, it cannot become 2"


@pytest.mark.parametrize("name", ["autolog", "sklearn"])
def test_a_part_of_mlflow_that_is_not_there_says_what_is(name: str) -> None:
    with pytest.raises(AttributeError, match=f"'gittrack' has no attribute '{name}'") as refused:
        getattr(gittrack, name)

    assert "docs/mlflow.md" in "".join(traceback.format_exception(refused.value))
    assert not hasattr(gittrack, name)
