"""The words that podman and docker are given, and what they say of an image."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gittrack import config
from gittrack.errors import InvalidValue, NotFound
from gittrack.git.repo import Repository
from gittrack.record import engine, job, origin
from gittrack.record.engine import Engine, EngineFailed, Image, Inside, Mount
from gittrack.record.project import Project
from tests.conftest import git, write
from tests.engines import DIGEST, ID, OTHER, Plain
from tests.record.processes import only_run
from tests.record.test_container import image_of

IMAGE = Image("train:1", DIGEST, ID)


@pytest.fixture
def project(repo: Path) -> Project:
    origin._forget()
    found = Project.find(repo)
    found.init()
    return found


def execute(project: Project, image: str, *argv: str, **options: Any) -> tuple[job.Outcome, bytes]:
    out = io.BytesIO()
    outcome = job.run_command(
        project,
        project.config(),
        config.surroundings(),
        argv,
        stdout=out,
        stderr=io.BytesIO(),
        image=image,
        **options,
    )
    return outcome, out.getvalue()


def words(kind: str = "podman", **inside: Any) -> list[str]:
    return Engine(f"/usr/bin/{kind}", kind).argv(IMAGE, ["python", "train.py"], Inside(Path("/w"), **inside))


def test_a_container_has_no_capability_and_goes_when_it_has_ended() -> None:
    said = words()
    assert said[:2] == ["/usr/bin/podman", "run"]
    assert {"--rm", "--cap-drop=all", "--security-opt=no-new-privileges", "--pull=never"} <= set(said)
    assert not [word for word in said if "privileged" in word and "no-new" not in word]
    assert said[-3:] == [ID, "python", "train.py"]


def test_files_that_a_container_writes_are_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1001)
    assert {"--user=1000:1001", "--userns=keep-id", "--env=HOME=/tmp"} <= set(words())


@pytest.mark.parametrize(
    ("security", "user"), [('["name=seccomp"]', "1000:1001"), ('["name=rootless"]', "0:0")]
)
def test_docker_is_asked_whose_files_a_container_writes(
    monkeypatch: pytest.MonkeyPatch, security: str, user: str
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(os, "getgid", lambda: 1001)
    monkeypatch.setattr(Engine, "_ask", lambda *_: subprocess.CompletedProcess([], 0, security, ""))
    said = words("docker")
    assert f"--user={user}" in said
    assert "--userns=keep-id" not in said


def test_values_of_variables_are_in_no_argument() -> None:
    assert "--env=API_KEY" in words(variables=("API_KEY",))


def test_an_outer_folder_is_mounted_before_and_shows_what_is_in_it() -> None:
    mounts = (
        Mount(Path("/r/.git/config")),
        Mount(Path("/r"), True),
        Mount(Path("/r/.git"), True),
        Mount(Path("/d")),
    )
    said = [word.partition("source=")[2] for word in words(mounts=mounts) if word.startswith("--mount")]
    assert said == ["/d,target=/d,readonly", "/r,target=/r", "/r/.git/config,target=/r/.git/config,readonly"]


@pytest.mark.parametrize("name", ["/a,readonly=false", '/a"b', "/a\nb"])
def test_a_path_that_would_be_words_of_a_mount_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="cannot be mounted"):
        words(mounts=(Mount(Path(name)),))


def test_the_users_options_count_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITTRACK_CONTAINER_OPTIONS", "--shm-size=8g --volume '/my data:/data'")
    assert words()[-6:-3] == ["--shm-size=8g", "--volume", "/my data:/data"]
    monkeypatch.setenv("GITTRACK_CONTAINER_OPTIONS", "'")
    with pytest.raises(InvalidValue, match="GITTRACK_CONTAINER_OPTIONS"):
        words()


@pytest.mark.parametrize("has_hooks", [True, False])
def test_hooks_and_settings_of_git_cannot_be_written_from_inside(project: Project, has_hooks: bool) -> None:
    if not has_hooks:
        shutil.rmtree(project.repository.common_dir / "hooks", ignore_errors=True)
    mounts = engine.around_store(project.repository, project.layout, project.home)
    writable = {mount.path for mount in mounts if mount.writable}
    git_dir = project.repository.common_dir
    assert writable == {git_dir, project.layout.committed}
    assert {git_dir / "config", git_dir / "hooks"} <= {mount.path for mount in mounts if not mount.writable}


def test_the_users_files_are_there_only_where_the_command_works_on_them(project: Project) -> None:
    def sources(*others: Mount) -> dict[Path, Path | None]:
        mounts = engine.around_store(project.repository, project.layout, project.home, *others)
        return {mount.path: mount.source for mount in engine._each_once(mounts)}

    assert sources()[project.home] == project.layout.stand_ins / "main"
    assert sources(Mount(project.home, writable=True))[project.home] is None


def test_a_linked_worktree_brings_its_way_to_git(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(project.root, "worktree", "add", "-q", other)
    repository = Repository.find(other)
    mounts = engine.around_store(repository, Project.find(other).layout, other)
    assert Mount(other / ".git") in mounts
    assert Mount(project.repository.common_dir, writable=True) in mounts


def test_a_tag_is_recorded_with_the_digest_that_the_engine_knows(plain: Plain) -> None:
    plain.has("docker.io/library/python:3.12")
    [(_, found)] = [engine.taken("docker.io/library/python:3.12")]
    assert found.facts == {"name": "docker.io/library/python:3.12", "digest": DIGEST, "id": ID}


def test_a_short_name_is_recorded_whole() -> None:
    facts = {"Id": ID[7:], "RepoDigests": [f"x/y@{OTHER}", f"docker.io/library/python@{DIGEST}"]}
    found = engine._image(facts, "python:3.12")
    assert found.facts == {"name": "docker.io/library/python:3.12", "digest": DIGEST, "id": ID}


def test_an_image_that_was_never_in_a_registry_has_its_id() -> None:
    assert engine._image({"Id": ID, "RepoDigests": []}, "train:1").facts == {"name": "train:1", "id": ID}


def test_an_engine_that_cannot_be_asked_is_not_one_without_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("GITTRACK_CONTAINER_ENGINE", str(program))
    with pytest.raises(EngineFailed, match="Cannot connect to the Docker daemon"):
        engine.present([ID])


def test_no_engine_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotFound, match="neither podman nor docker"):
        engine.engines()
    monkeypatch.setenv("GITTRACK_CONTAINER_ENGINE", "nerdctl")
    with pytest.raises(NotFound, match="'nerdctl'"):
        engine.engines()


def test_a_command_run_in_an_image_records_it(project: Project, plain: Plain) -> None:
    plain.has("localhost/train:1")
    outcome, out = execute(project, "localhost/train:1", "sh", "-c", "echo $GITTRACK_IMAGE")
    assert (outcome.exit_code, out.decode().strip()) == (0, f"localhost/train:1@{DIGEST}")
    assert image_of(project.root) == {
        "name": "localhost/train:1",
        "digest": DIGEST,
        "id": ID,
        "holds": "command",
    }
    assert only_run(project.root).command.argv == ("sh", "-c", "echo $GITTRACK_IMAGE")
    assert plain.started[0][-4] == ID


def test_an_image_that_is_not_here_is_pulled(project: Project, plain: Plain) -> None:
    plain.has("registry.example.org/train:1", remote=True)
    assert execute(project, "registry.example.org/train:1", "true")[0].exit_code == 0
    assert [said for said in plain.said if said[0] == "pull"] == [
        ["pull", "--quiet", "registry.example.org/train:1"]
    ]


def test_an_image_that_nobody_has_starts_no_run(project: Project, plain: Plain) -> None:
    with pytest.raises(EngineFailed, match=r"cannot pull 'train:1': Error: manifest unknown"):
        execute(project, "train:1", "true")
    with pytest.raises(InvalidValue, match="'--rm' is no name"):
        execute(project, "--rm", "true")
    assert not list(project.layout.live.glob("*"))


def test_a_command_in_an_image_gets_none_of_the_users_secrets(
    project: Project, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.has("train:1")
    monkeypatch.setenv("API_KEY", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    outside = json.dumps(dict(os.environ))
    _, out = execute(project, "train:1", "env")
    assert b"API_KEY" not in out
    assert b"OMP_NUM_THREADS=2" in out
    assert "API_KEY" in outside


def test_declared_data_beside_the_repository_is_there_to_be_read(project: Project, plain: Plain) -> None:
    beside = project.root.parent / "beside"
    write(project.root.parent, {"beside/train.csv": "1,2", "other/test.csv": "3"})
    plain.has("train:1")
    data = ["../beside", str(project.root.parent / "other"), str(project.root / "train.py")]
    execute(project, "train:1", "true", data=data)
    [said] = plain.started
    shown = {word.rpartition("target=")[2] for word in said if word.startswith("--mount")}
    assert {f"{beside},readonly", f"{beside.with_name('other')},readonly", str(project.root)} <= shown
    assert f"{project.root}/train.py,readonly" not in shown


@pytest.mark.parametrize(("signal", "code"), [(9, 137), (15, 143)])
def test_a_command_that_was_killed_in_its_container_is_killed(
    project: Project, plain: Plain, signal: int, code: int
) -> None:
    plain.has("train:1")
    outcome, _ = execute(project, "train:1", "sh", "-c", f"exit {code}")
    assert (outcome.exit_code, only_run(project.root).status) == (code, "KILLED")
