from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gittrack.store import durable

FILES = {"run.yaml": b"a: 1\n", "metrics.parquet": bytes(100)}
STEPS = ["publish.write run.yaml", "publish.write metrics.parquet", "publish.rename", "publish.sync"]


def published(path: Path) -> dict[str, bytes] | None:
    return {file.name: file.read_bytes() for file in path.iterdir()} if path.exists() else None


def test_a_folder_appears_whole_and_a_second_publication_changes_nothing(tmp_path, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(durable, "hook", seen.append)
    target = tmp_path / "runs" / "ab" / "cd"
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert published(target) == FILES
    assert seen == STEPS
    inode = (target / "run.yaml").stat().st_ino
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert (target / "run.yaml").stat().st_ino == inode
    assert seen == [*STEPS, "publish.sync"], "who was there first may not have lived to sync the name"
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("wanted", STEPS)
def test_a_publication_that_fails_at_any_step_leaves_nothing_half_and_can_be_repeated(
    tmp_path, monkeypatch, wanted
) -> None:
    target = tmp_path / "runs" / "ab" / "cd"

    def fail(step: str) -> None:
        if step == wanted:
            raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(durable, "hook", fail)
    with pytest.raises(OSError, match="bad disk"):
        durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert published(target) == (FILES if wanted == "publish.sync" else None)
    assert os.listdir(tmp_path / "tmp") == []
    monkeypatch.setattr(durable, "hook", lambda step: None)
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert published(target) == FILES


@pytest.mark.parametrize("wanted", STEPS)
def test_a_publication_that_is_killed_at_any_step_can_be_repeated(tmp_path, wanted) -> None:
    code = (
        "import os\nfrom pathlib import Path\nfrom gittrack.store import durable\n"
        f"def hook(step):\n    if step == {wanted!r}: os.kill(os.getpid(), 9)\n"
        "durable.hook = hook\n"
        f"durable.publish_folder(Path('runs/ab/cd').absolute(), {FILES!r}, tmp=Path('tmp').absolute())\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == -signal.SIGKILL
    )
    target = tmp_path / "runs" / "ab" / "cd"
    assert published(target) == (FILES if wanted == "publish.sync" else None)
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert published(target) == FILES


@pytest.mark.parametrize("synced", [True, False])
@pytest.mark.parametrize("torn", [b"", b"a: ", None])
def test_what_a_power_cut_left_torn_is_replaced_when_it_is_published_again(tmp_path, synced, torn) -> None:
    target = tmp_path / "runs" / "ab" / "cd"
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp", synced=False)
    assert published(target) == FILES
    if torn is None:
        (target / "run.yaml").unlink()
    else:
        (target / "run.yaml").write_bytes(torn)
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp", synced=synced)
    assert published(target) == FILES
    assert os.listdir(tmp_path / "tmp") == []


def test_a_second_copy_is_synced_when_it_becomes_the_only_one(tmp_path, monkeypatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    target = tmp_path / "runs" / "ab" / "cd"
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp", synced=False)
    assert not any("cd" in Path(path).parts for path in synced)
    assert not any(path.endswith((".yaml", ".parquet")) for path in synced)
    synced.clear()
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert synced == [*(str(target / name) for name in FILES), str(target), str(target.parent)]


def test_many_threads_publish_the_same_folder_at_once(tmp_path) -> None:
    target = tmp_path / "runs" / "ab" / "cd"
    barrier, errors = threading.Barrier(8), []

    def publish() -> None:
        barrier.wait()
        try:
            durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert published(target) == FILES
    assert os.listdir(tmp_path / "tmp") == []


def test_a_short_write_is_completed(tmp_path, monkeypatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, bytes(content)[:3]))
    durable.write_file(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_new_file_never_takes_the_place_of_another_or_follows_a_link(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("a", "link"):
        with pytest.raises(FileExistsError):
            durable.write_file(tmp_path / name, b"new")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("wanted", ["replace.write", "replace.rename"])
def test_a_replacement_that_fails_leaves_the_old_content_and_no_draft(tmp_path, monkeypatch, wanted) -> None:
    durable.replace_file(tmp_path / "a", b"old", tmp=tmp_path / "tmp")

    def fail(step: str) -> None:
        if step == wanted:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(durable, "hook", fail)
    with pytest.raises(OSError, match="full"):
        durable.replace_file(tmp_path / "a", b"new", tmp=tmp_path / "tmp")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path / "tmp") == []


def test_a_folder_that_is_removed_goes_in_one_step_and_one_that_has_gone_is_no_error(tmp_path) -> None:
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "a").write_bytes(b"")
    for _ in range(2):
        durable.remove_folder(tmp_path / "live", tmp=tmp_path / "tmp")
        assert not (tmp_path / "live").exists()
    assert os.listdir(tmp_path / "tmp") == []


def test_what_a_removed_folder_links_to_stays(tmp_path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a").write_bytes(b"")
    (tmp_path / "live" / "logs").mkdir(parents=True)
    (tmp_path / "live" / "logs" / "out.txt").write_bytes(b"")
    (tmp_path / "live" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "linked").symlink_to(tmp_path / "kept")
    durable.remove_folder(tmp_path / "live", tmp=tmp_path / "tmp")
    assert os.listdir(tmp_path / "tmp") == []
    durable.remove_folder(tmp_path / "linked", tmp=tmp_path / "tmp")
    assert not (tmp_path / "linked").is_symlink()
    assert os.listdir(tmp_path / "kept") == ["a"]


def test_folders_are_made_with_their_parents_by_many_at_once(tmp_path) -> None:
    target = tmp_path / "a" / "b" / "c"
    threads = [threading.Thread(target=durable.make_folder, args=(target,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.is_dir()


def test_what_comes_from_another_disk_appears_whole_too(tmp_path, monkeypatch) -> None:
    crossed = []

    def cross(step: str) -> None:
        if step.endswith(".rename") and step not in crossed:
            crossed.append(step)
            raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(durable, "hook", cross)
    durable.replace_file(tmp_path / "there" / "file", b"new", tmp=tmp_path / "tmp")
    durable.publish_folder(tmp_path / "there" / "run", {"a": b"1"}, tmp=tmp_path / "tmp")

    assert crossed == ["replace.rename", "publish.rename"]
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["file", "run"]
    assert (tmp_path / "there" / "run" / "a").read_bytes() == b"1"
    assert not list((tmp_path / "tmp").iterdir())


def test_what_is_torn_is_replaced_and_what_is_removed_goes_on_another_disk_too(tmp_path, monkeypatch) -> None:
    def cross(step: str) -> None:
        if step == "remove.rename":
            raise OSError(errno.EXDEV, "Invalid cross-device link")

    target = tmp_path / "there" / "run"
    target.mkdir(parents=True)
    (target / "run.yaml").write_bytes(b"torn")
    monkeypatch.setattr(durable, "hook", cross)
    durable.publish_folder(target, FILES, tmp=tmp_path / "tmp")
    assert published(target) == FILES
    durable.remove_folder(target, tmp=tmp_path / "tmp")
    assert not list((tmp_path / "there").iterdir())


def test_a_draft_beside_its_place_is_taken_away_when_it_fails(tmp_path, monkeypatch) -> None:
    def cross(step: str) -> None:
        if step.endswith(".rename"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(durable, "hook", cross)
    with pytest.raises(OSError, match="cross-device"):
        durable.replace_file(tmp_path / "there" / "file", b"new", tmp=tmp_path / "tmp")
    with pytest.raises(OSError, match="cross-device"):
        durable.publish_folder(tmp_path / "there" / "run", {"a": b"1"}, tmp=tmp_path / "tmp")
    assert not list((tmp_path / "there").iterdir())
