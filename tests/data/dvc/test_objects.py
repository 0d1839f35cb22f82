"""DVC's names for content."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.data.dvc import objects
from gittrack.data.dvc.objects import Hashes
from gittrack.errors import Damaged, InvalidValue
from tests.dvc_projects import md5_of, object_path, put_object


def names(content: bytes) -> tuple[str, str]:
    hashes = Hashes()
    hashes.update(content)
    _, new, old = hashes.finish()
    return new, old


@given(st.lists(st.binary(max_size=9) | st.sampled_from([b"a\r\n", b"\r", b"\n"]), max_size=20))
def test_hashes_do_not_depend_on_how_the_bytes_come(pieces: list[bytes]) -> None:
    whole, hashes = b"".join(pieces), Hashes()
    for piece in pieces:
        hashes.update(piece)

    assert hashes.size == len(whole)
    assert hashes.finish() == (
        hashlib.sha256(whole).hexdigest(),
        md5_of(whole),
        names(whole)[1],
    )


def test_dvc_2_takes_the_line_ends_of_text_alone_as_one() -> None:
    assert names(b"a\r\nb") == (md5_of(b"a\r\nb"), md5_of(b"a\nb"))
    assert names(b"a\0\r\nb")[1] == md5_of(b"a\0\r\nb")
    assert names(b"\xff\xfe\xfd\r\n")[1] == md5_of(b"\xff\xfe\xfd\r\n")


def test_line_ends_are_joined_within_a_piece_of_dvcs_size() -> None:
    piece = 1 << 20
    cut, whole = b"a" * (piece - 1) + b"\r\n" + b"b\r\n", b"a" * piece + b"\r\n"

    assert names(cut)[1] == md5_of(b"a" * (piece - 1) + b"\r\n" + b"b\n")
    assert names(whole)[1] == md5_of(b"a" * piece + b"\n")


def test_a_folder_has_the_name_that_dvc_gives_it() -> None:
    files = {"é.txt": "401b30e3b8b5d629635a5c613cdb7919", "sub/y": "009520053b00386d1173f3988c55d192"}

    assert objects.name_of_folder(files) == "ec08127bb3a30f9187594028b3dec82d.dir"


@given(st.dictionaries(st.text("abc/é", min_size=1).map(lambda t: "x" + t.replace("/", "-")), st.binary()))
def test_the_list_of_a_folder_reads_back(contents: dict[str, bytes]) -> None:
    files = {name: md5_of(content) for name, content in contents.items()}
    text = json.dumps([{"md5": files[name], "relpath": name} for name in sorted(files)]).encode()

    assert objects.listing(text, objects.name_of_folder(files)) == files


@pytest.mark.parametrize(
    "listing",
    [
        [{"md5": "0" * 32, "relpath": "../../x"}],
        [{"md5": "0" * 32, "relpath": "/etc/passwd"}],
        [{"md5": "0" * 32, "relpath": ".git/hooks/post-checkout"}],
        [{"md5": "../../../etc/passwd", "relpath": "x"}],
        [{"md5": "0" * 32 + ".dir", "relpath": "x"}],
        [{"md5": 3, "relpath": "x"}],
        [{"relpath": "x"}],
        {"x": "y"},
        [1],
        "text",
    ],
)
def test_a_list_with_a_path_that_climbs_or_without_md5_is_damaged(listing: object) -> None:
    content = json.dumps(listing).encode()

    with pytest.raises(Damaged):
        objects.listing(content, md5_of(content) + ".dir")


def test_a_list_with_other_bytes_than_its_name_is_damaged() -> None:
    with pytest.raises(Damaged, match="damaged"):
        objects.listing(b"[]", "0" * 32 + ".dir")


@pytest.mark.parametrize("md5", ["../../x", "0" * 31, "0" * 32 + "\n", "A" * 32, "0" * 32 + ".dir.dir"])
def test_what_is_no_md5_touches_no_path(md5: str) -> None:
    with pytest.raises(InvalidValue):
        objects.places(md5)


def test_links_and_special_files_are_no_objects(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    link, pipe = object_path(tmp_path, "0" * 32), object_path(tmp_path, "1" * 32)
    link.parent.mkdir(parents=True)
    pipe.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "outside")
    os.mkfifo(pipe)

    for md5 in ("0" * 32, "1" * 32):
        assert objects.open_object(tmp_path, md5) is None
        assert objects.path_of(tmp_path, md5) is None


@pytest.mark.parametrize("old", [True, False])
def test_objects_of_both_versions_are_found(tmp_path: Path, old: bool) -> None:
    md5 = put_object(tmp_path, b"content", old=old)

    with objects.open_object(tmp_path, md5) as file:
        assert file.read() == b"content"
    assert objects.path_of(tmp_path, md5) == object_path(tmp_path, md5, old=old)
