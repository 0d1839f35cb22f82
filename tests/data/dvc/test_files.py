"""What DVC's files say, and what they cannot say."""

from __future__ import annotations

import pytest

from gittrack.data.dvc.files import entries
from gittrack.errors import Damaged
from gittrack.record.dvc import parse

MD5 = "b202f333fba4fd38d4b8e5e693077aab"


def said(text: str, by: str = "data/train.csv.dvc") -> list[tuple[str, str, bool]]:
    return [(entry.path, entry.md5, entry.is_old) for entry in entries(parse(text.encode(), by), by)]


def test_a_dvc_file_of_either_version_names_its_out() -> None:
    assert said(f"outs:\n- md5: {MD5}\n  size: 10\n  hash: md5\n  path: train.csv\n") == [
        ("data/train.csv", MD5, False)
    ]
    assert said(f"outs:\n- md5: {MD5}\n  size: 10\n  path: train.csv\n") == [("data/train.csv", MD5, True)]


def test_the_working_folder_and_the_remote_of_an_entry_count() -> None:
    text = f"wdir: ..\nouts:\n- md5: {MD5}.dir\n  nfiles: 3\n  path: raw\n  remote: big\n"
    (entry,) = entries(parse(text.encode(), "x"), "data/raw.dvc")

    assert (entry.path, entry.remote, entry.files, entry.is_folder) == ("raw", "big", 3, True)


@pytest.mark.parametrize("head", ["schema: '2.0'\nstages:\n  train:\n", "train:\n"], ids=["2.0", "1.0"])
def test_a_lock_of_either_schema_names_what_its_stages_read_and_make(head: str) -> None:
    other = MD5[::-1]
    pad = "    " if "stages" in head else "  "
    text = f"{head}{pad}cmd: python train.py\n{pad}deps:\n{pad}- path: data/a.csv\n{pad}  md5: {MD5}\n"
    text += f"{pad}outs:\n{pad}- path: ../model.pkl\n{pad}  md5: {other}\n"

    assert said(text, "sub/dvc.lock") == [("sub/data/a.csv", MD5, True), ("model.pkl", other, True)]


@pytest.mark.parametrize(
    "entry",
    [
        f"{{md5: {MD5}, path: ../../x}}",
        f"{{md5: {MD5}, path: /etc/passwd}}",
        f"{{md5: {MD5}, path: ~/.ssh/id_rsa}}",
        f"{{md5: {MD5}, path: ../.git/config}}",
        f"{{md5: {MD5}, path: s3://bucket/x}}",
        f'{{md5: {MD5}, path: "a\\nb"}}',
        "{md5: ../../x, path: x}",
        f"{{md5: {MD5.upper()}, path: x}}",
        f"{{md5: {MD5}.dir/../x, path: x}}",
        "{md5: 1234, path: x}",
        "{md5: [a], path: x}",
        "{etag: abc, path: x}",
        f"{{md5: {MD5}, path: 3}}",
        f"{{md5: {MD5}, path: x, cache: false}}",
        "text",
    ],
)
def test_an_entry_that_climbs_or_is_no_md5_says_nothing(entry: str) -> None:
    assert said(f"outs: [{entry}, {{md5: {MD5}, path: fine}}]") == [("data/fine", MD5, True)]


@pytest.mark.parametrize("text", ["outs: 3", "outs: {a: b}", "stages: x", "x: {}", "wdir: [1]\nouts: []"])
def test_a_file_of_another_shape_says_nothing(text: str) -> None:
    assert said(text) == []
    assert said(f"schema: '2.0'\n{text}", "dvc.lock") == []


@pytest.mark.parametrize(
    "text", ["outs: !!python/object/apply:os.system [x]", "a: &a [1]\nb: *a", "- 1", "a: 1\na: 2", "[" * 99]
)
def test_yaml_that_would_build_more_than_values_is_refused(text: str) -> None:
    with pytest.raises(Damaged):
        said(text)
