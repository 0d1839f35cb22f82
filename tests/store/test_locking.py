from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gittrack.store import locking


def held_file(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    locking.hold(descriptor)
    return descriptor


def test_a_lock_is_seen_while_it_is_held_and_free_afterwards(tmp_path) -> None:
    descriptor = held_file(tmp_path / "a")
    assert locking.is_held(tmp_path / "a") is True
    locking.release(descriptor)
    assert locking.is_held(tmp_path / "a") is False


def test_a_lock_dies_with_its_process_however_it_dies(tmp_path) -> None:
    code = (
        "import os, sys; from gittrack.store import locking\n"
        "locking.hold(os.open('a', os.O_RDWR | os.O_CREAT)); print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    assert locking.is_held(tmp_path / "a")
    process.kill()
    process.communicate()
    assert not locking.is_held(tmp_path / "a")


@pytest.mark.parametrize("way", ["hold", "locked"])
def test_a_forked_child_neither_keeps_nor_frees_its_parents_lock(tmp_path, way) -> None:
    read, write = os.pipe()
    with locking.locked(tmp_path / "a") if way == "locked" else open(os.devnull):
        descriptor = held_file(tmp_path / "a") if way == "hold" else -1
        pid = os.fork()
        if pid == 0:
            os.close(write)
            os.read(read, 1)  # lives until the parent has let go and looked
            os._exit(0)
        os.close(read)
        assert locking.is_held(tmp_path / "a")
        gone = os.fork()
        if gone == 0:
            os._exit(0)
        os.waitpid(gone, 0)
        assert locking.is_held(tmp_path / "a"), "a child that ended took the lock with it"
        if descriptor >= 0:
            locking.release(descriptor)
    assert not locking.is_held(tmp_path / "a"), "the child kept the lock"
    os.close(write)
    os.waitpid(pid, 0)


def test_one_holder_at_a_time_and_whoever_does_not_wait_is_told(tmp_path) -> None:
    with locking.locked(tmp_path / "a") as first, locking.locked(tmp_path / "a", wait=False) as second:
        assert (first, second) == (True, False)
    with locking.locked(tmp_path / "a", wait=False) as third:
        assert third


def test_a_wait_with_a_bound_ends_with_or_without_the_lock(tmp_path) -> None:
    with locking.locked(tmp_path / "a"), locking.locked(tmp_path / "a", wait=0.01) as second:
        assert not second
    with contextlib.ExitStack() as first:
        first.enter_context(locking.locked(tmp_path / "a"))
        threading.Timer(0.1, first.close).start()
        with locking.locked(tmp_path / "a", wait=60.0) as third:
            assert third


def test_shared_holders_let_each_other_in_and_keep_others_out(tmp_path) -> None:
    with (
        locking.locked(tmp_path / "a", shared=True),
        locking.locked(tmp_path / "a", shared=True, wait=False) as second,
    ):
        assert second
        with locking.locked(tmp_path / "a", wait=False) as alone:
            assert not alone


def _count(path: Path, rounds: int) -> None:
    for _ in range(rounds):
        with locking.locked(path.with_name("lock")):
            path.write_text(str(int(path.read_text()) + 1))


def test_processes_and_threads_take_turns(tmp_path) -> None:
    counter = tmp_path / "count"
    counter.write_text("0")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count, args=(counter, 50)) for _ in range(4)]
    workers_here = [threading.Thread(target=_count, args=(counter, 50)) for _ in range(4)]
    for worker in (*workers, *workers_here):
        worker.start()
    for worker in (*workers, *workers_here):
        worker.join()
    assert counter.read_text() == "400"


def test_an_error_inside_the_block_frees_the_lock_and_leaves_no_descriptor(tmp_path) -> None:
    before, held = len(os.listdir("/proc/self/fd")), set(locking._held)
    with pytest.raises(ZeroDivisionError), locking.locked(tmp_path / "a"):
        1 / 0
    assert not locking.is_held(tmp_path / "a")
    assert len(os.listdir("/proc/self/fd")) == before
    assert locking._held == held


def test_where_there_are_no_locks_nobody_is_stopped_and_nothing_is_claimed(tmp_path, monkeypatch) -> None:
    import errno
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / "a").touch()
    assert locking.is_held(tmp_path / "a") is None
    with locking.locked(tmp_path / "a") as taken:
        assert taken
    locking.release(held_file(tmp_path / "a"))


def test_a_lock_in_a_folder_that_has_gone_does_not_bring_it_back(tmp_path) -> None:
    with pytest.raises(FileNotFoundError), locking.locked(tmp_path / "gone" / "lock"):
        pass
    assert not (tmp_path / "gone").exists()
