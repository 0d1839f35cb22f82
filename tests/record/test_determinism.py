"""`gittrack run --deterministic` settles what variables can settle, records it, and a reproduction does the same."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from gittrack.record import determinism
from tests.conftest import commit_all, git, write
from tests.repro.helpers import again, gittrack, job, originals, runs

TORCH = """\
import types
said = []
def use_deterministic_algorithms(mode):
    said.append(mode)
backends = types.SimpleNamespace(cudnn=types.SimpleNamespace(benchmark=True, deterministic=False))
"""
SHOW = """\
import json, os, sys
before = "torch" in sys.modules
import torch
cudnn = torch.backends.cudnn
names = ("PYTHONHASHSEED", "OMP_NUM_THREADS", "TZ", "SOURCE_DATE_EPOCH")
print(json.dumps([before, torch.said, cudnn.benchmark, cudnn.deterministic, [os.environ.get(n) for n in names]]))
"""


@pytest.fixture
def trained(repo: Path) -> Path:
    """A repository with a stand-in for PyTorch, which notes what it is told."""
    write(repo, {"torch/__init__.py": TORCH, "show.py": SHOW})
    commit_all(repo)
    return repo


def deterministic(root: Path, *words: str, env: dict[str, str] | None = None) -> str:
    return job(root, "python", "-P", "-m", "gittrack", "run", "--deterministic", *words, env=env)


def test_the_variables_are_set_and_torch_is_told_when_it_is_imported(trained: Path) -> None:
    said = deterministic(trained, "--", "python", "show.py")

    commit_time = git(trained, "log", "-1", "--format=%ct")
    expected = [False, [True], False, True, ["0", "1", "UTC", commit_time]]
    assert json.loads(said.splitlines()[0]) == expected


def test_what_was_set_is_recorded_and_no_path_of_this_machine(trained: Path) -> None:
    deterministic(trained, "--threads", "3", "--", "python", "show.py", env={"PYTHONPATH": "lib"})

    (run,) = originals(trained)
    assert run.command is not None
    assert run.command.env["GITTRACK_DETERMINISTIC"] == "1"
    assert run.command.env["OPENBLAS_NUM_THREADS"] == "3"
    assert run.command.env["PYTHONPATH"] == "lib"
    assert not any("site" in value for value in run.command.env.values())


def test_a_variable_that_the_user_has_set_wins_and_is_said(trained: Path) -> None:
    said = deterministic(trained, "--", "python", "show.py", env={"OMP_NUM_THREADS": "7", "TZ": "UTC"})

    assert "--deterministic leaves as you have set it: OMP_NUM_THREADS=7\n" in said
    (run,) = originals(trained)
    assert run.command is not None
    assert run.command.env["OMP_NUM_THREADS"] == "7"


def test_threads_without_deterministic_is_wrong_usage(trained: Path) -> None:
    said = gittrack(trained, "run", "--threads", "2", "--", "true", check=False)

    assert "--threads goes with --deterministic" in said


def test_a_command_is_reproduced_with_the_same_variables_and_torch_told(trained: Path) -> None:
    deterministic(trained, "--", "python", "show.py")
    (run,) = originals(trained)

    report = again(trained, run)

    assert report.verdict == "identical", report.lines()
    (repeat,) = runs(trained, "repro_of is not null")
    assert repeat.command is not None
    assert run.command is not None
    assert repeat.command.env == run.command.env


def test_a_python_run_inside_is_recorded_and_reproduced_as_deterministic(trained: Path) -> None:
    code = """\
import gittrack, torch
for name in ("first", "second"):
    with gittrack.start_run(run_name=name):
        gittrack.log_metric("told", len(torch.said))
"""
    write(trained, {"train.py": code})
    deterministic(trained, "--", "python", "train.py")
    second = next(run for run in originals(trained) if run.name == "second")
    assert second.command is not None
    assert second.command.env["GITTRACK_DETERMINISTIC"] == "1"
    assert "PYTHONPATH" not in second.command.env

    assert again(trained, second).verdict == "identical"


def test_the_users_own_sitecustomize_runs_too(trained: Path) -> None:
    write(trained, {"lib/sitecustomize.py": "import sys\nsys.mine = __name__\n"})
    code = "import sys; print(sys.mine, sys.modules['sitecustomize'].__file__, *sys.path)"
    said = deterministic(trained, "--", "python", "-c", code, env={"PYTHONPATH": "lib"})

    name, file, *path = said.splitlines()[0].split()
    assert (name, Path(file).parent.name) == ("sitecustomize", "lib")
    assert not [entry for entry in path if "gittrack" in entry and entry.endswith("site")]


def test_a_failing_import_of_torch_fails_as_it_would(repo: Path) -> None:
    write(repo, {"torch.py": "raise ImportError('no driver')\n"})
    code = """\
try:
    import torch
except ImportError as error:
    print(error)
try:
    import torchless
except ImportError as error:
    print(error)
"""
    said = deterministic(repo, "--", "python", "-c", code)

    assert said.splitlines()[:2] == ["no driver", "No module named 'torchless'"]


def test_files_are_never_dated_before_1980() -> None:
    assert determinism.settings({}, commit_time=5).variables["SOURCE_DATE_EPOCH"] == "315532800"
    assert determinism.settings({}, commit_time=None).variables["SOURCE_DATE_EPOCH"] == "315532800"


def test_every_variable_that_is_set_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "determinism.md").read_text()
    names = set(determinism.settings({}).variables)

    assert not [name for name in names if f"`{name}`" not in page]


def test_a_deterministic_command_inside_a_deterministic_one_changes_nothing(trained: Path) -> None:
    inner = [sys.executable, "-P", "-m", "gittrack", "run", "--deterministic", "--", "python", "show.py"]
    said = deterministic(trained, "--", *inner)

    assert "leaves as you have set it" not in said
    assert json.loads(said.splitlines()[0])[1] == [True]


def test_by_hand_the_word_of_the_record_means_nothing(trained: Path) -> None:
    job(trained, "python", "-P", "-m", "gittrack", "run", "--", "true", env={"GITTRACK_DETERMINISTIC": "1"})

    (run,) = originals(trained)
    assert run.command is not None
    assert "GITTRACK_DETERMINISTIC" not in run.command.env
    assert os.environ.get("GITTRACK_DETERMINISTIC") is None
