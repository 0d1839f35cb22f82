"""Data comes back byte for byte, from wherever it is, and lands nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gittrack.data import hashing
from gittrack.entities.record import DataFile, LeftOut
from gittrack.record import environment
from gittrack.repro.differences import compare_environment, compare_hardware
from gittrack.repro.execute import present_argv
from gittrack.repro.imports import moved_imports
from gittrack.repro.restore import (
    DataLost,
    Sources,
    restore_data,
    restore_left_out,
)
from gittrack.store import digest as digests
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore
from tests.conftest import write


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """An empty worktree, an empty store, an empty checkout."""
    (tmp_path / "target").mkdir()
    (tmp_path / "checkout").mkdir()
    files = FileStore(Layout(tmp_path / "committed", tmp_path / "private"))
    return Sources(tmp_path / "target", files, tmp_path / "checkout")


def entry(path: str, content: bytes, kept_by: str = "cache") -> DataFile:
    return DataFile(path, digests.of_bytes(content), len(content), kept_by)


def test_a_file_comes_from_git_the_cache_or_the_checkout_in_this_order(sources: Sources) -> None:
    write(sources.target, {"a.csv": b"a", "b.csv": b"old"})
    sources.files.put_bytes(b"b")
    assert sources.checkout is not None
    write(sources.checkout, {"sub/c.csv": b"c"})

    back = restore_data([entry("a.csv", b"a"), entry("b.csv", b"b"), entry("sub/c.csv", b"c")], sources)

    assert [(found.path, found.how) for found in back] == [
        ("a.csv", "git"),
        ("b.csv", "cache"),
        ("sub/c.csv", "working tree"),
    ]
    assert (sources.target / "b.csv").read_bytes() == b"b"
    assert (sources.target / "sub/c.csv").read_bytes() == b"c"


@pytest.mark.parametrize(("here", "recorded"), [(b"a\nb\n", b"a\r\nb\r\n"), (b"a\r\nb\r\n", b"a\nb\n")])
def test_line_ends_that_git_changed_are_those_of_the_record_again(
    sources: Sources, here: bytes, recorded: bytes
) -> None:
    write(sources.target, {"a.csv": here})

    (found,) = restore_data([entry("a.csv", recorded, "git")], sources)

    assert found.how.startswith("git, with the line ends")
    assert (sources.target / "a.csv").read_bytes() == recorded


def test_a_folder_has_the_recorded_files_and_no_others(sources: Sources, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"a.txt": b"a", "deep/b.txt": b"b"})
    content = hashing.keep(source, sources.files)
    write(sources.target, {"data/a.txt": b"other", "data/stranger.txt": b"x"})
    folder = DataFile("data", content.digest, content.size, "cache", content.files)

    (found,) = restore_data([folder], sources)

    assert found.how == "cache"
    assert hashing.measure(sources.target / "data").digest == content.digest
    assert not (sources.target / "data/stranger.txt").exists()


def test_a_folder_without_a_list_of_its_files_comes_from_the_checkout(sources: Sources) -> None:
    assert sources.checkout is not None
    write(sources.checkout, {"data/a.txt": b"a"})
    content = hashing.measure(sources.checkout / "data")

    (found,) = restore_data([DataFile("data", content.digest, 1, "nobody", 1)], sources)

    assert found.how == "working tree"


def test_damaged_content_is_not_put_anywhere(sources: Sources) -> None:
    digest, _ = sources.files.put_bytes(b"good")
    sources.files.path(digest).chmod(0o644)
    sources.files.path(digest).write_bytes(b"evil")

    with pytest.raises(DataLost, match="cannot be restored") as caught:
        restore_data([entry("a.csv", b"good")], sources)
    assert digest in str(caught.value.hint)
    assert not (sources.target / "a.csv").exists()


def test_nothing_is_written_through_a_link(sources: Sources, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (sources.target / "data").symlink_to(outside)
    (sources.target / "file.csv").symlink_to(outside / "file.csv")
    sources.files.put_bytes(b"content")

    with pytest.raises(DataLost, match="link"):
        restore_data([entry("data/a.csv", b"content")], sources)
    (found,) = restore_data([entry("file.csv", b"content")], sources)

    assert found.how == "cache"
    assert not (sources.target / "file.csv").is_symlink()
    assert list(outside.iterdir()) == []


def test_data_beside_the_repository_is_compared_and_never_written(sources: Sources, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_bytes(b"then")
    record = entry(str(outside), b"then", "outside")

    assert restore_data([record], sources)[0].how == "outside"
    outside.write_bytes(b"now")
    with pytest.raises(DataLost, match="has changed"):
        restore_data([record], sources)
    outside.unlink()
    with pytest.raises(DataLost, match="is gone"):
        restore_data([record], sources)


def test_left_out_files_come_from_the_checkout_when_they_are_the_same_still(sources: Sources) -> None:
    assert sources.checkout is not None
    write(sources.checkout, {"key.pem": b"key", "changed.pem": b"now"})
    same = LeftOut("key.pem", 3, "a secret", digests.of_bytes(b"key"))
    changed = LeftOut("changed.pem", 3, "a secret", digests.of_bytes(b"then"))
    unknown, climbing = LeftOut("fifo", 0, "special"), LeftOut("../x", 3, "a secret", same.digest)

    missing = restore_left_out([same, changed, unknown, climbing], sources)

    assert missing == [changed, unknown, climbing]
    assert (sources.target / "key.pem").read_bytes() == b"key"


def test_each_difference_of_the_environment_is_named() -> None:
    recorded = environment.capture()
    recorded["python"] = {**recorded["python"], "version": "3.9.1"}
    name, version = next(iter(recorded["distributions"].items()))
    recorded["distributions"] = {**recorded["distributions"], name: "0.0", "gone": "1.0"}

    found = {
        difference.name: (difference.old, difference.new) for difference in compare_environment(recorded)
    }

    assert found == {
        "python version": ("3.9.1", ".".join(map(str, sys.version_info[:3]))),
        name: ("0.0", version),
        "gone": ("1.0", None),
    }
    assert compare_environment(environment.capture()) == []
    assert compare_environment(None)[0].old == "not in this clone"


def test_other_hardware_is_named() -> None:
    host = {**environment.host(), "cores": 1234, "name": "elsewhere"}
    assert [(found.name, found.old) for found in compare_hardware(host)] == [("cores", "1234")]


def test_a_project_installed_in_place_is_imported_from_the_worktree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, target, site = tmp_path / "root", tmp_path / "target", tmp_path / "env" / "site-packages"
    write(target, {"src/pkg/__init__.py": "", "flat/other/__init__.py": ""})
    write(
        site,
        {
            "pkg.pth": f"{root}/src\nimport something\n# {root}/comment\n",
            "far.pth": f"{tmp_path}/elsewhere\n",
            "other-1.0.dist-info/direct_url.json": f'{{"url": "file://{root}/flat", "dir_info": {{"editable": true}}}}',
            "wheel-1.0.dist-info/direct_url.json": f'{{"url": "file://{root}/wheel.whl"}}',
            "bad-1.0.dist-info/direct_url.json": "{",
        },
    )
    monkeypatch.setattr(sys, "path", [str(site), str(root), "/nowhere/site-packages"])

    assert moved_imports(root, target) == [str(target / "src"), str(target / "flat")]


def test_the_command_is_started_with_this_interpreter_and_in_the_worktree(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"

    argv = present_argv(
        ["/usr/bin/python3.9", f"{root}/a.py", f"--out={root}", f"{root}x", "python"], root, target
    )

    assert argv == [sys.executable, f"{target}/a.py", f"--out={target}", f"{root}x", "python"]
    assert present_argv(["pythonic"], root, target) == ["pythonic"]
