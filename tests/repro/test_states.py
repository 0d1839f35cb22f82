"""Whatever state the repository is in when a run starts, the run is reproduced."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.errors import Conflict
from gittrack.git.repo import Repository
from gittrack.record.project import layout_of
from gittrack.repro.plan import plan
from tests.conftest import commit_all, git, write
from tests.repro.helpers import MODEL, TRAIN, again, job, originals, session_of

FILES: dict[str, str | bytes] = {"train.py": TRAIN, "model.py": MODEL}


def no_commit(root: Path) -> Path:
    git(root, "init", "-q", "-b", "main")
    write(root, FILES)
    return root


def clean(root: Path) -> Path:
    no_commit(root)
    commit_all(root)
    return root


def detached(root: Path) -> Path:
    clean(root)
    git(root, "switch", "-q", "--detach")
    write(root, {"model.py": MODEL.replace("3", "4")})
    return root


def shallow(root: Path) -> Path:
    clean(root)
    write(root, {"model.py": MODEL.replace("3", "5")})
    commit_all(root)
    git(root, "clone", "-q", "--depth", "1", f"file://{root}", str(root / "shallow"))
    write(root / "shallow", {"extra.py": "1\n"})
    return root / "shallow"


def linked(root: Path) -> Path:
    clean(root)
    git(root, "worktree", "add", "-q", "-b", "side", str(root / "linked"))
    write(root / "linked", {"model.py": MODEL.replace("3", "6")})
    return root / "linked"


def merging(root: Path) -> Path:
    clean(root)
    git(root, "switch", "-q", "-c", "side")
    write(root, {"notes.txt": "theirs\n"})
    commit_all(root)
    git(root, "switch", "-q", "main")
    write(root, {"notes.txt": "ours\n"})
    commit_all(root)
    done = subprocess.run(["git", "merge", "side"], cwd=root, capture_output=True, check=False)
    assert done.returncode == 1
    return root


def sha256(root: Path) -> Path:
    git(root, "init", "-q", "-b", "main", "--object-format=sha256")
    write(root, FILES)
    commit_all(root)
    write(root, {"model.py": MODEL.replace("3", "7")})
    return root


def submodule(root: Path) -> Path:
    inner = root / "library"
    inner.mkdir()
    git(inner, "init", "-q", "-b", "main")
    write(inner, {"lib.py": "K = 1\n"})
    commit_all(inner)
    top = root / "top"
    top.mkdir()
    clean(top)
    git(top, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub")
    write(
        top, {"model.py": "from sub.lib import K as DEPTH\ndef loss(step):\n    return DEPTH / (step + 1)\n"}
    )
    commit_all(top)
    return top


def dirty_submodule(root: Path) -> Path:
    top = submodule(root)
    write(top, {"sub/lib.py": "from .more import K\n", "sub/more.py": "K = 2\n"})
    return top


STATES = [no_commit, clean, detached, shallow, linked, merging, sha256, submodule, dirty_submodule]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_run_is_recorded_and_reproduced_in_each_state(
    tmp_path: Path, state: Callable[[Path], Path]
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    root = state(root)
    job(root, "python", "train.py")
    (run,) = originals(root)
    write(root, {"model.py": "DEPTH = 0\n"})
    before = git(root, "status", "--porcelain")

    report = again(root, run)

    assert report.verdict == "identical", report.lines()
    assert git(root, "status", "--porcelain") == before


def test_a_bare_repository_says_that_it_needs_a_working_tree(repo: Path, tmp_path: Path) -> None:
    write(repo, FILES)
    job(repo, "python", "train.py")
    (run,) = originals(repo)
    commit_all(repo)
    git(tmp_path, "clone", "-q", "--bare", str(repo), "bare.git")
    bare = Repository.find(tmp_path / "bare.git")

    with pytest.raises(Conflict, match="bare") as caught:
        plan(session_of(tmp_path / "bare.git"), bare, layout_of(bare, None), run.run_id)
    assert "git worktree add" in str(caught.value.hint)
