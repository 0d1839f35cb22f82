"""Many runs are reproduced at once: each process once, each verdict its own, and what fails costs one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.entities.record import Process, RunId, RunRecord
from gittrack.errors import NotFound
from gittrack.git.worktree import pool
from gittrack.record.system_tags import IN_REPRODUCTION
from gittrack.repro.many import (
    Many,
    Result,
    choose,
    consent_lines,
    jobs,
    reproduce_many,
    split_verified,
    untrusted,
)
from gittrack.repro.options import Options
from gittrack.repro.published import junit, markdown
from tests.conftest import commit_all, git, write
from tests.repro.helpers import again, commit, gittrack, job, opened, originals, recorded, runs, session_of

SWEEP = """\
import gittrack
with gittrack.start_run(run_name="sweep"):
    for depth in range(3):
        with gittrack.start_run(run_name=f"trial-{depth}", nested=True):
            gittrack.log_param("depth", depth)
            gittrack.log_metric("loss", 1 / (depth + 1))
"""
RANDOM = """\
import gittrack, os
with gittrack.start_run(run_name="random", experiment_id=gittrack.set_experiment("dice").experiment_id):
    gittrack.log_metric("x", int.from_bytes(os.urandom(4)))
    gittrack.log_metric("same", 1)
"""
MARKED = """\
import gittrack, os, time
from pathlib import Path
with gittrack.start_run(run_name="marked"):
    gittrack.log_metric("x", 1)
    if "GITTRACK_REPRO_DEPTH" in os.environ:
        Path({mark!r}).write_text(str(os.getpid()))
        {then}
"""


NOISY = """\
import gittrack, os
with gittrack.start_run(run_name="first"):
    gittrack.log_metric("x", 1)
with gittrack.start_run(run_name="second"):
    gittrack.log_metric("x", {value})
"""


def many(root: Path, *, workers: int = 1, **options: object) -> Many:
    session = session_of(root)
    return reproduce_many(
        jobs(session, choose(session)),
        folder=root,
        workers=workers,
        **options,  # type: ignore[arg-type]
    )


def states(found: Many) -> dict[str, str]:
    return {result.run.name: result.state for result in found.results}


def test_each_run_has_its_verdict_and_what_one_process_made_is_executed_once(repo: Path) -> None:
    write(repo, {"sweep.py": SWEEP, "random_job.py": RANDOM})
    job(repo, "python", "sweep.py")
    job(repo, "python", "random_job.py")

    found = many(repo, workers=2)

    assert states(found) == {
        "sweep": "identical",
        "trial-0": "identical",
        "trial-1": "identical",
        "trial-2": "identical",
        "random": "different",
    }
    assert (found.verdict, found.exit_code) == ("different", 7)
    (random,) = [result for result in found.results if result.run.name == "random"]
    assert random.metrics == ("x",)
    repeats = runs(repo, "repro_of is not null")
    assert len(repeats) == 5
    assert len({run.process.id for run in repeats}) == 2
    assert {result.repro_run_id for result in found.results} == {run.run_id for run in repeats}
    assert len(pool(opened(repo)[0])) <= 2


def test_one_run_of_a_sweep_is_judged_alone(repo: Path) -> None:
    recorded(repo, {"train.py": SWEEP})
    session = session_of(repo)

    chosen = choose(session, filter_string="params.depth = '1'")
    found = reproduce_many(jobs(session, chosen), folder=repo)

    assert states(found) == {"trial-1": "identical"}


def test_repetitions_deleted_and_unfinished_runs_are_left_out(repo: Path) -> None:
    run = recorded(repo, {"train.py": SWEEP})
    gittrack(repo, "repro", run.run_id)
    before = len(choose(session_of(repo)))
    (trial,) = runs(repo, "name = 'trial-2' and repro_of is null")
    gittrack(repo, "delete", trial.run_id)

    assert before == 4
    assert trial.run_id not in choose(session_of(repo))
    assert len(choose(session_of(repo))) == 3


def test_runs_of_programs_that_a_repeated_job_starts_are_no_runs_to_reproduce(repo: Path) -> None:
    parent = """\
import subprocess, sys, gittrack
with gittrack.start_run():
    gittrack.log_metric("x", 1.0)
    subprocess.run([sys.executable, "child.py"], check=True)
"""
    child = "import gittrack\nwith gittrack.start_run():\n    gittrack.log_metric('y', 2.0)\n"
    write(repo, {"parent.py": parent, "child.py": child})
    job(repo, "python", "parent.py")
    before = choose(session_of(repo))
    first = next(run for run in originals(repo) if "x" in run.metrics)

    assert again(repo, first).verdict == "identical"

    made = [run for run in runs(repo) if run.run_id not in before]
    assert len(before) == len(made) == 2
    assert sorted(run.tags.get(IN_REPRODUCTION, "") for run in made) == ["", "1"]
    assert choose(session_of(repo)) == before


def test_since_is_what_the_checked_out_tree_has_and_the_commit_has_not(repo: Path) -> None:
    write(repo, {"train.py": SWEEP, "random_job.py": RANDOM})
    job(repo, "python", "train.py")
    commit(repo)
    git(repo, "switch", "-q", "-c", "other")
    job(repo, "python", "random_job.py")
    commit(repo)
    git(repo, "switch", "-q", "main")
    git(repo, "switch", "-q", "-c", "change")
    job(repo, "python", "random_job.py")
    commit(repo)
    job(repo, "python", "random_job.py")
    session = session_of(repo)

    assert len(choose(session)) == len(choose(session, filter_string="")) == 7
    assert len(choose(session, since="main")) == 2
    assert len(choose(session, since="HEAD")) == 1
    assert len(choose(session, experiment="dice")) == 3
    with pytest.raises(NotFound, match="no run is of the experiment 'dize'"):
        choose(session, experiment="dize")
    with pytest.raises(NotFound, match="no commit is called 'nowhere'"):
        choose(session, since="nowhere")


def test_what_another_clone_recorded_is_agreed_to_at_once_and_shown_once(repo: Path, tmp_path: Path) -> None:
    write(repo, {"sweep.py": SWEEP, "random_job.py": RANDOM})
    commit_all(repo)
    for script in ("sweep.py", "random_job.py", "random_job.py"):
        job(repo, "python", script)
    commit(repo)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", f"file://{repo}", str(clone))
    session = session_of(clone)
    found = jobs(session, choose(session))

    plans = untrusted(session, *opened(clone), found)
    lines = "\n".join(consent_lines(plans, found))

    assert len(found) == 3
    assert len(plans) == 2
    assert lines.count("random_job.py") == 1
    assert "the same for 1 more" in lines
    refused = gittrack(clone, "repro", "--all", check=False)
    assert "nothing was started" in refused
    assert runs(clone, "repro_of is not null") == []
    assert "4 identical" in gittrack(clone, "repro", "--all", "--yes", check=False)


def test_a_process_that_is_killed_costs_its_own_run_alone(repo: Path, tmp_path: Path) -> None:
    kill = "os.kill(os.getppid(), 9)"
    write(repo, {"train.py": SWEEP, "marked.py": MARKED.format(mark=str(tmp_path / "mark"), then=kill)})
    job(repo, "python", "marked.py")
    job(repo, "python", "train.py")

    found = many(repo)

    assert states(found)["marked"] == "error"
    assert "SIGKILL" in (found.results[0].reason or "")
    assert [result.state for result in found.results[1:]] == ["identical"] * 4
    assert found.exit_code == 1


def test_what_would_help_is_told_for_a_run_that_could_not_be_run_again(repo: Path) -> None:
    code = "import gittrack\nwith gittrack.start_run(): gittrack.log_metric('x', len(open('in.csv').read()))"
    write(repo, {".gitignore": "in.csv\n", "in.csv": "a,b\n"})
    run = recorded(repo, {"train.py": code})
    shutil.rmtree(repo / ".git" / "gittrack" / "files")
    (repo / "in.csv").unlink()

    (lost,) = many(repo).results
    (unset,) = many(repo, options=Options(pass_env=("NOT_SET",))).results
    shown = gittrack(repo, "repro", "--all", "--markdown", "a.md", "--junit", "a.xml", check=False)

    assert (lost.state, bool(lost.hint)) == ("impossible", True)
    assert (unset.state, unset.hint) == ("error", "export NOT_SET=...")
    assert unset.document()["hint"] == unset.hint
    assert f"hint: {lost.hint}  ({run.run_id[:8]})" in shown
    assert f"this helps: {lost.hint}" in "".join(ET.parse(repo / "a.xml").getroot().itertext())
    assert "this helps: <code>" in (repo / "a.md").read_text()


def test_fail_fast_begins_no_more(repo: Path) -> None:
    write(repo, {"train.py": SWEEP, "random_job.py": RANDOM})
    job(repo, "python", "random_job.py")
    job(repo, "python", "train.py")

    found = many(repo, fail_fast=True)

    assert found.tally == {"not run": 4, "different": 1}
    assert found.exit_code == 7


def test_what_was_reproduced_here_before_can_be_left_out(repo: Path) -> None:
    write(repo, {"train.py": SWEEP, "random_job.py": RANDOM})
    job(repo, "python", "random_job.py")
    job(repo, "python", "train.py")
    many(repo)
    before = len(runs(repo))
    session = session_of(repo)

    left, done = split_verified(session, jobs(session, choose(session)))
    found = reproduce_many(left, folder=repo, done=done)

    assert [run.name for job in left for run in job.asked] == ["random"]
    assert found.tally == {"identical": 4, "different": 1}
    assert {result.repro_run_id for result in done} <= {
        run.run_id for run in runs(repo, "repro_of is not null")
    }
    assert len(runs(repo)) == before + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_children_and_keeps_what_is_done(
    repo: Path, tmp_path: Path, number: signal.Signals
) -> None:
    mark = tmp_path / "mark"
    os.mkfifo(mark)
    write(repo, {"train.py": SWEEP, "marked.py": MARKED.format(mark=str(mark), then="time.sleep(600)")})
    job(repo, "python", "train.py")
    job(repo, "python", "marked.py")
    argv = [sys.executable, "-P", "-m", "gittrack", "repro", "--all", "--json"]
    process = subprocess.Popen(argv, cwd=repo, stdout=subprocess.PIPE, text=True)
    pid = int(mark.read_text())  # the pipe is written once the job runs

    process.send_signal(number)
    out, _ = process.communicate(timeout=120)

    assert process.returncode == 130
    answer = json.loads(out)
    assert answer["summary"]["states"] == {"identical": 4, "not run": 1}
    assert answer["summary"]["interrupted"] is True
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_rehearsal_of_all_executes_nothing(repo: Path) -> None:
    recorded(repo, {"train.py": SWEEP})

    found = many(repo, dry_run=True)

    assert found.tally == {"restored": 4}
    assert found.exit_code == 0
    assert runs(repo, "repro_of is not null") == []


def test_the_command_line_writes_all_forms(repo: Path) -> None:
    write(repo, {"train.py": SWEEP, "random_job.py": RANDOM})
    job(repo, "python", "train.py")
    job(repo, "python", "random_job.py")

    shown = gittrack(
        repo, "repro", "--all", "--experiment", "Default", "--junit", "a.xml", "--markdown", "a.md"
    )

    assert "4 runs in" in shown
    assert ET.parse(repo / "a.xml").getroot().attrib["tests"] == "4"
    assert (repo / "a.md").read_text().startswith("### Reproduction: identical\n")
    assert "go with --all" in gittrack(repo, "repro", "x", "--since", "HEAD", check=False)
    assert "or give --all" in gittrack(repo, "repro", check=False)
    assert "no run to reproduce" in gittrack(repo, "repro", "--all", "--filter", "params.depth = '9'")


def test_a_file_that_cannot_be_written_is_found_out_before_anything_runs(repo: Path) -> None:
    recorded(repo)

    said = gittrack(repo, "repro", "--all", "--junit", "reports/a.xml", check=False)

    assert "there is no folder 'reports'" in said
    assert "mkdir -p reports" in said
    assert runs(repo, "repro_of is not null") == []


HOSTILE = "a|b\n@everyone <script>\x1b[2J\u202e[x](http://e) #1 `c` **d** ]]>&"


def test_names_and_reasons_of_others_are_only_text() -> None:
    run = replace(RUN, name=HOSTILE, experiment=HOSTILE)
    found = Many((Result(run, "different", HOSTILE, metrics=(HOSTILE,), hint=HOSTILE),), 1.0)

    text = markdown(found)
    table = text.split("| ---: |\n")[1]

    assert table.count("\n") == 1
    assert table.count("|") == 7
    acting = ("@", "<script", "\x1b", "\u202e", "[x]", "`c`", "**", "#1 ")
    assert [part for part in acting if part in table] == []
    (case,) = ET.fromstring(junit(found)).iter("testcase")
    assert case.attrib["name"].startswith("a|b")
    assert case.find("failure") is not None


def test_a_long_table_is_cut_with_a_count_and_fits_into_a_comment() -> None:
    run = replace(RUN, name="@" * 300)
    bad = Result(run, "failed", "!" * 300, metrics=("#" * 300,) * 20)
    found = Many((*[Result(run, "identical")] * 150, *[bad] * 50), 1.0)

    text = markdown(found)

    shown = sum(line.startswith("| ❌") for line in text.splitlines())
    assert 10 < shown <= 50
    assert "✅" not in text
    assert f"and {200 - shown} more" in text
    assert len(text) < 65_536
    assert "200 runs in 1 s: 150 identical, 50 failed." in text


RUN = RunRecord(
    run_id=RunId("0" * 32),
    experiment="Default",
    name="trial",
    status="FINISHED",
    start_time=0,
    end_time=1,
    user="ada",
    host={},
    process=Process("0", 1),
    code=None,
    command=None,
    environment=None,
)


@given(st.text(max_size=60))
def test_any_text_makes_xml_that_can_be_read(text: str) -> None:
    run = replace(RUN, name=text, experiment=text)

    ET.fromstring(junit(Many((Result(run, "failed", text, artifacts=(text,), hint=text),), 1.0)))


def test_the_worst_verdict_is_the_exit_code() -> None:
    def code(*found: str) -> int:
        return Many(tuple(Result(RUN, state) for state in found), 1.0).exit_code

    assert code() == 0
    assert code("identical", "equivalent", "restored") == 0
    assert code("identical", "inconclusive", "different") == 7
    assert code("different", "failed", "impossible") == 9
    assert code("identical", "error") == 1
    assert code("inconclusive", "error") == 10
    assert Many((), 1.0, interrupted=True).exit_code == 130


def test_each_of_many_within_the_spread_of_its_repetitions_is_accepted_as_one_alone_would_be(
    repo: Path,
) -> None:
    chance = "int.from_bytes(os.urandom(4)) / 2**32"
    wide = f"({chance} if 'GITTRACK_REPRO_DEPTH' in os.environ else 0.5)"
    high = f"({chance} if 'GITTRACK_REPRO_DEPTH' in os.environ else 1000)"
    states = {}
    for name, value in (("inside", wide), ("outside", high)):
        write(repo, {"train.py": NOISY.format(value=value)})
        job(repo, "python", "train.py")
        found = jobs(session_of(repo), choose(session_of(repo)))[-1:]
        many = reproduce_many(found, folder=repo, options=Options(times=10, accept_spread=True))
        states[name] = [result.state for result in many.results]
        assert many.exit_code == (0 if name == "inside" else 7)

    assert states == {"inside": ["identical", "equivalent"], "outside": ["identical", "different"]}


def test_a_run_that_differs_at_one_of_several_repetitions_alone_differs(repo: Path) -> None:
    count = "(Path(os.environ['HOME']) / 'count')"
    code = f"""\
import gittrack, os
from pathlib import Path
with gittrack.start_run():
    gittrack.log_metric("x", 1)
turn = len({count}.read_text()) if {count}.exists() else 0
{count}.write_text("." * (turn + 1))
with gittrack.start_run():
    gittrack.log_metric("x", turn == 2)
"""
    write(repo, {"train.py": code})
    job(repo, "python", "train.py")

    found = jobs(session_of(repo), choose(session_of(repo)))
    many = reproduce_many(found, folder=repo, options=Options(times=3))

    assert [result.state for result in many.results] == ["identical", "different"]
