"""A run is reproduced from its own inputs, whatever has become of them since, and the result is checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.errors import Conflict, NotFound
from gittrack.git.worktree import pool
from gittrack.record import live, trust
from gittrack.repro.plan import MAX_DEPTH, ConsentNeeded, agree
from gittrack.repro.report_lines import plan_lines
from gittrack.repro.reproduce import rehearse, reproduce
from gittrack.repro.tolerance import Tolerance
from gittrack.store import locking
from tests.conftest import commit_all, git, write
from tests.repro.helpers import (
    MODEL,
    TRAIN,
    again,
    commit,
    gittrack,
    job,
    opened,
    originals,
    planned,
    recorded,
    runs,
)


def clone_of(root: Path, target: Path) -> Path:
    git(root.parent, "clone", "-q", f"file://{root}", str(target))  # a plain path would share all objects
    return target


def test_a_run_is_identical_and_the_repetition_is_a_run_of_the_users_store(repo: Path) -> None:
    run = recorded(repo)
    before = git(repo, "status", "--porcelain=v2", "--branch")

    report = again(repo, run)

    assert (report.verdict, report.exit_code) == ("identical", 0)
    (repeat,) = [found for found in runs(repo) if found.repro_of == run.run_id]
    assert report.repro_run_id == repeat.run_id
    assert repeat.code is not None
    assert run.code is not None
    assert repeat.code.code_tree == run.code.code_tree
    assert repeat.command == run.command
    assert git(repo, "status", "--porcelain=v2", "--branch") == before
    assert "worktree" not in json.dumps(report.document())


def test_the_json_report_is_one_line_with_the_promised_keys(repo: Path) -> None:
    text = again(repo, recorded(repo)).to_json()

    assert "\n" not in text
    keys = "run_id repro_run_id verdict reason restored metrics artifacts runs suspects spread hint seconds".split()
    keys.append("job_seconds")
    assert list(json.loads(text)) == keys


def test_a_tolerance_for_a_metric_that_is_not_there_is_said_to_fit_nothing(repo: Path) -> None:
    report = again(repo, recorded(repo), tolerance=Tolerance.of({"los": 0.1, "loss": 0.1, "*.txt": 0.1}, 0.0))

    assert "  tolerance    no metric or artifact is called 'los'" in report.lines()
    assert report.document()["idle_tolerances"] == ["los"]


def test_changed_code_data_and_seed_since_do_no_harm(repo: Path) -> None:
    job_file = """\
import gittrack, random
from pathlib import Path
with gittrack.start_run():
    gittrack.log_data("data/in.txt")
    gittrack.log_data("big/in.bin")
    random.seed(7)
    gittrack.log_metric("x", random.random() + len(Path("data/in.txt").read_text()))
    gittrack.log_metric("y", sum(Path("big/in.bin").read_bytes()))
"""
    write(
        repo, {".gitignore": "big/\n", "data/in.txt": "one", "big/in.bin": b"\x01\x02", "train.py": job_file}
    )
    commit_all(repo)
    run = recorded(repo, {"train.py": job_file})
    write(repo, {"data/in.txt": "ONE!", "big/in.bin": b"\x01\x03", "train.py": job_file.replace("7", "8")})
    commit_all(repo)

    report = again(repo, run)

    assert report.verdict == "identical"
    assert {entry.path: entry.how for entry in report.restored.data} == {
        "big/in.bin": "cache",
        "data/in.txt": "git",
    }
    assert (repo / "big/in.bin").read_bytes() == b"\x01\x03"


HOSTILE = {
    "diff.external": "/bin/false",
    "diff.noprefix": "true",
    "diff.mnemonicPrefix": "true",
    "core.autocrlf": "true",
    "core.quotePath": "true",
    "user.useConfigOnly": "true",
    "core.hooksPath": "hooks",
}


def test_a_dirty_tree_is_reproduced_in_a_fresh_clone_under_hostile_settings(
    empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = empty_repo
    odd = "strange \u00e9 name\n.txt"
    write(
        repo,
        {
            "train.py": "pass\n",
            "run.sh": "#!/bin/sh\n",
            "bin.dat": bytes(range(256)),
            "gone.txt": "x",
            odd: "1",
        },
    )
    commit_all(repo)
    for role in ("AUTHOR", "COMMITTER"):
        for part in ("NAME", "EMAIL", "DATE"):
            monkeypatch.delenv(f"GIT_{role}_{part}")
    for name, value in HOSTILE.items():
        git(repo, "config", name, value)
    write(repo, {"hooks/post-checkout": "#!/bin/sh\nexit 1\n", "hooks/pre-commit": "#!/bin/sh\nexit 1\n"})
    for hook in (repo / "hooks").iterdir():
        hook.chmod(0o755)
    (repo / "run.sh").chmod(0o755)
    (repo / "gone.txt").unlink()
    (repo / "link").symlink_to("bin.dat")
    write(repo, {"bin.dat": bytes(reversed(range(256))), odd: "2", "pkg/model.py": "K = 5\n"})
    run = recorded(
        repo,
        {
            "train.py": f"""\
import gittrack, os, pathlib
from pkg import model
with gittrack.start_run():
    gittrack.log_metric("k", model.K)
    gittrack.log_metric("exec", os.access("run.sh", os.X_OK))
    gittrack.log_metric("gone", not os.path.exists("gone.txt"))
    gittrack.log_metric("link", os.path.islink("link"))
    gittrack.log_artifact("link")
    gittrack.log_artifact("bin.dat")
    gittrack.log_artifact("train.py")
    gittrack.log_text(pathlib.Path({odd!r}).read_text(), "odd.txt")
"""
        },
    )
    commit(repo)
    fresh = clone_of(repo, tmp_path / "fresh")
    for name, value in HOSTILE.items():
        git(fresh, "config", name, value)

    with pytest.raises(ConsentNeeded):
        reproduce(planned(fresh, run))
    report = again(fresh, run)

    assert report.verdict == "identical", report.lines()
    assert report.restored.code is not None
    assert len(report.comparisons[0].series) == 4


def test_a_shell_script_with_unix_line_ends_runs_again_in_a_clone_that_converts_them(
    repo: Path, tmp_path: Path
) -> None:
    git(repo, "config", "core.autocrlf", "true")
    write(
        repo,
        {
            "job.sh": "#!/bin/sh\nwc -c < table.csv\n",
            "table.csv": "a,b\n1,2\n",
            "train.py": """\
import gittrack, subprocess
with gittrack.start_run():
    gittrack.log_data("table.csv")
    gittrack.log_metric("bytes", int(subprocess.check_output("./job.sh")))
    gittrack.log_artifact("job.sh")
""",
        },
    )
    (repo / "job.sh").chmod(0o755)
    run = recorded(repo, {"notes.md": "one\n"} | {"train.py": (repo / "train.py").read_text()})
    commit(repo)
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", str(repo), "fresh")

    report = again(tmp_path / "fresh", run)

    assert report.verdict == "identical", report.lines()
    assert (tmp_path / "fresh" / "train.py").read_bytes().count(b"\r\n") > 0


def test_squashed_deleted_and_collected_code_is_found_and_the_report_says_how(
    repo: Path, tmp_path: Path
) -> None:
    git(repo, "switch", "-q", "-c", "topic")
    write(repo, {"train.py": TRAIN, "model.py": MODEL})
    commit_all(repo, "work in progress")
    run = recorded(repo)
    commit(repo)
    git(repo, "switch", "-q", "main")
    git(repo, "merge", "-q", "--squash", "topic")
    commit_all(repo, "squashed")
    write(repo, {"model.py": "DEPTH = 9\n"})
    commit_all(repo, "later")
    git(repo, "branch", "-q", "-D", "topic")
    git(repo, "reflog", "expire", "--expire=now", "--all")
    git(repo, "gc", "-q", "--prune=now")
    fresh = clone_of(repo, tmp_path / "fresh")
    git(fresh, "remote", "remove", "origin")

    report = again(fresh, run)

    assert report.verdict == "identical"
    assert str(report.restored.code).startswith(("same tree in", "base + patch"))
    assert any("same tree in" in line or "rebuilt from" in line for line in report.lines())


NESTED = """\
import gittrack, sys
gittrack.set_experiment("sweep")
with gittrack.start_run(run_name="sweep") as parent:
    for trial in range(3):
        with gittrack.start_run(run_name=f"trial-{trial}", nested=True):
            gittrack.log_param("trial", trial)
            gittrack.log_metric("score", trial / 3)
"""


def test_a_nested_run_is_reproduced_by_running_its_process_again(repo: Path) -> None:
    recorded(repo, {"train.py": NESTED})
    trial = next(run for run in originals(repo) if run.name == "trial-1")

    report = again(repo, trial)

    assert report.verdict == "identical"
    repeat = next(found for found in runs(repo) if found.run_id == report.repro_run_id)
    assert (repeat.name, repeat.repro_of) == ("trial-1", trial.run_id)
    assert [other.verdict for other in report.others] == [None, "identical", "identical"]
    assert any("3 other runs of the same process" in line for line in report.lines())


def test_the_nested_runs_of_a_parent_are_compared_with_it(repo: Path) -> None:
    recorded(
        repo,
        {
            "train.py": NESTED.replace(
                "trial / 3", "trial / 3 + (__import__('os').getpid() if trial == 2 else 0)"
            )
        },
    )
    parent = next(run for run in originals(repo) if run.name == "sweep")

    report = again(repo, parent)

    assert report.verdict == "different"
    (apart,) = [s for found in report.comparisons for s in found.series if s.outcome == "different"]
    assert apart.key == "score"


def test_a_random_job_is_different_and_the_first_step_is_named(repo: Path) -> None:
    code = """\
import gittrack, random
with gittrack.start_run():
    for step in range(10):
        gittrack.log_metric("loss", 1.0 if step < 4 else random.random(), step=step)
        gittrack.log_metric("calm", step, step=step)
"""
    report = again(repo, recorded(repo, {"train.py": code}))

    assert (report.verdict, report.exit_code) == ("different", 7)
    found = {series.key: series for series in report.comparisons[0].series}
    assert (found["loss"].first_step, found["loss"].differing) == (4, 6)
    assert found["calm"].outcome == "identical"
    assert any("loss: parts at step 4" in line for line in report.lines())
    assert any("the job itself" in line for line in report.lines())


def test_a_job_that_fails_now_is_failed_and_its_last_words_are_shown(repo: Path) -> None:
    code = """\
import gittrack, os
with gittrack.start_run():
    gittrack.log_metric("x", 1)
    if os.path.exists(os.environ["HOME"] + "/broken"):
        raise RuntimeError("no such driver")
"""
    run = recorded(repo, {"train.py": code})
    (Path(os.environ["HOME"]) / "broken").touch()

    report = again(repo, run)

    assert (report.verdict, report.exit_code) == ("failed", 8)
    assert any("RuntimeError: no such driver" in line for line in report.lines())
    assert report.log is not None
    assert report.log.is_file()


def test_a_job_that_fails_before_its_run_is_failed(repo: Path) -> None:
    code = "import os\nif os.path.exists(os.environ['HOME'] + '/broken'): raise SystemExit(3)\n" + TRAIN
    run = recorded(repo, {"train.py": code, "model.py": MODEL})
    (Path(os.environ["HOME"]) / "broken").touch()

    report = again(repo, run)

    assert (report.verdict, report.repro_run_id) == ("failed", None)
    assert "exit code 3" in str(report.reason)


def test_a_recorded_failure_that_comes_again_is_identical(repo: Path) -> None:
    write(
        repo, {"train.py": TRAIN.replace("gittrack.log_text", "raise SystemExit(4)\n    gittrack.log_text")}
    )
    write(repo, {"model.py": MODEL})
    job(repo, "python", "train.py", check=False)
    run = originals(repo)[-1]
    assert run.status == "FAILED"

    assert again(repo, run).verdict == "identical"


RESUMED = """\
import gittrack, pathlib
mark = pathlib.Path("state/run.txt")
with gittrack.start_run(mark.read_text() if mark.exists() else None) as run:
    for step in range(3):
        gittrack.log_metric("loss", step, step=step + (3 if mark.exists() else 0))
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(run.run_id)
"""


def test_a_run_that_a_second_process_resumed_is_inconclusive(repo: Path) -> None:
    write(repo, {".gitignore": "state/\n"})
    run = recorded(repo, {"train.py": RESUMED})
    job(repo, "python", "train.py")

    report = again(repo, originals(repo)[-1])

    assert run.supersedes == ()
    assert (report.verdict, report.exit_code) == ("inconclusive", 10)
    assert "after it had ended" in str(report.document()["reason"])


def test_a_program_that_is_installed_beside_the_interpreter_is_recorded_by_its_name(
    repo: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "elsewhere")
    programs = tmp_path / "elsewhere" / "bin"
    write(programs, {"grow": f"#!{programs / 'python'}\n" + TRAIN})
    (programs / "grow").chmod(0o755)
    write(repo, {"model.py": MODEL})
    path = os.pathsep.join([str(repo), *filter(None, sys.path)])
    job(repo, str(programs / "grow"), "--rate", "3", env={"PYTHONPATH": path})
    (run,) = originals(repo)

    report = again(repo, run)

    assert run.command is not None
    assert run.command.argv == ("grow", "--rate", "3")
    assert (report.verdict, report.exit_code) == ("impossible", 9)  # it is not installed in this environment
    assert report.problem is not None
    assert report.problem.hint == "command -v grow"


def test_data_that_is_gone_makes_it_impossible_and_names_the_file(repo: Path) -> None:
    code = 'import gittrack\nwith gittrack.start_run():\n    gittrack.log_data("big/in.bin")\n'
    write(repo, {".gitignore": "big/\n", "big/in.bin": b"1234"})
    commit_all(repo)
    run = recorded(repo, {"train.py": code})
    _, layout = opened(repo)
    layout.file(run.data[0].digest).unlink()

    from_the_checkout = again(repo, run)
    layout.file(run.data[0].digest).unlink()  # which the repetition had kept
    (repo / "big/in.bin").write_bytes(b"12345")
    report = again(repo, run)

    assert from_the_checkout.restored.data[0].how == "working tree"
    assert (report.verdict, report.exit_code) == ("impossible", 9)
    assert report.problem is not None
    assert "big/in.bin" in report.problem.what
    assert run.data[0].digest in str(report.problem.hint)
    assert len(runs(repo)) == 2  # nothing was run for the second


def test_a_session_that_cannot_be_repeated_is_impossible(repo: Path) -> None:
    code = b"import gittrack\nwith gittrack.start_run():\n    gittrack.log_metric('x', 1)\n"
    subprocess.run([sys.executable, "-"], input=code, cwd=repo, check=True)

    report = reproduce(planned(repo, originals(repo)[-1]))

    assert report.verdict == "impossible"
    assert "interactive" in report.lines()[1]


def test_a_run_without_results_is_inconclusive(repo: Path) -> None:
    report = again(repo, recorded(repo, {"train.py": "import gittrack\ngittrack.start_run()\n"}))
    assert (report.verdict, report.exit_code) == ("inconclusive", 10)


def test_a_left_out_file_is_taken_from_the_checkout_or_makes_a_difference_inconclusive(repo: Path) -> None:
    code = """\
import gittrack, os
with gittrack.start_run():
    gittrack.log_metric("size", os.path.getsize("secret.pem") if os.path.exists("secret.pem") else 0)
"""
    run = recorded(repo, {"train.py": code, "secret.pem": "key"})
    assert run.code is not None
    assert [left.path for left in run.code.left_out] == ["secret.pem"]

    found = again(repo, run)
    (repo / "secret.pem").unlink()
    gone = again(repo, run)

    assert found.verdict == "identical"
    assert (gone.verdict, gone.exit_code) == ("inconclusive", 10)
    assert "secret.pem" in str(gone.reason)
    assert [suspect.name for suspect in gone.suspects if suspect.kind == "code"] == ["secret.pem"]


def test_a_command_is_reproduced_through_gittrack_run_with_its_data(repo: Path) -> None:
    write(
        repo,
        {
            ".gitignore": "in.csv\n",
            "job.sh": "#!/bin/sh\ncat in.csv\necho $$ >&2\nexit 3\n",
            "in.csv": "a,b\n",
        },
    )
    (repo / "job.sh").chmod(0o755)
    commit_all(repo)
    gittrack(repo, "run", "--data", "in.csv", "--experiment", "shell", "--", "./job.sh", check=False)
    (run,) = originals(repo)
    (repo / "in.csv").write_text("changed\n")

    report = again(repo, run)

    assert report.verdict == "identical", report.lines()
    repeat = next(found for found in runs(repo) if found.run_id == report.repro_run_id)
    assert repeat.experiment == "shell"
    assert repeat.name == run.name
    assert repeat.data == run.data
    assert repeat.command is not None
    assert repeat.command.exit_code == 3
    assert report.comparisons[0].volatile == 1


def test_runs_nested_in_a_command_are_reproduced_with_it(repo: Path) -> None:
    write(repo, {"sweep.py": NESTED})
    gittrack(repo, "run", "--", "python", "sweep.py")
    trial = next(run for run in originals(repo) if run.name == "trial-2")

    report = again(repo, trial)

    assert report.verdict == "identical", report.lines()
    repeat = next(found for found in runs(repo) if found.run_id == report.repro_run_id)
    assert repeat.params == trial.params
    assert [other.verdict for other in report.others].count("identical") == 2


def test_an_argument_list_reaches_the_command_as_it_was(repo: Path) -> None:
    words = ["a; touch hacked", "$(touch hacked)", "--out=x y", "-rf", "", "\u00e9"]
    gittrack(repo, "run", "--", "echo", *words)
    (run,) = originals(repo)

    assert again(repo, run).verdict == "identical"
    assert not list(repo.rglob("hacked"))


def test_another_clones_command_runs_only_after_consent_to_these_very_bytes(
    repo: Path, tmp_path: Path
) -> None:
    run = recorded(repo)
    commit(repo)
    fresh = clone_of(repo, tmp_path / "fresh")

    with pytest.raises(ConsentNeeded) as caught:
        reproduce(planned(fresh, run))
    assert "--yes" in str(caught.value.hint)
    shown = "\n".join(plan_lines(caught.value.plan))
    assert "python train.py" in shown
    assert run.code is not None
    assert run.code.code_tree in shown
    assert not (fresh / ".git/gittrack/worktrees").exists()

    assert reproduce(agree(caught.value.plan)).verdict == "identical"
    assert planned(fresh, run).trusted
    assert run.command is not None
    other = replace(run.command, argv=("sh", "-c", "true"))
    assert not trust.is_trusted(opened(fresh)[1], trust.consent_digest(run.code, other, run.environment))


def test_a_rehearsal_restores_and_says_but_executes_nothing(repo: Path) -> None:
    run = recorded(repo)

    report = rehearse(planned(repo, run))

    assert (report.verdict, report.exit_code, report.restored.code) == (None, 0, "commit")
    assert "python train.py" in report.lines()[0]
    assert len(runs(repo)) == 1


def test_a_kept_worktree_is_named_and_others_are_pooled(repo: Path) -> None:
    run = recorded(repo)

    report = again(repo, run, keep=True)
    again(repo, run)
    again(repo, run)

    assert report.kept is not None
    assert (report.kept / "train.py").read_text() == TRAIN
    assert len(pool(opened(repo)[0])) == 1


def test_the_job_runs_with_the_recorded_variables_and_without_those_of_now(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """\
import gittrack, os
with gittrack.start_run():
    gittrack.log_dict({name: os.environ.get(name) for name in ("PYTHONHASHSEED", "OMP_NUM_THREADS")}, "env.json")
"""
    write(repo, {"train.py": code})
    job(repo, "python", "train.py", env={"PYTHONHASHSEED": "12"})
    (run,) = originals(repo)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("GITTRACK_RUN_ID", "0" * 32)

    assert again(repo, run).verdict == "identical"


def test_a_job_started_in_a_subfolder_runs_there_again(repo: Path) -> None:
    write(repo, {"sub/train.py": TRAIN, "sub/model.py": MODEL})
    job(repo / "sub", "python", "train.py")
    (run,) = originals(repo)
    assert run.command is not None
    assert run.command.cwd == "sub"

    assert again(repo, run).verdict == "identical"


def test_arguments_in_the_working_tree_lead_into_the_worktree(repo: Path) -> None:
    code = "import gittrack, sys\nwith gittrack.start_run():\n    gittrack.log_artifact(sys.argv[1].split('=')[1])\n"
    write(repo, {"train.py": code, "in.txt": "then"})
    job(repo, "python", "train.py", f"--data={repo}/in.txt")
    (run,) = originals(repo)
    write(repo, {"in.txt": "now"})

    assert again(repo, run).verdict == "identical"


def test_background_processes_end_with_the_job(repo: Path) -> None:
    code = """\
import gittrack, os, subprocess
with gittrack.start_run():
    left = subprocess.Popen(["sleep", "300"])
    open(os.environ["HOME"] + "/pid", "w").write(str(left.pid))
    gittrack.log_metric("x", 1)
"""
    write(repo, {"train.py": code})
    done = subprocess.run([sys.executable, "train.py"], cwd=repo, check=False)  # sleep would hold a pipe open
    assert done.returncode == 0
    (run,) = originals(repo)
    pid_file = Path(os.environ["HOME"]) / "pid"
    os.kill(int(pid_file.read_text()), 9)

    assert again(repo, run).verdict == "identical"
    state = Path(f"/proc/{pid_file.read_text()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_an_interrupt_ends_the_job_and_seals_its_run(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """\
import gittrack, os, time
with gittrack.start_run():
    gittrack.log_metric("x", 1)
    if os.path.exists(os.environ["HOME"] + "/wait"):
        open(os.environ["HOME"] + "/started", "w").close()
        time.sleep(300)
"""
    run = recorded(repo, {"train.py": code})
    home = Path(os.environ["HOME"])
    (home / "wait").touch()

    def interrupt() -> None:
        while not (home / "started").exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), 2)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        again(repo, run)

    assert [found.status for found in runs(repo, "repro_of is not null")] == ["KILLED"]
    assert not live.folders(opened(repo)[1])


def test_the_same_process_is_not_reproduced_twice_at_once(repo: Path) -> None:
    run = recorded(repo)
    _, layout = opened(repo)
    layout.tmp.mkdir(exist_ok=True)
    with locking.locked(layout.tmp / f"repro-{run.run_id}.lock"), pytest.raises(Conflict, match="another"):
        again(repo, run)


def test_a_run_that_reproduces_itself_comes_to_an_end(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(repo)
    monkeypatch.setenv("GITTRACK_REPRO_DEPTH", str(MAX_DEPTH))
    with pytest.raises(Conflict, match="inside"):
        planned(repo, run)


def test_an_unknown_run_is_not_found(repo: Path) -> None:
    run = recorded(repo)
    with pytest.raises(NotFound):
        planned(repo, replace(run, run_id="0" * 32))


def test_environment_differences_are_named_one_by_one_and_suspected(repo: Path) -> None:
    code = (
        "import gittrack, random\nwith gittrack.start_run():\n    gittrack.log_metric('x', random.random())\n"
    )
    write(repo, {"train.py": code, "lib/ghost-1.0.dist-info/METADATA": ""})
    job(repo, "python", "train.py", env={"PYTHONPATH": str(repo / "lib")})
    (run,) = originals(repo)

    report = again(repo, run)

    assert report.verdict == "different"
    assert [(s.name, s.recorded, s.present) for s in report.suspects if s.kind == "environment"] == [
        ("ghost", "1.0", None)
    ]
    assert any("ghost: 1.0 in the record, missing here" in line for line in report.lines())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_runs_of_worker_processes_are_reproduced_by_running_the_process_that_started_them(
    repo: Path, method: str
) -> None:
    code = f"""\
import gittrack, multiprocessing
def work(job):
    parent, trial = job
    with gittrack.start_run(parent_run_id=parent, run_name=f"trial-{{trial}}"):
        gittrack.log_param("trial", trial)
        gittrack.log_metric("score", trial / 3)
if __name__ == "__main__":
    with gittrack.start_run(run_name="sweep") as parent:
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            pool.map(work, [(parent.info.run_id, trial) for trial in range(4)])
"""
    recorded(repo, {"train.py": code})
    trial = next(run for run in originals(repo) if run.name == "trial-2")

    report = again(repo, trial)

    assert report.verdict == "identical", report.lines()
    assert len(report.others) == 4
    repeat = next(found for found in runs(repo) if found.run_id == report.repro_run_id)
    assert repeat.params == trial.params
