from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack import config
from gittrack.errors import InvalidValue
from gittrack.record import environment, origin
from gittrack.record import format as formats
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import digest as digests
from tests.record.processes import only_run, script, sealed_runs


@pytest.fixture
def project(repo: Path) -> Project:
    origin._forget()
    return Project.find(repo)


def test_an_environment_names_interpreter_platform_and_every_distribution() -> None:
    found = environment.capture()
    assert found["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert found["platform"]["system"] == os.uname().sysname
    assert {"pyyaml", "pyarrow", "pytest"} <= set(found["distributions"])
    assert list(found["distributions"]) == sorted(found["distributions"])


def test_odd_names_on_the_path_do_not_break_the_capture(tmp_path) -> None:
    for name in (
        "a-1.0.dist-info",
        "B_c-2.dist-info",
        "noversion.dist-info",
        ".dist-info",
        "x-1-py3.11.egg-info",
        "y.txt",
    ):
        (tmp_path / name).mkdir()
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9-1.dist-info")
    found = environment._distributions([str(tmp_path), str(tmp_path / "gone"), str(Path(__file__))])
    assert (found["a"], found["b-c"], found["x"]) == ("1.0", "2", "1")
    content = formats.dump_environment({"python": {}, "platform": {}, "distributions": found})
    assert len(formats.load_environment(content)["distributions"]) == len(found)


def test_runs_of_one_environment_share_its_file(project) -> None:
    runs = [ActiveRun.begin(project, project.config(), config.surroundings()) for _ in range(3)]
    for run in runs:
        run.end()
    [file] = project.layout.environments.glob("*/*.yaml")
    assert digests.of_bytes(file.read_bytes()) == file.parent.name + file.stem
    assert {run.environment for run in sealed_runs(project.root)} == {file.parent.name + file.stem}
    assert "distributions" in formats.load_environment(file.read_bytes())


def test_a_host_has_a_name_cores_and_memory() -> None:
    host = environment.host()
    assert host["name"] == os.uname().nodename
    assert host["cores"] >= 1
    assert host["memory_bytes"] > 0


def test_a_command_is_recorded_as_it_can_be_repeated(repo) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import gittrack; gittrack.start_run()", "--lr", "0.1"],
        cwd=repo / "src", env={**os.environ, "PYTHONHASHSEED": "0"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    command = only_run(repo).command
    assert command.argv == (
        "python",
        "-W",
        "ignore",
        "-c",
        "import gittrack; gittrack.start_run()",
        "--lr",
        "0.1",
    )
    assert command.cwd == "src"
    assert command.env["PYTHONHASHSEED"] == "0"


@pytest.mark.parametrize("folder", [b"a b", b"caf\xe9", b"a\nb", b"a\\b", b"a:b", "größe".encode()])
def test_a_run_from_a_folder_with_any_name_can_be_read_again(repo, folder) -> None:
    place = os.path.join(os.fsencode(repo), folder)
    os.mkdir(place)
    done = subprocess.run(
        [sys.executable, "-c", "import gittrack; gittrack.start_run()"],
        cwd=place,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = only_run(repo)
    assert run.status == "FINISHED"
    assert run.command is None or os.fsencode(run.command.cwd) == folder


def test_variables_and_arguments_that_are_no_utf_8_leave_a_run_that_can_be_read(repo) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import gittrack; gittrack.start_run()", b"caf\xe9"],
        cwd=repo, env={**os.environb, b"PYTHONPATH": b"/caf\xe9", b"LOGNAME": b"ad\xe9"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"


@pytest.mark.parametrize(
    "name", ["a b.csv", "größe.csv", "a:b.csv", "caf\udce9.csv", "a\nb.csv", "a\\b.csv", "C:x"]
)
@pytest.mark.parametrize("inside", [True, False])
def test_data_of_any_name_is_recorded_so_that_the_run_can_be_read_or_refused_at_once(
    project, tmp_path, name, inside
) -> None:
    data = (project.root if inside else tmp_path) / name
    data.write_text("1")
    run = ActiveRun.begin(project, project.config(), config.surroundings())
    with run, contextlib.suppress(InvalidValue):
        run.log_data(data)
    assert len(only_run(project.root).data) <= 1
    assert run.digest is not None


def test_a_script_from_standard_input_is_not_claimed_to_be_repeatable(repo) -> None:
    subprocess.run(
        [sys.executable, "-"], input=b"import gittrack; gittrack.start_run()", cwd=repo, check=True
    )
    assert only_run(repo).command is None


def test_a_script_is_named_relative_to_its_folder(repo) -> None:
    script(repo, "gittrack.start_run()")
    assert only_run(repo).command.argv == ("python", ".git/job.py")
