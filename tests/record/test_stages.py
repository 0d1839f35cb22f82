"""Stages of DVC pipelines as runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gittrack.errors import NotFound
from gittrack.record import origin, stages
from gittrack.record.project import Project
from tests.conftest import commit_all, write
from tests.dvc_projects import dvc_add, dvc_init
from tests.record.processes import only_run
from tests.record.test_job import artifact, execute

PIPELINE = """\
stages:
  prep:
    cmd: cp data/train.csv out/prep.csv
    deps: [data/train.csv]
    outs: [out/prep.csv]
  train:
    wdir: src
    cmd:
    - python train.py ${lr}
    - cp model.bin copy.bin
    deps: [train.py, ../data/train.csv]
    params: [../params.yaml: [lr, net]]
    outs: [model.bin, copy.bin]
    plots: [curve.csv]
    metrics: [scores.json: {cache: false}]
"""
TRAIN = """\
import json, pathlib, sys
pathlib.Path("model.bin").write_text("weights")
pathlib.Path("curve.csv").write_text("step,loss\\n0,1\\n")
pathlib.Path("scores.json").write_text(json.dumps({"auc": float(sys.argv[1]), "n": {"rows": 2}, "name": "x"}))
"""


@pytest.fixture
def project(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A DVC project with two stages; the current folder."""
    origin._forget()
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    dvc_init(repo)
    dvc_add(repo, "data/train.csv", b"1\n2\n")
    write(
        repo,
        {
            "dvc.yaml": PIPELINE,
            "params.yaml": "lr: 0.5\nnet: {layers: [1, 2], deep: True}\nother: 1\n",
            "src/train.py": TRAIN,
            "src/.gitignore": "*.bin\n*.csv\n*.json\n",
            "out/.gitignore": "*.csv\n",
        },
    )
    commit_all(repo, "pipeline")
    return Project.find(repo)


def run_stage(project: Project, text: str, *argv: str, folder: Path | None = None):
    work = stages.of_stage(project, text, argv, folder=folder or project.root)
    outcome, out, _ = execute(project, *work.argv, work=work)
    return outcome, out


def test_a_stage_fills_in_what_its_run_takes_and_gives(project) -> None:
    outcome, _ = run_stage(project, "train")
    run = only_run(project.root)

    assert outcome.exit_code == 0
    assert run.params == {"lr": 0.5, "net.layers": "[1, 2]", "net.deep": True}
    assert {key: (one.last, one.step) for key, one in run.metrics.items()} == {
        "auc": (0.5, 0),
        "n.rows": (2.0, 0),
    }
    assert {entry.path: entry.kept_by for entry in run.data} == {
        "data/train.csv": "dvc",
        "src/train.py": "git",
    }
    assert {kept.path for kept in run.artifacts} >= {"src/model.bin", "src/copy.bin", "src/curve.csv"}
    assert artifact(project, "src/model.bin") == b"weights"
    assert run.tags["gittrack.stage"] == "dvc.yaml:train"
    assert (run.command.cwd, run.command.argv[:4]) == ("src", ("bash", "--noprofile", "--norc", "-c"))
    assert run.command.argv[4] == "(\npython train.py 0.5\n) && (\ncp model.bin copy.bin\n)"


def test_a_stage_is_named_from_any_folder(project) -> None:
    work = stages.of_stage(project, "../dvc.yaml:prep", folder=project.root / "src")

    assert (work.address, work.folder, work.outs) == ("dvc.yaml:prep", project.root, ("out/prep.csv",))


def test_nothing_starts_when_a_dep_is_not_here(project) -> None:
    (project.root / "data/train.csv").unlink()

    with pytest.raises(NotFound, match=r"reads 'data/train.csv', which is not here") as caught:
        stages.of_stage(project, "prep", folder=project.root)
    assert caught.value.hint == "dvc pull 'data/train.csv'"


def test_nothing_starts_when_a_param_is_not_there(project) -> None:
    write(project.root, {"params.yaml": "lr: 1"})

    with pytest.raises(NotFound, match=r"reads the param 'net', which params.yaml has not"):
        stages.of_stage(project, "train", folder=project.root)


def test_a_stage_that_fails_has_no_results(project) -> None:
    write(project.root, {"src/train.py": TRAIN + "sys.exit(3)\n"})
    outcome, _ = run_stage(project, "train")
    run = only_run(project.root)

    assert (outcome.exit_code, run.status, run.metrics) == (3, "FAILED", {})
    assert run.artifacts == ()


@pytest.mark.filterwarnings("ignore")
def test_what_the_stage_did_not_write_is_named(project) -> None:
    run_stage(project, "train")
    write(project.root, {"dvc.yaml": PIPELINE.replace("python train.py ${lr}", "true")})

    with pytest.warns(UserWarning, match=r"'src/model.bin' was there before the stage ran"):
        run_stage(project, "train")


@pytest.mark.filterwarnings("ignore")
def test_results_that_cannot_be_recorded_are_named_and_the_run_stands(project) -> None:
    write(project.root, {"src/train.py": TRAIN.replace("json.dumps({", "'{' or json.dumps({") + "\n"})
    write(project.root, {"dvc.yaml": PIPELINE.replace("plots: [curve.csv]", "plots: [gone.csv]")})

    with pytest.warns(UserWarning, match=r"could not read the metrics in 'src/scores.json'"):
        outcome, _ = run_stage(project, "train")

    assert (outcome.exit_code, only_run(project.root).status) == (0, "FINISHED")


@pytest.mark.parametrize(
    ("words", "outs", "data"),
    [
        ("train", {"src/model.bin", "src/copy.bin", "src/curve.csv"}, {"src/train.py", "data/train.csv"}),
        ("--force prep", {"out/prep.csv"}, {"data/train.csv"}),
        (
            "",
            {"out/prep.csv", "src/model.bin", "src/copy.bin", "src/curve.csv"},
            {"src/train.py", "data/train.csv"},
        ),
    ],
)
def test_what_dvc_repro_runs_is_known_by_its_words(project, words, outs, data) -> None:
    work = stages.of_command(project, ["dvc", "repro", *words.split()], folder=project.root)

    assert work is not None
    assert (set(work.outs), work.address) == (outs, None)
    assert {path.relative_to(project.root).as_posix() for path in work.data} == data


def test_what_one_stage_makes_for_another_is_no_input(project) -> None:
    write(project.root, {"dvc.yaml": PIPELINE.replace("../data/train.csv", "../out/prep.csv")})

    whole = stages.of_command(project, ["dvc", "repro", "train"], folder=project.root)
    alone = stages.of_command(project, ["/x/dvc", "repro", "-s", "train"], folder=project.root)

    assert {path.name for path in whole.data} == {"train.py", "train.csv"}
    assert {path.name for path in alone.data} == {"train.py"}, "what is not here cannot be recorded"


@pytest.mark.parametrize("argv", [["python", "x.py"], ["dvc", "status"], ["repro"], ["dvc"]])
def test_any_other_command_is_of_no_stage(project, argv) -> None:
    assert stages.of_command(project, argv, folder=project.root) is None


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_that_cannot_be_read_does_not_stop_dvc(project) -> None:
    write(project.root, {"dvc.yaml": "stages: ["})

    with pytest.warns(UserWarning, match="records the command alone"):
        assert stages.of_command(project, ["dvc", "repro"], folder=project.root) is None


@pytest.mark.parametrize(
    "tag", [None, "", "train", "../dvc.yaml:train", "/etc/x.yaml:train", "dvc.yaml:../x", "dvc.yaml:a\nb"]
)
def test_a_tag_that_names_no_stage_is_passed_over(project, tag) -> None:
    assert stages.address_of(tag, project.root, project.root) is None


def test_a_tag_names_its_stage_from_any_folder(project) -> None:
    assert stages.address_of("dvc.yaml:train", project.root, project.root / "src") == "../dvc.yaml:train"
