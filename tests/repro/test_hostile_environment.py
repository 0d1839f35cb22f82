"""A job that is repeated has the recorded variables and those of the machine, and none of the user's secrets."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.errors import InvalidValue, NotFound
from gittrack.repro.options import Options
from gittrack.repro.reproduce import reproduce
from tests.conftest import write
from tests.repro.forgery import forged
from tests.repro.helpers import again, gittrack, job, opened, originals, planned

SECRETS = {
    name: f"value-of-{name}"
    for name in """AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN GITHUB_TOKEN HF_TOKEN WANDB_API_KEY SSH_AUTH_SOCK
        GPG_AGENT_INFO PGPASSWORD DATABASE_URL HTTPS_PROXY PIP_INDEX_URL UV_INDEX_URL NETRC KUBECONFIG GIT_ASKPASS
        GIT_CONFIG_VALUE_0 MLFLOW_TRACKING_PASSWORD MY_OWN_THING""".split()
}
_STARTERS = """LD_PRELOAD LD_AUDIT BASH_ENV ENV PYTHONSTARTUP PYTHONHOME PYTHONWARNINGS GIT_SSH_COMMAND
    GIT_EXTERNAL_DIFF GIT_DIR PERL5OPT NODE_OPTIONS RUBYOPT PAGER EDITOR PATH HOME PIP_INDEX_URL HTTPS_PROXY"""
DANGEROUS = dict.fromkeys(_STARTERS.split(), "/evil")
DUMP = """\
import gittrack, json, os
with gittrack.start_run():
    gittrack.log_metric("x", 1)
path = os.path.join(os.environ["HOME"], "environment.json")
json.dump(dict(os.environ), open(path, "w"))
"""


def dumped() -> dict[str, str]:
    """The environment that the job saw last."""
    found: dict[str, str] = json.loads((Path(os.environ["HOME"]) / "environment.json").read_text())
    return found


@pytest.fixture
def dumping(repo: Path) -> Path:
    """A repository with a run of a job that keeps its environment."""
    write(repo, {"train.py": DUMP})
    job(repo, "python", "train.py", env={"OMP_NUM_THREADS": "2"})
    return repo


def test_the_users_secrets_do_not_reach_the_job(dumping: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    assert again(dumping, originals(dumping)[0]).verdict == "identical"

    assert not set(SECRETS) & set(dumped())
    assert not [value for value in dumped().values() if "value-of-" in value]


def test_the_job_knows_where_things_are_and_what_was_recorded(dumping: Path) -> None:
    again(dumping, originals(dumping)[0])

    seen = dumped()
    assert seen["HOME"] == os.environ["HOME"]
    assert seen["PATH"].endswith(os.environ["PATH"])
    assert seen["OMP_NUM_THREADS"] == "2"


def test_a_variable_reaches_the_job_when_the_user_names_it_and_the_report_says_so(
    dumping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")

    report = reproduce(planned(dumping, originals(dumping)[0]), Options(pass_env=("GITHUB_TOKEN",)))

    assert dumped()["GITHUB_TOKEN"] == "ghp_secret"
    assert "HF_TOKEN" not in dumped()
    assert any("GITHUB_TOKEN (not in the record)" in line for line in report.lines())
    assert report.document()["restored"]["passed_variables"] == ["GITHUB_TOKEN"]
    assert "ghp_secret" not in report.to_json()
    assert not [
        file for file in opened(dumping)[1].runs.rglob("run.yaml") if "ghp_secret" in file.read_text()
    ]


def test_the_command_line_passes_a_variable_on(dumping: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "abc")
    run = originals(dumping)[0]

    gittrack(dumping, "repro", run.run_id, "--pass-env", "GITHUB_TOKEN")

    assert dumped()["GITHUB_TOKEN"] == "abc"


def test_what_cannot_be_passed_on_is_said_before_anything_starts(dumping: Path) -> None:
    plan = planned(dumping, originals(dumping)[0])
    (Path(os.environ["HOME"]) / "environment.json").unlink()

    with pytest.raises(NotFound, match="no variable 'NOT_SET'"):
        reproduce(plan, Options(pass_env=("NOT_SET",)))
    with pytest.raises(InvalidValue, match="as the record says"):
        reproduce(plan, Options(pass_env=("OMP_NUM_THREADS",)))
    with pytest.raises(InvalidValue, match="cannot be passed on"):
        reproduce(plan, Options(pass_env=("GITTRACK_REPRO",)))

    assert not (Path(os.environ["HOME"]) / "environment.json").exists()


def test_a_record_sets_only_variables_that_gittrack_records(dumping: Path) -> None:
    run = originals(dumping)[0]
    assert run.command is not None
    odd = {"A=B": "1", "A\nB": "1", "GITTRACK_REPRO_DEPTH": "0", "GITTRACK_WORKTREE": "/evil"}
    evil = forged(dumping, run, command=replace(run.command, env={**DANGEROUS, **odd, "TZ": "UTC"}))

    again(dumping, evil)

    seen = dumped()
    assert seen["TZ"] == "UTC"
    assert "/evil" not in seen.values()
    assert not {"A", "A=B", "A\nB"} & set(seen)
    assert seen["GITTRACK_REPRO_DEPTH"] == "1"


def test_a_record_holds_none_of_the_users_secrets(repo: Path) -> None:
    write(
        repo, {"train.py": "import gittrack\nwith gittrack.start_run():\n    gittrack.log_metric('x', 1)\n"}
    )
    job(repo, "python", "train.py", env=SECRETS)
    job(repo, "python", "-P", "-m", "gittrack", "run", "--", "python", "train.py", env=SECRETS)

    kept = [path for path in (repo / ".git/gittrack").rglob("*") if path.is_file()]
    kept += [path for path in (repo / ".gittrack").rglob("*") if path.is_file()]
    assert len(originals(repo)) == 2
    assert not [path for path in kept if b"value-of-" in path.read_bytes()]
