"""Large files, which are read, hashed and written a piece at a time and past the system's cache."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from gittrack.store import durable, objects
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

PIECE = 8192


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    monkeypatch.setattr(objects, "_LARGE", 100)
    monkeypatch.setattr(objects, "_PIECE", PIECE)
    return FileStore(Layout(tmp_path / ".gittrack", tmp_path / "private"))


@pytest.mark.parametrize("size", [101, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE, 5 * PIECE + 4097])
def test_a_file_of_any_number_of_pieces_comes_back(files: FileStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "model.bin").write_bytes(content)
    digest, stored = files.put_file(tmp_path / "model.bin")
    assert (digest, stored) == (hashlib.sha256(content).hexdigest(), size)
    assert files.read(digest) == content


def test_a_disk_that_refuses_to_be_written_directly_gets_the_same_bytes(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(3 * PIECE + 5)
    (tmp_path / "model.bin").write_bytes(content)
    refused = []

    def write_all(descriptor: int, piece: bytes | memoryview) -> None:
        if not refused:
            refused.append(os.write(descriptor, bytes(PIECE)))
            raise OSError(errno.EINVAL, "the piece is not aligned")
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    monkeypatch.setattr(durable, "write_all", write_all)
    monkeypatch.setattr(objects, "_bypass_cache", lambda descriptor, on: None)
    digest, _ = files.put_file(tmp_path / "model.bin")
    assert refused
    assert files.read(digest) == content


def test_a_full_disk_leaves_nothing(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.bin").write_bytes(bytes(2 * PIECE))

    def write_all(descriptor: int, piece: bytes | memoryview) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(durable, "write_all", write_all)
    with pytest.raises(OSError, match="no space"):
        files.put_file(tmp_path / "model.bin")
    assert list((tmp_path / "private" / "tmp").iterdir()) == []


def test_where_the_disk_shares_content_the_digest_is_that_of_what_is_shared(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def share(source: int, target: int) -> bool:
        os.write(target, b"as it was when it was shared")
        return True

    monkeypatch.setattr(objects, "_reflink", share)
    (tmp_path / "model.bin").write_bytes(b"as it was a moment before")
    digest, size = files.put_file(tmp_path / "model.bin")
    assert files.read(digest) == b"as it was when it was shared"
    assert size == len(b"as it was when it was shared")
