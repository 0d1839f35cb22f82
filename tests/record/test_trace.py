"""`gittrack run --trace`: what a command reads, in any language."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.errors import Conflict, GittrackError, NotFound
from gittrack.record import trace
from gittrack.record.project import Project
from gittrack.record.trace import Accesses
from tests.conftest import commit_all, write
from tests.record.processes import only_run


def can_trace() -> bool:
    try:
        trace.check()
    except GittrackError:
        return False
    return True


traced = pytest.mark.skipif(not can_trace(), reason="strace is not there, or may not trace")


@pytest.fixture
def project(repo: Path) -> Path:
    """The current folder: a repository that ignores `data/`, with its store."""
    write(repo, {".gitignore": "data/\n", "data/a.csv": "1", "data/b c\n\"é'.csv": "2", "notes.txt": "3"})
    Project.find(repo).init()
    commit_all(repo, "the code")
    return repo


def run(root: Path, *argv: str, **env: str) -> tuple[int, dict[str, str]]:
    command = [sys.executable, "-P", "-m", "gittrack", "run", "--trace", "--", *argv]
    done = subprocess.run(command, cwd=root, capture_output=True, env={**os.environ, **env}, check=False)
    found = only_run(root)
    return done.returncode, {entry.path: entry.kept_by for entry in found.data} | dict.fromkeys(
        found.lost, "lost"
    )


@traced
@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("cat data/a.csv notes.txt", {"data/a.csv": "cache"}),
        ("cd data; cat a.csv", {"data/a.csv": "cache"}),
        ("cat data/b*", {}),
        ("(sleep 0.1; cat data/a.csv) & cat data/a.csv; wait", {"data/a.csv": "cache"}),
        ("cp data/a.csv data/new; cat data/new", {"data/a.csv": "cache"}),
        ("echo 1 > data/x; mv data/x data/y; cat data/y", {}),
        ("cat data/missing; true", {}),
        ("cat data/a.csv; echo 2 >> data/a.csv", {"data 'data/a.csv': it changed after it was read": "lost"}),
        ("cp /bin/true data/tool; data/tool", {}),
    ],
)
def test_what_a_shell_job_reads_is_its_data(project, script, found) -> None:
    code, data = run(project, "sh", "-c", script)
    assert code == 0
    if "b*" in script:
        assert list(data) == ["data 'data/b c\\n\"é\\'.csv': " + next(iter(data)).partition(": ")[2]]
        assert set(data.values()) == {"lost"}
    else:
        assert data == found


@traced
def test_a_program_that_git_ignores_is_data_when_it_is_run(project) -> None:
    shutil.copy("/bin/true", project / "data/tool")
    assert run(project, "data/tool")[1] == {"data/tool": "cache"}


@traced
def test_a_python_that_does_not_import_gittrack_is_followed_without_its_libraries(project) -> None:
    assert run(project, sys.executable, "-c", "import json; open('data/a.csv').read()") == (
        0,
        {"data/a.csv": "cache"},
    )


@traced
@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_a_traced_command_ends_as_it_would_by_itself(project, script, code) -> None:
    assert run(project, "sh", "-c", f"cat data/a.csv; {script}") == (code, {"data/a.csv": "cache"})


@traced
def test_signals_reach_a_traced_command(project) -> None:
    command = [sys.executable, "-P", "-m", "gittrack", "run", "--trace", "--", "sh", "-c"]
    script = "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen([*command, script], cwd=project, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.communicate(timeout=30)[0] == "told\n"
    assert process.returncode == 5


def test_without_strace_one_sentence_says_how_to_get_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="strace") as missing:
        trace.check()
    assert missing.value.hint == "sudo apt-get install strace"


def test_where_tracing_is_forbidden_one_sentence_says_so(monkeypatch, tmp_path) -> None:
    fake = tmp_path / "strace"
    fake.write_text("#!/bin/sh\necho 'strace: PTRACE_TRACEME: Operation not permitted' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    with pytest.raises(Conflict, match="Operation not permitted"):
        trace.check()


LINES = r"""
10 openat(AT_FDCWD</w>, "a.csv", O_RDONLY|O_CLOEXEC) = 3</w/a.csv>
10 openat(4</w/d>, "b", O_RDONLY <unfinished ...>
11 open("/w/c", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 5</w/c>
10 <... openat resumed>) = 6</w/d/b>
11 open("/w/c", O_RDONLY) = 5</w/c>
11 open("rel", O_RDONLY) = 5</w/rel>
12 creat("/w/e", 0644) = 3</w/e>
12 openat2(AT_FDCWD</w>, "f", {flags=O_RDONLY, resolve=0}, 24) = 3</w/f>
12 openat(AT_FDCWD</w>, "\303\251\"\n", O_RDONLY) = 3</w/\303\251\"\n>
12 openat(AT_FDCWD</w>, "gone", O_RDONLY) = -1 ENOENT (No such file or directory)
12 rename("/w/t", "/w/g") = 0
12 renameat2(AT_FDCWD</w>, "t", 3</w/d>, "h", RENAME_NOREPLACE) = 0
12 openat(AT_FDCWD</w>, "g", O_RDONLY) = 3</w/g>
12 openat(AT_FDCWD</w>, "a.csv", O_RDWR) = 3</w/a.csv>
12 openat(AT_FDCWD</w>, "a.csv", O_WRONLY) = 3</w/a.csv>
12 execve("d/tool", ["d/tool"], 0x7ffd /* 20 vars */) = 0
13 execve("/w/run.sh", ["./run.sh"], 0x7ffd /* 20 vars */) = 0
13 --- SIGCHLD {si_signo=SIGCHLD} ---
13 nonsense "( = 3<
13 +++ exited with 0 +++
"""


def test_the_lines_of_strace_are_understood() -> None:
    found = Accesses(LINES.strip().splitlines())
    assert found.read == {
        "/w/a.csv": True,
        "/w/d/b": False,
        "/w/rel": False,
        "/w/f": False,
        '/w/é"\n': False,
        "/w/d/tool": False,
        "/w/run.sh": False,
    }
    assert found.written == {"/w/c", "/w/e", "/w/g", "/w/d/h"}


@traced
def test_a_process_that_is_left_behind_does_not_change_how_the_command_ended(project) -> None:
    behind = "import pathlib, time\nfor n in range(800): pathlib.Path(f'data/{n}').touch(); time.sleep(0.002)"
    start = (
        "import subprocess, sys; nowhere = subprocess.DEVNULL; subprocess.Popen("
        "[sys.executable, '-c', sys.argv[1]], stdout=nowhere, stderr=nowhere, start_new_session=True)"
    )
    code = (
        "import sys\n"
        "from gittrack.record import trace\n"
        "trace._PATIENCE_S = 0.2\n"
        "from gittrack.cli import main\n"
        "sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "run", "--trace", "--", sys.executable, "-c", start, behind]
    done = subprocess.run(command, cwd=project, capture_output=True, timeout=60, check=False)

    assert (done.returncode, only_run(project).status) == (0, "FINISHED"), done.stderr
