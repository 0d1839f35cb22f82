"""The Python that a command runs in, when gittrack runs in another one."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.entities.record import RunRecord
from gittrack.record import format as formats
from gittrack.record import interpreters, pythons
from tests.conftest import write
from tests.other_python import put, run_of, share
from tests.record.processes import layout_at, script, sealed_runs
from tests.repro.helpers import planned


def environment(repo: Path, run: RunRecord) -> dict[str, Any]:
    """Return the recorded environment of a run."""
    assert run.environment is not None
    return formats.load_environment(layout_at(repo).environment(run.environment).read_bytes())


def test_the_environment_is_that_of_the_python_which_runs_the_command(repo: Path, other: Path) -> None:
    found = environment(repo, run_of(repo, other / "bin/python", "train.py"))
    assert found["distributions"] == {"ghost": "1.0"}
    assert found["python"] == {**pythons.own().facts, "packages": "its own"}
    assert set(found["digests"]) == {"ghost"}


def test_a_program_of_an_environment_runs_in_that(repo: Path, other: Path) -> None:
    path = os.pathsep.join([str(other / "bin"), os.environ["PATH"]])
    assert environment(repo, run_of(repo, "ghostly", PATH=path))["distributions"] == {"ghost": "1.0"}


def test_a_command_in_another_language_has_the_environment_of_gittrack(repo: Path) -> None:
    assert "pyyaml" in environment(repo, run_of(repo, "true"))["distributions"]


def test_the_python_that_runs_gittrack_is_asked_nothing(repo: Path) -> None:
    own, named = run_of(repo, "true"), run_of(repo, sys.executable, "train.py")
    assert named.environment == own.environment
    assert list(layout_at(repo).index.glob("python-*")) == []


def test_what_is_installed_later_is_seen(repo: Path, other: Path) -> None:
    run_of(repo, other / "bin/python", "train.py")
    assert len(list(layout_at(repo).index.glob("python-*"))) == 1
    put(other, "spook", "2.0")
    found = environment(repo, run_of(repo, other / "bin/python", "train.py"))
    assert found["distributions"] == {"ghost": "1.0", "spook": "2.0"}


def test_a_child_that_logs_says_itself_what_it_runs_in(repo: Path, other: Path) -> None:
    log = "import ghost, gittrack; gittrack.log_param('a', 1)"
    write(repo, {"job.sh": f"exec {other}/bin/python log.py", "log.py": log})
    share(other)
    run = run_of(repo, "sh", "job.sh")
    found = environment(repo, run)["distributions"]
    assert (run.params, found["ghost"], "pyyaml" in found) == ({"a": 1}, "1.0", True)
    assert run.imports == ("ghost",)
    assert planned(repo, run).trusted


def test_who_joins_a_resumed_run_says_nothing_of_the_python_of_its_command(repo: Path, other: Path) -> None:
    first = run_of(repo, other / "bin/python", "train.py")
    shutil.rmtree(layout_at(repo).private / "trusted")  # as in a clone that was only given the record
    join = [sys.executable, "-c", "import gittrack; gittrack.log_metric('a', 1)"]
    code = f"import subprocess\nwith gittrack.start_run(): subprocess.run({join}, check=True)"
    done = script(repo, code, env={**os.environ, "GITTRACK_RUN_ID": first.run_id})
    assert done.returncode == 0, done.stderr
    run = max(sealed_runs(repo), key=lambda run: len(run.supersedes))
    assert (set(run.metrics), run.environment) == ({"a"}, first.environment)
    assert not planned(repo, run).trusted


def test_a_python_that_greets_is_understood(repo: Path, other: Path) -> None:
    [packages] = other.glob("lib/*/site-packages")
    write(packages, {"sitecustomize.py": "print('hello')"})
    found = environment(repo, run_of(repo, other / "bin/python", "train.py"))
    assert found["distributions"] == {"ghost": "1.0"}


def test_a_python_that_does_not_answer_is_named(repo: Path) -> None:
    write(repo, {"bin/python": "#!/bin/sh\necho no\n"})
    (repo / "bin/python").chmod(0o755)
    run = run_of(repo, "bin/python", "train.py")
    assert run.environment is None
    assert [lost for lost in run.lost if "does not say what it is" in lost]


def test_a_shim_is_asked_where_the_command_runs(repo: Path, other: Path) -> None:
    shim = '#!/bin/sh\n[ -f .python-version ] && exec "$(cat .python-version)" "$@"\nexit 1\n'
    write(repo, {"bin/python": shim, ".python-version": f"{other}/bin/python", "json.py": "exit(3)"})
    (repo / "bin/python").chmod(0o755)
    found = interpreters.of_command(["bin/python", "train.py"], repo, layout_at(repo))
    assert found is not None
    assert found.prefix == str(other)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("conda run -n deep python y.py -n 5", "conda/envs/deep"),
        ("conda run --name=deep python y.py -p 8080", "conda/envs/deep"),
        ("conda run -n base python y.py --name x", "conda"),
        ("mamba run -p ../conda/envs/deep python", "conda/envs/deep"),
        ("uv run y.py -p 3 --project x", "project/.venv"),
        ("uv run --extra gpu python -m y --python", "project/.venv"),
        ("uv run -p 3.12 y.py", None),
        ("uv run --extra gpu --with six python", None),
    ],
)
def test_the_words_of_the_command_do_not_name_the_environment(tmp_path, monkeypatch, words, found) -> None:
    homes = ("project/.venv", "conda", "conda/envs/deep")
    write(tmp_path, {"project/pyproject.toml": "", **{f"{home}/bin/python": "#!/bin/sh\n" for home in homes}})
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda/bin/conda"))
    monkeypatch.delenv("MAMBA_ROOT_PREFIX", raising=False)
    program = interpreters.program_of(words.split(), tmp_path / "project")
    wanted = None if found is None else str(tmp_path / found / "bin/python")
    assert (program and os.path.normpath(program)) == wanted


def test_the_word_that_names_the_python_is_found_in_many_commands(tmp_path, monkeypatch) -> None:
    for home in ("project/.venv", "conda/envs/deep", "env"):
        write(tmp_path, {f"{home}/bin/python": "#!/bin/sh\n"})
        (tmp_path / home / "bin/python").chmod(0o755)
    long = f"#!/bin/sh\n'''exec' \"{tmp_path}/env/bin/python\" \"$0\" \"$@\"\n' '''\n"
    write(
        tmp_path,
        {"project/pyproject.toml": "", "project/tool": long, "conda/bin/conda": "", "project/x/y.py": ""},
    )
    (tmp_path / "project/tool").chmod(0o755)
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda/bin/conda"))
    monkeypatch.delenv("MAMBA_ROOT_PREFIX", raising=False)
    folder = tmp_path / "project"

    def home_of(command: str) -> str | None:
        program = interpreters.program_of(command.split(" ", 2), folder / "x")
        if program is None:
            return None
        return Path(os.path.abspath(program)).parents[1].relative_to(tmp_path).as_posix()

    assert home_of("../.venv/bin/python y.py") == "project/.venv"
    assert home_of("uv run y.py") == home_of("poetry run python") == "project/.venv"
    assert home_of("uv run --with=six") is None
    assert home_of(f"{tmp_path}/project/tool") == "env"
    assert home_of(f"sh -c {tmp_path}/env/bin/python y.py") == "env"
    assert home_of("Rscript y.R") is None
    assert interpreters.program_of(["conda", "run", "-n", "deep", "python"], folder) == str(
        tmp_path / "conda/envs/deep/bin/python"
    )
    assert interpreters.program_of(["conda", "run", "-n", "no", "python"], folder) is None


@pytest.mark.parametrize(
    ("words", "home"),
    [
        ("uv run --extra gpu python train.py --without-noise -p 5", "project/.venv"),
        ("uv run -m train --project x", "project/.venv"),
        ("uv run --extra gpu --with six python train.py", None),
        ("conda run -n deep python train.py -n 5 -p x", "conda/envs/deep"),
        ("conda run --cwd /tmp --name=deep python", "conda/envs/deep"),
        ("conda run -ndeep --no-capture-output python", "conda/envs/deep"),
        ("micromamba run -p ../conda/envs/deep python", "conda/envs/deep"),
        ("conda run --prefix=../conda/envs/deep python", "conda/envs/deep"),
    ],
)
def test_options_of_the_command_are_not_those_of_what_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, home: str | None
) -> None:
    for place in ("project/.venv", "conda/envs/deep"):
        write(tmp_path, {f"{place}/bin/python": ""})
    write(tmp_path, {"project/pyproject.toml": "", "conda/bin/conda": ""})
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda/bin/conda"))

    found = interpreters.program_of(words.split(), tmp_path / "project")

    assert (
        found is None if home is None else (found and Path(found).resolve() == tmp_path / home / "bin/python")
    )
