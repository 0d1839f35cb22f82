"""Runs that have not ended are seen with the points that they have so far."""

from __future__ import annotations

import subprocess
import sys

from tests.query.helpers import Store

JOB = """
import sys, gittrack
run = gittrack.start_run(run_name="job")
gittrack.log_param("depth", 3)
for step in range(5):
    gittrack.log_metric("loss", step / 2, step=step)
print(run.run_id, flush=True)
sys.stdin.readline()
gittrack.log_metric("loss", 9.0, step=9)
gittrack.end_run()
print("ended", flush=True)
"""
FOUND = "select name, status, params, metrics, digest is null from runs"


def test_a_live_run_is_a_row_and_its_points_too(store: Store) -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", JOB], cwd=store.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert job.stdin is not None
    assert job.stdout is not None
    run_id = job.stdout.readline().strip()
    session = store.session()
    assert session.rows(FOUND) == [("job", "RUNNING", {"depth": "3"}, {"loss": 2.0}, True)]
    assert session.rows("select count(*) from points") == [(5,)]
    assert session.find(run_id[:6]) == run_id
    assert session.run(session.find("job")).status == "RUNNING"
    assert session.seals(session.find("job")) == []
    assert store.names(here=True) == []
    job.communicate("go on\n")
    session = store.session()
    assert session.rows(FOUND) == [("job", "FINISHED", {"depth": "3"}, {"loss": 9.0}, False)]
    assert session.rows("select count(*) from points") == [(6,)]


def test_a_resumed_run_shows_what_it_is_now(store: Store) -> None:
    first = subprocess.run(
        [sys.executable, "-c", JOB], cwd=store.root, input="\n", capture_output=True, text=True, check=True
    )
    run_id = first.stdout.split()[0]
    resumed = JOB.replace('run_name="job"', f'run_id="{run_id}"').replace(
        'log_param("depth"', 'log_param("more"'
    )
    job = subprocess.Popen(
        [sys.executable, "-c", resumed],
        cwd=store.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert job.stdin is not None
    assert job.stdout is not None
    assert job.stdout.readline().strip() == run_id
    session = store.session()
    assert session.rows("select status, params from runs") == [("RUNNING", {"depth": "3", "more": "3"})]
    assert session.rows("select count(*) from points") == [(11,)]
    job.communicate("\n")
    session = store.session()
    assert session.rows("select status, params from runs") == [("FINISHED", {"depth": "3", "more": "3"})]
    assert session.rows("select count(*) from points") == [(12,)]
