"""A job runs again in exactly the recorded image, or the report says why not; nothing is pulled before consent.

Most tests have an engine that runs commands plainly: what is asked of it is what counts. Those with `podman_image`
have real containers.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.data import hashing
from gittrack.entities.record import DataFile, Digest, RunRecord
from gittrack.record import format as formats
from gittrack.repro.environments import matters
from gittrack.repro.options import Mode, Options
from gittrack.repro.plan import ConsentNeeded
from gittrack.repro.report import Report
from gittrack.repro.report_lines import plan_lines
from gittrack.repro.reproduce import rehearse, reproduce
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, git, write
from tests.engines import DIGEST, ID, IN_THE_IMAGE, OTHER, Plain
from tests.repro.forgery import forged
from tests.repro.helpers import MODEL, TRAIN, again, commit, gittrack, job, opened, originals, planned, runs

IN_IMAGE = Options(env=Mode.IMAGE)
NAME = "registry.example.org/train:1"
REFERENCE = f"{NAME}@{DIGEST}"
ADDRESS = f"registry.example.org/train@{DIGEST}"


@pytest.fixture
def inside(repo: Path, plain: Plain) -> RunRecord:
    """A run that a process in a container recorded, of an image that is here."""
    plain.has(NAME)
    write(repo, {"train.py": TRAIN, "model.py": MODEL})
    job(repo, "python", "train.py", env={"GITTRACK_IMAGE": REFERENCE})
    return originals(repo)[-1]


@pytest.fixture
def around(repo: Path, plain: Plain) -> RunRecord:
    """A run of a command that gittrack put into a container, of an image that is here."""
    plain.has(NAME)
    write(repo, {"train.sh": "echo 1 > out.txt; echo done\n"})
    gittrack(repo, "run", "--image", NAME, "--", "sh", "train.sh")
    return originals(repo)[-1]


def with_image(root: Path, run: RunRecord, **image: str) -> RunRecord:
    """Put a copy of a run beside it that names another image."""
    _, layout = opened(root)
    assert run.environment is not None
    facts = formats.load_environment(layout.environment(run.environment).read_bytes())
    content = formats.dump_environment({**facts, "image": image})
    digest = Digest(digests.of_bytes(content))
    layout.environment(digest).parent.mkdir(parents=True, exist_ok=True)
    layout.environment(digest).write_bytes(content)
    return forged(root, run, environment=digest)


def environment_of(report: Report) -> dict[str, object]:
    found: dict[str, object] = report.document()["restored"]["environment"]
    return found


def test_a_job_runs_again_in_the_image_that_it_was_recorded_in(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    report = again(repo, inside, env=Mode.IMAGE)

    assert report.verdict == "identical", report.lines()
    assert environment_of(report)["how"] == "image"
    assert environment_of(report)["image"] == f"{REFERENCE} by podman"
    assert f"  environment  in {REFERENCE} by podman, as recorded" in report.lines()
    repeat = runs(repo, f"run_id = '{report.repro_run_id}'")[0]
    assert repeat.environment == inside.environment
    assert {words[words.index(ID)] for words in plain.started} == {ID}


def test_the_container_sees_the_worktree_and_the_store_and_not_the_users_files(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    again(repo, inside, env=Mode.IMAGE)

    mounts = [
        word.partition("source=")[2].split(",") for word in plain.started[-1] if word.startswith("--mount")
    ]
    writable = {Path(mount[0]) for mount in mounts if mount[-1] != "readonly"}
    assert writable == {repo / ".git", repo / ".gittrack"}
    stand_in = repo / ".git" / "gittrack" / "stand-ins" / "main"
    settings = {repo / ".git" / name for name in ("config", "hooks", "worktrees")}
    assert {Path(mount[0]) for mount in mounts} - writable == settings | {stand_in}
    assert sorted(path.name for path in stand_in.rglob("*")) == [".git", ".gittrack"]


def test_the_container_gets_listed_variables_alone(
    repo: Path, inside: RunRecord, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("WANTED", "by the user")
    again(repo, inside, pass_env=("WANTED",), env=Mode.IMAGE)

    given = {word.split("=")[1] for word in plain.started[-1] if word.startswith("--env=")}
    assert inside.command is not None
    assert given - inside.command.env.keys() == {
        "GITTRACK_REPRO",
        "GITTRACK_WORKTREE",
        "GITTRACK_REPRO_DEPTH",
        "GITTRACK_EXPERIMENT",
    } | {*("GITTRACK_IMAGE", "PATH", "WANTED")}
    assert "by the user" not in " ".join(plain.started[-1])


def test_a_command_in_an_image_is_put_into_it_again_from_outside(
    repo: Path, around: RunRecord, plain: Plain
) -> None:
    report = again(repo, around, env=Mode.IMAGE)

    assert report.verdict == "identical", report.lines()
    assert len(plain.started) == 2
    assert plain.started[-1][-3:] == [ID, "sh", "train.sh"]
    assert any(word.startswith("--label=gittrack.container=") for word in plain.started[-1])


def test_variables_that_the_user_passes_on_reach_a_command_in_an_image(
    repo: Path, around: RunRecord, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANTED", "by the user")
    monkeypatch.setenv("UNWANTED", "by the user")
    again(repo, around, pass_env=("WANTED",), env=Mode.IMAGE)
    assert "--env=WANTED" in plain.started[-1]
    assert not [word for word in plain.started[-1] if "UNWANTED" in word or "by the user" in word]


def test_several_repetitions_and_several_runs_each_run_in_the_image(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    report = again(repo, inside, times=2, env=Mode.IMAGE)
    assert (report.verdict, report.spread and report.spread.results) == ("identical", 1)

    before = len(plain.started)
    table = json.loads(gittrack(repo, "repro", "--all", "--env", "image", "--json").splitlines()[-1])
    assert [found["state"] for found in table["runs"]] == ["identical"]
    assert len(plain.started) == before + 2


def test_an_image_that_is_not_here_is_pulled_by_its_digest(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    plain.forget()
    plain.has(NAME, remote=True)

    assert again(repo, inside, env=Mode.IMAGE).verdict == "identical"
    assert [words for words in plain.said if words[0] == "pull"] == [["pull", "--quiet", ADDRESS]]


def test_an_image_that_nobody_has_is_named_and_nothing_near_it_is_taken(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    plain.forget()
    plain.has(NAME, Id=OTHER, RepoDigests=[f"{NAME}@{OTHER}"])

    report = again(repo, inside, env=Mode.IMAGE)

    assert (report.verdict, report.exit_code) == ("impossible", 9)
    assert report.problem is not None
    assert REFERENCE in report.problem.what
    assert report.problem.hint == f"podman pull {ADDRESS}"
    assert not plain.started


def test_an_image_that_was_in_no_registry_is_found_by_its_id_or_not_at_all(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    local = with_image(repo, inside, name="train:1", id=ID, python=sys.executable)
    assert again(repo, local, env=Mode.IMAGE).verdict == "identical"

    plain.forget()
    report = again(repo, local, env=Mode.IMAGE)
    assert report.problem is not None
    assert "came from no registry" in report.problem.what
    assert not [words for words in plain.said if words[0] == "pull"]


def test_a_run_that_was_made_in_no_image_says_how_to_record_one(repo: Path, plain: Plain) -> None:
    write(repo, {"train.py": TRAIN, "model.py": MODEL})
    job(repo, "python", "train.py")

    report = again(repo, originals(repo)[0], env=Mode.IMAGE)

    assert report.verdict == "impossible"
    assert report.problem is not None
    assert "names no container image" in report.problem.what
    assert "GITTRACK_IMAGE" in (report.problem.hint or "")


def test_a_name_without_a_digest_is_not_taken_for_an_image(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    report = again(repo, with_image(repo, inside, name=NAME, lost="its digest"), env=Mode.IMAGE)
    assert report.problem is not None
    assert f"'{NAME}' without its digest" in report.problem.what
    assert not plain.said


def test_no_engine_is_impossible_with_the_command_that_brings_one(
    repo: Path, inside: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITTRACK_CONTAINER_ENGINE", "nerdctl")
    for report in (again(repo, inside, env=Mode.IMAGE), rehearse(planned(repo, inside), IN_IMAGE)):
        assert report.verdict == "impossible"
        assert report.problem is not None
        assert "'nerdctl'" in report.problem.what
        assert report.problem.hint == "apt-get install podman"


def test_auto_starts_no_container(repo: Path, inside: RunRecord, plain: Plain) -> None:
    assert again(repo, inside, env=Mode.AUTO).restored.how == "current"
    assert not plain.said
    assert not matters(planned(repo, inside))


def test_elsewhere_the_image_is_a_difference_and_a_help(repo: Path, inside: RunRecord, plain: Plain) -> None:
    differences = planned(repo, inside).differences
    assert [(one.old, one.new) for one in differences if one.name == "image"] == [(REFERENCE, None)]

    text = "import gittrack, os\nwith gittrack.start_run():\n"
    text += "    gittrack.log_text(os.environ.get('GITTRACK_IMAGE', 'none'), 'image.txt')\n"
    write(repo, {"more.py": text})
    job(repo, "python", "more.py", env={"GITTRACK_IMAGE": REFERENCE})
    run = originals(repo)[-1]
    report = again(repo, run)
    assert report.verdict == "different"
    assert f"  this helps   gittrack repro {run.run_id[:8]} --env image" in report.lines()
    assert again(repo, run, env=Mode.IMAGE).verdict == "identical"


def test_data_beside_the_repository_is_shown_to_the_container_and_nothing_else(
    repo: Path, plain: Plain, tmp_path: Path
) -> None:
    plain.has(NAME)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "in.csv").write_text("1\n2\n")
    reads = (
        f"import gittrack, pathlib\np = {str(tmp_path / 'data' / 'in.csv')!r}\nwith gittrack.start_run():\n"
    )
    reads += "    gittrack.log_data(p)\n    gittrack.log_metric('x', len(pathlib.Path(p).read_text()))\n"
    write(repo, {"train.py": reads})
    job(repo, "python", "train.py", env={"GITTRACK_IMAGE": REFERENCE})

    assert again(repo, originals(repo)[0], env=Mode.IMAGE).verdict == "identical"
    shown = [word for word in plain.started[-1] if str(tmp_path / "data") in word]
    place = tmp_path / "data" / "in.csv"
    assert shown == [f"--mount=type=bind,source={place},target={place},readonly"]


@pytest.mark.parametrize("more", [False, True], ids=["all of it was read", "there is more"])
def test_of_a_folder_that_has_more_than_was_read_the_container_sees_what_was(
    repo: Path, inside: RunRecord, plain: Plain, tmp_path: Path, more: bool
) -> None:
    """A record is someone's text, and the folder that it names may be the user's home."""
    home = tmp_path / "ada"
    write(home, {".profile": "known to all"} | ({".ssh/id": "secret"} if more else {}))
    listed = hashing.manifest_of([(".profile", digests.of_file(home / ".profile"))])
    digest, _ = FileStore(opened(repo)[1]).put_bytes(listed)
    entry = DataFile(path=str(home), digest=digest, size=12, kept_by="nobody", files=1, how="read")

    report = again(repo, forged(repo, inside, data=(entry,)), env=Mode.IMAGE)

    assert report.restored.data[0].how == "outside"
    place = home / ".profile" if more else home
    shown = [word for word in plain.started[-1] if str(home) in word]
    assert shown == [f"--mount=type=bind,source={place},target={place},readonly"]


def test_an_image_without_gittrack_is_told_from_a_job_that_fails(
    repo: Path, inside: RunRecord, plain: Plain, tmp_path: Path
) -> None:
    bare = tmp_path / "bare" / "python"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)

    report = again(repo, with_image(repo, inside, name=NAME, digest=DIGEST, python=str(bare)), env=Mode.IMAGE)

    assert report.verdict == "impossible"
    assert report.problem is not None
    assert "has no gittrack" in report.problem.what


def test_a_dry_run_asks_the_engine_nothing(repo: Path, inside: RunRecord, plain: Plain) -> None:
    assert rehearse(planned(repo, inside), IN_IMAGE).verdict is None
    assert not plain.said


# Somebody else's record.


def test_nothing_is_pulled_or_run_before_somebody_agreed_to_that_image(
    repo: Path, inside: RunRecord, plain: Plain
) -> None:
    evil = with_image(repo, inside, name="evil.example.org/x", digest=OTHER)
    plan = planned(repo, evil)

    assert not plan.trusted
    with pytest.raises(ConsentNeeded):
        reproduce(plan, IN_IMAGE)
    assert rehearse(plan, IN_IMAGE).verdict is None
    assert not plain.said
    assert [line for line in plan_lines(plan) if f"evil.example.org/x@{OTHER} (with --env image)" in line]


def test_consent_is_for_one_image(repo: Path, inside: RunRecord) -> None:
    first = with_image(repo, inside, name="a.example.org/x", digest=DIGEST)
    second = with_image(repo, inside, name="a.example.org/x", digest=OTHER)
    again(repo, first, env=Mode.IMAGE)
    assert planned(repo, first).trusted
    assert not planned(repo, second).trusted


@pytest.mark.parametrize(
    "image",
    [
        {"name": "--privileged", "digest": DIGEST},
        {"name": "-v/:/host:rw", "digest": DIGEST},
        {"name": "x", "digest": "sha256:1"},
        {"name": "x y", "digest": DIGEST},
        {"id": "--rm"},
        {"id": "sha256:../../x"},
        {"name": "x\n--privileged", "digest": DIGEST, "id": ""},
    ],
    ids=str,
)
def test_words_that_are_no_image_reach_no_engine(
    repo: Path, inside: RunRecord, plain: Plain, image: dict[str, str]
) -> None:
    report = again(repo, with_image(repo, inside, **image), env=Mode.IMAGE)
    assert report.verdict == "impossible"
    assert not plain.said


@pytest.mark.parametrize("python", ["python", "--privileged", "../x", "/x\0y", ""])
def test_a_python_that_is_no_path_is_the_images_own(
    repo: Path, inside: RunRecord, plain: Plain, python: str
) -> None:
    odd = with_image(repo, inside, name=NAME, digest=DIGEST, **({"python": python} if python else {}))
    again(repo, odd, env=Mode.IMAGE)
    assert {word for words in plain.started for word in words if word.startswith("--entrypoint")} == {
        "--entrypoint=python3"
    }


# Real containers.


def test_podman_repeats_a_command_bit_for_bit(repo: Path, podman_image: str) -> None:
    write(repo, {"train.py": TRAIN, "model.py": MODEL})
    env = {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    argv = ("run", "--image", podman_image, "--", sys.executable, "train.py")
    job(repo, "python", "-P", "-m", "gittrack", *argv, env=env)
    run = originals(repo)[-1]
    assert run.status == "FINISHED"
    assert run.metrics["loss"].count == 5

    report = again(repo, run, env=Mode.IMAGE)

    assert report.verdict == "identical", report.lines()
    assert report.restored.how == "image"


def in_podman(repo: Path, image: str, *argv: str, **env: str) -> RunRecord:
    """Record a run by a process in a container, as a user would who starts it by hand."""
    inspected = subprocess.run(["podman", "image", "inspect", image], capture_output=True, check=True)
    facts = json.loads(inspected.stdout)[0]
    env = {
        "GITTRACK_IMAGE": facts["RepoDigests"][0],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        **env,
    }
    given = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    user = [] if os.getuid() == 0 else ["--userns=keep-id"]
    gittrack(repo, "init")
    words = ["run", "--rm", *user, f"--volume={repo}:{repo}", f"--workdir={repo}", *given]
    options = os.environ["GITTRACK_CONTAINER_OPTIONS"].split()
    job(repo, "podman", *words, *options, image, *argv)
    return originals(repo)[-1]


def test_podman_repeats_what_a_process_in_a_container_recorded(repo: Path, podman_image: str) -> None:
    write(repo, {"train.py": TRAIN, "model.py": MODEL})
    run = in_podman(repo, podman_image, sys.executable, "train.py")

    report = again(repo, run, env=Mode.IMAGE)

    assert report.verdict == "identical", report.lines()
    repeat = runs(repo, f"run_id = '{report.repro_run_id}'")[0]
    assert repeat.environment == run.environment
    assert commit(repo)
    assert git(repo, "status", "--porcelain", "--", ".gittrack") == ""


PLANTS = """\
import gittrack, os, pathlib
top = pathlib.Path(os.environ.get("GITTRACK_WORKTREE", "."))
def can(plant):
    try:
        plant()
        return 1
    except OSError:
        return 0
hook, linked = top / ".git/hooks/post-commit", top / ".git/worktrees/mine"
with gittrack.start_run():
    if "GITTRACK_REPRO_DEPTH" in os.environ:
        gittrack.log_metric("hook", can(lambda: (hook.parent.mkdir(exist_ok=True), hook.write_text(""))))
        gittrack.log_metric("commondir", can(lambda: (linked / "commondir").write_text("/elsewhere")))
        gittrack.log_metric("moved", can(lambda: linked.parent.rename(top / ".git/others")))
"""


def test_a_job_in_a_container_plants_nothing_that_git_would_start(
    repo: Path, tmp_path: Path, podman_image: str
) -> None:
    write(repo, {"train.py": PLANTS})
    commit_all(repo)
    git(repo, "worktree", "add", "--detach", tmp_path / "mine")
    run = in_podman(repo, podman_image, sys.executable, "train.py")
    shutil.rmtree(repo / ".git" / "hooks")

    report = again(repo, run, env=Mode.IMAGE)

    repeat = runs(repo, f"run_id = '{report.repro_run_id}'")[0]
    assert {name: found.last for name, found in repeat.metrics.items()} == {
        "hook": 0,
        "commondir": 0,
        "moved": 0,
    }


def test_a_password_in_the_users_proxy_stays_out_of_the_container(
    repo: Path, podman_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import gittrack, os\nwith gittrack.start_run():\n"
    write(repo, {"train.py": code + "    gittrack.log_metric('seen', 'HTTPS_PROXY' in os.environ)\n"})
    run = in_podman(repo, podman_image, sys.executable, "train.py")
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:secret@proxy.example.org")

    report = again(repo, run, env=Mode.IMAGE)

    assert runs(repo, f"run_id = '{report.repro_run_id}'")[0].metrics["seen"].last == 0


def test_data_that_is_in_the_image_alone_is_hashed_there(repo: Path, podman_image: str) -> None:
    reads = f"import gittrack, pathlib\np = {IN_THE_IMAGE!r}\nwith gittrack.start_run():\n"
    reads += "    gittrack.log_data(p)\n    gittrack.log_metric('x', len(pathlib.Path(p).read_text()))\n"
    write(repo, {"train.py": reads})
    run = in_podman(repo, podman_image, sys.executable, "train.py")
    assert [entry.path for entry in run.data] == [IN_THE_IMAGE]

    report = again(repo, run, env=Mode.IMAGE)
    assert (report.verdict, report.restored.data[0].how) == ("identical", "in the image"), report.lines()
    assert again(repo, run).verdict == "impossible"

    other = forged(repo, run, data=(replace(run.data[0], digest=Digest("0" * 64)),))
    report = again(repo, other, env=Mode.IMAGE)
    assert report.problem is not None
    assert "neither here nor in the image" in report.problem.what


WAITS = """\
import gittrack, os, pathlib, time
with gittrack.start_run():
    gittrack.log_metric("x", 1)
    if "GITTRACK_REPRO_DEPTH" in os.environ:
        pathlib.Path(os.environ["GITTRACK_WORKTREE"], ".gittrack", "started").touch()
        time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_who_ends_a_reproduction_ends_its_container(
    repo: Path, podman_image: str, number: signal.Signals
) -> None:
    write(repo, {"train.py": WAITS})
    run = in_podman(repo, podman_image, sys.executable, "train.py")
    argv = [sys.executable, "-P", "-m", "gittrack", "repro", run.run_id, "--env", "image"]
    process = subprocess.Popen(argv, cwd=repo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = repo / ".gittrack" / "started"
    while not started.exists() and process.poll() is None:
        time.sleep(0.02)

    process.send_signal(number)

    assert process.wait(60) == 128 + number
    listed = subprocess.run(
        ["podman", "ps", "--all", "--format", "{{.Mounts}}"], capture_output=True, text=True, check=True
    )
    assert str(repo) not in listed.stdout
    assert [again.status for again in runs(repo, "repro_of is not null")] == ["KILLED"]
