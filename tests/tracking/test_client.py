"""What the client and the fluent functions promise of their own accord: identity, honesty, and their surroundings."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    RunInputs,
    RunOutputs,
    ViewType,
)
from gittrack.errors import AlreadyExists, InvalidValue, NotFound
from gittrack.record import seal
from gittrack.record.experiments import id_of
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.repro.verify import is_volatile
from gittrack.store import digest as digests
from gittrack.tracking import open_runs, projects
from tests.conftest import commit_all, git, python, write
from tests.record.processes import layout_at, only_run, script, sealed_runs
from tests.tracking.conftest import close_borrowed, forget, stored

pytestmark = pytest.mark.usefixtures("fresh")

OURS_AND_MLFLOWS = pytest.mark.parametrize("prefix", ["GITTRACK", "MLFLOW"])
ELSEWHERE = [
    "http://localhost:5000",
    "https://tracking.example.org/team",
    "sqlite:///mlflow.db",
    "postgresql://host/db",
    "databricks",
    "databricks://profile",
    "s3://bucket/runs",
    "mlruns",
    "file:///nowhere",
    "file://server/share",
]


def seals_of(root: Path, run_id: str) -> int:
    """Return how many seals of a run the working tree has, superseded ones too."""
    return sum(f"run_id: {run_id}" in file.read_text() for file in layout_at(root).runs.glob("*/*/run.yaml"))


def an_ended_run(client: gittrack.Client) -> str:
    run_id = client.create_run("0", run_name="ended").info.run_id
    client.log_metric(run_id, "loss", 0.5, 1_700_000_000_000, 1)
    client.set_terminated(run_id)
    return run_id


# Experiments


def test_two_clones_that_create_one_name_mean_one_experiment(repo, client, tmp_path) -> None:
    git(tmp_path, "clone", "-q", repo, "other")
    other = gittrack.Client(tmp_path / "other")
    made = [one.create_experiment("churn") for one in (client, other)]
    assert made[0] == made[1] == id_of("churn")
    for one in (client, other):
        one.set_terminated(one.create_run(made[0]).info.run_id)
    for root in (repo, tmp_path / "other"):
        commit_all(root)
    git(repo, "pull", "-q", "--no-rebase", "--no-edit", tmp_path / "other", "main")
    assert [one.name for one in client.search_experiments()].count("churn") == 1
    assert len(client.search_runs([made[0]])) == 2


def test_the_name_of_a_deleted_experiment_is_free_again_and_its_runs_stay_with_the_old_one(client) -> None:
    old = client.create_experiment("churn")
    run = client.create_run(old)
    client.set_terminated(run.info.run_id)
    client.delete_experiment(old)
    new = client.create_experiment("churn")
    assert new == id_of("churn", 1) != old
    assert client.get_experiment_by_name("churn").experiment_id == new
    assert client.search_runs([new]) == []
    assert [one.info.run_id for one in client.search_runs([old], run_view_type=ViewType.DELETED_ONLY)] == [
        run.info.run_id
    ]
    with pytest.raises(AlreadyExists, match="is called 'churn'"):
        client.restore_experiment(old)
    assert gittrack.set_experiment("churn").experiment_id == new


def test_a_project_can_reserve_the_names_of_deleted_experiments(repo, client) -> None:
    old = client.create_experiment("churn")
    client.delete_experiment(old)
    with layout_at(repo).config.open("a") as file:
        file.write("reserve_deleted_names: true\n")
    with pytest.raises(AlreadyExists, match=f"the deleted experiment {old} is called 'churn'"):
        client.create_experiment("churn")
    for take in (gittrack.set_experiment, lambda name: gittrack.start_run(experiment_name=name)):
        with pytest.raises(InvalidValue, match="'churn' is deleted") as caught:
            take("churn")
        assert old in caught.value.hint
    client.restore_experiment(old)
    assert gittrack.set_experiment("churn").experiment_id == old


def test_the_experiment_that_was_set_reaches_the_processes_that_are_started_then(repo) -> None:
    gittrack.set_experiment("churn")
    assert script(repo, "with gittrack.start_run(): pass").returncode == 0
    assert only_run(repo).experiment == "churn"


def test_an_experiment_that_was_renamed_keeps_its_runs_and_takes_new_ones(repo, client) -> None:
    one = client.create_experiment("churn")
    client.set_terminated(client.create_run(one).info.run_id)
    client.rename_experiment(one, "moved")
    with gittrack.start_run(experiment_name="moved") as run:
        pass
    assert run.info.experiment_id == one
    assert len(client.search_runs([one])) == 2
    assert client.get_experiment_by_name("churn") is None


# Runs


def test_a_run_that_ended_is_only_added_to_and_many_calls_make_one_more_seal(repo, client) -> None:
    run_id = an_ended_run(client)
    before = client.get_run(run_id).info
    assert (before.status, seals_of(repo, run_id)) == ("FINISHED", 1)
    for step in range(2, 30):
        client.log_metric(run_id, "loss", 1 / step, 1_700_000_000_000, step)
    client.log_param(run_id, "depth", 3)
    client.log_text(run_id, "late", "notes.txt")
    assert client.get_run(run_id).info == before
    close_borrowed()
    assert seals_of(repo, run_id) == 2
    assert len(projects.session().seals(run_id)) == 1
    after = client.get_run(run_id)
    assert after.info == before
    assert len(client.get_metric_history(run_id, "loss")) == 29
    assert after.data.params == {"depth": "3"}


def test_a_tag_on_a_run_that_ended_makes_no_seal(repo, client) -> None:
    run_id = an_ended_run(client)
    client.set_tag(run_id, "quality", "good")
    client.set_tag(run_id, "mlflow.runName", "renamed")
    close_borrowed()
    assert seals_of(repo, run_id) == 1
    found = client.get_run(run_id)
    assert (found.data.tags["quality"], found.info.run_name) == ("good", "renamed")
    assert found.data.tags["mlflow.runName"] == "renamed"


def test_a_run_that_is_lent_is_given_back_when_nothing_was_logged_for_a_while(repo, client) -> None:
    run_id = an_ended_run(client)
    client.log_metric(run_id, "loss", 0.25, step=2)
    deadline = time.monotonic() + 30
    while seals_of(repo, run_id) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seals_of(repo, run_id) == 2
    assert os.listdir(layout_at(repo).live) == []


def test_a_run_of_a_client_has_code_and_environment(repo, client) -> None:
    write(repo, {"train.py": "print('changed')\n"})
    run_id = client.create_run("0").info.run_id
    assert gittrack.active_run() is None
    client.set_terminated(run_id)
    run = only_run(repo)
    assert (run.run_id, run.code.commit, run.code.dirty) == (run_id, git(repo, "rev-parse", "HEAD"), True)
    assert "+print('changed')" in projects.session().patch(run.run_id).decode()
    assert layout_at(repo).environment(run.environment).is_file()
    assert run.host
    assert run.command


@pytest.mark.parametrize(
    ("end", "status"),
    [("", "FINISHED"), ("raise ValueError('broken')", "FAILED"), ("sys.exit(3)", "FAILED")],
)
def test_a_run_of_a_client_that_nobody_terminates_ends_with_its_process(repo, end, status) -> None:
    script(
        repo,
        "run = gittrack.Client().create_run('0')\n"
        f"gittrack.Client().log_metric(run.info.run_id, 'loss', 0.5)\n{end}\n",
    )
    run = only_run(repo)
    assert (run.status, run.metrics["loss"].count, run.end_time is None) == (status, 1, False)


def test_a_run_of_a_client_whose_process_was_killed_is_killed_with_all_it_had(repo, client) -> None:
    done = script(
        repo,
        "client = gittrack.Client()\n"
        "run_id = client.create_run('0').info.run_id\n"
        "for step in range(100): client.log_metric(run_id, 'loss', step, step=step)\n"
        "print(run_id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert done.returncode == -signal.SIGKILL
    run_id = done.stdout.strip()
    run = client.get_run(run_id)
    assert (run.info.status, run.info.end_time is None) == ("KILLED", False)
    assert [one.step for one in client.get_metric_history(run_id, "loss")] == list(range(100))
    client.log_metric(run_id, "loss", 1.0, step=100)
    assert client.get_run(run_id).info == run.info
    assert len(client.get_metric_history(run_id, "loss")) == 101


def test_a_run_that_ended_stays_as_it_ended_when_a_process_that_adds_to_it_is_killed(repo, client) -> None:
    run_id = an_ended_run(client)
    before = client.get_run(run_id).info
    done = script(
        repo,
        f"gittrack.Client().log_metric('{run_id}', 'loss', 0.25, step=2)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert done.returncode == -signal.SIGKILL
    assert client.get_run(run_id).info == before
    seal.seal_dead(layout_at(repo))
    assert client.get_run(run_id).info == before
    assert [one.step for one in client.get_metric_history(run_id, "loss")] == [1, 2]


def test_a_process_that_added_to_a_run_which_ended_does_not_change_how_it_ended(repo, client) -> None:
    run_id = an_ended_run(client)
    before = client.get_run(run_id).info
    code = f"gittrack.Client().log_metric('{run_id}', 'loss', 0.25, step=2)\nraise ValueError('broken')\n"
    assert script(repo, code).returncode == 1
    assert client.get_run(run_id).info == before
    assert only_run_without_live(repo, run_id) == "FINISHED"


def only_run_without_live(repo: Path, run_id: str) -> str:
    assert os.listdir(layout_at(repo).live) == []
    return projects.session().run(run_id).status


def test_a_process_that_logs_to_the_run_of_another_does_not_end_it(repo, client) -> None:
    run = gittrack.start_run()
    code = f"gittrack.Client().log_metric('{run.run_id}', 'loss', 1.0)\nraise ValueError('broken')\n"
    assert script(repo, code).returncode == 1
    assert client.get_run(run.run_id).info.status == "RUNNING"
    gittrack.end_run()
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert client.get_run(run.run_id).data.metrics == {"loss": 1.0}


def test_another_process_can_end_a_run_with_the_status_it_says(repo, client) -> None:
    run_id = an_ended_run(client)
    assert (
        script(repo, f"gittrack.Client().set_terminated('{run_id}', 'FAILED', 1_800_000_000_000)").returncode
        == 0
    )
    info = client.get_run(run_id).info
    assert (info.status, info.end_time) == ("FAILED", max(1_800_000_000_000, info.start_time))


def test_the_last_active_run_is_seen_as_it_is_now(client) -> None:
    assert gittrack.last_active_run() is None
    with gittrack.start_run() as run:
        assert gittrack.last_active_run() is run
    client.set_tag(run.run_id, "later", "yes")
    assert gittrack.last_active_run().data.tags["later"] == "yes"
    assert gittrack.last_active_run().info.status == "FINISHED"


def test_a_client_of_another_repository_records_there_and_nowhere_else(repo, client, tmp_path) -> None:
    git(tmp_path, "clone", "-q", repo, "other")
    other = gittrack.Client((tmp_path / "other").as_uri())
    run_id = an_ended_run(other)
    assert other.get_run(run_id).info.run_name == "ended"
    with pytest.raises(NotFound):
        client.get_run(run_id)
    assert len(sealed_runs(tmp_path / "other")) == 1
    assert not (repo / ".gittrack").exists()


def test_runs_of_a_branch_are_known_on_every_other_and_can_be_added_to(repo, client) -> None:
    git(repo, "switch", "-qc", "side")
    run_id = an_ended_run(client)
    commit_all(repo)
    git(repo, "switch", "-q", "main")
    assert client.get_run(run_id).info.run_name == "ended"
    client.log_metric(run_id, "loss", 0.25, 1_700_000_000_000, 2)
    close_borrowed()
    commit_all(repo)
    assert [one.step for one in client.get_metric_history(run_id, "loss")] == [1, 2]
    git(repo, "merge", "-q", "--no-edit", "side")
    assert [one.step for one in client.get_metric_history(run_id, "loss")] == [1, 2]
    assert [one.info.run_id for one in client.search_runs(["0"])] == [run_id]


# Surroundings


@OURS_AND_MLFLOWS
def test_the_environment_names_the_run_to_go_on_with_once(client, monkeypatch, prefix) -> None:
    run_id = an_ended_run(client)
    monkeypatch.setenv(f"{prefix}_RUN_ID", run_id)
    with gittrack.start_run() as first:
        gittrack.log_metric("loss", 0.25, 2)
    with gittrack.start_run() as second:
        pass
    assert first.run_id == run_id != second.run_id
    assert len(client.get_metric_history(run_id, "loss")) == 2


@OURS_AND_MLFLOWS
def test_the_environment_names_the_experiment(client, monkeypatch, prefix) -> None:
    monkeypatch.setenv(f"{prefix}_EXPERIMENT_NAME", "churn")
    with gittrack.start_run() as run:
        pass
    assert run.experiment == "churn"
    assert len(gittrack.search_runs(output_format="list")) == 1
    gittrack.set_experiment("other")
    with gittrack.start_run() as run:
        pass
    assert run.experiment == "other"


@OURS_AND_MLFLOWS
def test_the_environment_names_the_experiment_by_its_id(client, monkeypatch, prefix) -> None:
    one = client.create_experiment("churn")
    monkeypatch.setenv(f"{prefix}_EXPERIMENT_ID", one)
    with gittrack.start_run() as run:
        pass
    assert (run.experiment, run.info.experiment_id) == ("churn", one)
    monkeypatch.setenv(f"{prefix}_EXPERIMENT_ID", "12345")
    with pytest.raises(NotFound, match="'12345'"):
        gittrack.start_run()
    assert gittrack.active_run() is None


@OURS_AND_MLFLOWS
def test_the_environment_gives_every_run_tags_and_the_calls_own_count_more(
    client, monkeypatch, prefix
) -> None:
    monkeypatch.setenv(f"{prefix}_RUN_CONTEXT", json.dumps({"team": "red", "job": 7}))
    with gittrack.start_run(tags={"team": "blue"}) as run:
        pass
    tags = client.get_run(run.run_id).data.tags
    assert (tags["team"], tags["job"]) == ("blue", "7")
    monkeypatch.setenv(f"{prefix}_RUN_CONTEXT", "team=red")
    with pytest.raises(InvalidValue, match="not a JSON object"):
        gittrack.start_run()


@OURS_AND_MLFLOWS
def test_the_environment_names_the_repository(repo, tmp_path, monkeypatch, prefix) -> None:
    git(tmp_path, "clone", "-q", repo, "other")
    for uri in (str(tmp_path / "other"), (tmp_path / "other").as_uri()):
        monkeypatch.setenv(f"{prefix}_TRACKING_URI", uri)
        assert gittrack.is_tracking_uri_set()
        assert gittrack.get_tracking_uri() == (tmp_path / "other").as_uri()
        with gittrack.start_run():
            pass
    assert len(sealed_runs(tmp_path / "other")) == 2
    assert not (repo / ".gittrack").exists()


@pytest.mark.parametrize("uri", ELSEWHERE)
def test_a_tracking_uri_that_points_elsewhere_is_an_error_and_never_a_second_store(
    repo, monkeypatch, uri
) -> None:
    before = sorted(repo.rglob("*"))
    calls: list[Callable[[], object]] = [
        lambda: gittrack.set_tracking_uri(uri),
        lambda: gittrack.Client(uri),
        lambda: gittrack.Client(tracking_uri=uri).search_experiments(),
    ]
    for call in calls:
        refused(call, uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for call in (
        gittrack.start_run,
        gittrack.search_runs,
        gittrack.get_tracking_uri,
        lambda: gittrack.log_metric("loss", 1.0),
        lambda: gittrack.set_experiment("churn"),
        lambda: gittrack.Client().create_run("0"),
    ):
        refused(call, uri)
    assert sorted(repo.rglob("*")) == before


def refused(call: Callable[[], object], uri: str) -> None:
    with pytest.raises(InvalidValue, match="runs are recorded in a git repository") as caught:
        call()
    assert f"'{uri}'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "MLFLOW_TRACKING_URI" in caught.value.hint


def test_an_empty_tracking_uri_means_the_repository_around_the_current_folder(repo) -> None:
    gittrack.set_tracking_uri(repo)
    assert gittrack.is_tracking_uri_set()
    gittrack.set_tracking_uri("")
    assert not gittrack.is_tracking_uri_set()
    assert gittrack.get_tracking_uri() == repo.as_uri()


def test_the_tracking_uri_that_was_set_reaches_the_processes_that_are_started_then(repo, tmp_path) -> None:
    git(tmp_path, "clone", "-q", repo, "other")
    gittrack.set_tracking_uri(tmp_path / "other")
    assert script(repo, "with gittrack.start_run(): pass").returncode == 0
    assert len(sealed_runs(tmp_path / "other")) == 1
    assert not (repo / ".gittrack").exists()


@OURS_AND_MLFLOWS
def test_the_environment_can_ask_for_answers_that_can_be_waited_for(client, monkeypatch, prefix) -> None:
    monkeypatch.setenv(f"{prefix}_ENABLE_ASYNC_LOGGING", "true")
    with gittrack.start_run() as run:
        answers = [
            gittrack.log_metric("loss", 0.5),
            gittrack.set_tag("team", "red"),
            gittrack.log_params({"depth": 3}),
            client.log_param(run.run_id, "lr", 0.1),
        ]
        assert [answer.wait() for answer in answers] == [None] * 4
        assert gittrack.log_param("seed", 7, synchronous=True) == 7
    monkeypatch.delenv(f"{prefix}_ENABLE_ASYNC_LOGGING")
    with gittrack.start_run():
        assert gittrack.log_metric("loss", 0.5) is None


def test_asynchronous_logging_can_be_switched_while_a_run_is_active_and_children_are_told(
    client, monkeypatch
) -> None:
    monkeypatch.setenv("GITTRACK_ENABLE_ASYNC_LOGGING", "false")  # put back afterwards
    with gittrack.start_run() as run:
        gittrack.config.enable_async_logging()
        assert gittrack.log_metric("loss", 0.5) is not None
        assert os.environ["GITTRACK_ENABLE_ASYNC_LOGGING"] == "true"
        gittrack.config.enable_async_logging(False)
        assert gittrack.log_metric("loss", 0.25, step=1) is None
    assert client.get_run(run.run_id).data.metrics == {"loss": 0.25}


# System metrics


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_machine_is_watched_while_a_run_is_active_and_goes_on_counting_after_a_resume(
    client, monkeypatch
) -> None:
    pytest.importorskip("psutil", reason="the extra 'system' brings psutil")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    key = "system/system_memory_usage_percentage"
    gittrack.set_system_metrics_sampling_interval(0.01)
    gittrack.set_system_metrics_samples_before_logging(1)
    with gittrack.start_run(log_system_metrics=True) as run:
        gittrack.log_metric("loss", 0.5)
        until(lambda: len(client.get_metric_history(run.run_id, key)) > 2)
    first = [one.step for one in client.get_metric_history(run.run_id, key)]
    assert first == list(range(len(first)))
    with gittrack.start_run(run.run_id, log_system_metrics=True):
        until(lambda: len(client.get_metric_history(run.run_id, key)) > len(first) + 2)
    steps = sorted(one.step for one in client.get_metric_history(run.run_id, key))
    assert steps == list(range(len(steps)))
    recorded = projects.session().run(run.run_id)
    assert {name: is_volatile(name, recorded.volatile) for name in (key, "loss")} == {
        key: True,
        "loss": False,
    }


@OURS_AND_MLFLOWS
def test_the_environment_can_ask_for_system_metrics_and_a_call_can_decline(
    client, monkeypatch, prefix
) -> None:
    pytest.importorskip("psutil", reason="the extra 'system' brings psutil")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv(f"{prefix}_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv(f"{prefix}_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    monkeypatch.setenv(f"{prefix}_SYSTEM_METRICS_NODE_ID", "worker-1")
    key = "system/worker-1/cpu_utilization_percentage"
    with gittrack.start_run() as run:
        until(lambda: bool(client.get_metric_history(run.run_id, key)))
    with gittrack.start_run(log_system_metrics=False) as run:
        pass
    gittrack.disable_system_metrics_logging()
    with gittrack.start_run() as other:
        pass
    assert client.get_run(run.run_id).data.metrics == client.get_run(other.run_id).data.metrics == {}


# Data


def test_a_dataset_that_was_read_from_a_file_records_that_file_by_digest_too(repo, client) -> None:
    import pandas as pd

    write(repo, {"data/train.csv": "x,y\n1,2\n3,4\n"})
    frame = pd.read_csv(repo / "data" / "train.csv")
    with gittrack.start_run() as run:
        gittrack.log_input(
            gittrack.data.from_pandas(frame, source="data/train.csv", name="churn"), context="training"
        )
    [used] = client.get_run(run.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.tags[0].value) == ("churn", "training")
    [entry] = only_run(repo).data
    assert (entry.path, entry.size) == ("data/train.csv", 12)
    assert Project.find(repo).layout.file(entry.digest).is_file() or entry.kept_by == "git"


def test_what_a_metric_was_measured_on_is_said_once_whoever_said_it(repo, client) -> None:
    import numpy as np

    dataset = gittrack.data.from_numpy(np.arange(3), name="val")
    with gittrack.start_run() as run:
        gittrack.log_input(dataset, context="validation")
        gittrack.log_outputs([LoggedModelOutput("m-1", 1)])
    with gittrack.start_run(run.run_id):
        for step in range(3):
            gittrack.log_metric("auc", 0.5, step=step, dataset=dataset, model_id="m-1")
            gittrack.log_metric("base", 0.5, step=step, dataset=dataset, model_id="m-base")
    [used] = client.get_run(run.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.tags[0].value) == ("val", "validation")
    assert models_of(client.get_run(run.run_id)) == (["m-base"], [("m-1", 1)])


def models_of(run: Any) -> tuple[list[str], list[tuple[str, int]]]:
    """Return the ids of the models that a run used, and ids and steps of those that it made."""
    made = [(one.model_id, one.step) for one in run.outputs.model_outputs]
    return [one.model_id for one in run.inputs.model_inputs], made


def test_a_run_keeps_the_models_that_it_used_and_made_while_it_is_live_and_afterwards(client) -> None:
    with gittrack.start_run() as run:
        gittrack.log_input(model=LoggedModelInput("m-base"))
        gittrack.log_outputs([LoggedModelOutput("m-1", 1), LoggedModelOutput("m-2", 2)])
        expected = (["m-base"], [("m-1", 1), ("m-2", 2)])
        assert models_of(run) == models_of(client.get_run(run.run_id)) == expected
    assert models_of(run) == models_of(client.get_run(run.run_id)) == expected
    [found] = client.search_runs(["0"])
    assert found.outputs == RunOutputs([LoggedModelOutput("m-1", 1), LoggedModelOutput("m-2", 2)])
    assert found.inputs == RunInputs([], [LoggedModelInput("m-base")])
    rows = gittrack.sql("select model_id from models where run_id = $id and role = 'output'", id=run.run_id)
    assert sorted(rows.model_id) == ["m-1", "m-2"]


def test_models_are_added_to_a_run_that_has_ended_and_to_one_that_is_resumed(repo, client) -> None:
    with gittrack.start_run() as run:
        gittrack.log_outputs([LoggedModelOutput("m-1", 1)])
    client.log_outputs(run.run_id, [LoggedModelOutput("m-2", 2)])
    client.log_inputs(run.run_id, models=[LoggedModelInput("m-1")])
    close_borrowed()
    with gittrack.start_run(run.run_id):
        gittrack.log_outputs([LoggedModelOutput("m-3", 3)])
    found = client.get_run(run.run_id)
    assert models_of(found) == (["m-1"], [("m-1", 1), ("m-2", 2), ("m-3", 3)])
    assert found.info.status == "FINISHED"


def test_a_model_counts_once_at_each_step(client) -> None:
    with gittrack.start_run() as run:
        for step in (1, 1, 2):
            gittrack.log_outputs([LoggedModelOutput("m-1", step)])
            gittrack.log_inputs(models=[LoggedModelInput("m-1"), None])
    assert models_of(client.get_run(run.run_id)) == (["m-1"], [("m-1", 1), ("m-1", 2)])


@pytest.mark.parametrize("model_id", ["", "x" * 251, None, 5], ids=ascii)
def test_what_cannot_be_the_id_of_a_model_is_refused_and_nothing_is_recorded(client, model_id) -> None:
    with gittrack.start_run() as run:
        with pytest.raises(InvalidValue):
            gittrack.log_outputs([LoggedModelOutput("m-1", 1), LoggedModelOutput(model_id, 1)])
        with pytest.raises(InvalidValue):
            gittrack.log_input(model=LoggedModelInput(model_id))
    assert models_of(client.get_run(run.run_id)) == ([], [])


@pytest.mark.parametrize("status", ["DONE", "finished", "", 3, b"FAILED"], ids=ascii)
def test_a_status_that_there_is_not_is_refused_and_the_run_goes_on(client, status) -> None:
    run = gittrack.start_run()
    with pytest.raises(InvalidValue):
        gittrack.end_run(status)
    assert gittrack.active_run() is run
    gittrack.end_run()
    assert client.get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.parametrize("end", ["soon", 1.5, -1, 2**50, 1_700_000_000_000_000_000], ids=ascii)
def test_a_time_at_which_no_run_can_end_is_refused_and_the_run_goes_on(client, end) -> None:
    run_id = client.create_run("0").info.run_id
    with pytest.raises(InvalidValue):
        client.set_terminated(run_id, end_time=end)
    assert client.get_run(run_id).info.status == "RUNNING"


@pytest.mark.parametrize("start", ["soon", 1.5, -1, 2**50, 2**70, 1_700_000_000_000_000_000], ids=ascii)
def test_a_time_at_which_no_run_can_start_is_refused(client, start) -> None:
    with pytest.raises(InvalidValue):
        client.create_run("0", start_time=start)


def test_a_run_with_an_impossible_end_costs_no_answer_about_others(client) -> None:
    good, bad = an_ended_run(client), client.create_run("0").info.run_id
    with contextlib.suppress(InvalidValue):
        client.set_terminated(bad, end_time=2**70)
    assert client.get_run(good).info.status == "FINISHED"


def test_the_time_of_a_point_comes_back_or_is_refused(client) -> None:
    run_id = client.create_run("0").info.run_id
    nanoseconds = 1_700_000_000_000_000_000  # what `time.time_ns()` gives, taken for milliseconds
    with contextlib.suppress(InvalidValue):
        client.log_metric(run_id, "loss", 0.5, nanoseconds)
        assert [one.timestamp for one in client.get_metric_history(run_id, "loss")] == [nanoseconds]


@pytest.mark.parametrize("state", ["open", "lent"])
def test_nothing_is_logged_to_a_run_of_an_experiment_that_was_deleted(client, state) -> None:
    one = client.create_experiment("churn")
    run_id = client.create_run(one).info.run_id
    if state == "lent":
        client.set_terminated(run_id)
        client.log_metric(run_id, "loss", 0.5)
    client.delete_experiment(one)
    with pytest.raises(InvalidValue, match="is deleted"):
        client.log_metric(run_id, "loss", 0.5)


def test_a_tag_of_a_deleted_run_that_is_open_stays(client) -> None:
    run_id = client.create_run("0", tags={"team": "red"}).info.run_id
    client.delete_run(run_id)
    with pytest.raises(InvalidValue, match="is deleted"):
        client.delete_tag(run_id, "team")


def test_a_call_that_is_refused_makes_no_seal_of_a_run_that_has_ended(repo, client) -> None:
    run_id = an_ended_run(client)
    before = stored(repo)
    with pytest.raises(InvalidValue):
        client.log_metric(run_id, "a;b", 0.5)
    close_borrowed()
    assert stored(repo) == before


def test_of_an_artifact_that_the_later_of_two_resumes_replaced_the_new_content_is_seen(
    repo, client, tmp_path
) -> None:
    low, high = sorted(("one", "two"), key=lambda text: digests.of_bytes(text.encode()))
    with gittrack.start_run() as run:
        gittrack.log_text(low, "a.txt")
        gittrack.log_text(high, "b.txt")
    commit_all(repo)
    git(tmp_path, "clone", "-q", repo, "other")
    for place, texts in ((tmp_path / "other", {}), (repo, {"a.txt": high, "b.txt": low})):
        forget()
        os.chdir(place)
        with gittrack.start_run(run.run_id):
            gittrack.log_metric("loss", 0.5)
            for path, text in texts.items():
                gittrack.log_text(text, path)
        commit_all(place)
        time.sleep(0.002)  # of two ends within a millisecond the digest tells which is the later
    git(repo, "pull", "-q", "--no-rebase", "--no-edit", tmp_path / "other", "main")
    assert len(client.get_metric_history(run.run_id, "loss")) == 2
    address = f"runs:/{run.run_id}"
    assert [gittrack.artifacts.load_text(f"{address}/{path}") for path in ("a.txt", "b.txt")] == [high, low]


def test_two_that_open_an_ended_run_at_once_lose_nothing_that_a_third_has_added(repo, client) -> None:
    run_id = an_ended_run(client)
    project = projects.current()
    looked = [as_resumed(run_id)]
    client.log_metric(run_id, "loss", 0.25, step=2)
    close_borrowed()
    looked.append(as_resumed(run_id))
    first = ActiveRun.resume(project, project.config(), amend=True, **looked[0])
    with pytest.raises(AlreadyExists):
        ActiveRun.resume(project, project.config(), amend=True, **looked[1])
    both = [first, ActiveRun.attach(project, project.config(), run_id)]
    for step, run in enumerate(both, 3):
        run.log_metric("loss", 0.125, step)
        run.flush()
    for run in both:
        run.leave()
    assert sorted(one.step for one in client.get_metric_history(run_id, "loss")) == [1, 2, 3, 4]


def as_resumed(run_id: str) -> dict[str, Any]:
    """Return what a process that opens a run which has ended finds of it, as it is now."""
    session = projects.session()
    return {
        "sealed": session.run(run_id),
        "seals_of_it": session.seals(run_id),
        "seen": (),
        "metrics": session.points(run_id).to_parquet(),
        "patch": None,
    }


@pytest.mark.parametrize("value", [{}, {1.5: "x"}, {1.0, 2.0}], ids=ascii)
def test_a_dictionary_or_a_set_is_no_series(client, value) -> None:
    with gittrack.start_run() as run:
        with pytest.raises(InvalidValue):
            gittrack.log_metrics({"loss": value})
        assert run.data.metrics == {}


def test_a_series_whose_steps_leave_64_bits_is_refused(client) -> None:
    with gittrack.start_run(), pytest.raises(InvalidValue):
        gittrack.log_metrics({"loss": [1.0, 2.0]}, step=2**63 - 1)


def test_a_table_of_points_with_a_time_before_1970_is_refused(client) -> None:
    with gittrack.start_run(), pytest.raises(InvalidValue):
        gittrack.log_points({"key": ["loss"], "step": [1], "value": [0.5], "timestamp": [-5]})


def test_an_experiment_without_a_name_is_refused(client) -> None:
    with pytest.raises(InvalidValue):
        gittrack.start_run(experiment_name="")


WRONG_TYPES: list[Callable[[gittrack.Client, str], Any]] = [
    lambda client, run_id: client.log_batch(run_id, metrics=3),
    lambda client, run_id: client.log_batch(run_id, params=3),
    lambda client, run_id: client.log_inputs(run_id, 3),
    lambda client, run_id: client.log_inputs(run_id, [DatasetInput(3, [])]),
    lambda client, run_id: client.log_inputs(run_id, [DatasetInput(Dataset("a", "1", "local", "{}"), [3])]),
    lambda client, run_id: client.create_run("0", tags=["a"]),
    lambda client, run_id: client.create_experiment("churn", tags="x"),
    lambda client, run_id: client.get_metric_history(run_id, 3),
    lambda client, run_id: client.list_artifacts(run_id, 3),
    lambda client, run_id: client.log_artifact(run_id, None),
    lambda client, run_id: client.log_artifact(run_id, "train.py", 3),
    lambda client, run_id: client.log_artifacts(run_id, None),
    lambda client, run_id: gittrack.log_params(["a"], run_id=run_id),
    lambda client, run_id: gittrack.log_metrics("x", run_id=run_id),
    lambda client, run_id: gittrack.log_points(3),
    lambda client, run_id: gittrack.set_tags(["a"]),
    lambda client, run_id: gittrack.start_run(nested=True, tags="x"),
]


@pytest.mark.parametrize("call", WRONG_TYPES)
def test_what_is_of_a_wrong_type_is_refused_in_one_sentence(client, call) -> None:
    with pytest.raises(InvalidValue):
        call(client, gittrack.start_run().run_id)


def test_a_run_that_this_process_has_open_is_gone_on_with_by_the_same_handle(client) -> None:
    run_id = client.create_run("0").info.run_id
    with contextlib.suppress(ZeroDivisionError), gittrack.start_run(run_id=run_id):
        gittrack.log_param("a", 1)
        with pytest.raises(InvalidValue):
            client.log_param(run_id, "a", 2)
        raise ZeroDivisionError
    assert client.get_run(run_id).info.status == "FAILED"


def test_a_lent_run_is_not_given_back_while_something_is_stored_in_it(client, monkeypatch) -> None:
    monkeypatch.setattr(open_runs, "IDLE_S", 0.02)
    run_id = an_ended_run(client)

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threading.Event().wait(0.1)
            return super().read(size)

    client.log_stream(run_id, Slow(b"weights"), "model.bin")
    close_borrowed()
    assert [one.path for one in client.list_artifacts(run_id)] == ["model.bin"]


def test_a_refused_resume_leaves_the_run_as_it_was(client) -> None:
    run_id = an_ended_run(client)
    before = client.get_run(run_id).info
    with pytest.raises(InvalidValue):
        gittrack.start_run(run_id=run_id, tags={"": 1})
    gittrack.set_system_metrics_samples_before_logging(0)
    with pytest.raises(InvalidValue):
        gittrack.start_run(run_id=run_id, log_system_metrics=True)
    gittrack.set_experiment("another")
    with pytest.raises(InvalidValue, match="belongs to the experiment 0"):
        gittrack.start_run(run_id=run_id)
    assert client.get_run(run_id).info == before
    assert gittrack.active_run() is None


def test_only_the_process_that_has_a_run_says_how_it_ends(repo, client) -> None:
    run_id = client.create_run("0").info.run_id
    told = python(
        repo,
        f"""
import gittrack
client = gittrack.Client()
try:
    client.set_terminated({run_id!r}, "FAILED")
except gittrack.GittrackError as error:
    print(error.error_code)
client.set_tag({run_id!r}, "stage", "from elsewhere")
""",
    )
    assert told.stdout == "INVALID_STATE\n"
    assert client.get_run(run_id).data.tags["stage"] == "from elsewhere"
    client.set_tag(run_id, "stage", "later, from here")
    client.set_terminated(run_id)
    assert client.get_run(run_id).data.tags["stage"] == "later, from here"
    assert client.get_run(run_id).info.status == "FINISHED"


def test_no_run_starts_in_an_experiment_that_was_deleted_here(client) -> None:
    one = gittrack.set_experiment("churn")
    client.delete_experiment(one.experiment_id)
    with pytest.raises(InvalidValue, match="'churn' is deleted"):
        gittrack.start_run()
    client.restore_experiment(one.experiment_id)
    with gittrack.start_run() as run:
        assert run.info.experiment_id == one.experiment_id


def test_one_id_and_an_empty_list_of_ids_mean_what_they_mean_in_mlflow(client) -> None:
    with gittrack.start_run() as run:
        pass
    for ids in ("0", ["0"], [], None):
        assert [found.info.run_id for found in gittrack.search_runs(ids, output_format="list")] == [
            run.run_id
        ]


def test_an_experiment_with_a_tag_that_cannot_be_is_not_created(client) -> None:
    with pytest.raises(InvalidValue):
        client.create_experiment("churn", tags={"big": "x" * (2 << 20)})
    with pytest.raises(InvalidValue):
        client.set_experiment_tags("0", {"a": 1, "": 2})
    assert client.get_experiment_by_name("churn") is None
    assert client.get_experiment("0").tags == {}


def test_an_ended_run_says_of_itself_what_the_store_says(client) -> None:
    with gittrack.start_run() as run:
        gittrack.log_metric("loss", 0.5)
    assert run.to_dictionary() == client.get_run(run.run_id).to_dictionary()


def test_the_mistake_in_the_text_about_filters_is_answered_as_the_text_says() -> None:
    text = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
    with pytest.raises(InvalidValue) as refused:
        gittrack.search_runs(filter_string="metrics.auc > 0.9 params.model = 'forest'")
    assert f"gittrack: {refused.value}\nhint: {refused.value.hint}\n" in text


def test_an_experiment_that_is_deleted_in_one_repository_is_open_in_another(
    client, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(repo), str(other))
    here = client.create_run(client.create_experiment("mine")).info.run_id
    monkeypatch.chdir(other)
    there = gittrack.Client()
    mine = there.create_experiment("mine")
    run_id = there.create_run(mine).info.run_id
    there.delete_experiment(mine)
    with pytest.raises(InvalidValue, match="is deleted"):
        there.log_param(run_id, "a", 1)
    monkeypatch.chdir(repo)
    client.log_param(here, "a", 1)
    assert client.get_run(here).data.params == {"a": "1"}
