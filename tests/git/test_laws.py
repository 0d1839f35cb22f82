from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gittrack.git.repo import Repository
from gittrack.git.worktree import restore_code
from tests.conftest import commit_all, git
from tests.git.helpers import contents, look

NAMES = st.sampled_from(["a", "b", "c d", "é", "f\ng", "-x", "h\\i", '"j"', "k.txt", os.fsdecode(b"\xfe")])
PATHS = st.one_of(NAMES, st.tuples(NAMES, NAMES).map("/".join))
FILES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=40)),
    st.tuples(
        st.just("file"), st.lists(st.sampled_from([b"a\n", b"b\r\n", b"\n", b"c", b" \t\n"])).map(b"".join)
    ),
    st.tuples(st.just("program"), st.binary(max_size=5)),
    st.tuples(st.just("link"), st.sampled_from([b"a", b"b", b"k.txt", b"nowhere"])),
)
TREES = st.dictionaries(PATHS, FILES, max_size=6)


def put(root: Path, tree: dict[str, tuple[str, bytes]]) -> None:
    """Make the tree the content of `root`; a name that is both a file and a folder stays what came first."""
    for entry in root.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for name, (kind, content) in tree.items():
        path = root / name
        if (
            path.parent != root
            and os.path.lexists(path.parent)
            and (path.parent.is_symlink() or path.parent.is_file())
        ):
            continue
        if os.path.lexists(path):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            os.symlink(content, os.fsencode(path))
        else:
            path.write_bytes(content)
            path.chmod(0o755 if kind == "program" else 0o644)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(committed=TREES, pushed=TREES, working=TREES)
def test_whatever_was_edited_base_and_patch_give_the_very_same_tree(
    tmp_path, committed, pushed, working
) -> None:
    place = Path(tempfile.mkdtemp(dir=tmp_path))
    root = place / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    put(root, pushed)
    commit_all(root)
    git(root, "checkout", "-q", "-b", "feature")
    put(root, committed)
    commit_all(root)
    git(place, "clone", "-q", "--single-branch", "--branch=main", str(root), "clone")
    put(root, working)
    taken = look(root)
    assert contents(root) == contents(root)
    for home, target in ((root, place / "here"), (place / "clone", place / "there")):
        restore_code(Repository.find(home), taken.code, taken.patch, target, fetch=False)
        assert contents(target) == contents(root)
        assert look(target).code.code_tree == taken.code.code_tree
    shutil.rmtree(place)
