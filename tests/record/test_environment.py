from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack import config
from gittrack.entities.record import Digest
from gittrack.errors import Damaged, InvalidValue
from gittrack.record import environment, installed, origin
from gittrack.record import format as formats
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, git, write
from tests.record.processes import layout_at, only_run, script, sealed_runs

HEX = "ab" * 32


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
    places = installed.scan([str(tmp_path), str(tmp_path / "gone"), str(Path(__file__))])
    found = {name: place.version for name, place in places.items()}
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


def installed_in(site: Path, name: str, version: str = "1.0", **files: str) -> Path:
    """Make what an installer leaves of a distribution."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    write(info, {file.replace("__", "."): content for file, content in files.items()})
    return info


def environment_of(repo: Path, site: Path | str) -> dict[str, Any]:
    """Record a run with `site` on the import path, and return its environment."""
    done = script(repo, "gittrack.start_run()", env={**os.environ, "PYTHONPATH": str(site)})
    assert done.returncode == 0, done.stderr
    run = max(sealed_runs(repo), key=lambda run: run.start_time)
    assert run.environment is not None
    content = (repo / ".gittrack/envs" / run.environment[:2] / f"{run.environment[2:]}.yaml").read_bytes()
    return formats.load_environment(content)


def project_beside(folder: Path) -> str:
    """Make a project in a repository of its own; return its commit."""
    write(folder, {"src/lib/__init__.py": "x = 1\n"})
    git(folder, "init", "-q")
    return commit_all(folder)


EDITABLE = '{"url": "file://%s", "dir_info": {"editable": true}}'


def test_where_a_distribution_came_from_is_recorded_without_credentials(repo, tmp_path) -> None:
    site = tmp_path / "site"
    vcs = {"vcs": "git", "commit_id": "c" * 40}
    by_git = json.dumps({"url": "https://ada:secret@example.org/x?t=1", "vcs_info": vcs})
    installed_in(site, "from-git", direct_url__json=by_git)
    by_ssh = json.dumps({"url": "ssh://git@example.org/x", "vcs_info": vcs})
    installed_in(site, "by-ssh", direct_url__json=by_ssh)
    archive = json.dumps(
        {"url": "https://t0ken@example.org/a.whl", "archive_info": {"hash": f"sha256={HEX}"}}
    )
    installed_in(site, "an-archive", direct_url__json=archive)
    wheel = tmp_path / "b.whl"
    wheel.write_bytes(b"wheel")
    installed_in(site, "local", direct_url__json=f'{{"url": "file://{wheel}", "archive_info": {{}}}}')
    installed_in(site, "by-conda", direct_url__json='{"url": "file:///gone/work", "dir_info": {}}')
    installed_in(site, "broken", direct_url__json='{"url": 3')

    found = environment_of(repo, site)

    assert {name: found["origins"][name] for name in ("an-archive", "by-ssh", "from-git", "local")} == {
        "an-archive": {"kind": "archive", "url": "https://example.org/a.whl", "sha256": HEX},
        "by-ssh": {"kind": "git", "url": "ssh://git@example.org/x", "commit": "c" * 40},
        "from-git": {"kind": "git", "url": "https://example.org/x", "commit": "c" * 40},
        "local": {"kind": "archive", "path": str(wheel), "sha256": digests.of_bytes(b"wheel")},
    }
    assert not {"by-conda", "broken"} & set(found["origins"])
    assert {"by-conda", "broken"} <= set(found["distributions"])


def test_a_project_installed_in_place_from_elsewhere_has_its_own_commit_and_patch(repo, tmp_path) -> None:
    beside, site = tmp_path / "beside", tmp_path / "site"
    commit = project_beside(beside)
    installed_in(site, "lib", direct_url__json=EDITABLE % beside)
    before = git(beside, "status", "--porcelain")

    clean = environment_of(repo, site)["origins"]["lib"]
    write(beside, {"src/lib/__init__.py": "x = 2\n", "new.py": ""})
    dirty = environment_of(repo, site)["origins"]["lib"]
    write(beside, {"src/lib/__init__.py": "x = 3\n"})
    other = environment_of(repo, site)["origins"]["lib"]

    assert before == ""
    assert clean == {"kind": "editable", "path": str(beside), "commit": commit}
    assert dirty == {**clean, "untracked": "1", "patch": dirty["patch"]}
    assert other["patch"] != dirty["patch"]
    assert b"+x = 2" in FileStore(layout_at(repo)).read(Digest(dirty["patch"]))


def test_a_project_installed_in_place_from_the_repository_is_told_by_its_place_in_it(repo, tmp_path) -> None:
    installed_in(tmp_path / "site", "own", direct_url__json=EDITABLE % (repo / "src"))
    installed_in(repo / "vendor", "copied")
    origins = environment_of(repo, f"{tmp_path / 'site'}{os.pathsep}{repo / 'vendor'}")["origins"]
    assert origins["own"] == {"kind": "editable", "inside": "src"}
    assert origins["copied"] == {"kind": "editable", "inside": "vendor"}


def test_the_digest_of_a_distribution_does_not_depend_on_who_installed_it(tmp_path) -> None:
    pip = "a.py,sha256=one,1\na/b.py,sha256=two,1\n../../../bin/a,sha256=x,3\na-1.0.dist-info/INSTALLER,sha256=p,4\n"
    uv = "a/b.py,sha256=two,1\r\na.py,sha256=one,1\r\na/__pycache__/b.cpython-311.pyc,,\r\n"
    for name, record in (("pip", pip), ("uv", uv), ("other", uv.replace("two", "six"))):
        installed_in(tmp_path / name, "a", RECORD=record)
    by_pip, by_uv, other = (
        installed.read(installed.scan([str(tmp_path / name)])) for name in ("pip", "uv", "other")
    )
    assert by_pip.digests == by_uv.digests != other.digests
    assert by_pip.modules == {"a": ["a"]}


def test_lock_files_at_the_top_and_beside_the_command_are_noted_and_kept_when_git_does_not(repo) -> None:
    write(
        repo,
        {"uv.lock": "one", "src/requirements-dev.txt": "two", "src/notes.txt": "", "poetry.lock": "three"},
    )
    write(repo, {".gitignore": "poetry.lock\n"})
    commit_all(repo)
    code = "os.chdir('src'); gittrack.start_run()"
    assert script(repo, code).returncode == 0
    layout = layout_at(repo)
    [file] = layout.environments.glob("*/*.yaml")
    locks = formats.load_environment(file.read_bytes())["locks"]
    assert locks == {
        "poetry.lock": digests.of_bytes(b"three"),
        "src/requirements-dev.txt": digests.of_bytes(b"two"),
        "uv.lock": digests.of_bytes(b"one"),
    }
    assert {digest for digest, _ in FileStore(layout).all()} == {locks["poetry.lock"]}


def test_the_metadata_are_read_again_only_when_something_was_installed(repo, tmp_path, monkeypatch) -> None:
    read = []
    monkeypatch.setattr(installed, "read", lambda found, real=installed.read: read.append(1) or real(found))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    layout = layout_at(repo)

    def recorded() -> Digest:
        environment._taken.clear()  # as another process would start
        return environment.record(layout, (repo,), folder=repo)

    first = recorded()
    assert (recorded(), len(read)) == (first, 1)
    installed_in(tmp_path / "site", "new")
    second = recorded()
    assert (recorded() != first, len(read)) == (True, 2)
    layout.unsaved.environment(second).unlink()
    assert recorded() == second
    assert layout.unsaved.environment(second).is_file()


def test_an_environment_of_before_is_read_as_it_was() -> None:
    old = {"python": {"version": "3.11.7"}, "platform": {"system": "Linux"}, "distributions": {"a": "1"}}
    assert formats.load_environment(formats.dump_environment(old)) == old


@pytest.mark.parametrize(
    "entry",
    [{"origins": {"a": {"kind": ["x"]}}}, {"digests": {"a": "12"}}, {"locks": {"a": 3}}, {"conda": [1]}],
)
def test_an_environment_that_says_what_cannot_be_is_damaged(entry) -> None:
    content = formats.dump_environment({"python": {}, "platform": {}, "distributions": {}, **entry})
    with pytest.raises(Damaged):
        formats.load_environment(content)


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
