"""`gittrack run -- CMD`, below the command line."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gittrack import config
from gittrack.errors import NotFound
from gittrack.record import job, live, origin, seal
from gittrack.record.project import Project
from gittrack.store.objects import FileStore
from tests.record.processes import layout_at, only_run, sealed_runs, steps_of


@pytest.fixture
def project(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    origin._forget()
    monkeypatch.chdir(repo)
    return Project.find(repo)


def execute(project: Project, *argv: str, **options) -> tuple[job.Outcome, bytes, bytes]:
    out, err = io.BytesIO(), io.BytesIO()
    outcome = job.run_command(
        project, project.config(), config.surroundings(), argv, stdout=out, stderr=err, **options
    )
    return outcome, out.getvalue(), err.getvalue()


def artifact(project: Project, name: str) -> bytes:
    [found] = [entry for entry in only_run(project.root).artifacts if entry.path == name]
    return FileStore(project.layout).read(found.digest)


@pytest.mark.parametrize(
    ("command", "code", "status"),
    [
        ("exit 0", 0, "FINISHED"),
        ("exit 3", 3, "FAILED"),
        ("kill -9 $$", 137, "KILLED"),
        ("kill -15 $$", 143, "KILLED"),
    ],
)
def test_the_exit_code_is_recorded_as_a_shell_gives_it(project, command, code, status) -> None:
    outcome, _, _ = execute(project, "sh", "-c", command)
    run = only_run(project.root)
    assert (outcome.exit_code, run.status, run.command.exit_code) == (code, status, code)
    assert outcome.digest is not None
    assert run.command.argv == ("sh", "-c", command)


def test_what_a_command_prints_is_passed_on_and_kept(project) -> None:
    _, out, err = execute(project, "sh", "-c", "echo one; echo two >&2; printf '\\377\\000raw'")
    assert (out, err) == (b"one\n\xff\x00raw", b"two\n")
    assert artifact(project, "logs/stdout.txt") == out
    assert artifact(project, "logs/stderr.txt") == err
    assert only_run(project.root).volatile == ("logs/stderr.txt",)


def test_a_megabyte_on_each_stream_does_not_block(project) -> None:
    code = "import sys\nfor _ in range(1024): sys.stdout.write('o' * 1024); sys.stderr.write('e' * 1024)"
    _, out, err = execute(project, sys.executable, "-c", code)
    assert (len(out), len(err)) == (1 << 20, 1 << 20)
    assert artifact(project, "logs/stdout.txt") == out


def test_params_tags_and_data_of_the_command_line_are_recorded(project) -> None:
    (project.root / "data.csv").write_text("1")
    execute(project, "true", experiment="e", name="n", params={"lr": 0.1}, tags={"a": "b"}, data=["data.csv"])
    run = only_run(project.root)
    assert (run.experiment, run.name, dict(run.params), run.tags["a"]) == ("e", "n", {"lr": 0.1}, "b")
    assert [entry.path for entry in run.data] == ["data.csv"]


def test_a_command_that_does_not_exist_is_said_before_a_run_is_made(project) -> None:
    with pytest.raises(NotFound, match="no program 'no-such-program'"):
        execute(project, "no-such-program")
    assert not project.layout.runs.exists()
    assert live.folders(project.layout) == []


def test_data_that_is_gone_is_said_before_the_command_runs(project) -> None:
    with pytest.raises(NotFound, match=r"gone\.csv"):
        execute(project, "touch", "ran", data=["gone.csv"])
    assert not (project.root / "ran").exists()
    assert only_run(project.root).status == "FAILED"


@pytest.mark.parametrize(("asked", "called"), [(None, "by the program"), ("by the user", "by the user")])
def test_a_name_that_the_user_gives_counts_for_more_than_that_of_the_program(project, asked, called) -> None:
    code = (
        "import gittrack\nwith gittrack.start_run(run_name='by the program'): gittrack.log_metric('a', 1.0)"
    )

    execute(project, sys.executable, "-c", code, name=asked)

    assert only_run(project.root).name == called


def test_a_python_job_logs_to_the_same_run_and_its_own_later_runs_are_others(project) -> None:
    code = (
        "import gittrack\n"
        "with gittrack.start_run(): gittrack.log_metric('loss', 1.0, 3); gittrack.log_param('lr', 1)\n"
        "with gittrack.start_run(): gittrack.log_metric('other', 1.0, 4)\n"
    )
    outcome, _, err = execute(project, sys.executable, "-c", code)
    assert outcome.exit_code == 0, err.decode()
    joined, own = sealed_runs(project.root), outcome.run_id
    [run] = [entry for entry in joined if entry.run_id == own]
    assert (run.metrics["loss"].count, dict(run.params), run.status) == (1, {"lr": 1}, "FINISHED")
    assert len(joined) == 2


def test_a_job_that_fails_after_it_logged_is_failed_with_its_traceback(project) -> None:
    execute(project, sys.executable, "-c", "import gittrack\nwith gittrack.start_run(): 1 / 0")
    run = only_run(project.root)
    assert (run.status, run.command.exit_code) == ("FAILED", 1)
    assert "ZeroDivisionError" in run.error


def test_a_grandchild_that_keeps_the_pipe_open_does_not_keep_the_run_open_for_long(project) -> None:
    begun = time.monotonic()
    outcome, out, _ = execute(project, "sh", "-c", "echo here; sleep 30 & exit 0")
    assert outcome.exit_code == 0
    assert out == b"here\n"
    assert time.monotonic() - begun < 25
    assert only_run(project.root).status == "FINISHED"


WRAPPER = """
import sys
from pathlib import Path
from gittrack import config
from gittrack.record import job
from gittrack.record.project import Project
project = Project.find(Path.cwd())
out = job.run_command(project, project.config(), config.surroundings(), sys.argv[1:], stdout=sys.stdout.buffer, stderr=sys.stderr.buffer)
sys.exit(out.exit_code)
"""  # noqa: E501
JOB = """
import gittrack, os, time
run = gittrack.start_run(); run.log_metric('loss', 1.0, 1); print('on', flush=True)
while not os.path.exists('.git/go'): time.sleep(0.01)
"""


def wrapper(repo: Path, *argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRAPPER, *argv], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def test_a_wrapper_that_is_killed_leaves_a_killed_run_with_what_the_job_logged(repo) -> None:
    process = wrapper(repo, sys.executable, "-c", JOB)
    assert process.stdout.readline() == b"on\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    layout = layout_at(repo)
    assert [seen.alive for seen in live.read_all(layout)] == [True], "the job still runs"
    (repo / ".git/go").touch()
    while live.folders(layout):  # the job, the last to leave, may seal it by itself
        seal.seal_dead(layout)
        time.sleep(0.05)
    assert only_run(repo).status == "KILLED"
    assert steps_of(repo, "loss") == [1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_from_the_terminal_ends_the_job_and_the_run_is_killed(repo, number, code) -> None:
    process = wrapper(repo, "sh", "-c", "echo on; sleep 20")
    assert process.stdout.readline() == b"on\n"
    os.killpg(process.pid, number)
    process.communicate(timeout=30)
    run = only_run(repo)
    assert (process.returncode, run.status, run.command.exit_code) == (code, "KILLED", code)


def test_a_job_that_catches_the_interrupt_decides_how_it_ends(repo) -> None:
    process = wrapper(repo, "sh", "-c", "trap 'echo saved; exit 0' INT; echo on; sleep 20 & wait")
    assert process.stdout.readline() == b"on\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.readline() == b"saved\n"
    process.communicate(timeout=30)
    assert only_run(repo).status == "FINISHED"


def test_a_closed_terminal_does_not_stop_the_command(project) -> None:
    class Closed(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    out = job.run_command(
        project,
        project.config(),
        config.surroundings(),
        ["sh", "-c", "echo a; exit 4"],
        stdout=Closed(),
        stderr=Closed(),
    )
    assert out.exit_code == 4
    assert artifact(project, "logs/stdout.txt") == b"a\n"
