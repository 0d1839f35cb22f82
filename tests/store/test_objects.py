from __future__ import annotations

import contextlib
import errno
import hashlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gittrack.entities.record import Digest
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.store import durable, objects
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "work" / ".gittrack", tmp_path / "private")


@pytest.fixture
def store(layout: Layout) -> FileStore:
    return FileStore(layout)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", [0, 1, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, (9 << 20) + 17])
def test_a_file_of_any_size_comes_back_by_the_digest_that_sha256_gives(store, tmp_path, size) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    digest, stored = store.put_file(source)
    assert (digest, stored) == (sha(source.read_bytes()), size)
    assert store.read(digest) == source.read_bytes()
    store.restore(digest, tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == source.read_bytes()
    assert list(store.all()) == [(digest, size)]


def test_a_file_larger_than_what_is_synced_at_once_comes_back(store, tmp_path) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.truncate(70 << 20)
        file.seek(66 << 20)
        file.write(b"end")
    digest, size = store.put_file(source)
    assert size == 70 << 20
    with source.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    assert store.verify(digest)


def test_an_error_of_one_piece_of_a_large_file_is_not_swallowed(store, layout, tmp_path, monkeypatch) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.truncate(70 << 20)
    real, calls = durable.write_all, []

    def fail_once(descriptor: int, content: bytes) -> None:
        calls.append(len(content))
        if len(calls) == 2:
            raise OSError(errno.EIO, "bad disk")
        real(descriptor, content)

    monkeypatch.setattr(durable, "write_all", fail_once)
    with pytest.raises(OSError, match="bad disk"):
        store.put_file(source)
    assert list(store.all()) == []
    assert os.listdir(layout.tmp) == []


class Grudging:
    """A file of a disk that gives less than it was asked for."""

    def __init__(self, file) -> None:
        self._file = file

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self) -> bytes:
        return self._file.read()

    def readinto(self, buffer) -> int:
        return self._file.readinto(memoryview(buffer)[:1_000_003])


@pytest.mark.parametrize("size", [100_000, 10_000_019])
def test_a_disk_that_gives_less_than_was_asked_for_does_not_cut_a_file_short(
    store, tmp_path, monkeypatch, size
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    opened = objects._open_regular

    @contextlib.contextmanager
    def grudging(path: Path):
        with opened(path) as file:
            yield Grudging(file)

    monkeypatch.setattr(objects, "_open_regular", grudging)
    assert store.put_file(source) == (sha(source.read_bytes()), size)
    assert store.verify(Digest(sha(source.read_bytes())))


def test_a_disk_that_refuses_what_goes_past_its_cache_takes_it_the_other_way(
    store, tmp_path, monkeypatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(40_000_001))
    real, refused = durable.write_all, []

    def refuse_once(descriptor: int, content: bytes) -> None:
        if not refused:
            refused.append(True)
            real(descriptor, bytes(content[:4096]))
            raise OSError(errno.EINVAL, "not aligned")
        real(descriptor, content)

    monkeypatch.setattr(durable, "write_all", refuse_once)
    assert store.put_file(source) == (sha(source.read_bytes()), 40_000_001)
    assert store.verify(Digest(sha(source.read_bytes())))


def test_the_same_content_is_stored_once(store, tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    digests = {store.put_file(tmp_path / "a"), store.put_file(tmp_path / "b"), store.put_bytes(b"same")}
    assert digests == {(sha(b"same"), 4)}
    assert len(list(store.all())) == 1


def test_damaged_content_is_found_when_it_is_read_or_restored_and_mended_when_it_is_stored_again(
    store, tmp_path
) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    digest, _ = store.put_file(tmp_path / "a")
    path = store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"weighty")
    assert not store.verify(digest)
    with pytest.raises(Damaged, match=digest[:12]):
        store.read(digest)
    with pytest.raises(Damaged, match=digest[:12]):
        store.restore(digest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.put_file(tmp_path / "a")
    assert store.read(digest) == b"weights"


def test_content_that_is_not_here_is_said(store, tmp_path) -> None:
    digest = Digest("0" * 64)
    assert not store.has(digest)
    for use in (lambda: store.read(digest), lambda: store.restore(digest, tmp_path / "x")):
        with pytest.raises(NotFound, match="000000000000"):
            use()


def test_what_is_restored_never_takes_the_place_of_a_file_or_of_a_link(store, tmp_path) -> None:
    digest, _ = store.put_bytes(b"new")
    (tmp_path / "there").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            store.restore(digest, tmp_path / name)
    assert (tmp_path / "there").read_bytes() == b"mine"
    assert not (tmp_path / "elsewhere").exists()


def test_only_regular_files_are_stored_and_nothing_waits_for_a_pipe(store, tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path / "pipe", tmp_path / "folder", Path("/dev/zero")):
        with pytest.raises(InvalidValue, match="not a regular file"):
            store.put_file(path)
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor was left open"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(tmp_path / "socket"))
    with listener, pytest.raises(OSError, match="socket"):
        store.put_file(tmp_path / "socket")
    with pytest.raises(FileNotFoundError):
        store.put_file(tmp_path / "gone")


def test_a_file_that_grows_while_it_is_stored_has_the_digest_of_what_was_stored(store, tmp_path) -> None:
    source = tmp_path / "growing"
    source.write_bytes(bytes(8 << 20))
    over = threading.Event()

    def grow() -> None:
        with source.open("ab", buffering=0) as file:
            for _ in range(200):
                file.write(b"x" * 1000)
        over.set()

    thread = threading.Thread(target=grow)
    thread.start()
    while not over.is_set():
        digest, size = store.put_file(source)
        assert store.path(digest).stat().st_size == size
        assert store.verify(digest)
    thread.join()


@pytest.mark.parametrize("wanted", ["object.rename", "replace.write", "replace.rename"])
def test_an_interrupted_put_leaves_nothing_to_be_seen(store, layout, tmp_path, monkeypatch, wanted) -> None:
    (tmp_path / "a").write_bytes(b"weights")

    def fail(step: str) -> None:
        if step == wanted:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(durable, "hook", fail)
    with pytest.raises(OSError, match="full"):
        store.put_file(tmp_path / "a") if wanted.startswith("object") else store.put_bytes(b"weights")
    assert list(store.all()) == []
    assert os.listdir(layout.tmp) == []


@pytest.mark.parametrize("wanted", ["object.rename", "replace.write", "replace.rename", "replace.sync"])
def test_a_put_that_is_killed_leaves_whole_content_or_none(store, layout, tmp_path, wanted) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    code = (
        "import os, sys; from pathlib import Path\n"
        "from gittrack.store import durable; from gittrack.store.layout import Layout\n"
        "from gittrack.store.objects import FileStore\n"
        f"def hook(step):\n    if step == {wanted!r}: os.kill(os.getpid(), 9)\n"
        "durable.hook = hook\n"
        f"store = FileStore(Layout(Path({str(layout.committed)!r}), Path({str(layout.private)!r})))\n"
    )
    code += (
        f"store.put_file(Path({str(tmp_path / 'a')!r}))"
        if wanted == "object.rename"
        else "store.put_bytes(b'weights')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert all(store.verify(digest) for digest, _ in store.all())
    store.put_file(tmp_path / "a")
    assert store.read(Digest(sha(b"weights"))) == b"weights"


def _put(layout: Layout, source: Path, barrier) -> None:
    barrier.wait()
    for _ in range(20):
        FileStore(layout).put_file(source)
        FileStore(layout).put_bytes(b"the same bytes")


def test_eight_processes_store_the_same_content_at_once(store, layout, tmp_path) -> None:
    source = tmp_path / "a"
    source.write_bytes(os.urandom(300_000))
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)
    workers = [context.Process(target=_put, args=(layout, source, barrier)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    found = dict(store.all())
    assert set(found) == {sha(source.read_bytes()), sha(b"the same bytes")}
    assert all(store.verify(digest) for digest in found)
    assert os.listdir(layout.tmp) == []


def test_a_stray_file_among_the_content_is_passed_over(store, layout) -> None:
    digest, _ = store.put_bytes(b"a")
    (layout.files / ".DS_Store").write_bytes(b"")
    (layout.files / digest[:2] / "note.txt").write_bytes(b"")
    assert [found for found, _ in store.all()] == [digest]
