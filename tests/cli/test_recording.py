"""`gittrack init` and `gittrack run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.entities.record import RunRecord
from gittrack.record import format as formats
from tests.conftest import git

from .conftest import HOSTILE_NAME, program


def the_run(work: Path) -> RunRecord:
    [file] = (work / ".gittrack" / "runs").glob("*/*/run.yaml")
    return formats.load_run(file.read_bytes())


def test_init_makes_the_store_once(cli, work: Path) -> None:
    first, second = cli("init"), cli("init")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stderr.startswith(f"made {work / '.gittrack'}\n")
    assert second.stderr == f"there is already {work / '.gittrack'}\n"
    assert (first.stdout, second.stdout) == ("", "")


def test_a_command_is_recorded_with_all_that_was_given(work: Path) -> None:
    (work / "data.csv").write_text("1,2\n")
    done = program(
        "run", "--experiment", "churn", "--name", "first", "--data", "data.csv", "--param", "lr=0.1",
        "--param", "seed=7", "--param", "code=007", "--param", "flip=true", "--tag", "team=a=b",
        "--volatile", "tmp/*", "--", sys.executable, "train.py", "--json", "-n", "5",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == "training\n"
    run = the_run(work)
    assert (run.experiment, run.name, run.status) == ("churn", "first", "FINISHED")
    assert run.params == {"lr": 0.1, "seed": 7, "code": "007", "flip": True}
    assert run.tags["team"] == "a=b"
    assert "tmp/*" in run.volatile
    assert [entry.path for entry in run.data] == ["data.csv"]
    assert run.command is not None
    assert run.command.argv[1:] == ("train.py", "--json", "-n", "5")
    assert f"recorded as run {run.run_id[:8]}: gittrack show {run.run_id[:8]}\n" in done.stderr


def test_the_exit_code_is_that_of_the_command(work: Path) -> None:
    done = program("run", "--json", "--", "sh", "-c", "echo out; echo err >&2; exit 37")

    assert done.returncode == 37
    assert "err\n" in done.stderr
    out, answer = done.stdout.splitlines()
    assert out == "out"
    assert json.loads(answer) == {"run_id": the_run(work).run_id, "digest": digest_of(work), "exit_code": 37}
    assert the_run(work).status == "FAILED"


def digest_of(work: Path) -> str:
    [file] = (work / ".gittrack" / "runs").glob("*/*/run.yaml")
    return file.parent.parent.name + file.parent.name


def test_a_command_that_was_killed_is_recorded_as_killed(work: Path) -> None:
    done = program("run", "--", "sh", "-c", "kill -9 $$")

    assert done.returncode == 137
    assert the_run(work).status == "KILLED"
    assert the_run(work).command.exit_code == 137  # type: ignore[union-attr]


def test_a_signal_reaches_the_command_and_the_run_is_sealed(work: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gittrack", "run", "--", "sh", "-c", "sleep 0.3; echo ready; exec sleep 60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 143
    assert the_run(work).status == "KILLED"


def test_the_output_of_a_command_is_passed_on_byte_for_byte(work: Path) -> None:
    done = program("run", "--", "printf", r"\033[31m\377\n", text=False)

    assert done.stdout == b"\x1b[31m\xff\n"


def test_a_command_needs_no_dashes_before_it(work: Path) -> None:
    done = program("run", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--name", "-x")

    assert done.stdout == "['--name', '-x']\n"


def test_a_program_that_does_not_exist_is_named(work: Path) -> None:
    done = program("run", "--", "no-such-program")

    assert done.returncode == 3
    assert "gittrack: there is no program 'no-such-program'\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--param", "lr", "--", "true"], "'lr' is not K=V."),
        (["--param", "=1", "--", "true"], "'=1' is not K=V."),
        (["--param", "a=1", "--param", "a=2", "--", "true"], "'a' is given twice, as '1' and '2'."),
        ([], "Missing argument"),
    ],
)
def test_wrong_arguments_record_nothing(cli, work: Path, arguments: list[str], sentence: str) -> None:
    result = cli("run", *arguments)

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (work / ".gittrack").exists()


def test_a_hostile_name_is_kept_and_not_shown(work: Path) -> None:
    done = program("run", "--name", HOSTILE_NAME, "--", "true")

    assert the_run(work).name == HOSTILE_NAME
    assert "\x1b" not in done.stderr


def test_in_a_bare_repository_the_way_to_record_is_shown(cli, tmp_path: Path, monkeypatch) -> None:
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    monkeypatch.chdir(tmp_path / "bare.git")
    result = cli("run", "--", "true")

    assert result.exit_code == 4
    assert "is a bare repository" in result.stderr


def test_without_git_there_is_a_clear_word(work: Path, tmp_path: Path) -> None:
    done = program("run", "--", "true", env={**os.environ, "PATH": str(tmp_path)})

    assert done.returncode not in (0, 70)
    assert "git" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_needs_no_command(work: Path) -> None:
    text = "stages:\n  hello: {cmd: echo hello | tee out.txt, outs: [out.txt]}\n"
    (work / "dvc.yaml").write_text(text)
    done = program("run", "--stage", "hello")

    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
    assert {kept.path for kept in the_run(work).artifacts} == {"logs/stdout.txt", "out.txt"}


def test_a_stage_that_is_not_there_is_told(work: Path) -> None:
    assert program("run", "--stage", "x").stderr.startswith("gittrack: there is no file")
    (work / "dvc.yaml").write_text("stages:\n  train: {cmd: x}\n")
    done = program("run", "--stage", "trian")

    assert (done.returncode, "has no stage 'trian'\nhint: one of train" in done.stderr) == (3, True)
    assert not (work / ".gittrack/runs").exists()
