from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.data import hashing
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.store import digest as digests
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

NAMES = st.from_regex(r"[a-zA-Z0-9_ é-]{1,8}(/[a-z]{1,4}){0,2}", fullmatch=True).filter(
    lambda n: n.strip() == n
)


@pytest.fixture
def store(tmp_path) -> FileStore:
    return FileStore(Layout(tmp_path / ".gittrack", tmp_path / "private"))


def fill(folder, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_a_files_digest_is_that_of_its_bytes(tmp_path, store) -> None:
    (tmp_path / "a").write_bytes(b"123")
    content = hashing.keep(tmp_path / "a", store)
    assert (content.digest, content.size, content.files) == (digests.of_bytes(b"123"), 3, None)
    assert hashing.measure(tmp_path / "a") == content


def test_sha256sum_checks_a_folders_manifest(tmp_path, store) -> None:
    fill(tmp_path / "data", {"b.csv": b"2", "sub/a.csv": b"1", "c d.csv": b""})
    content = hashing.keep(tmp_path / "data", store)
    manifest = store.read(content.digest)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "-"], input=manifest, cwd=tmp_path / "data", check=True
    )
    assert (content.size, content.files) == (2, 3)
    assert [name for name, _ in hashing.manifest_entries(manifest)] == ["b.csv", "c d.csv", "sub/a.csv"]
    assert store.read(hashing.manifest_entries(manifest)[2][1]) == b"1"


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b.c", "x/y", "x/z", "q/r/s"]), st.binary(max_size=8), max_size=5),
    st.randoms(),
)
def test_a_folders_digest_does_not_depend_on_the_order_of_its_making(tmp_path_factory, files, random) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    fill(one, files)
    fill(two, dict(shuffled))
    assert hashing.measure(one) == hashing.measure(two)


def test_one_byte_changed_one_name_changed_or_one_file_more_is_another_folder(tmp_path) -> None:
    digests_seen = set()
    for number, files in enumerate(
        ({"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b""}, {"a/b": b"1"})
    ):
        folder = tmp_path / str(number)
        fill(folder, files)
        digests_seen.add(hashing.measure(folder).digest)
    assert len(digests_seen) == 5


def test_links_inside_a_folder_count_as_their_content_and_links_out_of_it_are_refused(tmp_path) -> None:
    fill(tmp_path / "data", {"a": b"1"})
    (tmp_path / "data" / "b").symlink_to("a")
    assert hashing.measure(tmp_path / "data").files == 2
    (tmp_path / "secret").write_text("x")
    (tmp_path / "data" / "c").symlink_to("../secret")
    with pytest.raises(InvalidValue, match="link out of"):
        hashing.measure(tmp_path / "data")


def test_what_is_no_file_and_no_folder_is_named(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("gone", "pipe"):
        with pytest.raises(NotFound, match=name):
            hashing.measure(tmp_path / name)


@pytest.mark.parametrize(
    "manifest",
    [b"\xff", b"abc  a\n", b"0" * 64 + b"  ../a\n", b"0" * 64 + b"  /a\n", b"0" * 64 + b"  a/.git/x\n"],
)
def test_a_manifest_that_names_what_it_must_not_is_damage(manifest) -> None:
    with pytest.raises(Damaged):
        hashing.manifest_entries(manifest)
