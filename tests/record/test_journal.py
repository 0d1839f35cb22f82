from __future__ import annotations

import errno
import math
import multiprocessing
import os
import struct
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.errors import RecordingWarning, StorageFailed
from gittrack.record import identity
from gittrack.record import journal as journals
from gittrack.record.journal import Journal
from gittrack.record.journal_reader import read
from gittrack.store import durable, locking
from tests.record.strategies import ROWS, to_points


def open_journal(folder, **options) -> Journal:
    journal = Journal(lambda: folder, {"run_id": "r", "owner": True}, **options)
    journal.open()
    return journal


def log_steps(journal: Journal, steps: int) -> None:
    for step in range(steps):
        journal.point("loss", float(step), step, None)


def contents(folder):
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.journal"))}
    upto = {}
    for name, content in files.items():
        continued = read(name, content).introduction.get("continues")
        if continued:
            upto[continued["journal"]] = continued["offset"]
    return [read(name, content, upto=upto.get(name)) for name, content in files.items()]


def logged(folder) -> list[tuple[str, int, float]]:
    return [(m.key, m.step, m.value) for found in contents(folder) for m in found.points.metrics()]


def bits(rows):
    return sorted((k, s, t, struct.pack("<d", math.nan if math.isnan(v) else v)) for k, s, t, v in rows)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.lists(st.integers(0, 3), min_size=300, max_size=300))
def test_points_one_by_one_or_in_blocks_among_facts_all_come_back(tmp_path_factory, rows, ways) -> None:
    folder = tmp_path_factory.mktemp("live")
    journal = open_journal(folder)
    for row, way in zip(rows, ways, strict=False):
        if way == 0:
            journal.points(to_points([row]))
        else:
            journal.point(row[0], row[3], row[1], row[2])
        if way == 1:
            journal.fact({"tags": {"a": "b"}})
    journal.close()
    [found] = contents(folder)
    assert bits((m.key, m.step, m.timestamp, m.value) for m in found.points.metrics()) == bits(rows)
    assert len(found.facts) == ways[: len(rows)].count(1)
    assert (found.torn, found.damaged) == (0, 0)


def test_a_journal_cut_anywhere_keeps_every_whole_record_before_the_cut(tmp_path) -> None:
    journal = open_journal(tmp_path)
    ends = []
    for step in range(20):
        journal.point("loss", step / 3, step, None)
        ends.append(journal._size)
    content = next(tmp_path.glob("*.journal")).read_bytes()
    journal.close()
    for cut in range(len(content)):
        found = read("j", content[:cut])
        assert len(found.points) == sum(end <= cut for end in ends)
        assert found.damaged == 0


def test_damage_in_the_middle_costs_only_the_record_it_is_in(tmp_path) -> None:
    journal = open_journal(tmp_path)
    for step in range(50):
        journal.point("loss", 1.0, step, None)
    content = bytearray(next(tmp_path.glob("*.journal")).read_bytes())
    journal.close()
    content[len(content) - 25 * 40 - 5] ^= 16
    found = read("j", bytes(content))
    assert len(found.points) == 49
    assert found.damaged == 40


def test_a_tail_of_zeros_as_a_power_cut_leaves_it_is_cut_off(tmp_path) -> None:
    journal = open_journal(tmp_path)
    journal.point("loss", 1.0, 1, None)
    content = next(tmp_path.glob("*.journal")).read_bytes()
    journal.close()
    found = read("j", content + bytes(4096))
    assert (len(found.points), found.torn, found.damaged) == (1, 4096, 0)


def test_after_a_failed_sync_a_new_journal_replaces_what_was_not_known_to_be_on_disk(
    tmp_path, monkeypatch
) -> None:
    journal = open_journal(tmp_path)
    journal.point("loss", 1.0, 1, None)
    journal.sync()
    journal.point("loss", 2.0, 2, None)
    failing = iter([OSError(errno.EIO, "bad disk")])

    def fail_once(step: str) -> None:
        error = next(failing, None)
        if error is not None:
            raise error

    monkeypatch.setattr(durable, "hook", fail_once)
    journal.sync()
    journal.point("loss", 3.0, 3, None)
    journal.flush()
    journal.close()
    assert len(list(tmp_path.glob("*.journal"))) == 2
    assert sorted(logged(tmp_path)) == [("loss", 1, 1.0), ("loss", 2, 2.0), ("loss", 3, 3.0)]


def test_a_full_disk_warns_once_keeps_all_in_memory_and_writes_it_when_there_is_room(
    tmp_path, monkeypatch
) -> None:
    journal = open_journal(tmp_path)
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.warns(RecordingWarning, match="No space left") as warned:
        log_steps(journal, 100)
    assert len(warned) == 1
    with pytest.raises(StorageFailed, match="No space left"):
        journal.flush()
    monkeypatch.setattr(os, "write", real)
    journal.flush()
    journal.close()
    assert sorted(step for _, step, _ in logged(tmp_path)) == list(range(100))


def test_a_failing_disk_never_raises_into_the_training_even_when_warnings_are_errors(
    tmp_path, monkeypatch
) -> None:
    journal = open_journal(tmp_path)
    monkeypatch.setattr(os, "write", lambda descriptor, content: 1 / 0 if descriptor < 0 else _raise())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        journal.point("loss", 1.0, 1, None)
        journal.fact({"tags": {}})
    journal.close()


def _raise() -> int:
    raise OSError(errno.EIO, "bad disk")


def test_a_live_folder_that_is_removed_is_noticed_and_nothing_is_lost(tmp_path) -> None:
    folder = tmp_path / "live"

    def make():
        folder.mkdir(exist_ok=True)
        return folder

    journal = Journal(make, {"owner": True})
    journal.open()
    for step in range(5):
        journal.point("loss", 1.0, step, None)
    journal.sync()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    journal.point("loss", 1.0, 5, None)
    journal.sync()
    journal.close()
    assert sorted(step for _, step, _ in logged(folder)) == [0, 1, 2, 3, 4, 5]


def test_sixteen_threads_log_every_point_once(tmp_path) -> None:
    journal = open_journal(tmp_path)

    def work(thread: int) -> None:
        for step in range(500):
            journal.point(f"metric-{thread}", 1.0, step, None)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.flush()
    journal.close()
    assert sorted(logged(tmp_path)) == sorted(
        (f"metric-{n}", step, 1.0) for n in range(16) for step in range(500)
    )


def test_a_forked_child_writes_to_a_journal_of_its_own(tmp_path) -> None:
    journal = open_journal(tmp_path)
    journal.point("loss", 1.0, 0, None)
    children = [
        multiprocessing.get_context("fork").Process(target=_log_in_child, args=(journal, n)) for n in (1, 2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    journal.point("loss", 1.0, 3, None)
    journal.close()
    assert sorted(step for _, step, _ in logged(tmp_path)) == [0, 1, 2, 3]
    assert len(list(tmp_path.glob("*.journal"))) == 3
    assert [found.introduction["owner"] for found in contents(tmp_path)].count(True) == 1


def _log_in_child(journal: Journal, step: int) -> None:
    journal.point("loss", 1.0, step, None)
    os._exit(0)


def test_a_writer_counts_as_alive_until_its_process_ends(tmp_path) -> None:
    journal = open_journal(tmp_path)
    [path] = tmp_path.glob("*.journal")
    introduction = read(path.name, path.read_bytes()).introduction
    assert identity.is_alive(path, introduction)
    journal.close()
    assert not identity.is_alive(path, introduction)


def test_without_locks_a_journal_torn_before_its_first_record_is_not_believed_to_be_written_for_ever(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(locking, "is_held", lambda path: None)
    path = tmp_path / "journal"
    path.touch()
    assert identity.is_alive(path, {}), "another machine's journal may be on its way"
    os.utime(path, (0, 0))
    assert not identity.is_alive(path, {})


def test_a_new_run_that_logs_nothing_is_brought_to_disk_by_the_flusher(tmp_path, monkeypatch) -> None:
    synced = threading.Event()
    monkeypatch.setattr(durable, "hook", lambda step: synced.set() if step == "journal.sync" else None)
    journal = Journal(lambda: tmp_path, {"owner": True})
    journal.open(tmp_path)
    assert synced.wait(10)
    journal.close()


def test_a_flusher_that_could_not_begin_begins_with_what_is_logged_next(tmp_path, monkeypatch) -> None:
    synced = threading.Event()
    monkeypatch.setattr(durable, "hook", lambda step: synced.set() if step == "journal.sync" else None)
    monkeypatch.setattr(journals, "_flusher", journals._Flusher())
    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", no_thread)
        journal = Journal(lambda: tmp_path, {"owner": True})
        journal.open(tmp_path)
    journal.point("loss", 1.0, 0, None)
    assert synced.wait(10)
    journal.close()


def no_thread(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_strict_durability_syncs_before_the_call_returns(tmp_path, monkeypatch) -> None:
    journal = open_journal(tmp_path, strict=True)
    synced = []
    monkeypatch.setattr(durable, "hook", synced.append)
    for step in range(3):
        journal.point("loss", 1.0, step, None)
    assert synced.count("journal.sync") >= 3
    assert not journal._unsynced
    journal.close()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_can_be_read_as_a_journal_without_a_crash(content) -> None:
    found = read("j", content)
    assert found.torn + found.damaged <= len(content)
