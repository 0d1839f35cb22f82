"""The churn tutorial says what happens, and the same happens under MLflow."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import gittrack
from tests.conftest import commit_all

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "churn"
UNDER_MLFLOW = "## The same files under MLflow\n"
TRIALS = [f"trial-{number}" for number in range(1, 9)]
ARTIFACTS = ["coefficients.json", "plots/calibration.png", "plots/roc.png", "tenths.json"]
EPOCHS = 20

# What was recorded, in the words that gittrack and MLflow share.
READER = """
import json

import gittrack as mlflow

client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("churn")
runs = client.search_runs([experiment.experiment_id])
names = {run.info.run_id: run.info.run_name for run in runs}


def files(run_id, path=None):
    for file in client.list_artifacts(run_id, path):
        yield from files(run_id, file.path) if file.is_dir else [file.path]


def curve(run_id, key):
    return sorted((point.step, point.value) for point in client.get_metric_history(run_id, key))


def told(run):
    run_id, tags = run.info.run_id, run.data.tags
    paths = sorted(files(run_id))
    return {
        "status": run.info.status,
        "parent": names.get(tags.get("mlflow.parentRunId")),
        "params": run.data.params,
        "tags": {key: value for key, value in tags.items() if not key.startswith("mlflow.")},
        "metrics": run.data.metrics,
        "curves": {key: curve(run_id, key) for key in run.data.metrics},
        "datasets": [
            [used.dataset.name, used.dataset.source_type, used.dataset.source, used.dataset.schema]
            + [[tag.key, tag.value] for tag in used.tags]
            for used in run.inputs.dataset_inputs
        ],
        "artifacts": paths,
        "contents": {
            path: mlflow.artifacts.load_dict(f"runs:/{run_id}/{path}") for path in paths if path.endswith("json")
        },
    }


print(json.dumps({names[run.info.run_id]: told(run) for run in runs}))
"""


@dataclass(frozen=True)
class Shown:
    """A command of the text, and what the text says that it writes."""

    command: str
    answer: str


def shown(text: str) -> list[Shown]:
    """Return the commands of the `console` blocks of a text, in their order."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = part.partition("\n")
            found.append(Shown(command, answer))
    return found


def chapters() -> tuple[str, str]:
    """Return the text under gittrack and the text under MLflow."""
    before, heading, after = (TUTORIAL / "README.md").read_text(encoding="utf-8").partition(UNDER_MLFLOW)
    assert heading
    return before, after


def play(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a person's shell would, with this Python's programs first; the remarks among the answers."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}
    return subprocess.run(
        command, shell=True, cwd=folder, env=env, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def copied(folder: Path) -> Path:
    """Copy what a reader would copy."""
    return shutil.copytree(TUTORIAL, folder, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copied(tmp_path / "churn")


PASSING = re.compile(r"/\S+|[0-9a-f]{8,64}|\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\d+(\.\d+)? s")  # of one play only


def words(answer: str) -> list[str]:
    """Split an answer, so that a column's width is nothing and an id, a time or a place is like any other."""
    found = re.findall(r"\d+(?:\.\d+)? s\b|[\w./:+-]*\w|\S", answer)
    return ["#" if PASSING.fullmatch(word) else word for word in found]


def same(said: str, told: str) -> bool:
    """Tell whether two answers have the same words."""
    ours, theirs = words(said), words(told)
    return len(ours) == len(theirs) and all(map(alike, ours, theirs))


def alike(said: str, told: str) -> bool:
    """Tell whether two words are the same, or numbers that another processor might well turn into each other."""
    try:
        return said == told or math.isclose(float(said), float(told), rel_tol=0.001, abs_tol=0.0002)
    except ValueError:
        return False


def test_each_command_of_the_text_answers_what_the_text_says(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (TUTORIAL / "README.md").read_text(encoding="utf-8")
    true = project.parent / "README.md"
    for line in shown(chapters()[0]):
        done = play(project, line.command)
        assert done.returncode == 0, f"$ {line.command}\n{done.stdout}"
        if not same(line.answer, done.stdout):
            text = text.replace(f"$ {line.command}\n{line.answer}", f"$ {line.command}\n{done.stdout}")
            true.write_text(text, encoding="utf-8")
    assert not true.exists(), f"the text is not true any more; {true} is"

    monkeypatch.chdir(project)
    runs = gittrack.sql("SELECT * FROM runs WHERE repro_of IS NULL ORDER BY start_time")
    assert list(runs["name"]) == ["first", "sweep", *TRIALS]
    assert set(runs["status"]) == {"FINISHED"}
    assert set(runs["experiment"]) == {"churn"}
    sweep = runs["run_id"][1]
    assert list(runs["parent_run_id"][2:]) == [sweep] * 8
    points = gittrack.sql(
        "SELECT key, count(*) AS points FROM points WHERE run_id IN"
        " (SELECT run_id FROM runs WHERE parent_run_id = $sweep) GROUP BY key ORDER BY key",
        sweep=sweep,
    )
    assert dict(zip(points["key"], points["points"], strict=True)) == {
        "train_log_loss": 8 * EPOCHS, "val_auc": 8, "val_brier": 8, "val_log_loss": 8 * EPOCHS,
    }  # fmt: skip
    again = gittrack.sql("SELECT name FROM runs WHERE repro_of IS NOT NULL")
    assert sorted(again["name"]) == ["sweep", *TRIALS]

    # Of the runs of any Brier score another is the best: the tag moves to it.
    assert play(project, "python choose.py --brier-ceiling 0.2").returncode == 0
    tagged = gittrack.sql("SELECT name FROM runs WHERE tags['chosen'] IS NOT NULL")
    assert list(tagged["name"]) == ["trial-7"]


def test_the_text_quotes_the_files_as_they_are() -> None:
    text = (TUTORIAL / "README.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in sorted(TUTORIAL.glob("*.py"))]
    lines = {line.strip() for source in sources for line in source.splitlines()}
    quoted = "".join(re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))

    assert {line.strip() for line in quoted.splitlines()} - lines <= {"", "…"}


def test_one_line_of_a_file_names_gittrack() -> None:
    for path in sorted(TUTORIAL.glob("*.py")):
        naming = [line for line in path.read_text(encoding="utf-8").splitlines() if "gittrack" in line]
        assert naming in ([], ["import gittrack as mlflow"]), path.name


def test_the_table_is_what_its_generator_makes() -> None:
    made = runpy.run_path(str(TUTORIAL / "make_data.py"))["customers"]()

    kept = (TUTORIAL / "data" / "customers.csv").read_text(encoding="utf-8")
    assert made.to_csv(index=False, lineterminator="\n") == kept


def test_an_answer_may_differ_in_ids_times_and_the_last_digits_and_in_nothing_else() -> None:
    said = "identical: run 42a91710 (trial-3), 0.8036, 42 points, 4.10 s, in /home/ada/x, 2026-01-02 03:04:05"
    told = "identical:  run 0badcafe (trial-3), 0.8037, 42 points, 14.2 s, in /tmp/y, 2027-01-02 03:04:06"
    assert same(said, told)
    assert not same("trial-3", "trial-4")
    assert not same("0.80", "0.81")
    assert not same("42 points", "43 points")
    assert not same("identical: run", "different: run")
    assert not same("one line\n", "one line\nand another\n")


def expected_leavers(run: dict[str, Any]) -> int:
    """Return how many customers should have left by the table of a run."""
    table = run["contents"]["tenths.json"]
    place = table["columns"].index("expected")
    return round(sum(float(row[place]) for row in table["data"]))


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is an extra: gittrack[mlflow]")
def test_the_same_files_record_the_same_under_mlflow(tmp_path: Path) -> None:
    _, under_mlflow = chapters()
    change, *trainings = shown(under_mlflow)
    assert [line.command.split()[1] for line in trainings] == ["train.py", "sweep.py", "choose.py"]
    recorded: dict[str, Any] = {}
    for library in ("gittrack", "mlflow"):
        folder = copied(tmp_path / library)
        play(folder, "git init --quiet")
        commit_all(folder)
        (folder / "read.py").write_text(READER)
        if library == "mlflow":
            assert play(folder, f"{change.command} read.py").returncode == 0
        for line in trainings:
            done = play(folder, line.command)
            assert done.returncode == 0, done.stdout
            assert done.stdout.endswith(line.answer)
        recorded[library] = json.loads(play(folder, "python read.py").stdout.splitlines()[-1])

    assert sorted(recorded["gittrack"]) == sorted(["first", "sweep", *TRIALS])
    for name, mine in recorded["gittrack"].items():
        theirs = recorded["mlflow"][name]
        assert {key: mine[key] for key in mine if mine[key] != theirs[key]} == {}, name
    assert recorded["gittrack"].keys() == recorded["mlflow"].keys()
    trial = recorded["mlflow"]["trial-3"]
    assert [step for step, _ in trial["curves"]["val_log_loss"]] == list(range(1, EPOCHS + 1))
    assert trial["artifacts"] == ARTIFACTS
    assert trial["parent"] == "sweep"
    assert expected_leavers(trial) == 118
    assert expected_leavers(recorded["mlflow"]["trial-7"]) == 207
    chosen = [name for name, run in recorded["mlflow"].items() if "chosen" in run["tags"]]
    assert chosen == ["trial-3"]
