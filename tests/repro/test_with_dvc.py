"""The same with DVC itself, where it is installed: what it writes is what is read here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import commit_all, git, write
from tests.repro.helpers import again, commit, gittrack, originals

pytestmark = pytest.mark.skipif(shutil.which("dvc") is None, reason="DVC is not installed")

PIPELINE = """\
stages:
  prep:
    cmd: sort data/train.csv > prep.csv
    deps: [data/train.csv]
    outs: [prep.csv]
  train:
    cmd: "wc -l < prep.csv > model.txt; echo '{\\"rows\\": 2, \\"lr\\": ${lr}}' > scores.json; ls data/raw >> model.txt"
    deps: [prep.csv, data/raw]
    params: [lr]
    outs: [model.txt]
    metrics: [scores.json: {cache: false}]
"""


def dvc(root: Path, *argv: str) -> None:
    env = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root.parent / "site")}
    done = subprocess.run(["dvc", *argv], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def root(repo: Path) -> Path:
    """A pipeline whose data is in DVC's cache and in a remote."""
    dvc(repo, "init", "-q")
    write(repo, {"data/train.csv": b"b,1\r\na,2\r\n", "data/raw/é.txt": "x", "data/raw/sub/y.txt": "y"})
    dvc(repo, "add", "-q", "data/train.csv", "data/raw")
    write(repo, {"dvc.yaml": PIPELINE, "params.yaml": "lr: 1e-3\n"})
    dvc(repo, "remote", "add", "-q", "-d", "origin", str(repo.parent / "storage"))
    dvc(repo, "repro", "-q")
    dvc(repo, "push", "-q")
    commit_all(repo, "pipeline")
    return repo


@pytest.mark.parametrize("link", ["copy", "symlink", "hardlink"])
def test_a_stage_is_reproduced_in_a_fresh_clone(root: Path, link: str) -> None:
    dvc(root, "config", "cache.type", link)
    dvc(root, "checkout", "-q", "--relink")
    commit_all(root, "links")
    for path in ("model.txt", "scores.json"):
        (root / path).unlink()
    gittrack(root, "run", "--stage", "train")
    commit(root)
    clone = root.parent / "clone"
    git(root.parent, "clone", "-q", str(root), str(clone))

    (run,) = originals(clone)
    report = again(clone, run)

    assert {entry.path: entry.kept_by for entry in run.data} == {"prep.csv": "dvc", "data/raw": "dvc"}
    assert (run.params, {key: one.last for key, one in run.metrics.items()}) == (
        {"lr": 0.001},
        {"rows": 2.0, "lr": 0.001},
    )
    assert (report.verdict, report.reason) == ("identical", None)
    assert {entry.how for entry in report.restored.data} == {"DVC's remote 'origin'"}


def test_dvc_repro_is_a_run_with_what_its_stages_take(root: Path) -> None:
    write(root, {"params.yaml": "lr: 0.5\n"})
    gittrack(root, "run", "--", "dvc", "repro", "train")
    (run,) = originals(root)

    assert {entry.path: entry.kept_by for entry in run.data} == {"data/train.csv": "dvc", "data/raw": "dvc"}
    assert run.params == {"lr": 0.5}
    assert {kept.path for kept in run.artifacts} >= {"prep.csv", "model.txt"}
    assert run.metrics["lr"].last == 0.5
    commit_all(root, "after")
    assert git(root, "status", "--porcelain", "--", "*.dvc", "dvc.lock") == ""
