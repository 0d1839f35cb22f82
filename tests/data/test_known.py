"""Digests that are believed as long as nobody has changed the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.data import hashing, known
from gittrack.data.known import Changed, GaveUp, KnownDigests, stamp_of
from gittrack.store import digest as digests
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore
from tests.dvc_projects import md5_of

OLD_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True)
def _nothing_is_racy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "RACY_NS", -(10**9))
    monkeypatch.setattr(known, "_CHEAP", 0)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "private").mkdir()
    return Layout(tmp_path / ".gittrack", tmp_path / "private")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(b"one")
    return path


def test_a_file_that_nobody_changed_is_not_read_again(layout, file, monkeypatch) -> None:
    first = KnownDigests(layout)
    digest = first.digest(file)
    first.save()
    monkeypatch.setattr(known, "_hash", lambda *_: pytest.fail("it was read again"))
    assert KnownDigests(layout).digest(file) == digest == (digests.of_bytes(b"one"), 3)


def test_dvcs_names_are_known_beside_the_digest_and_read_once_for_all(layout, file, monkeypatch) -> None:
    file.write_bytes(b"one\r\n")
    first = KnownDigests(layout)
    names, size = first.names(file)
    first.save()
    monkeypatch.setattr(known, "_hash", lambda *_: pytest.fail("it was read again"))
    monkeypatch.setattr(known, "_all_names", lambda *_: pytest.fail("it was read again"))

    assert KnownDigests(layout).names(file) == (names, 5)
    assert KnownDigests(layout).digest(file) == (names.digest, size) == (digests.of_bytes(b"one\r\n"), 5)
    assert [names.md5, names.old_md5] == [md5_of(b"one\r\n"), md5_of(b"one\n")]
    os.utime(file, ns=(OLD_NS, OLD_NS))
    with pytest.raises(pytest.fail.Exception):
        KnownDigests(layout).names(file)


@pytest.mark.parametrize("change", ["content", "size", "replaced", "touched"])
def test_a_file_that_was_changed_is_read_again(layout, file, change) -> None:
    first = KnownDigests(layout)
    first.digest(file)
    first.save()
    if change == "replaced":
        file.with_suffix(".new").write_bytes(b"two")
        os.replace(file.with_suffix(".new"), file)
    elif change != "touched":
        file.write_bytes(b"two" if change == "content" else b"longer")
    os.utime(file, ns=(OLD_NS, OLD_NS))
    assert KnownDigests(layout).find(stamp_of(file.stat())) is None
    assert KnownDigests(layout).digest(file) == (digests.of_file(file), file.stat().st_size)


def test_what_changed_just_before_it_was_read_is_not_remembered(layout, file, monkeypatch) -> None:
    monkeypatch.setattr(known, "RACY_NS", 2_000_000_000)
    first = KnownDigests(layout)
    first.digest(file)
    first.save()
    assert first.find(stamp_of(file.stat())) is None
    assert not layout.known_digests.exists()


@pytest.mark.parametrize("left", [b"", b"o", b"one more"])
def test_a_file_that_changed_before_it_is_read_has_no_digest(layout, file, left) -> None:
    stamp = stamp_of(file.stat())
    file.write_bytes(left)
    for ask in (KnownDigests(layout).digest, KnownDigests(layout).names):
        with pytest.raises(Changed):
            ask(file, stamp)
    assert KnownDigests(layout).find(stamp) is None


def test_a_file_that_changes_while_it_is_read_has_no_digest(layout, file) -> None:
    def change() -> bool:
        file.write_bytes(b"other")
        return False

    with pytest.raises(Changed):
        KnownDigests(layout).digest(file, give_up=change)
    with pytest.raises(GaveUp):
        KnownDigests(layout).digest(file, give_up=lambda: True)


def test_the_content_of_a_state_that_has_passed_is_known_or_nobodys(layout, file) -> None:
    before = stamp_of(file.stat())
    first = KnownDigests(layout)
    digest = first.digest(file)
    file.write_bytes(b"other")
    assert first.digest(file, before) == digest
    with pytest.raises(Changed):
        KnownDigests(layout).digest(file, before)


@given(at=st.integers(0, 10_000), byte=st.binary(min_size=1, max_size=3))
def test_damage_costs_a_reading_and_never_gives_another_digest(tmp_path_factory, at, byte) -> None:
    folder = tmp_path_factory.mktemp("known")
    layout = Layout(folder / ".gittrack", folder)
    stamps = {(1, number, 10, OLD_NS, OLD_NS): digests.of_bytes(b"%d" % number) for number in range(20)}
    first = KnownDigests(layout)
    for stamp, digest in stamps.items():
        first.add(stamp, digest)
    first.save()
    content = bytearray(layout.known_digests.read_bytes())
    at %= len(content)
    content[at : at + len(byte)] = byte
    layout.known_digests.write_bytes(content)
    again = KnownDigests(layout)
    found = {stamp: again.find(stamp) for stamp in stamps}
    assert all(found[stamp] in (None, digest) for stamp, digest in stamps.items())
    assert sum(digest is None for digest in found.values()) <= 3


def test_many_processes_write_at_once_and_each_line_is_whole(layout) -> None:
    code = f"""
import sys
from pathlib import Path
from gittrack.data.known import KnownDigests
from gittrack.store.layout import Layout
from gittrack.store import digest
for turn in range(20):
    known = KnownDigests(Layout(Path("none"), Path({str(layout.private)!r})))
    for number in range(50):
        known.add((int(sys.argv[1]), turn, number, {OLD_NS}, {OLD_NS}), digest.of_bytes(b"%d" % number))
    known.save()
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = KnownDigests(layout)
    for writer in range(3):
        for turn in range(20):
            stamps = [(writer, turn, number, OLD_NS, OLD_NS) for number in range(50)]
            assert [found.find(stamp) for stamp in stamps] == [digests.of_bytes(b"%d" % n) for n in range(50)]


def test_the_older_half_is_forgotten_when_there_is_too_much(layout, monkeypatch) -> None:
    monkeypatch.setattr(known, "MAX_BYTES", 1000)
    for number in range(40):
        one = KnownDigests(layout)
        one.add((1, number, 3, OLD_NS, OLD_NS), digests.of_bytes(b"%d" % number))
        one.save()
    found = KnownDigests(layout)
    assert layout.known_digests.stat().st_size < 1300
    assert found.find((1, 0, 3, OLD_NS, OLD_NS)) is None
    assert found.find((1, 39, 3, OLD_NS, OLD_NS)) == digests.of_bytes(b"39")


def test_a_known_folder_is_kept_without_reading_it_and_damage_in_the_store_is_not_hidden(
    layout, tmp_path, monkeypatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(str(number))
    store = FileStore(layout)
    first = KnownDigests(layout)
    kept = hashing.keep(folder, store, first)
    first.save()
    assert kept == hashing.measure(folder)
    gone = digests.of_bytes(b"7")
    store.path(gone).unlink()
    read = []
    put = FileStore.put_file
    monkeypatch.setattr(
        FileStore, "put_file", lambda self, path: (read.append(path.name), put(self, path))[1]
    )
    assert hashing.keep(folder, store, KnownDigests(layout)) == kept
    assert read == ["7.txt"]
    assert store.has(gone)


@given(st.lists(st.binary(max_size=5), max_size=12))
def test_known_or_not_a_folder_has_the_same_digest(tmp_path_factory, contents) -> None:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "data").mkdir()
    for number, content in enumerate(contents):
        (folder / f"data/{number}").write_bytes(content)
    layout = Layout(folder / ".gittrack", folder)
    digests_known = KnownDigests(layout)
    plain = hashing.measure(folder / "data")
    assert hashing.measure(folder / "data", digests_known) == plain
    assert hashing.keep(folder / "data", FileStore(layout), digests_known) == plain
    assert hashing.measure(folder / "data", digests_known) == plain
