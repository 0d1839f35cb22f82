"""Threads, tasks, forks and new processes that record at once: every run is its own, and every point is there."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import Conflict
from tests.record.processes import STEPS, layout_at, only_run, script, sealed_runs, steps_of
from tests.tracking.conftest import close_borrowed

pytestmark = pytest.mark.usefixtures("fresh")

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
THREADS = 8


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """Call `work` in that many threads, which all begin at once."""
    barrier = threading.Barrier(count)

    def start(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def steps(client: gittrack.Client, run_id: str, key: str = "loss") -> list[int]:
    return sorted(one.step for one in client.get_metric_history(run_id, key))


# Threads and tasks


def test_each_thread_has_an_active_run_of_its_own(client) -> None:
    def work(number: int) -> str:
        with gittrack.start_run(run_name=f"thread-{number}") as run:
            gittrack.log_param("number", number)
            for step in range(40):
                gittrack.log_metric("loss", number, step)
                assert gittrack.active_run() is run
        return run.run_id

    ids = together(THREADS, work)
    assert gittrack.active_run() is None
    assert len(set(ids)) == THREADS
    for number, run_id in enumerate(ids):
        run = client.get_run(str(run_id))
        assert (run.info.run_name, run.data.params) == (f"thread-{number}", {"number": str(number)})
        assert run.data.metrics == {"loss": number}
        assert steps(client, str(run_id)) == list(range(40))


@pytest.mark.parametrize("state", ["active", "client's", "ended"])
def test_many_threads_log_to_one_run_by_its_id(client, state) -> None:
    run_id = gittrack.start_run().run_id if state == "active" else client.create_run("0").info.run_id
    if state == "ended":
        client.set_terminated(run_id)

    def work(number: int) -> None:
        for step in range(number * 50, number * 50 + 50):
            client.log_metric(run_id, "loss", step, step=step)
            gittrack.log_metric("fluent", step, step, run_id=run_id)
        client.log_param(run_id, f"p{number}", number)
        client.log_text(run_id, str(number), f"{number}.txt")

    together(THREADS, work)
    close_borrowed()
    expected = list(range(THREADS * 50))
    assert steps(client, run_id) == steps(client, run_id, "fluent") == expected
    run = client.get_run(run_id)
    assert run.data.params == {f"p{number}": str(number) for number in range(THREADS)}
    assert len(client.list_artifacts(run_id)) == THREADS
    assert run.info.status == ("FINISHED" if state == "ended" else "RUNNING")


def test_a_run_that_is_closed_while_threads_log_to_it_loses_no_point(client) -> None:
    run_id = client.create_run("0").info.run_id
    client.set_terminated(run_id)
    refused: Counter[int] = Counter()

    def work(number: int) -> None:
        for step in range(number * 30, number * 30 + 30):
            try:
                client.log_metric(run_id, "loss", step, step=step)
            except Conflict:  # a call that is refused has said so, and recorded nothing
                refused[step] += 1
            if step % 10 == 0:
                close_borrowed()

    together(3, work)
    close_borrowed()
    assert steps(client, run_id) == [step for step in range(90) if step not in refused]


def test_a_thread_that_is_given_the_context_logs_to_the_run_of_who_gave_it(client) -> None:
    with gittrack.start_run() as run:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(gittrack.log_metric, "loss", 0.5, 3))
        thread.start()
        thread.join()
        assert steps(client, run.run_id) == [3]


def test_each_task_has_an_active_run_of_its_own(client) -> None:
    async def work(number: int) -> str:
        with gittrack.start_run(run_name=f"task-{number}") as run:
            for step in range(20):
                gittrack.log_metric("loss", number, step)
                await asyncio.sleep(0)
                assert gittrack.active_run() is run
        return run.run_id

    async def main() -> list[str]:
        return await asyncio.gather(*(work(number) for number in range(THREADS)))

    ids = asyncio.run(main())
    assert gittrack.active_run() is None
    assert len(set(ids)) == THREADS
    for number, run_id in enumerate(ids):
        assert client.get_run(run_id).data.metrics == {"loss": number}
        assert steps(client, run_id) == list(range(20))


def test_tasks_log_to_the_run_they_were_started_in(client) -> None:
    async def work(number: int) -> None:
        for step in range(10):
            gittrack.log_metric("loss", number, number * 10 + step)
            await asyncio.sleep(0)

    async def main() -> str:
        with gittrack.start_run() as run:
            await asyncio.gather(*(work(number) for number in range(THREADS)))
        return run.run_id

    assert steps(client, asyncio.run(main())) == list(range(THREADS * 10))


def test_threads_that_create_one_experiment_get_one(client) -> None:
    ids = together(THREADS, lambda _: gittrack.set_experiment("churn").experiment_id)
    assert len(set(ids)) == 1
    assert [one.name for one in client.search_experiments()].count("churn") == 1


# Forks


@FORKS
def test_a_forked_child_logs_to_the_run_of_its_parent(repo) -> None:
    done = script(
        repo,
        "run = gittrack.start_run()\n"
        "gittrack.log_metric('loss', 0.0, 0)\n"
        "children = []\n"
        "for child in range(1, 5):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        for step in range(100): gittrack.log_metric('loss', child, child * 100 + step)\n"
        "        gittrack.log_param(f'child-{child}', child)\n"
        "        os._exit(0)\n"
        "    children.append(pid)\n"
        "for step in range(1, 100): gittrack.log_metric('loss', 0.0, step)\n"
        "for pid in children: assert os.waitpid(pid, 0)[1] == 0\n"
        "gittrack.end_run()\n",
    )
    assert done.returncode == 0, done.stderr
    run = only_run(repo)
    assert (run.status, run.metrics["loss"].count) == ("FINISHED", 500)
    assert dict(run.params) == {f"child-{child}": child for child in range(1, 5)}
    assert steps_of(repo, "loss") == list(range(500))


@FORKS
def test_a_forked_child_logs_by_id_to_a_run_of_its_parents_client(repo) -> None:
    done = script(
        repo,
        "client = gittrack.Client()\n"
        "run_id = client.create_run('0').info.run_id\n"
        "client.log_metric(run_id, 'loss', 0.0, step=0)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for step in range(1, 50): client.log_metric(run_id, 'loss', 1.0, step=step)\n"
        "    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "client.set_terminated(run_id)\n",
    )
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "loss") == list(range(50))


@FORKS
def test_a_child_of_multiprocessing_logs_to_the_run_of_its_parent(repo) -> None:
    done = script(
        repo,
        "import multiprocessing\n"
        "def work(number):\n"
        "    for step in range(50): gittrack.log_metric('loss', number, number * 50 + step)\n"
        "with gittrack.start_run():\n"
        "    workers = [multiprocessing.get_context('fork').Process(target=work, args=(n,)) for n in range(4)]\n"
        "    for worker in workers: worker.start()\n"
        "    for worker in workers: worker.join(); assert worker.exitcode == 0\n",
    )
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "loss") == list(range(200))


@FORKS
def test_forked_children_start_runs_of_their_own_inside_their_parents(repo) -> None:
    done = script(
        repo,
        "import multiprocessing\n"
        "def work(number):\n"
        "    with gittrack.start_run(run_name=f'child-{number}', nested=True):\n"
        "        gittrack.log_metric('loss', number)\n"
        "with gittrack.start_run(run_name='parent'):\n"
        "    with multiprocessing.get_context('fork').Pool(4) as pool: pool.map(work, range(8))\n",
    )
    assert done.returncode == 0, done.stderr
    runs = {run.name: run for run in sealed_runs(repo)}
    assert set(runs) == {"parent", *(f"child-{number}" for number in range(8))}
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert {run.parent_run_id for name, run in runs.items() if name != "parent"} == {runs["parent"].run_id}


@FORKS
def test_a_fork_in_the_middle_of_other_threads_calls_does_not_hang_and_loses_nothing(repo) -> None:
    done = script(
        repo,
        "client = gittrack.Client()\n"
        "run = gittrack.start_run()\n"
        "ended = client.create_run('0').info.run_id\n"
        "client.set_terminated(ended)\n"
        "over = threading.Event()\n"
        "def work(number):\n"
        "    step = 0\n"
        "    while not over.is_set():\n"
        "        client.log_metric(run.run_id, f'thread-{number}', 1.0, step=step)\n"
        "        client.log_metric(ended, f'thread-{number}', 1.0, step=step)\n"
        "        step += 1\n"
        "threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "for child in range(5):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        gittrack.log_metric('forked', 1.0, child)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "over.set()\n"
        "for thread in threads: thread.join()\n"
        "gittrack.end_run()\n",
    )
    assert done.returncode == 0, done.stderr
    assert steps_of(repo, "forked") == list(range(5))


# New processes


def worker(run_id: str, number: int) -> None:
    """Log to a run that another process started; at module level, where a spawned process finds it."""
    client = gittrack.Client()
    for step in range(number * 20, number * 20 + 20):
        client.log_metric(run_id, "loss", number, step=step)
    client.log_text(run_id, str(number), f"{number}.txt")


@pytest.mark.parametrize("state", ["active", "ended"])
def test_spawned_workers_log_to_a_run_by_the_id_that_they_are_given(client, state) -> None:
    run_id = gittrack.start_run().run_id
    if state == "ended":
        gittrack.end_run()
    spawning = multiprocessing.get_context("spawn")
    workers = [spawning.Process(target=worker, args=(run_id, number)) for number in range(2)]
    if state == "ended":  # one after the other: two at once are two resumes, which the next test is about
        for one in workers:
            one.start()
            one.join()
    else:
        for one in workers:
            one.start()
        for one in workers:
            one.join()
    assert [one.exitcode for one in workers] == [0, 0]
    assert client.get_run(run_id).info.status == ("RUNNING" if state == "active" else "FINISHED")
    gittrack.end_run()
    assert steps(client, run_id) == list(range(40))
    assert [one.path for one in client.list_artifacts(run_id)] == ["0.txt", "1.txt"]


def start(root: Path, code: str, count: int) -> list[subprocess.Popen[str]]:
    """Start processes that all wait for the file `go`, so that they begin at once."""
    path = root / ".git" / "job.py"
    wait = "from pathlib import Path\nwhile not Path('.git/go').exists(): time.sleep(0.001)\n"
    path.write_text(STEPS + wait + code)
    argv = [sys.executable, str(path)]
    processes = [
        subprocess.Popen(
            [*argv, str(number)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for number in range(count)
    ]
    (root / ".git" / "go").touch()
    return processes


def finished(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Return what each process printed; none may have failed."""
    answers = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert [(code, error) for _, error, code in answers if code] == []
    return [answer.strip() for answer, _, _ in answers]


def test_sixteen_processes_that_use_an_empty_repository_first_make_sixteen_runs_in_one_experiment(
    empty_repo, monkeypatch
) -> None:
    monkeypatch.chdir(empty_repo)
    answers = finished(
        start(
            empty_repo,
            "number = sys.argv[1]\n"
            "one = gittrack.set_experiment('churn')\n"
            "with gittrack.start_run(run_name=number) as run:\n"
            "    gittrack.log_metric('loss', float(number), int(number))\n"
            "print(one.experiment_id, run.run_id)\n",
            16,
        )
    )
    experiments, ids = zip(*(answer.split() for answer in answers), strict=True)
    assert (len(set(experiments)), len(set(ids))) == (1, 16)
    runs = sealed_runs(empty_repo)
    assert sorted(run.name for run in runs) == sorted(map(str, range(16)))
    assert {(run.experiment, run.status) for run in runs} == {("churn", "FINISHED")}
    client = gittrack.Client()
    assert [one.name for one in client.search_experiments()].count("churn") == 1
    assert {run.info.run_id for run in client.search_runs([experiments[0]])} == set(ids)
    assert os.listdir(layout_at(empty_repo).live) == []


def test_processes_that_add_to_one_ended_run_at_once_lose_nothing(repo, client) -> None:
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 0.0, step=0)
    client.set_terminated(run_id)
    before = client.get_run(run_id).info
    finished(
        start(
            repo,
            "number = int(sys.argv[1])\n"
            "for step in range(1 + number * 25, 26 + number * 25):\n"
            f"    gittrack.Client().log_metric('{run_id}', 'loss', 1.0, step=step)\n",
            4,
        )
    )
    assert client.get_run(run_id).info == before
    assert steps(client, run_id) == list(range(101))
    assert os.listdir(layout_at(repo).live) == []


def test_processes_that_resume_one_run_at_once_lose_nothing(repo, client) -> None:
    with gittrack.start_run() as run:
        gittrack.log_metric("loss", 0.0, 0)
    finished(
        start(
            repo,
            "number = int(sys.argv[1])\n"
            f"with gittrack.start_run('{run.run_id}'):\n"
            "    for step in range(25): gittrack.log_metric('loss', 1.0, 1 + number * 25 + step)\n",
            4,
        )
    )
    assert client.get_run(run.run_id).info.status == "FINISHED"
    assert steps(client, run.run_id) == list(range(101))
    assert os.listdir(layout_at(repo).live) == []
