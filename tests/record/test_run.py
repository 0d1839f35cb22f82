from __future__ import annotations

import errno
import json
import math
import os
import struct
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gittrack import config
from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict, InvalidValue, NotFound, RecordingWarning
from gittrack.record import format as formats
from gittrack.record import live, origin, seal
from gittrack.record.points import SortedPoints, read_parquet
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.objects import FileStore
from tests.conftest import git, python


@pytest.fixture(autouse=True)
def new_process() -> None:
    """Make each test a process that has started no run yet."""
    origin._forget()


@pytest.fixture
def project(repo: Path) -> Project:
    return Project.find(repo)


def begin(project: Project, **options) -> ActiveRun:
    return ActiveRun.begin(project, project.config(), config.surroundings(), **options)


def sealed(project: Project, run: ActiveRun) -> RunRecord:
    assert run.digest is not None
    content = (project.layout.run(run.digest) / "run.yaml").read_bytes()
    assert digests.of_bytes(content) == run.digest
    return formats.load_run(content)


def points(project: Project, run: ActiveRun) -> SortedPoints:
    assert run.digest is not None
    return read_parquet((project.layout.run(run.digest) / "metrics.parquet").read_bytes()).sort()


def test_a_sealed_run_is_a_folder_named_by_the_digest_that_sha256sum_confirms(project) -> None:
    with begin(project, name="first", experiment="churn", tags={"team": "a"}) as run:
        run.log_params({"lr": 0.1, "depth": 6, "on": True, "none": None, "text": "no"})
        run.log_metric("loss", 0.5, 1)
        run.log_metric("loss", 0.25, 2)
    folder = project.layout.run(run.digest)
    told = subprocess.run(
        ["sha256sum", folder / "run.yaml"], capture_output=True, text=True, check=True
    ).stdout
    assert folder.parent.name + folder.name == told.split()[0]
    entry = sealed(project, run)
    assert (entry.name, entry.experiment, entry.status, dict(entry.tags)) == (
        "first",
        "churn",
        "FINISHED",
        {"team": "a"},
    )
    assert dict(entry.params) == {"lr": 0.1, "depth": 6, "on": True, "none": None, "text": "no"}
    assert entry.metrics["loss"].last == 0.25
    assert entry.series.rows == 2
    assert entry.series.digest == points(project, run).digest()
    assert not list(project.layout.live.iterdir())


def test_recording_makes_the_store_and_git_treats_its_files_as_binary(project) -> None:
    with begin(project) as run:
        run.log_metric("loss", 1.0)
    name = project.layout.run(run.digest).relative_to(project.root) / "run.yaml"
    assert "text: unset" in git(project.root, "check-attr", "text", name)
    assert "merge: unset" in git(project.root, "check-attr", "merge", name)


def test_odd_numbers_and_keys_come_back_exactly(project) -> None:
    odd = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 2.0**-1074, 1.7976931348623157e308]
    steps = [2**53 + 1, -1, -(2**63), 2**63 - 1, 0, 7, 8]
    with begin(project) as run:
        for value, step in zip(odd, steps, strict=True):
            run.log_metric("größe/指标", value, step)
        run.log_metrics({"block": np.array(odd)}, step=np.array(steps))
    found = list(points(project, run).metrics())
    for key in ("größe/指标", "block"):
        got = {m.step: struct.pack("<d", m.value) for m in found if m.key == key}
        assert got == {step: struct.pack("<d", value) for step, value in zip(steps, odd, strict=True)}


@pytest.mark.parametrize("key", ["", "a\nb", "../x", "/x", "a//b", ".", "a" * 251, "a#b", 3, None, "a\x00"])
def test_a_bad_key_is_refused_before_anything_is_written(project, key) -> None:
    with begin(project) as run:
        for log in (run.log_param, run.log_metric, run.set_tag):
            with pytest.raises(InvalidValue):
                log(key, 1.0)
        with pytest.raises(InvalidValue):
            run.log_metrics({"fine": 1.0, key: 2.0})
        with pytest.raises(InvalidValue):
            run.log_params({"fine": 1.0, key: 2.0})
    entry = sealed(project, run)
    assert (dict(entry.params), dict(entry.metrics), dict(entry.tags)) == ({}, {}, {})


@pytest.mark.parametrize("value", [None, "abc", [1.0, 2.0], {}, object(), 1j])
def test_a_value_that_is_no_number_is_refused(project, value) -> None:
    with begin(project) as run, pytest.raises(InvalidValue, match="'loss'"):
        run.log_metric("loss", value)


@pytest.mark.parametrize("value", [1, True, "1.5", np.float32(2), np.array([3.0]), np.int64(4)])
def test_what_float_understands_is_a_value(project, value) -> None:
    with begin(project) as run:
        run.log_metric("loss", value)
    assert sealed(project, run).metrics["loss"].last == float(
        np.asarray(value, float).reshape(()) if not isinstance(value, np.ndarray) else value[0]
    )


@pytest.mark.parametrize("step", [1.5, 1.0, "1", 2**63, -(2**63) - 1])
def test_a_step_that_is_no_64_bit_integer_is_refused(project, step) -> None:
    with begin(project) as run, pytest.raises(InvalidValue, match="step"):
        run.log_metric("loss", 1.0, step)


def test_a_param_can_be_logged_again_but_not_with_another_value(project) -> None:
    with begin(project) as run:
        run.log_param("lr", 0.1)
        run.log_param("lr", "0.1")
        with pytest.raises(InvalidValue, match=r"param 'lr' is 0.1 already") as caught:
            run.log_params({"new": 1, "lr": 0.2})
        assert "another run" in caught.value.hint
    assert dict(sealed(project, run).params) == {"lr": 0.1}


def test_sequences_and_tables_are_logged_as_columns(project) -> None:
    with begin(project) as run:
        run.log_metrics({"a": [1, 2, 3], "b": 9.0}, step=10)
        run.log_metrics({"c": np.array([1.0, 2.0])}, step=[5, 7])
        run.log_points(
            pa.table({"key": ["d", "e"], "step": [1, 2], "value": [0.5, 0.25], "timestamp": [4, 5]})
        )
        run.log_points({"key": ["d"], "step": [2], "value": [0.125]})
        with pytest.raises(InvalidValue, match="3 values and 2 steps"):
            run.log_metrics({"a": [1, 2, 3]}, step=[1, 2])
        with pytest.raises(InvalidValue, match="no column 'step'"):
            run.log_points({"key": ["d"], "value": [0.125]})
        with pytest.raises(InvalidValue, match="'x'"):
            run.log_metrics({"a": [1.0, "x"]})
    got = sorted((m.key, m.step, m.value) for m in points(project, run).metrics())
    assert got == [
        ("a", 10, 1.0), ("a", 11, 2.0), ("a", 12, 3.0), ("b", 10, 9.0), ("c", 5, 1.0), ("c", 7, 2.0),
        ("d", 1, 0.5), ("d", 2, 0.125), ("e", 2, 0.25),
    ]  # fmt: skip


def test_artifacts_are_kept_by_digest_and_the_same_content_once(project, tmp_path) -> None:
    source = tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    (source / "model.bin").write_bytes(b"weights")
    (source / "sub" / "copy.bin").write_bytes(b"weights")
    with begin(project) as run:
        run.log_artifact(source / "model.bin", "model")
        run.log_artifact(source)
        run.log_text("weights", "note.txt")
        run.log_dict({"a": 1}, "a.json")
        run.log_dict({"a": 1}, "a.yaml")
    entry = sealed(project, run)
    paths = [artifact.path for artifact in entry.artifacts]
    assert paths == ["a.json", "a.yaml", "model/model.bin", "note.txt", "out/model.bin", "out/sub/copy.bin"]
    files = FileStore(project.layout)
    assert {files.read(a.digest) for a in entry.artifacts if a.path.endswith((".bin", ".txt"))} == {
        b"weights"
    }
    assert json.loads(files.read(entry.artifacts[0].digest)) == {"a": 1}
    assert len(list(files.all())) == 3


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a\\b", "a//b", ".git/config", "a/.GIT/x", "a\x00b", "C:/x", "", ".", "~/x"]
)
def test_an_artifact_path_that_could_leave_its_folder_is_refused(project, name) -> None:
    with begin(project) as run, pytest.raises(InvalidValue):
        run.log_text("x", name)


def test_a_file_that_is_not_there_is_an_error_of_the_user(project) -> None:
    with begin(project) as run:
        with pytest.raises(NotFound, match=r"no file or folder 'gone.txt'"):
            run.log_artifact("gone.txt")
        with pytest.raises(NotFound, match=r"no file or folder 'gone.csv'"):
            run.log_data("gone.csv")


def test_data_says_who_keeps_it(project, tmp_path) -> None:
    root = project.root
    (root / ".gitignore").write_text("cached.csv\nfolder/\n")
    (root / "tracked.csv").write_text("1")
    (root / "untracked.csv").write_text("2")
    (root / "cached.csv").write_text("3")
    (root / "folder").mkdir()
    (root / "folder" / "a.csv").write_text("4")
    (tmp_path / "outside.csv").write_text("5")
    git(root, "add", ".gitignore", "tracked.csv")
    git(root, "commit", "-qm", "data")
    past = 1_600_000_000
    for file in root.rglob("*.csv"):
        os.utime(file, (past, past))
    with begin(project) as run:
        for name in ("tracked.csv", "untracked.csv", "cached.csv", "folder"):
            run.log_data(name)
        run.log_data(tmp_path / "outside.csv")
        (root / "tracked.csv").write_text("changed since")
        run.log_data("tracked.csv")
    data = {entry.path: entry for entry in sealed(project, run).data}
    assert data["untracked.csv"].kept_by == "git"
    assert data["cached.csv"].kept_by == "cache"
    assert (data["folder"].kept_by, data["folder"].files) == ("cache", 1)
    assert data[str(tmp_path / "outside.csv")].kept_by == "outside"
    assert data["tracked.csv"].kept_by == "cache", "git has other bytes than the job read"
    files = FileStore(project.layout)
    assert files.read(data["folder"].digest).decode() == f"{digests.of_bytes(b'4')}  a.csv\n"
    assert files.read(data["cached.csv"].digest) == b"3"


def test_nothing_can_be_logged_to_a_run_that_has_ended(project) -> None:
    run = begin(project)
    run.end()
    run.end("FAILED")
    for log in (
        lambda: run.log_metric("a", 1.0),
        lambda: run.log_param("a", 1),
        lambda: run.log_text("a", "a"),
    ):
        with pytest.raises(Conflict, match="has ended"):
            log()
    assert sealed(project, run).status == "FINISHED"


def test_an_exception_makes_a_run_failed_with_its_traceback_and_leaving_with_zero_does_not(project) -> None:
    with pytest.raises(ZeroDivisionError), begin(project) as run:
        1 / 0
    entry = sealed(project, run)
    assert entry.status == "FAILED"
    assert "ZeroDivisionError" in entry.error
    with pytest.raises(SystemExit), begin(project) as run:
        raise SystemExit(0)
    assert sealed(project, run).status == "FINISHED"
    with pytest.raises(KeyboardInterrupt), begin(project) as run:
        raise KeyboardInterrupt
    assert sealed(project, run).status == "KILLED"


def test_the_runs_of_one_process_share_its_name_and_are_numbered(project) -> None:
    runs = [begin(project) for _ in range(3)]
    for run in runs:
        run.end()
    processes = [sealed(project, run).process for run in runs]
    assert len({process.id for process in processes}) == 1
    assert [process.ordinal for process in processes] == [1, 2, 3]


def test_a_resumed_run_goes_on_where_it_was_and_supersedes_its_old_seal(project) -> None:
    with begin(project) as first:
        first.log_param("lr", 0.1)
        first.log_metric("loss", 1.0, 1)
    folder = project.layout.run(first.digest)
    again = ActiveRun.resume(
        project,
        project.config(),
        sealed(project, first),
        seals_of_it=[first.digest],
        seen=(),
        metrics=(folder / "metrics.parquet").read_bytes(),
        patch=None,
    )
    with again:
        with pytest.raises(InvalidValue):
            again.log_param("lr", 0.2)
        again.log_metric("loss", 0.5, 2)
    entry = sealed(project, again)
    assert (entry.run_id, entry.supersedes) == (first.run_id, (first.digest,))
    assert [m.step for m in points(project, again).metrics()] == [1, 2]


def test_eight_processes_log_to_one_run_and_every_point_is_there_once(project) -> None:
    code = (
        "import sys, gittrack\n"
        "with gittrack.start_run(run_id=sys.argv[1]) as run:\n"
        "    for step in range(200): run.log_metric('worker-' + sys.argv[2], step / 3, step)\n"
    )
    with begin(project) as run:
        workers = [
            subprocess.Popen([os.sys.executable, "-c", code, run.run_id, str(n)], cwd=project.root)
            for n in range(8)
        ]
        assert [worker.wait() for worker in workers] == [0] * 8
    got = sorted((m.key, m.step) for m in points(project, run).metrics())
    assert got == sorted((f"worker-{n}", step) for n in range(8) for step in range(200))


def test_thirty_two_processes_start_runs_at_once_in_a_repository_never_used_before(repo) -> None:
    code = "import gittrack; gittrack.start_run(); gittrack.log_metric('a', 1.0)"
    jobs = [subprocess.Popen([os.sys.executable, "-W", "error", "-c", code], cwd=repo) for _ in range(32)]
    assert [job.wait() for job in jobs] == [0] * 32
    runs = [
        formats.load_run(file.read_bytes()) for file in (repo / ".gittrack" / "runs").glob("*/*/run.yaml")
    ]
    assert len({run.run_id for run in runs}) == 32
    assert {run.status for run in runs} == {"FINISHED"}
    assert all(run.code is not None for run in runs)


def test_a_disk_that_takes_nothing_lets_the_training_go_on_and_says_so_once(project, monkeypatch) -> None:
    def full(step: str) -> None:
        if step.startswith("start"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "hook", full)
    with pytest.warns(RecordingWarning) as warned:
        run = begin(project)
    for step in range(50):
        run.log_metric("loss", 1.0, step)
    assert len([w for w in warned if "No space left" in str(w.message)]) <= 2
    monkeypatch.setattr(durable, "hook", lambda step: None)
    run.end()
    assert len(points(project, run)) == 50


def test_an_artifact_that_cannot_be_kept_is_named_in_the_record(project, monkeypatch) -> None:
    def full(step: str) -> None:
        if step == "object.rename":
            raise OSError(errno.ENOSPC, "No space left on device")

    source = project.root / "big.bin"
    source.write_bytes(b"x")
    run = begin(project)
    monkeypatch.setattr(durable, "hook", full)
    with pytest.warns(RecordingWarning, match=r"big\.bin"):
        run.log_artifact(source)
    monkeypatch.setattr(durable, "hook", lambda step: None)
    run.end()
    assert sealed(project, run).lost == ("artifact big.bin: No space left on device",)


@pytest.mark.usefixtures("no_flusher")
def test_a_run_that_is_sealed_at_once_is_not_synced_twice(project, monkeypatch) -> None:
    run = begin(project)
    run.log_metric("loss", 1.0)
    steps: list[str] = []
    monkeypatch.setattr(durable, "hook", steps.append)
    run.end()
    assert "journal.sync" not in steps
    assert len(points(project, run)) == 1


@pytest.mark.usefixtures("no_flusher")
def test_a_run_that_cannot_be_sealed_has_all_that_was_logged_on_disk(project, monkeypatch) -> None:
    run = begin(project)
    run.log_metric("loss", 1.0)
    steps: list[str] = []

    def full(step: str) -> None:
        steps.append(step)
        if step == "seal.begin":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "hook", full)
    with pytest.warns(RecordingWarning, match="could not seal"):
        run.end()
    assert steps == ["seal.begin", "journal.sync"]
    monkeypatch.setattr(durable, "hook", lambda step: None)
    [run.digest] = seal.seal_dead(project.layout)
    assert sealed(project, run).status == "FINISHED"
    assert len(points(project, run)) == 1


@pytest.mark.usefixtures("no_flusher")
def test_a_run_that_takes_long_to_seal_is_synced_meanwhile(project, monkeypatch) -> None:
    run = begin(project)
    run.log_metric("loss", 1.0)
    steps: list[str] = []

    def slow(step: str) -> None:
        steps.append(step)
        if step == "seal.begin":
            run._journal.sync()  # as the flusher does every second

    monkeypatch.setattr(durable, "hook", slow)
    run.end()
    assert steps[:2] == ["seal.begin", "journal.sync"]
    assert run.digest is not None


def test_warnings_as_errors_do_not_make_recording_raise(project, monkeypatch) -> None:
    monkeypatch.setattr(durable, "hook", lambda step: (_ for _ in ()).throw(OSError(5, "bad disk")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = begin(project)
        run.log_metric("loss", 1.0)
        run.end()


def test_a_live_run_can_be_read_while_it_goes_on(project) -> None:
    run = begin(project)
    run.log_metric("loss", 0.5, 3)
    [seen] = live.read_all(project.layout)
    assert (seen.run.run_id, seen.run.status, seen.alive) == (run.run_id, "RUNNING", True)
    assert [m.value for m in seen.points.metrics()] == [0.5]
    run.end()
    assert live.read_all(project.layout) == []


def test_outside_git_start_run_says_at_once_what_to_do(tmp_path) -> None:
    done = python(tmp_path, "import gittrack; gittrack.start_run(); print('trained')", check=False)
    assert done.returncode == 1
    assert "not a git repository" in done.stderr
    assert "trained" not in done.stdout
