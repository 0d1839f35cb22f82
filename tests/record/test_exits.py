"""However a process ends, its runs end with the status that it deserves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.record.processes import STEPS, only_run, script, sealed_runs, steps_of

START = "run = gittrack.start_run()\ngittrack.log_metric('loss', 0.5, 1)\n"


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        ("pass", "FINISHED", 0),
        ("sys.exit()", "FINISHED", 0),
        ("sys.exit(0)", "FINISHED", 0),
        ("sys.exit(1)", "FAILED", 1),
        ("sys.exit('no data')", "FAILED", 1),
        ("sys.exit(True)", "FAILED", 1),
        ("1 / 0", "FAILED", 1),
        ("raise KeyboardInterrupt", "KILLED", -signal.SIGINT),
        ("os._exit(0)", "KILLED", 0),
        ("os.abort()", "KILLED", -signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", "KILLED", -signal.SIGSEGV),
        ("gittrack.end_run(); sys.exit(3)", "FINISHED", 3),
        ("gittrack.end_run('FAILED')", "FAILED", 0),
        ("\ntry: sys.exit(2)\nexcept SystemExit: pass", "FINISHED", 0),
        (
            "\nimport argparse\ntry: argparse.ArgumentParser().parse_args(['x'])\nexcept SystemExit: pass",
            "FINISHED",
            0,
        ),
        ("\nt = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", "FINISHED", 0),
        ("\nt = threading.Thread(target=lambda: sys.exit(5)); t.start(); t.join()", "FINISHED", 0),
        ("\nsys.excepthook = lambda *_: print('mine')\n1 / 0", "FAILED", 1),
        ("\ndef f(): 1 / 0\nf()", "FAILED", 1),
        ("\nwith run: sys.exit(0)", "FINISHED", 0),
        ("\nwith run: raise SystemExit(4)", "FAILED", 4),
        ("\ntry:\n    with run: 1 / 0\nexcept ZeroDivisionError: pass", "FAILED", 0),
    ],
)
def test_the_status_is_that_of_the_way_the_process_ended(repo, ending, status, code) -> None:
    done = script(repo, START + ending)
    assert done.returncode == code, done.stderr
    run = only_run(repo)
    assert run.status == status, done.stderr
    assert steps_of(repo, "loss") == [1]
    assert ("ZeroDivisionError" in (run.error or "")) == ("1 / 0" in ending and status == "FAILED")


def test_the_hook_that_the_user_had_before_still_runs(repo) -> None:
    done = script(repo, "sys.excepthook = lambda kind, *_: print('mine', kind.__name__)\n" + START + "1 / 0")
    assert done.stdout == "mine ZeroDivisionError\n"
    assert only_run(repo).status == "FAILED"


def test_a_script_that_is_not_a_file_ends_as_it_deserves_too(repo) -> None:
    for ending, status in (("", "FINISHED"), ("1 / 0", "FAILED")):
        subprocess.run(
            [sys.executable, "-c", STEPS + START + ending], cwd=repo, capture_output=True, check=False
        )
        assert [run.status for run in sealed_runs(repo)].count(status) == 1


def test_nested_runs_are_all_ended(repo) -> None:
    done = script(repo, "for _ in range(3): gittrack.start_run(nested=True)\nraise ValueError('broken')")
    assert done.returncode == 1
    runs = sealed_runs(repo)
    assert [run.status for run in runs] == ["FAILED"] * 3
    assert [run.parent_run_id for run in runs] == [None, runs[0].run_id, runs[1].run_id]
    assert all("broken" in (run.error or "") for run in runs)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_makes_the_run_killed_and_ends_the_process_as_it_would_have(repo, name) -> None:
    done = script(repo, START + f"os.kill(os.getpid(), signal.{name})\ntime.sleep(20)")
    assert done.returncode == -getattr(signal, name)
    assert only_run(repo).status == "KILLED"
    assert steps_of(repo, "loss") == [1]


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_users_own_signal_handler_runs_and_decides(repo, when) -> None:
    handler = (
        "def handle(*_):\n    gittrack.log_metric('saved', 1.0, 7)\n    print('mine')\n    sys.exit(0)\n"
    )
    install = "signal.signal(signal.SIGTERM, handle)\n"
    code = handler + (install + START if when == "before" else START + install)
    done = script(repo, code + "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(20)")
    assert (done.returncode, done.stdout) == (0, "mine\n"), done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "saved") == [7]


def test_an_ignored_hangup_stays_ignored(repo) -> None:
    done = script(
        repo, "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + START + "os.kill(os.getpid(), signal.SIGHUP)"
    )
    assert done.returncode == 0
    assert only_run(repo).status == "FINISHED"


def test_a_handler_that_ends_the_run_in_the_middle_of_a_call_leaves_one_run(repo) -> None:
    code = """
acknowledged = []
def handle(*_):
    gittrack.log_metric("late", 1.0, 1)
    gittrack.end_run("KILLED")
signal.signal(signal.SIGALRM, handle)
run = gittrack.start_run()
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    for step in range(10_000_000):
        run.log_metric("loss", 1.0, step)
        acknowledged.append(step)
except gittrack.GittrackError as error:
    print(error)
print(len(acknowledged), run.run_id)
"""
    for _ in range(4):
        done = script(repo, code)
        assert done.returncode == 0, done.stderr
        message, told = done.stdout.splitlines()
        points, run_id = told.split()
        assert "has ended" in message
        [run] = [run for run in sealed_runs(repo) if run.run_id == run_id]
        assert run.metrics["late"].count == 1
        assert run.metrics["loss"].count in (int(points), int(points) + 1)
    runs = sealed_runs(repo)
    assert len({run.run_id for run in runs}) == len(runs) == 4
    assert {run.status for run in runs} == {"KILLED"}


def test_what_runs_at_exit_can_still_log(repo) -> None:
    done = script(
        repo, "import atexit\n" + START + "atexit.register(lambda: gittrack.log_metric('last', 1.0, 9))"
    )
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "last") == [9]


def test_a_handler_registered_before_the_run_started_can_still_log(repo) -> None:
    done = script(
        repo, "import atexit\natexit.register(lambda: gittrack.log_metric('last', 1.0, 9))\n" + START
    )
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"
    assert steps_of(repo, "last") == [9]


def test_threads_that_log_while_the_process_exits_neither_hang_nor_break_it(repo) -> None:
    code = (
        START
        + """
def work(n):
    for step in range(10**9): run.log_metric(f"m{n}", 1.0, step)
for n in range(4): threading.Thread(target=work, args=(n,), daemon=True).start()
time.sleep(0.1)
"""
    )
    done = script(repo, code)
    assert done.returncode == 0, done.stderr
    assert only_run(repo).status == "FINISHED"


def test_an_object_that_logs_when_it_is_deleted_at_the_end_is_no_trouble(repo) -> None:
    code = START + "class Late:\n    def __del__(self): run.log_metric('late', 1.0, 1)\nlate = Late()\n"
    done = script(repo, code)
    assert done.returncode == 0
    assert only_run(repo).status == "FINISHED"


def test_two_interrupts_in_a_row_leave_one_killed_run(repo) -> None:
    path = repo / ".git" / "job.py"
    path.write_text(STEPS + START + "print('ready', flush=True)\ntime.sleep(20)")
    process = subprocess.Popen(
        [sys.executable, str(path)], cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert only_run(repo).status == "KILLED"


def test_a_run_that_a_child_of_multiprocessing_starts_ends_with_the_child(repo) -> None:
    code = """
import multiprocessing
def fine():
    gittrack.start_run(run_name="fine"); gittrack.log_metric("loss", 1.0, 1)
def broken():
    gittrack.start_run(run_name="broken"); 1 / 0
def leaves():
    gittrack.start_run(run_name="leaves"); sys.exit(3)
if __name__ == "__main__":
    if len(sys.argv) > 2: gittrack.start_run(run_name="parent"); gittrack.end_run()
    for work in (fine, broken, leaves):
        child = multiprocessing.get_context(sys.argv[1]).Process(target=work); child.start(); child.join()
"""
    for args in (("fork",), ("fork", "parent"), ("spawn",)):
        script(repo, code, *args)
    runs = [(run.name, run.status) for run in sealed_runs(repo)]
    children = [("fine", "FINISHED"), ("broken", "FAILED"), ("leaves", "FAILED")]
    assert sorted(runs) == sorted([*children * 3, ("parent", "FINISHED")])


WORKER = """
import multiprocessing
def work(pipe):
    pipe.send(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
    run = gittrack.start_run(nested=False, run_name="worker")
    run.log_metric("loss", 0.5, 1)
    pipe.send(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
    time.sleep(60)
if __name__ == "__main__":
    with gittrack.start_run(run_name="main"):
        pipe, other = multiprocessing.Pipe()
        child = multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(other,))
        child.start()
        print(pipe.recv(), pipe.recv())
        child.terminate()
        child.join()
        print(child.exitcode)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_can_be_terminated_at_any_moment_and_its_run_is_killed(repo, method) -> None:
    done = script(repo, WORKER, method)

    assert done.stdout.split() == ["True", "True", str(-signal.SIGTERM)], done.stderr
    assert {run.name: run.status for run in sealed_runs(repo)} == {"main": "FINISHED", "worker": "KILLED"}


def test_a_forked_child_that_starts_a_run_of_its_own_ends_it_when_it_is_terminated(repo) -> None:
    code = """
gittrack.start_run(run_name="main")
child = os.fork()
if not child:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    gittrack.start_run(run_name="child")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(20)
print(os.waitpid(child, 0)[1])
"""
    done = script(repo, code)

    assert done.stdout.split() == [str(signal.SIGTERM.value)], done.stderr
    assert {run.name: run.status for run in sealed_runs(repo)} == {"main": "FINISHED", "child": "KILLED"}


def test_strict_durability_on_a_failing_disk_does_not_break_the_end(repo) -> None:
    code = """
import errno, warnings
warnings.simplefilter("ignore")
os.environ["GITTRACK_DURABILITY"] = "strict"
run = gittrack.start_run()
from gittrack.store import durable
def bad(step):
    if step.startswith("journal"): raise OSError(errno.EIO, "bad disk")
durable.hook = bad
try: run.log_metric("loss", 1.0, 1)
except gittrack.GittrackError as error: print(error)
try: run.log_metric("loss", 1.0, 2)
except gittrack.GittrackError as error: print(error)
run.end()
"""
    done = script(repo, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not on disk") == 2, (
        "each call waits for the disk, and says when it did not take it"
    )
    assert only_run(repo).status in ("FINISHED", "KILLED")
