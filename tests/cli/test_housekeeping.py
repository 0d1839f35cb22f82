"""`commit`, `fsck`, `gc`, `repro`: printing and exit codes; what they do is tested in their rooms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import commit_all, git, python, write

from .conftest import program

JOB = """
import gittrack, os, sys
with gittrack.start_run(run_name="job"):
    for step in range(3):
        gittrack.log_metric("loss", 1 / (step + 1) {noise}, step=step)
"""


@pytest.fixture
def job(work: Path) -> Path:
    """The current folder: a repository with a committed job that was run once and committed."""
    write(work, {"job.py": JOB.format(noise="")})
    commit_all(work)
    run_job(work)
    return work


def run_job(work: Path) -> None:
    python(work, "import subprocess, sys; sys.exit(subprocess.run([sys.executable, 'job.py']).returncode)")


def test_commit_says_what_it_committed_and_leaves_the_rest_alone(cli, job: Path) -> None:
    (job / "other.txt").write_text("staged")
    git(job, "add", "other.txt")
    result = cli("commit", "-m", "One run")

    assert result.exit_code == 0
    assert result.stdout == f"[{git(job, 'rev-parse', 'HEAD')[:10]}] One run\n"
    assert git(job, "status", "--porcelain") == "A  other.txt"
    assert cli("commit").stderr == "nothing new to commit\n"


def test_commit_in_json_names_the_runs(cli, job: Path) -> None:
    document = json.loads(cli("commit", "--json").stdout)

    assert document["commit"] == git(job, "rev-parse", "HEAD")
    assert len(document["runs"]) == 1
    assert json.loads(cli("commit", "--json").stdout)["commit"] is None


def test_fsck_of_a_sound_store_exits_with_0(cli, job: Path) -> None:
    result = cli("fsck")

    assert result.exit_code == 0
    assert result.stdout.startswith("1 run, ")
    assert result.stdout.endswith("all is as it was recorded\n")


def test_fsck_names_a_damaged_file_its_code_and_what_can_be_done(cli, job: Path) -> None:
    file = next((job / ".gittrack" / "runs").glob("*/*/metrics.parquet"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)

    result = cli("fsck")
    assert result.exit_code == 5
    assert "digest-mismatch: " in result.stdout
    assert file.name in result.stdout
    [finding] = [
        found
        for found in json.loads(cli("fsck", "--json").stdout)["findings"]
        if found["code"] == "digest-mismatch"
    ]
    assert {"code", "path", "run", "severity", "what", "remedy"} == set(finding)


def test_gc_asks_for_a_decision(cli, job: Path) -> None:
    assert cli("gc").exit_code == 2
    assert cli("gc", "--dry-run", "--yes").exit_code == 2
    assert "--dry-run" in cli("gc").stderr


def test_gc_says_what_it_would_free_and_why_the_rest_is_kept(cli, job: Path) -> None:
    result = cli("gc", "--dry-run")

    assert result.exit_code == 0
    assert "keep  " in result.stdout
    assert "would free " in result.stdout
    assert json.loads(cli("gc", "--dry-run", "--json").stdout)["freed_size"] is None
    assert json.loads(cli("gc", "--yes", "--json").stdout)["freed_size"] >= 0
    assert cli("fsck").exit_code == 0


def test_repro_reports_for_people_and_on_one_line_for_programs(job: Path) -> None:
    words = program("repro", "job")

    assert words.returncode == 0, words.stderr
    assert words.stdout.startswith("identical: run ")
    run_id = json.loads(program("ls", "--json").stdout)[-1]["run_id"]
    line = program("repro", run_id, "--json")
    assert line.returncode == 0
    assert list(json.loads(line.stdout)) == [
        "run_id", "repro_run_id", "verdict", "reason", "restored", "metrics", "artifacts", "runs", "suspects",
        "spread", "hint", "seconds", "job_seconds",
    ]  # fmt: skip
    assert line.stdout.count("\n") == 1


def test_an_input_is_exchanged_in_one_run_alone(cli, job: Path) -> None:
    result = cli("repro", "--all", "--swap", "code=HEAD")
    assert (result.exit_code, "--swap is for one RUN" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "words", [["--rtol", "x"], ["--rtol", "=1"], ["--atol", "a=-1"], ["--rtol", "1", "--rtol", "2"]]
)
def test_a_tolerance_that_is_none_is_a_mistake_of_usage(cli, job: Path, words: list[str]) -> None:
    result = cli("repro", "job", *words)
    assert result.exit_code == 2
    assert words[0] in result.stderr


def test_repro_of_a_random_job_exits_with_7(work: Path) -> None:
    write(work, {"job.py": JOB.format(noise="+ int.from_bytes(os.urandom(4), 'big')")})
    commit_all(work)
    run_job(work)
    done = program("repro", "job")

    assert done.returncode == 7
    assert done.stdout.startswith("different: ")
    assert "step 0" in done.stdout


def test_a_dry_run_executes_nothing(cli, job: Path) -> None:
    result = cli("repro", "job", "--dry-run")

    assert result.exit_code == 0
    assert result.stdout.startswith("not run: ")
    assert len(json.loads(cli("ls", "--json").stdout)) == 1


def test_what_another_clone_recorded_is_shown_and_not_run_without_consent(job: Path, tmp_path: Path) -> None:
    program("commit")
    git(tmp_path, "clone", "-q", str(job), "clone")
    done = program("repro", "job", cwd=tmp_path / "clone", stdin=-3)

    assert done.returncode == 4
    assert "job.py" in done.stderr
    assert "--yes" in done.stderr
    assert len(json.loads(program("ls", "--json", cwd=tmp_path / "clone").stdout)) == 1
    assert program("repro", "job", "--yes", cwd=tmp_path / "clone").returncode == 0


def test_an_unknown_run_is_not_found(cli, job: Path) -> None:
    result = cli("repro", "ffffffff")

    assert result.exit_code == 3
    assert result.stderr == "gittrack: no run is called 'ffffffff'\nhint: gittrack ls\n"


def test_runs_lost_from_the_working_tree_are_put_back(cli, job: Path) -> None:
    git(job, "clean", "-fdxq")
    result = cli("ls", "--json")

    assert len(json.loads(result.stdout)) == 1
    assert "put back that the working tree had lost" in result.stderr


def test_the_first_recording_makes_the_store_and_says_so(work: Path) -> None:
    done = program("run", "--", "true")

    assert done.returncode == 0
    assert (work / ".gittrack" / "config.yaml").is_file()
    assert ".gittrack" in done.stderr
