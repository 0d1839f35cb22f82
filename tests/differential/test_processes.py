"""Scripts in processes of their own: what they inherit, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import commit_all
from tests.differential.twins import same_in_both

START = "import importlib, os, sys, time\nml = importlib.import_module(sys.argv[1])\n"


def script(ml, code: str) -> subprocess.Popen[str]:
    """Start a committed script that has the library as `ml`."""
    Path("train.py").write_text(START + code)
    commit_all(Path.cwd(), "the script")
    return subprocess.Popen(
        [sys.executable, "train.py", ml.__name__],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def newest(ml):
    """Return the run that was started last."""
    return ml.search_runs(output_format="list", search_all_experiments=True)[0]


@same_in_both
def test_a_script_has_the_tags_that_mlflow_gives_it(ml, see) -> None:
    script(ml, "with ml.start_run(): pass\n").communicate()
    tags = newest(ml).data.tags
    see(tags["mlflow.source.name"] == "train.py")
    see(tags)


@same_in_both
def test_a_process_inherits_the_experiment(ml, see) -> None:
    made = ml.set_experiment("churn").experiment_id
    printed, _ = script(ml, "with ml.start_run() as run: print(run.info.experiment_id)\n").communicate()
    see(printed.strip() == made)


@same_in_both
def test_a_process_joins_the_run_that_the_environment_names(ml, see) -> None:
    with ml.start_run(run_name="trial") as run:
        os.environ["MLFLOW_RUN_ID"] = run.info.run_id
        script(ml, "ml.start_run()\nml.log_metric('m', 1)\n").communicate()
        see(ml.get_run(run.info.run_id).data.metrics)


@same_in_both
def test_a_script_that_ends_without_ending_its_run_has_finished(ml, see) -> None:
    done = script(ml, "ml.start_run()\nml.log_metric('m', 1)\n")
    done.communicate()
    see([done.returncode, newest(ml).info.status, newest(ml).data.metrics])


@same_in_both
def test_a_script_that_fails_has_failed(ml, see) -> None:
    done = script(ml, "ml.start_run()\nraise ValueError('no')\n")
    _, said = done.communicate()
    see([done.returncode, said.splitlines()[-1]])
    see.differs("true-statuses", newest(ml).info.status, mlflow="FINISHED", gittrack="FAILED")


@same_in_both
def test_a_script_that_is_killed_is_not_running(ml, see) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        done = script(ml, "ml.start_run()\nprint('ready', flush=True)\ntime.sleep(600)\n")
        assert done.stdout is not None
        done.stdout.readline()
        done.send_signal(number)
        done.communicate()
        see.differs("true-statuses", newest(ml).info.status, mlflow="RUNNING", gittrack="KILLED")


@same_in_both
def test_a_forked_process_logs_to_the_run_of_its_parent(ml, see) -> None:
    code = """
run = ml.start_run()
child = os.fork()
if child == 0:
    active = ml.active_run()
    print(active is not None and active.info.run_id == run.info.run_id, flush=True)
    ml.log_metric('m', 1)
    ml.flush_async_logging()
    os._exit(0)
os.waitpid(child, 0)
ml.end_run()
print(ml.get_run(run.info.run_id).data.metrics)
"""
    printed, _ = script(ml, code).communicate()
    see.differs("forks", printed.splitlines(), mlflow=["False", "{}"], gittrack=["True", "{'m': 1.0}"])


@same_in_both
def test_a_spawned_process_has_no_active_run(ml, see) -> None:
    code = """
run = ml.start_run()
import subprocess
child = "import importlib, sys; ml = importlib.import_module(sys.argv[1]); print(ml.active_run())"
subprocess.run([sys.executable, "-c", child, sys.argv[1]])
"""
    printed, _ = script(ml, code).communicate()
    see(printed.split())


@same_in_both
def test_a_task_of_asyncio_sees_the_run_that_it_was_started_in(ml, see) -> None:
    code = """
import asyncio
async def work():
    await asyncio.sleep(0)
    return ml.active_run().info.run_id
async def main():
    with ml.start_run() as run:
        print(await asyncio.gather(work(), work()) == [run.info.run_id] * 2)
asyncio.run(main())
"""
    printed, _ = script(ml, code).communicate()
    see(printed.split())


@same_in_both
def test_tasks_of_asyncio_have_active_runs_of_their_own(ml, see) -> None:
    code = """
import asyncio
async def work(name):
    try:
        with ml.start_run(run_name=name):
            await asyncio.sleep(0.01)
            return ml.active_run().info.run_name == name
    except Exception as error:
        return False
async def main():
    print(await asyncio.gather(work('a'), work('b')))
asyncio.run(main())
"""
    printed, _ = script(ml, code).communicate()
    see.differs("tasks", printed.strip(), mlflow="[True, False]", gittrack="[True, True]")
