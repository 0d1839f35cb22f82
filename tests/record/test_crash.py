"""A process may die at any moment: nothing that was acknowledged is lost, and one run is what remains."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gittrack import config
from gittrack.errors import Conflict, RecordingWarning
from gittrack.record import format as formats
from gittrack.record import journal as journals
from gittrack.record import journal_reader, live, origin, seal
from gittrack.record.journal import Journal
from gittrack.record.points import read_parquet
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import durable
from tests.record.processes import layout_at, only_run, script, sealed_runs, steps_of

KILLS = 200


@pytest.fixture
def project(repo: Path) -> Project:
    origin._forget()
    return Project.find(repo)


def begin(project: Project, **options) -> ActiveRun:
    return ActiveRun.begin(project, project.config(), config.surroundings(), **options)


def log_some(project: Project) -> ActiveRun:
    run = begin(project)
    run.log_param("lr", 0.1)
    for step in range(5):
        run.log_metric("loss", 1 / (step + 1), step)
    return run


# One process forks the victims, so that the imports are paid once. Each victim tells what was acknowledged by one
# byte a point, after the call returned; what the pipe holds when it is dead is what must be there.
VICTIMS = """
import os, random, signal, sys, time
from pathlib import Path
import gittrack
from gittrack import config
from gittrack.record import origin
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun

project = Project.find(Path.cwd())
settings, around = project.config(), config.surroundings()
chance = random.Random(int(sys.argv[1]))


def train(pipe, points):
    run = ActiveRun.begin(project, settings, around)
    os.write(pipe, run.run_id.encode())
    for step in range(points):
        run.log_metric("loss", step / 3, step)
        os.write(pipe, b".")
        if step % 4999 == 4998:
            run.flush()
    run.end()
    os.write(pipe, b"E")


def victim(points, awaited):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        train(write, points)
        time.sleep(60)
    os.close(write)
    told = b""
    while len(told) < awaited:
        told += os.read(read, awaited - len(told))
    time.sleep(chance.uniform(0.0, 0.01))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while piece := os.read(read, 1 << 16):
        told += piece
    os.close(read)
    print(told[:32].decode() or "-", told[32:].count(b"."), flush=True)


origin.code(project, settings)
ID = 32
victim(300, ID + 300 + len("E"))  # one is met when it has ended
for number in range(1, int(sys.argv[2])):
    if number % 3 == 0:  # while it ends
        victim(300, ID + 300)
    elif number % 8 == 0:  # while it begins
        victim(20_000, 0)
    else:
        victim(20_000, ID + chance.randrange(20_000))
"""


def test_two_hundred_kills_at_random_moments_lose_no_acknowledged_point(repo) -> None:
    Project.find(repo).init()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", VICTIMS, str(seed), str(KILLS // 4)],
            cwd=repo,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(4)
    ]
    told = [line.split() for worker in workers for line in worker.communicate(timeout=120)[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert len(told) == KILLS
    acknowledged = {run_id: int(points) for run_id, points in told if run_id != "-"}
    layout = layout_at(repo)
    seal.seal_dead(layout)
    runs = {}
    for file in layout.runs.glob("*/*/run.yaml"):
        run = formats.load_run(file.read_bytes())
        assert run.run_id not in runs, "a run was sealed twice"
        runs[run.run_id] = (run, file.parent / "metrics.parquet")
    assert set(acknowledged) <= set(runs)
    for run_id, (run, metrics) in runs.items():
        points = acknowledged.get(run_id, 0)
        steps = [m.step for m in read_parquet(metrics.read_bytes()).metrics()] if metrics.is_file() else []
        assert steps == list(range(len(steps)))
        assert points <= len(steps) <= points + 1
        assert run.status == "KILLED" or (run.status == "FINISHED" and len(steps) in (300, 20_000))
        assert run.end_time is not None
        # A kill can cut the last write short; the torn record was not acknowledged.
        assert all("of a torn record" in lost for lost in run.lost)
    assert len(set(acknowledged.values())) > KILLS // 20, "the moments were not random"
    assert {run.status for run, _ in runs.values()} == {"KILLED", "FINISHED"}
    assert os.listdir(layout.live) == []


RECORD_STEPS = """
from gittrack.store import durable
where = int(sys.argv[1])
count = 0
def hook(step):
    global count
    if count == where:
        if where >= 0: os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    print(step, flush=True)
durable.hook = hook
run = gittrack.start_run()
gittrack.log_metric("loss", 0.5, 1)
gittrack.log_param("lr", 0.1)
gittrack.flush()
print("ACK", flush=True)
gittrack.end_run()
"""


def recorded_steps(repo: Path) -> list[str]:
    done = script(repo, RECORD_STEPS, "-1")
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line != "ACK"]


def log_many(run: ActiveRun, points: int) -> None:
    for step in range(points):
        run.log_metric("loss", 1.0, step)


def clear(repo: Path) -> None:
    layout = layout_at(repo)
    for folder in (layout.committed, layout.private):
        shutil.rmtree(folder, ignore_errors=True)


def test_a_kill_at_any_step_of_start_or_of_sealing_leaves_one_run_and_nothing_half(repo) -> None:
    steps = recorded_steps(repo)
    clear(repo)
    assert {
        "start.rename",
        "journal.sync",
        "seal.begin",
        "seal.committed.rename",
        "seal.unsaved.rename",
    } <= set(steps)
    assert {"seal.remove", "remove.free", "remove.end"} <= set(steps)
    for place, step in enumerate(steps):
        done = script(repo, RECORD_STEPS, str(place))
        assert done.returncode == -signal.SIGKILL, (step, done.stderr)
        runs = sealed_runs(repo)
        layout = layout_at(repo)
        started = "start.sync" in done.stdout.splitlines()
        assert len(runs) == 1 or (not runs and not started), step
        assert not list(live.folders(layout)), step
        if "ACK" in done.stdout:
            assert steps_of(repo, "loss") == [1], step
            assert dict(runs[0].params) == {"lr": 0.1}
            assert runs[0].status == "FINISHED", "the end was written before the first step of sealing"
            assert len(list(layout.unsaved.runs.glob("*/*/run.yaml"))) == 1, step
        elif runs:
            assert runs[0].status == "KILLED", step
        for file in layout.files.rglob("*"):
            assert file.is_dir(), "no content was logged"
        clear(repo)


@pytest.mark.filterwarnings("ignore::gittrack.errors.RecordingWarning")
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.usefixtures("no_flusher")
def test_an_error_of_the_disk_at_any_step_never_raises_and_leaves_one_run(
    repo, monkeypatch, lasting, synced
) -> None:
    def record() -> ActiveRun:
        origin._forget()
        run = log_some(Project.find(repo))
        if synced:  # as the flusher does when its second is over
            run._journal.sync()
        run.end()
        return run

    record()
    clear(repo)
    steps: list[str] = []
    monkeypatch.setattr(durable, "hook", steps.append)
    record()
    clear(repo)
    assert "remove.end" in steps
    for place, name in enumerate(steps):
        count = iter(range(10_000))

        def fail(step: str, place: int = place, count=count) -> None:
            reached = next(count)
            if reached == place or (lasting and reached > place):
                raise OSError(errno.EIO, "bad disk")

        monkeypatch.setattr(durable, "hook", fail)
        run = record()
        monkeypatch.setattr(durable, "hook", lambda step: None)
        if (
            run._journal in journals._flusher.journals
        ):  # its process lives on: the flusher tries again, then it exits
            assert run._journal.sync()
            run._journal.close()
        runs = sealed_runs(repo)
        kept = runs or [
            formats.load_run(file.read_bytes()) for file in layout_at(repo).unsaved.runs.glob("*/*/run.yaml")
        ]
        assert [entry.status for entry in kept] == ["FINISHED"], name
        assert kept[0].metrics["loss"].count == 5, name
        assert dict(kept[0].params) == {"lr": 0.1}, name
        assert not live.folders(layout_at(repo)), name
        clear(repo)


@pytest.mark.parametrize("left", [b"", bytes(4096)])
def test_a_run_whose_journal_a_power_cut_took_was_killed_and_has_its_code(project, left) -> None:
    run = ActiveRun.begin(project, project.config(), config.surroundings())
    run._journal.close()
    [journal] = project.layout.live_run(run.run_id).glob("*.journal")
    journal.write_bytes(left)
    assert len(seal.seal_dead(project.layout)) == 1
    [kept] = sealed_runs(project.root)
    assert (kept.run_id, kept.status, kept.code) == (run.run_id, "KILLED", run.code)


def test_whoever_seals_a_run_makes_the_same_bytes(project, tmp_path, monkeypatch) -> None:
    copy = tmp_path / "copy"

    def keep(step: str) -> None:
        if step == "seal.begin" and not copy.exists():
            [folder] = live.folders(project.layout)
            shutil.copytree(folder, copy)

    monkeypatch.setattr(durable, "hook", keep)
    run = log_some(project)
    run.log_text("made", "note.txt")
    run.set_tags({"größe": "é \U0001f600", "no": "null"})
    run.end()
    first = {path.name: path.read_bytes() for path in project.layout.run(run.digest).iterdir()}
    shutil.rmtree(project.layout.run(run.digest))
    shutil.rmtree(project.layout.unsaved.run(run.digest))
    copy.rename(project.layout.live_run(run.run_id))
    assert seal.seal_dead(project.layout) == [run.digest]
    assert {path.name: path.read_bytes() for path in project.layout.run(run.digest).iterdir()} == first


SEALER = """
import pathlib, sys, time
from gittrack.record import seal
from tests.record.processes import layout_at
layout = layout_at(pathlib.Path.cwd())
print("ready", flush=True)
sys.stdin.readline()
seal.seal_dead(layout)
"""


def test_many_sealers_at_once_make_one_folder_of_each_run(repo) -> None:
    for _ in range(6):
        script(
            repo,
            "run = gittrack.start_run()\nfor i in range(50): gittrack.log_metric('loss', 1.0, i)\nos._exit(9)",
        )
    top = str(Path(__file__).parents[2])
    sealers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SEALER],
            cwd=repo, env={**os.environ, "PYTHONPATH": top}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for sealer in sealers:
        assert sealer.stdout.readline() == "ready\n"
    for sealer in sealers:
        sealer.stdin.write("go\n")
        sealer.stdin.flush()
    for sealer in sealers:
        sealer.communicate(timeout=60)
        assert sealer.returncode == 0
    runs = sealed_runs(repo)
    assert len(runs) == len({run.run_id for run in runs}) == 6
    assert {run.status for run in runs} == {"KILLED"}
    assert os.listdir(layout_at(repo).tmp) == []


def test_a_run_that_ends_while_others_look_is_sealed_when_end_returns(project) -> None:
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seal.seal_dead(project.layout)
            live.read_all(project.layout)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(20):
            run = log_some(project)
            run.end()
            assert run.digest is not None
            assert (project.layout.run(run.digest) / "run.yaml").is_file()
    finally:
        over.set()
        for looker in lookers:
            looker.join()
    assert len(list(project.layout.runs.glob("*/*"))) == 20


def test_a_point_logged_while_another_thread_ends_the_run_is_kept_or_refused(project) -> None:
    for _ in range(5):
        run = begin(project)
        acknowledged = [0] * 16
        started = threading.Barrier(17)

        def log(thread: int, run=run, acknowledged=acknowledged, started=started) -> None:
            started.wait()
            try:
                for step in range(100_000):
                    run.log_metric(f"metric-{thread}", 1.0, step)
                    acknowledged[thread] += 1
            except Conflict:
                pass

        threads = [threading.Thread(target=log, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        started.wait()
        time.sleep(0.02)
        run.end()
        for thread in threads:
            thread.join()
        sealed = formats.load_run((project.layout.run(run.digest) / "run.yaml").read_bytes())
        for thread, points in enumerate(acknowledged):
            kept = sealed.metrics[f"metric-{thread}"].count if f"metric-{thread}" in sealed.metrics else 0
            assert kept == points
        assert not live.folders(project.layout)


def test_a_full_disk_costs_a_training_next_to_nothing_a_point(project, monkeypatch) -> None:
    run = begin(project)
    tries = []
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        tries.append(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.warns(RecordingWarning, match="No space left"):
        log_many(run, 20_000)
    assert len([descriptor for descriptor in tries if descriptor is not None]) < 100, (
        "each point tried to open a new journal"
    )
    monkeypatch.setattr(os, "write", real)
    run.end()
    assert steps_of(project.root, "loss") == list(range(20_000))


def test_a_run_whose_disk_is_full_is_still_seen_as_running(project, monkeypatch) -> None:
    run = begin(project)
    real = os.write
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.warns(RecordingWarning):
        run.log_metric("loss", 1.0, 1)
    monkeypatch.setattr(os, "write", real)
    assert seal.seal_dead(project.layout) == []
    assert [seen.alive for seen in live.read_all(project.layout)] == [True]
    run.end()
    assert steps_of(project.root, "loss") == [1]


def test_a_journal_that_could_not_be_replaced_keeps_what_it_has_when_the_process_is_killed(
    tmp_path, monkeypatch
) -> None:
    journal = Journal(lambda: tmp_path, {"owner": True})
    journal.open()
    for step in range(10):
        journal.point("loss", 1.0, step, None)  # in the system's hands, not synced
    real, room = os.write, iter([80])

    def nearly_full(descriptor: int, content: bytes) -> int:
        if (size := next(room, None)) is None:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, bytes(content)[:size])

    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    monkeypatch.setattr(
        durable, "write_all", lambda descriptor, content: nearly_full(descriptor, content) and _full()
    )
    with pytest.warns(RecordingWarning):
        journal.point("loss", 1.0, 10, None)
    monkeypatch.undo()
    found = live.read_journals(tmp_path)
    assert [m.step for contents in found for m in contents.points.metrics()] == list(range(10))
    journal.close()


def _full() -> None:
    raise OSError(errno.ENOSPC, "full")


def test_flush_waits_for_a_sync_that_another_thread_has_begun_and_believes_its_error(
    tmp_path, monkeypatch
) -> None:
    journal = Journal(lambda: tmp_path, {"owner": True})
    journal.open()
    journal.point("loss", 1.0, 1, None)
    begun, go = threading.Event(), threading.Event()
    calls = []

    def slow(step: str) -> None:
        if step != "journal.sync":
            return
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            begun.set()
            assert go.wait(10)
            raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(durable, "hook", slow)
    flusher = threading.Thread(target=journal.sync)
    flusher.start()
    assert begun.wait(10)
    done = threading.Event()
    waiting = threading.Thread(target=lambda: (journal.flush(), done.set()))
    waiting.start()
    assert not done.wait(0.05), "flush returned before what was logged was on disk"
    journal.point("loss", 1.0, 2, None)
    go.set()
    flusher.join()
    waiting.join()
    journal.flush()
    journal.close()
    assert len(list(tmp_path.glob("*.journal"))) == 2, "the failed file was believed"
    found = live.read_journals(tmp_path)
    assert sorted(m.step for contents in found for m in contents.points.metrics()) == [1, 2]


def test_a_write_error_during_a_failing_sync_loses_nothing(tmp_path, monkeypatch) -> None:
    journal = Journal(lambda: tmp_path, {"owner": True})
    journal.open()
    for step in range(5):
        journal.point("loss", 1.0, step, None)
    real = os.write

    def fail(step: str) -> None:
        if step != "journal.sync":
            return
        monkeypatch.setattr(durable, "hook", lambda _: None)
        failing = iter([True])
        monkeypatch.setattr(os, "write", lambda fd, data: _full() if next(failing, False) else real(fd, data))
        journal.point("loss", 1.0, 5, None)  # opens a new journal in the middle of the sync
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(durable, "hook", fail)
    journal.sync()
    journal.flush()
    journal.close()
    found = live.read_journals(tmp_path)
    assert sorted(m.step for contents in found for m in contents.points.metrics()) == list(range(6))


def test_a_flipped_bit_in_the_last_record_is_damage_and_a_cut_one_is_torn(tmp_path) -> None:
    journal = Journal(lambda: tmp_path, {"owner": True})
    journal.open()
    for step in range(3):
        journal.point("loss", 1.0, step, None)
    journal.close()
    [path] = tmp_path.glob("*.journal")
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-3] ^= 4
    found = journal_reader.read("j", bytes(flipped))
    assert (len(found.points), found.damaged, found.torn) == (2, 40, 0)
    found = journal_reader.read("j", content[:-3])
    assert (len(found.points), found.damaged, found.torn) == (2, 0, 37)


def test_what_damage_took_is_named_in_the_sealed_run(repo) -> None:
    script(
        repo,
        "run = gittrack.start_run()\nfor i in range(9): gittrack.log_metric('loss', 1.0, i)\nos._exit(9)",
    )
    [folder] = live.folders(layout_at(repo))
    [path] = folder.glob("*.journal")
    content = bytearray(path.read_bytes())
    content[-85] ^= 1
    path.write_bytes(content[:-4])
    run = only_run(repo)
    assert steps_of(repo, "loss") == [0, 1, 2, 3, 4, 5, 7]
    damaged, torn = run.lost
    assert damaged == f"40 damaged bytes of the journal {path.name}"
    assert torn == f"36 bytes of a torn record of the journal {path.name}"


def test_a_large_tail_of_zeros_or_of_chance_bytes_is_passed_without_a_stall(tmp_path) -> None:
    journal = Journal(lambda: tmp_path, {"owner": True})
    journal.open()
    journal.point("loss", 1.0, 1, None)
    journal.close()
    [path] = tmp_path.glob("*.journal")
    content = path.read_bytes()
    for tail in (bytes(32 << 20), random.Random(1).randbytes(4 << 20)):
        found = journal_reader.read("j", content + tail)
        assert len(found.points) == 1
        assert found.torn + found.damaged == len(tail)


def test_a_clock_that_is_set_back_does_not_bring_an_old_value_back(project, monkeypatch) -> None:
    run = begin(project)
    run.set_tag("stage", "first")
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() - 3600 * 10**9)
    run.set_tag("stage", "second")
    run.end()
    sealed = formats.load_run((project.layout.run(run.digest) / "run.yaml").read_bytes())
    assert sealed.tags["stage"] == "second"
    assert sealed.end_time >= sealed.start_time


def test_a_record_that_this_gittrack_does_not_understand_costs_one_run_not_the_listing(project) -> None:
    odd, fine = log_some(project), log_some(project)
    odd._journal.fact({"artifact": {"path": "a", "digest": "0" * 64, "size": 1, "colour": "red"}})
    assert [seen.run.run_id for seen in live.read_all(project.layout)] == [fine.run_id]
    for run in (odd, fine):
        run._journal.close()
    assert len(seal.seal_dead(project.layout)) == 1
    assert [folder.name for folder in live.folders(project.layout)] == [odd.run_id]


def test_joining_a_run_that_was_sealed_a_moment_ago_says_that_it_is_not_live(project) -> None:
    run = log_some(project)
    run.end()
    with pytest.raises(LookupError, match="not live"), live.attached(project.layout, run.run_id):
        pass


# Forks.


def test_a_forked_child_that_outlives_the_run_neither_brings_it_back_nor_keeps_it(repo) -> None:
    done = script(
        repo,
        """
gittrack.start_run()
ended, told = os.pipe()
pid = os.fork()
if pid == 0:
    os.read(ended, 1)
    sys.exit(0)
gittrack.end_run()
os.write(told, b".")
os.waitpid(pid, 0)
""",
    )
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"


def test_a_child_that_logs_after_its_parent_ended_the_run_is_told_so(repo) -> None:
    done = script(
        repo,
        """
run = gittrack.start_run()
gittrack.log_metric("parent", 1.0, 0)
ended, told = os.pipe()
pid = os.fork()
if pid == 0:
    os.read(ended, 1)
    try:
        run.log_metric("child", 1.0, 1)
    except gittrack.GittrackError as error:
        print(error, flush=True)
    os._exit(0)
gittrack.end_run()
os.write(told, b".")
os.waitpid(pid, 0)
""",
    )
    assert "has ended" in done.stdout, done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "child") == []


WAYS = {
    "fork": "multiprocessing.get_context('fork').Process(target=work, args=(n,))",
    "spawn": "multiprocessing.get_context('spawn').Process(target=join, args=(n, run.run_id))",
}


@pytest.mark.parametrize("way", WAYS)
def test_children_of_multiprocessing_log_to_their_parents_run(repo, way) -> None:
    done = script(
        repo,
        f"""
import multiprocessing

def work(n):
    for step in range(100): gittrack.log_metric(f"child-{{n}}", 1.0, step)

def join(n, run_id):
    with gittrack.start_run(run_id=run_id):
        work(n)

if __name__ == "__main__":
    run = gittrack.start_run()
    children = [{WAYS[way]} for n in range(3)]
    for child in children: child.start()
    for child in children: child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    gittrack.end_run()
""",
    )
    assert done.returncode == 0, done.stderr
    run = only_run(repo)
    assert run.status == "FINISHED"
    assert {key: summary.count for key, summary in run.metrics.items()} == {
        f"child-{n}": 100 for n in range(3)
    }


def test_a_pool_of_processes_logs_to_its_parents_run(repo) -> None:
    done = script(
        repo,
        """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def work(n):
    gittrack.log_metric("square", n * n, n)
    return n

if __name__ == "__main__":
    with gittrack.start_run():
        with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("fork")) as pool:
            assert sorted(pool.map(work, range(30))) == list(range(30))
""",
    )
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "square") == list(range(30))


def test_a_parent_that_is_killed_leaves_a_run_that_ends_with_its_last_child(repo) -> None:
    done = script(
        repo,
        """
run = gittrack.start_run()
gittrack.log_metric("parent", 1.0, 0)
logged, told = os.pipe()
if os.fork() == 0:
    gittrack.log_metric("child", 1.0, 0)
    print(os.getpid(), flush=True)
    os.close(1); os.close(2)
    os.write(told, b".")
    while not os.path.exists(".git/go"): time.sleep(0.01)
    gittrack.log_metric("child", 1.0, 1)
    os._exit(0)
os.read(logged, 1)
os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    layout = layout_at(repo)
    child = int(done.stdout)
    assert seal.seal_dead(layout) == [], "the child still logs"
    (repo / ".git/go").touch()
    while Path(f"/proc/{child}").exists():
        time.sleep(0.05)
    assert only_run(repo).status == "KILLED"
    assert steps_of(repo, "child") == [0, 1]
    assert steps_of(repo, "parent") == [0]


def test_a_run_that_its_parent_finished_is_finished_when_the_last_child_has_gone(repo) -> None:
    done = script(
        repo,
        """
run = gittrack.start_run()
read, write = os.pipe()
if os.fork() == 0:
    run.log_metric("child", 1.0, 0)
    os.write(write, b".")
    time.sleep(0.5)
    run.log_metric("child", 1.0, 1)
    sys.exit(0)
os.read(read, 1)
gittrack.end_run()
os.wait()
print(os.listdir(".git/gittrack/live"))
""",
    )
    assert done.stdout == "[]\n", "the last to leave seals" + done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "child") == [0, 1]


def test_a_child_that_never_logs_does_not_keep_the_run(repo) -> None:
    done = script(
        repo,
        """
gittrack.start_run()
if os.fork() == 0:
    os.close(1); os.close(2)
    time.sleep(3)
    os._exit(0)
os._exit(0)
""",
    )
    assert done.returncode == 0
    assert only_run(repo).status == "KILLED"


def test_a_daemon_that_was_forked_twice_or_executed_does_not_keep_the_run(repo) -> None:
    done = script(
        repo,
        """
import subprocess
gittrack.start_run()
gittrack.log_metric("loss", 1.0, 0)
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.Popen(["sleep", "3"], start_new_session=True, close_fds=False, **quiet)
if os.fork() == 0:
    if os.fork() == 0:
        os.close(1); os.close(2)
        time.sleep(3)
    os._exit(0)
os._exit(3)
""",
    )
    assert done.returncode == 3
    assert only_run(repo).status == "KILLED"
