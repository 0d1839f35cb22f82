from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from gittrack.entities.record import Code
from gittrack.errors import Conflict
from gittrack.git import worktree
from gittrack.git.capture import Capture
from gittrack.git.place import settings_of
from gittrack.git.repo import Repository
from gittrack.git.worktree import CodeLost, Restored, checkout, pool, remove_pool, restore_code
from tests.conftest import commit_all, git, write
from tests.git.helpers import CLONE, contents, look


def clone_of(repo: Path, name: str = "clone", *options: str) -> Path:
    target = repo.parent / name
    git(repo.parent, "clone", "-q", *options, f"file://{repo}", str(target))
    return target


def restore(root: Path, taken: Capture, target: Path, *, fetch: bool = True) -> Restored:
    return restore_code(Repository.find(root), taken.code, taken.patch, target, fetch=fetch)


@pytest.fixture
def dirty(repo: Path) -> Path:
    """A tree with every kind of change, in a repository with runs of its own."""
    write(repo, {"gone.py": "1", "tool.sh": "echo\n", "binary": bytes(range(256)), "kind": "file"})
    write(repo, {".gittrack/config.yaml": "format: 1\n", "dos.txt": b"a\r\nb\r\n"})
    commit_all(repo)
    (repo / "gone.py").unlink()
    (repo / "tool.sh").chmod(0o755)
    (repo / "kind").unlink()
    (repo / "kind").symlink_to("train.py")
    write(
        repo,
        {"binary": b"\0\xff" * 500, "src/untracked.py": "x = 1\n", "empty": "", "dos.txt": b"a\r\nc\r\n"},
    )
    write(repo, {os.fsdecode(b'odd \xff\n\t"name"'): "y", "-rf": "z", "no newline": "end"})
    write(repo, {".gittrack/runs/ab/run.yaml": "new"})
    return repo


def test_the_captured_commit_comes_back_without_gittracks_folder(dirty: Path, tmp_path: Path) -> None:
    taken = look(dirty)
    before = contents(dirty)
    index = (dirty / ".git" / "index").read_bytes()
    put = restore(dirty, taken, tmp_path / "again")
    assert put.how == "commit"
    assert contents(tmp_path / "again") == before
    assert not (tmp_path / "again" / ".gittrack").exists()
    assert contents(dirty) == before
    assert (dirty / ".git" / "index").read_bytes() == index
    assert look(tmp_path / "again").code.code_tree == taken.code.code_tree


def test_a_fresh_clone_restores_from_base_and_patch_without_the_network(dirty: Path, tmp_path: Path) -> None:
    taken = look(dirty)
    clone = clone_of(dirty)
    put = restore(clone, taken, tmp_path / "again", fetch=False)
    assert put.how == "base + patch"
    assert contents(tmp_path / "again") == contents(dirty)


def test_a_fresh_clone_fetches_the_capture_by_its_id(dirty: Path, tmp_path: Path) -> None:
    taken = look(dirty)
    put = restore(clone_of(dirty), dataclasses.replace(taken, patch=None), tmp_path / "again")
    assert put.how == "fetched"
    assert contents(tmp_path / "again") == contents(dirty)


def test_hostile_settings_on_both_sides_change_nothing(dirty: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\nexit 1\n")
    trap.chmod(0o755)
    clone = clone_of(dirty)
    for root in (dirty, clone):
        for hook in ("post-checkout", "reference-transaction", "post-index-change"):
            hooks = root / ".git" / "hooks"
            hooks.mkdir(exist_ok=True)
            (hooks / hook).symlink_to(trap)
        for key, value in {
            "diff.external": str(trap),
            "diff.noprefix": "true",
            "core.fsmonitor": str(trap),
            "apply.whitespace": "fix",
            "apply.ignoreWhitespace": "change",
            "core.whitespace": "blank-at-eol,cr-at-eol",
            "core.sparseCheckout": "true",
            "checkout.defaultRemote": "nowhere",
            "user.useConfigOnly": "true",
        }.items():
            git(root, "config", key, value)
    git(clone, "config", "core.autocrlf", "true")
    taken = look(dirty)
    for fetch, target in ((False, tmp_path / "patched"), (True, tmp_path / "fetched")):
        restore(clone, taken, target, fetch=fetch)
        assert contents(target) == contents(dirty)
    assert not (tmp_path / "sprung").exists()


def test_a_tree_of_converted_line_ends_comes_back_converted(repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    write(repo, {"table.csv": b"a,b\r\n1,2\r\n"})
    taken = look(repo)
    clone = clone_of(repo)
    restore(clone, taken, tmp_path / "again")
    assert (tmp_path / "again" / "table.csv").read_bytes() == b"a,b\r\n1,2\r\n"


def test_a_tree_with_unix_line_ends_keeps_them_whatever_the_settings(repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "core.autocrlf", "true")
    write(repo, {"job.sh": "#!/bin/sh\necho 1\n"})
    taken = look(repo)
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(repo), "fresh")
    restore(tmp_path / "fresh", taken, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(repo)


def test_after_a_squash_merge_and_gc_a_fresh_clone_finds_the_same_tree(repo: Path, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "-b", "feature")
    write(repo, {"one.py": "1"})
    commit_all(repo)
    write(repo, {"two.py": "2", ".gittrack/runs/ab/run.yaml": "run"})
    commit_all(repo)
    taken, before = look(repo), contents(repo)
    git(repo, "checkout", "-q", "main")
    git(repo, "merge", "-q", "--squash", "feature")
    squashed = commit_all(repo, "squashed")
    git(repo, "branch", "-q", "-D", "feature")
    git(repo, "update-ref", "-d", f"refs/gittrack/keep/{CLONE}")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    clone = clone_of(repo)
    put = restore(clone, taken, tmp_path / "again")
    assert put.how == f"same tree in {squashed[:12]}"
    assert contents(tmp_path / "again") == before
    write(repo, {"three.py": "3"})
    git(repo, "commit", "-q", "--amend", "--no-edit", "-a")
    git(repo, "add", "three.py")
    git(repo, "commit", "-q", "--amend", "--no-edit")
    moved = clone_of(repo, "moved")
    put = restore(moved, taken, tmp_path / "moved-again")
    assert put.how == "base + patch"
    assert contents(tmp_path / "moved-again") == before


def test_what_others_keep_is_fetched_where_prune_does_no_harm(repo: Path, tmp_path: Path) -> None:
    write(repo, {"new.py": "1"})
    taken = look(repo)
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "server.git")
    git(repo, "push", "-q", str(tmp_path / "server.git"), "main", "refs/gittrack/keep/*:refs/gittrack/keep/*")
    git(tmp_path / "server.git", "config", "uploadpack.allowAnySHA1InWant", "false")
    git(tmp_path / "server.git", "config", "protocol.version", "0")
    git(tmp_path, "clone", "-q", "-c", "protocol.version=0", f"file://{tmp_path}/server.git", "clone")
    put = restore(tmp_path / "clone", dataclasses.replace(taken, patch=None), tmp_path / "again")
    assert put.how == "fetched"
    git(tmp_path / "clone", "fetch", "-q", "--prune")
    assert git(tmp_path / "clone", "for-each-ref", "refs/gittrack/remotes/origin/keep") != ""


def test_code_that_is_nowhere_is_named_with_the_command_that_could_bring_it(
    repo: Path, tmp_path: Path
) -> None:
    code = dataclasses.replace(
        look(repo).code, commit="a" * 40, captured="a" * 40, code_tree="b" * 40, base="c" * 40
    )
    with pytest.raises(CodeLost, match="aaaaaaaaaaaa") as error:
        restore_code(Repository.find(repo), code, None, tmp_path / "again")
    assert error.value.exit_code == 9
    assert error.value.hint == f"git remote add origin URL && git fetch origin {'a' * 40}"
    with pytest.raises(CodeLost) as error:
        restore_code(Repository.find(clone_of(repo)), code, None, tmp_path / "again")
    assert error.value.hint == f"git fetch origin {'a' * 40}"
    commit_all(repo, "second")
    with pytest.raises(CodeLost) as error:
        restore_code(Repository.find(clone_of(repo, "shallow", "--depth=1")), code, None, tmp_path / "again")
    assert error.value.hint == "git fetch --unshallow"


def test_a_shallow_clone_fetches_an_older_commit(repo: Path, tmp_path: Path) -> None:
    taken, before = look(repo), contents(repo)
    write(repo, {"later.py": "1"})
    commit_all(repo)
    shallow = clone_of(repo, "shallow", "--depth=1")
    assert restore(shallow, taken, tmp_path / "again").how == "fetched"
    assert contents(tmp_path / "again") == before


def test_before_the_first_commit_the_patch_alone_is_the_code(empty_repo: Path, tmp_path: Path) -> None:
    write(empty_repo, {"train.py": "1", "deep/er.py": "2"})
    taken = look(empty_repo)
    git(tmp_path, "init", "-q", "elsewhere")
    put = restore(tmp_path / "elsewhere", taken, tmp_path / "again")
    assert put.how == "base + patch"
    assert contents(tmp_path / "again") == contents(empty_repo)


def test_a_sha256_repository_is_restored(tmp_path: Path) -> None:
    root = tmp_path / "long"
    git(tmp_path, "init", "-q", "-b", "main", "--object-format=sha256", "long")
    write(root, {"a.py": "1", ".gittrack/config.yaml": "x"})
    commit_all(root)
    write(root, {"b.py": b"\0\1\2"})
    taken = look(root)
    assert restore(root, taken, tmp_path / "one").how == "commit"
    assert restore(clone_of(root), taken, tmp_path / "two", fetch=False).how == "base + patch"
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(root)


def test_a_bare_repository_can_have_its_code_restored(dirty: Path, tmp_path: Path) -> None:
    taken = look(dirty)
    git(tmp_path, "clone", "-q", "--bare", f"file://{dirty}", "bare.git")
    assert restore(tmp_path / "bare.git", taken, tmp_path / "again", fetch=False).how == "base + patch"
    assert contents(tmp_path / "again") == contents(dirty)
    with checkout(Repository.find(tmp_path / "bare.git"), taken.code, taken.patch) as put:
        assert contents(put.path) == contents(dirty)


def test_a_linked_worktree_can_restore_what_another_captured(dirty: Path, tmp_path: Path) -> None:
    taken = look(dirty)
    git(dirty, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
    with checkout(Repository.find(tmp_path / "other"), taken.code, taken.patch) as put:
        assert contents(put.path) == contents(dirty)
        assert put.path.is_relative_to(dirty / ".git" / "gittrack" / "worktrees")


def test_an_unfinished_merge_is_restored_with_its_markers(repo: Path, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    write(repo, {"train.py": "side\n"})
    commit_all(repo)
    git(repo, "checkout", "-q", "main")
    write(repo, {"train.py": "main\n"})
    commit_all(repo)
    subprocess.run(["git", "merge", "side"], cwd=repo, capture_output=True)
    taken = look(repo)
    restore(clone_of(repo), taken, tmp_path / "again", fetch=False)
    assert contents(tmp_path / "again") == contents(repo)


def test_nothing_is_written_over(repo: Path) -> None:
    with pytest.raises(Conflict, match="exists already"):
        restore(repo, look(repo), repo / "src")


def test_a_pooled_worktree_is_used_again_and_believes_nothing_of_a_job(dirty: Path, tmp_path: Path) -> None:
    found = Repository.find(dirty)
    taken, before = look(dirty), contents(dirty)
    outside = tmp_path / "outside"
    write(outside, {"model.py": "depth = 9\n"})
    with checkout(found, taken.code, taken.patch) as put:
        first = put.path
        assert contents(first) == before
        times = (first / "train.py").stat()
        write(first, {"train.py": "print('TRAINING')\n", "output/model.bin": "x", "cache/.git/HEAD": "x"})
        os.utime(first / "train.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        git(first, "update-index", "--assume-unchanged", "binary")
        git(first, "update-index", "--skip-worktree", "tool.sh")
        git(first, "switch", "-q", "-c", "the-jobs-branch")
        (first / "binary").write_bytes(b"\0\xfe" * 500)
        (first / "tool.sh").chmod(0o644)
        (first / "empty").unlink()
        write(first, {"empty/inside": "1"})
        (first / "src" / "model.py").unlink()
        (first / "src" / "untracked.py").unlink()
        (first / "src").rmdir()
        (first / "src").symlink_to(outside)
        write(first, {".gitignore": "hidden\n", "hidden": "1", ".gittrack/runs/x": "1"})
    assert not (first / "output").exists(), "what a job wrote may be large"
    with checkout(found, taken.code, taken.patch) as put:
        assert put.path == first
        assert contents(first) == before
        assert not (first / ".gittrack").exists()
        assert git(first, "rev-parse", "HEAD") == taken.code.captured
        assert subprocess.run(["git", "symbolic-ref", "-q", "HEAD"], cwd=first).returncode == 1
    assert contents(outside) == {"model.py": ("file", b"depth = 9\n")}
    assert contents(dirty) == before


def test_a_pooled_worktree_goes_from_one_tree_to_another(repo: Path) -> None:
    found = Repository.find(repo)
    old, before = look(repo), contents(repo)
    write(repo, {"train.py": "2\n", "new/file": "1"})
    commit_all(repo)
    new, after = look(repo), contents(repo)
    paths = set()
    for taken, expected in ((old, before), (new, after), (old, before)):
        with checkout(found, taken.code, taken.patch) as put:
            assert contents(put.path) == expected
            paths.add(put.path)
    assert len(paths) == 1


@pytest.mark.parametrize("damage", ["gitfile", "commondir", "gone", "closed", "a link", "admin"])
def test_a_pooled_worktree_that_a_job_broke_is_made_anew(repo: Path, tmp_path: Path, damage: str) -> None:
    found = Repository.find(repo)
    taken, before = look(repo), contents(repo)
    git(tmp_path, "init", "-q", "trap")
    write(tmp_path / "trap", {"precious": "1"})
    with checkout(found, taken.code, taken.patch) as put:
        path = put.path
    admin = repo / ".git" / "worktrees" / path.name
    if damage == "gitfile":
        (path / ".git").write_text(f"gitdir: {tmp_path}/trap/.git\n")
    elif damage == "commondir":
        (admin / "commondir").write_text(f"{tmp_path}/trap/.git\n")
    elif damage == "gone":
        subprocess.run(["rm", "-rf", path], check=True)
    elif damage == "closed":
        write(path, {"deep/er/x": "1"})
        (path / "deep").chmod(0)
    elif damage == "a link":
        subprocess.run(["rm", "-rf", path], check=True)
        path.symlink_to(tmp_path / "trap")
    else:
        subprocess.run(["rm", "-rf", admin], check=True)
    with checkout(found, taken.code, taken.patch) as put:
        assert contents(put.path) == before
    assert contents(tmp_path / "trap") == {"precious": ("file", b"1")}


def test_more_at_once_than_there_are_processors_get_worktrees_that_go_again(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worktree, "_POOLED", 2)
    found = Repository.find(repo)
    taken, before = look(repo), contents(repo)
    with (
        checkout(found, taken.code, None) as one,
        checkout(found, taken.code, None) as two,
        checkout(found, taken.code, None) as three,
    ):
        assert len({one.path, two.path, three.path}) == 3
        assert contents(three.path) == before
        assert remove_pool(found) == []
    assert not three.path.exists()
    assert pool(found) == [one.path, two.path]
    assert remove_pool(found) == [one.path, two.path]
    assert pool(found) == []
    assert git(repo, "worktree", "list").count("\n") == 0


def test_a_worktree_can_be_kept_for_the_user(repo: Path) -> None:
    found = Repository.find(repo)
    taken = look(repo)
    with checkout(found, taken.code, None, keep=True) as put:
        pass
    assert contents(put.path) == contents(repo)
    with checkout(found, taken.code, None) as other:
        assert other.path != put.path
    git(repo, "worktree", "remove", "--force", str(put.path))


def test_a_worktree_survives_git_worktree_prune_and_gc(repo: Path) -> None:
    found = Repository.find(repo)
    taken = look(repo)
    with checkout(found, taken.code, None) as put:
        git(repo, "worktree", "prune", "--expire=now")
        git(repo, "gc", "-q", "--prune=now")
        assert git(put.path, "rev-parse", "HEAD") == taken.code.captured


def patched(repo: Path, tmp_path: Path, make) -> tuple[Code, bytes]:  # type: ignore[no-untyped-def]
    """A record whose patch makes what `make` does to a tree, which no honest run could have captured."""
    hand = tmp_path / "hand"
    git(tmp_path, "clone", "-q", str(repo), "hand")
    make(hand)
    git(hand, "add", "-A", "-f")
    patch = git(hand, "diff", "--cached", "--binary", "--full-index", "--no-renames") + "\n"
    tree = git(hand, "write-tree")
    code = dataclasses.replace(look(repo).code, captured="a" * 40, code_tree=tree)
    return code, patch.encode()


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "src/../../outside"])
def test_a_patch_that_makes_a_link_out_of_the_tree_is_refused(
    repo: Path, tmp_path: Path, target: str
) -> None:
    code, patch = patched(repo, tmp_path, lambda root: (root / "link").symlink_to(target))
    with pytest.raises(CodeLost, match="link"):
        restore_code(Repository.find(repo), code, patch, tmp_path / "again")


@pytest.mark.parametrize("name", [".gittrack/config.local.yaml", ".GitTrack/x"])
def test_a_patch_that_touches_gittracks_folder_is_refused(repo: Path, tmp_path: Path, name: str) -> None:
    code, patch = patched(repo, tmp_path, lambda root: write(root, {name: "1"}))
    with pytest.raises(CodeLost, match=r"(?i)touches '.gittrack"):
        restore_code(Repository.find(repo), code, patch, tmp_path / "again")


@pytest.mark.parametrize(
    "name", ["../x", ".git/hooks/post-checkout", "/tmp/x", "src/../../x", "sub/.GIT/config"]
)
def test_a_patch_that_climbs_or_touches_gits_folder_does_not_apply(
    repo: Path, tmp_path: Path, name: str
) -> None:
    code, patch = patched(repo, tmp_path, lambda root: write(root, {"harmless": "1\n"}))
    with pytest.raises(CodeLost):
        restore_code(
            Repository.find(repo), code, patch.replace(b"harmless", name.encode()), tmp_path / "again"
        )
    assert not (repo.parent / "x").exists()
    assert not (tmp_path / "again").exists()


def test_a_patch_that_claims_huge_files_is_refused_unread(repo: Path, tmp_path: Path) -> None:
    code = dataclasses.replace(look(repo).code, captured="a" * 40, code_tree="b" * 40)
    patch = b"diff --git a/x b/x\nnew file mode 100644\nGIT binary patch\nliteral 99999999999\n"
    with pytest.raises(CodeLost, match="larger"):
        restore_code(Repository.find(repo), code, patch, tmp_path / "again")


@pytest.mark.parametrize("name", ["--output=x", "HEAD", "a" * 39, "HEAD:train.py"])
def test_a_record_that_names_anything_but_a_full_id_is_refused(repo: Path, tmp_path: Path, name: str) -> None:
    honest = look(repo).code
    for code in (
        dataclasses.replace(honest, captured=name),
        dataclasses.replace(honest, captured="a" * 40, code_tree="b" * 40, base=name),
    ):
        with pytest.raises(CodeLost):
            restore_code(Repository.find(repo), code, b"diff --git a/x b/x\n", tmp_path / "again")


def test_a_commit_whose_tree_is_not_the_recorded_one_does_not_count(repo: Path, tmp_path: Path) -> None:
    code = dataclasses.replace(look(repo).code, code_tree="b" * 40)
    with pytest.raises(CodeLost):
        restore_code(Repository.find(repo), code, None, tmp_path / "again")


def test_line_end_words_of_a_record_choose_from_a_list() -> None:
    code = Code(
        None, None, "a" * 40, "b" * 40, state=("autocrlf=true", "eol=x -c core.hooksPath=/tmp", "hooksPath=x")
    )
    settings = settings_of(code)
    assert "core.autocrlf=true" in settings
    assert "core.eol=lf" in settings
    assert not any("hooks" in setting for setting in settings)
