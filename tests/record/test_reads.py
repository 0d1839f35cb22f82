"""Data that is found by itself: what the processes of a run read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.data import hashing
from gittrack.entities.record import DataFile, RunRecord
from gittrack.record import opens
from gittrack.record.project import Project
from gittrack.record.whereabouts import Whereabouts, grouped
from gittrack.store import digest as digests
from gittrack.store.objects import FileStore
from tests.conftest import commit_all, python, write
from tests.record.processes import layout_at, only_run, sealed_runs

IGNORED = {".gitignore": "data/\nconf.py\n"}


@pytest.fixture
def project(repo: Path) -> Path:
    """The current folder: a repository that ignores `data/`, with its store."""
    write(repo, {**IGNORED, "data/train.csv": "x,y\n1,2\n3,4\n", "notes.txt": "read me"})
    Project.find(repo).init()
    commit_all(repo, "the code")
    return repo


def recorded(root: Path, code: str, **env: str) -> RunRecord:
    """Return the run of a job that imports gittrack, does `code` in a run, and ends."""
    lines = ["import gittrack", "with gittrack.start_run():", *(f"    {line}" for line in code.splitlines())]
    job(root, "\n".join(lines), **env)
    return only_run(root)


def job(root: Path, code: str, **env: str) -> str:
    """Run code whose warnings are warnings, and return what it wrote to stderr."""
    return python(root, f"import warnings; warnings.simplefilter('always')\n{code}", **env).stderr


def read(run: RunRecord) -> dict[str, str]:
    """Return who keeps each input that was found by itself."""
    assert all(entry.how == "read" for entry in run.data)
    return {entry.path: entry.kept_by for entry in run.data}


def test_a_file_that_the_captured_code_lacks_is_data_when_it_is_read(project) -> None:
    run = recorded(
        project, "open('data/train.csv').read(); open('notes.txt').read(); open('train.py').read()"
    )
    content = (project / "data/train.csv").read_bytes()
    assert run.data == (
        DataFile("data/train.csv", digests.of_bytes(content), len(content), "cache", how="read"),
    )
    assert FileStore(layout_at(project)).read(run.data[0].digest) == content


def test_a_file_that_was_read_before_the_run_began_counts(project) -> None:
    job(project, "import gittrack\nopen('data/train.csv').read()\nwith gittrack.start_run(): pass")
    assert read(only_run(project)) == {"data/train.csv": "cache"}


@pytest.mark.parametrize(
    "code",
    [
        "import pandas; pandas.read_csv('data/train.csv')",
        "import pathlib; pathlib.Path('data/train.csv').read_bytes()",
        "import os; os.close(os.open(b'data/train.csv', os.O_RDONLY))",
        "import os; os.chdir('data'); open('train.csv').close()",
        "import numpy; numpy.memmap('data/train.csv', dtype='u1')",
        "import numpy; numpy.loadtxt('data/train.csv', delimiter=',', skiprows=1)",
        "import threading; t = threading.Thread(target=open, args=('data/train.csv',)); t.start(); t.join()",
        "import shutil; shutil.copy('data/train.csv', 'data/copy.csv')",
    ],
)
def test_whatever_opens_a_file_it_is_found(project, code) -> None:
    assert read(recorded(project, code)) == {"data/train.csv": "cache"}


def test_an_ignored_module_that_is_imported_is_data(project) -> None:
    write(project, {"conf.py": "LR = 0.1\n"})
    assert read(recorded(project, "import conf")) == {"conf.py": "cache"}


def test_a_database_of_sqlite_is_data(project) -> None:
    python(
        project,
        "import sqlite3; c = sqlite3.connect('data/a.db'); c.execute('create table t (a)'); c.close()",
    )
    run = recorded(project, "import sqlite3; sqlite3.connect('data/a.db').close()")
    assert read(run) == {"data/a.db": "cache"}


def test_an_untracked_file_is_in_the_snapshot_and_a_file_left_out_of_it_is_data(project) -> None:
    write(project, {"new.txt": "new", "secret.pem": "a key"})
    job(
        project,
        "import gittrack\nwith gittrack.start_run(): open('new.txt').read(); open('secret.pem').read()",
    )
    assert read(only_run(project)) == {"secret.pem": "nobody"}


@pytest.mark.parametrize(
    "code",
    [
        "open('data/out.csv', 'w').write('1'); open('data/out.csv').read()",
        "open('data/tmp', 'w').write('1'); import os; os.replace('data/tmp', 'data/out'); open('data/out').read()",
        "import subprocess; subprocess.run(['sh', '-c', 'echo 1 > data/made']); open('data/made').read()",
        "import pandas; f = pandas.DataFrame({'a': [1]}); f.to_parquet('data/f'); pandas.read_parquet('data/f')",
        "open('data/train.csv', 'a').write('5,6'); open('data/train.csv').read()",
        "import gittrack, os; os.system('echo 1 > data/o'); gittrack.log_artifact('data/o')",
        "open('.git/HEAD').read(); open('.gittrack/config.yaml').read()",
        "open('/proc/self/status').read(); open('/etc/hostname').read()",
        "import tempfile; f = tempfile.NamedTemporaryFile(); open(f.name).read()",
        "import os; [os.path.exists('data/missing'), os.listdir('data')]",
    ],
)
def test_what_the_run_made_itself_and_what_belongs_to_the_system_is_no_data(project, code) -> None:
    run = recorded(project, code)
    assert (run.data, run.lost) == ((), ())


def test_a_file_that_changes_after_it_was_read_is_named(project) -> None:
    write(project, {"data/other.csv": "1"})
    run = recorded(project, "open('data/train.csv').read(); open('data/other.csv').read()\n" + CHANGE)
    assert read(run) == {"data/other.csv": "cache"}
    assert run.lost == ("data 'data/train.csv': it changed after it was read",)


CHANGE = "import subprocess; subprocess.run(['sh', '-c', 'echo 5,6 >> data/train.csv'])"


def test_a_tracked_file_that_the_run_changes_after_reading_it_is_held_by_git(project) -> None:
    run = recorded(project, "open('notes.txt').read(); open('notes.txt', 'w').write('other')")
    assert (run.data, run.lost) == ((), ())


def test_forked_children_read_for_the_run_even_when_they_are_killed(project) -> None:
    write(project, {"data/a": "a", "data/b": "b"})
    code = """\
import os, signal
if not os.fork():
    open('data/a').read(); os.kill(os.getpid(), signal.SIGKILL)
if not os.fork():
    open('data/b').read(); os._exit(0)
os.wait(); os.wait()"""
    assert read(recorded(project, code)) == {"data/a": "cache", "data/b": "cache"}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_read_for_the_run(project, method) -> None:
    script = f"""\
import gittrack, multiprocessing
def load(name):
    return open(name).read()
if __name__ == "__main__":
    with gittrack.start_run(), multiprocessing.get_context({method!r}).Pool(2) as pool:
        pool.map(load, ["data/a", "data/b"])
"""
    write(project, {"data/a": "a", "data/b": "b", "job.py": script})
    python(project, f"import subprocess; subprocess.run([{sys.executable!r}, 'job.py'], check=True)")
    assert read(only_run(project)) == {"data/a": "cache", "data/b": "cache"}


def test_declared_data_is_not_found_again(project) -> None:
    write(project, {"data/more/b.csv": "b", "data/more/c.csv": "c"})
    run = recorded(
        project,
        "gittrack.log_data('data/more'); gittrack.log_data('data/train.csv')\n"
        "open('data/more/b.csv').read(); open('data/train.csv').read()",
    )
    assert [(entry.path, entry.how) for entry in run.data] == [("data/more", None), ("data/train.csv", None)]


def test_what_a_child_has_declared_is_not_found_again(project) -> None:
    """The child changes one of the files afterwards: who followed it would name that."""
    code = """\
import gittrack, pathlib
gittrack.log_data("data/more"); gittrack.log_data("data/train.csv")
for path in ("data/train.csv", "data/more/b.csv"):
    pathlib.Path(path).read_text()
    pathlib.Path(path).write_text("changed")
"""
    write(project, {"data/more/b.csv": "b", "job.py": code})
    argv = [sys.executable, "-m", "gittrack", "run", "--", sys.executable, "job.py"]
    subprocess.run(argv, cwd=project, check=True, capture_output=True)
    run = only_run(project)
    assert [(entry.path, entry.how) for entry in run.data] == [("data/more", None), ("data/train.csv", None)]
    assert run.lost == ()


def test_a_large_file_is_recorded_by_digest_and_the_warning_says_how_to_keep_it(project) -> None:
    write(project, {".gittrack/config.yaml": "format: gittrack/config/1\ncapture_data_max_bytes: 10\n"})
    told = job(
        project, "import gittrack\nfor _ in 'ab':\n  with gittrack.start_run(): open('data/train.csv').read()"
    )
    sentence = "this run would not reproduce without data/train.csv (12 bytes, not kept): gittrack keep data/train.csv"
    assert told.count(f"{sentence}\n") == 1
    assert not list(layout_at(project).files.rglob("*.*"))


def test_secrets_are_named_by_digest_and_never_kept(project) -> None:
    write(project, {"data/.env": "PASSWORD=x", "data/token.txt": "ghp_" + "a" * 36})
    run = recorded(project, "open('data/.env').read(); open('data/token.txt').read()")
    assert read(run) == {"data/.env": "nobody", "data/token.txt": "nobody"}
    assert not any(FileStore(layout_at(project)).has(entry.digest) for entry in run.data)


@pytest.mark.parametrize("how", ["environment", "config"])
def test_it_can_be_switched_off(project, how) -> None:
    if how == "config":
        write(project, {".gittrack/config.yaml": "format: gittrack/config/1\ncapture_reads: false\n"})
    env = {"GITTRACK_CAPTURE_READS": "0"} if how == "environment" else {}
    assert recorded(project, "open('data/train.csv').read()", **env).data == ()


def test_very_many_files_of_a_folder_are_one_entry_with_those_that_were_read(project) -> None:
    write(project, {f"data/images/{number}.txt": str(number) for number in range(150)})
    run = recorded(project, "for n in range(120): open(f'data/images/{n}.txt').read()")
    [entry] = run.data
    assert (entry.path, entry.files, entry.kept_by, entry.how) == ("data/images", 120, "cache", "read")
    manifest = FileStore(layout_at(project)).read(entry.digest).decode().splitlines()
    assert manifest[0] == f"{digests.of_bytes(b'0')}  0.txt"


def test_of_very_many_files_that_are_one_entry_all_are_kept_or_none(project) -> None:
    write(project, {f"data/images/{number}.txt": str(number) for number in range(120)})
    read_all = "for n in range(120): open(f'data/images/{n}.txt').read()\nopen('data/train.csv').read()"
    run = recorded(project, f"from gittrack.record import reads\nreads.MAX_KEPT_FILES = 100\n{read_all}")
    assert read(run) == {"data/images": "nobody", "data/train.csv": "cache"}
    store = FileStore(layout_at(project))
    assert [store.has(digests.of_bytes(content)) for content in (b"0", b"119")] == [False, False]


def test_data_beside_the_repository_is_recorded_by_its_path(project, tmp_path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/x.csv").write_text("1")
    (project / "linked").symlink_to(tmp_path / "beside")
    run = recorded(project, "open('linked/x.csv').read()", TMPDIR=str(tmp_path / "home"))
    assert read(run) == {str(tmp_path / "beside/x.csv"): "outside"}


def test_data_that_is_linked_into_the_repository_by_its_file_lies_in_it(project, tmp_path) -> None:
    (tmp_path / "cache").write_text("1")
    (project / "data/linked").symlink_to(tmp_path / "cache")
    run = recorded(project, "open('data/linked').read()", TMPDIR=str(tmp_path / "home"))
    assert read(run) == {"data/linked": "cache"}


def test_a_run_that_is_killed_still_has_what_it_read(project) -> None:
    code = "import os, signal\nopen('data/train.csv').read()\nos.kill(os.getpid(), signal.SIGTERM)"
    lines = ["import gittrack", "with gittrack.start_run():", *(f"    {line}" for line in code.splitlines())]
    python(project, "\n".join(lines), check=False)
    run = only_run(project)
    assert (run.status, read(run)) == ("KILLED", {"data/train.csv": "cache"})


def test_the_hook_says_nothing_of_a_name_that_is_none(project) -> None:
    code = """\
for name in ('data/\\0', b'data/\\xff', 'data/\\udcff', '', 5.5, None):
    try: open(name)
    except Exception as error: print(type(error).__name__)"""
    lines = ["import gittrack", "with gittrack.start_run():", *(f"    {line}" for line in code.splitlines())]
    done = python(project, "\n".join(lines))
    assert done.stdout.split() == ["ValueError", *["FileNotFoundError"] * 3, "TypeError", "TypeError"]


def test_after_so_many_files_it_says_that_there_were_more(project) -> None:
    write(project, {f"data/{number}": str(number) for number in range(6)})
    code = "import gittrack.record.opens as o\nfor n in range(6): open(f'data/{n}').read()"
    run = recorded(project, f"{code}\no.state.full = True")
    assert run.lost == (f"data: it opened more than {opens.MAX_PATHS} files, and the others are not known",)


def test_the_environment_says_for_whom_children_read_only_while_the_run_goes_on(project) -> None:
    code = """\
import gittrack, os
with gittrack.start_run() as run:
    inside = os.environ['GITTRACK_READS']
print(inside.endswith(run.run_id), 'GITTRACK_READS' in os.environ)"""
    assert python(project, code).stdout.split() == ["True", "False"]


def test_an_environment_in_the_repository_is_no_data(tmp_path) -> None:
    places = Whereabouts(tmp_path, str(tmp_path / "t"))
    names = {
        "data/x.csv": "data/x.csv",
        "venv/lib/python3.11/site-packages/a/data.json": None,
        "build/lib.so.1": None,
        "src/model.py": "src/model.py",
        ".dvc/cache/ab": None,
        "__pycache__/x.json": None,
    }
    assert {path: places.name(f"{tmp_path}/{path}") for path in names} == names


@given(st.sets(st.from_regex(r"[ab]{1,2}(/[abc]{1,3}){0,3}", fullmatch=True), max_size=300))
def test_each_file_is_in_one_entry_at_or_above_it(paths) -> None:
    found = grouped(paths)
    assert sorted(path for members in found.values() for path in members) == sorted(paths)
    assert all(path == place or path.startswith(f"{place}/") for place in found for path in found[place])


def test_a_hundred_folders_are_one_entry() -> None:
    deep = [f"data/train/{number}/{file}.jpg" for number in range(101) for file in range(3)]
    assert list(grouped([*deep, "data/labels.csv"])) == ["data/labels.csv", "data/train"]
    assert len(grouped([f"{number}.txt" for number in range(200)])) == 200


def test_reading_costs_no_run_its_end_when_the_store_takes_nothing(project) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    layout_at(project).files.mkdir(parents=True)
    layout_at(project).files.chmod(0o500)
    assert read(recorded(project, "open('data/train.csv').read()")) == {"data/train.csv": "nobody"}


def test_a_sweep_does_not_fill_the_list_of_files_with_what_gittrack_writes(project) -> None:
    code = (
        "import gittrack\n"
        "from gittrack.record import opens\n"
        "for _ in range(3):\n"
        "    with gittrack.start_run():\n"
        "        gittrack.log_metric('loss', 1.0)\n"
        "    print(len(opens.seen))\n"
    )
    first, *later = map(int, python(project, code).stdout.split())

    assert later == [first, first]


OVERWRITE = "open('data/train.csv', 'w').write('other')"


AT_ONCE = (
    "import gittrack\nfrom gittrack.data import known\nknown.RACY_NS = 0\n"  # what it holds is remembered
)


def overwritten(root: Path) -> tuple[RunRecord, RunRecord, str]:
    """Return a run that reads a file, one that overwrites it then, and what that wrote to stderr."""
    job(root, f"{AT_ONCE}with gittrack.start_run(): open('data/train.csv').read()")
    first = only_run(root)
    stderr = job(root, f"{AT_ONCE}with gittrack.start_run(): open('data/train.csv').read(); {OVERWRITE}")
    [second] = [run for run in sealed_runs(root) if run.run_id != first.run_id]
    return first, second, stderr


def test_a_file_that_the_job_overwrites_after_reading_it_is_known_when_an_earlier_run_had_it(project) -> None:
    first, second, stderr = overwritten(project)
    assert read(first) == {"data/train.csv": "cache"}
    assert (second.data, second.lost) == (first.data, ())
    assert "not kept" not in stderr


def test_a_file_that_the_job_overwrites_after_it_was_hashed_is_known(project) -> None:
    wait = "import time\nfrom gittrack.record import reads\nrun = gittrack.active_run()\n"
    wait += "while not any(one.kept_by == 'cache' for one in run._noticed._reads._inputs.values()): time.sleep(0.01)\n"
    digest = digests.of_file(project / "data/train.csv")
    run = recorded(project, f"open('data/train.csv').read()\n{wait}{OVERWRITE}")
    assert [(entry.path, entry.digest, entry.kept_by) for entry in run.data] == [
        ("data/train.csv", digest, "cache")
    ]
    assert run.lost == ()


def test_of_a_large_file_that_the_job_overwrites_the_digest_alone_is_known(project) -> None:
    write(project, {".gittrack/config.yaml": "capture_data_max_bytes: 3\n"})
    first, second, stderr = overwritten(project)
    assert read(first) == {"data/train.csv": "nobody"}
    assert second.data == first.data
    assert second.lost == (
        "data 'data/train.csv': it changed after it was read, and nobody keeps what it was",
    )
    assert "gittrack keep" not in stderr


def test_a_file_that_the_job_empties_after_reading_it_is_not_said_to_have_been_empty(project) -> None:
    run = recorded(project, "open('data/train.csv').read(); open('data/train.csv', 'w').close()")
    assert run.data == ()
    assert run.lost == ("data 'data/train.csv': it changed after it was read",)


@pytest.mark.parametrize("change", ["os.remove('data/a')", "open('data/a', 'w').write('more ' * 99)"])
def test_an_input_that_has_changed_since_costs_no_other_its_copy(project, change) -> None:
    names = ("a", "b", "c")
    write(project, {f"data/{name}": name for name in names})
    job(project, f"{AT_ONCE}with gittrack.start_run(): open('data/a').read()")
    store = FileStore(layout_at(project))
    store.path(digests.of_bytes(b"a")).unlink()
    read_all = "; ".join(f"open('data/{name}').read()" for name in names)
    job(
        project,
        f"import os\n{AT_ONCE}known._CHEAP = 0\nwith gittrack.start_run(): {read_all}; {change}",
    )
    run = max(sealed_runs(project), key=lambda run: len(run.data))
    assert read(run) == {"data/a": "nobody", "data/b": "cache", "data/c": "cache"}
    assert not store.has(digests.of_bytes(b"more " * 99))


@pytest.mark.parametrize("before", ["", "from concurrent.futures import ThreadPoolExecutor\n"])
def test_a_run_that_ends_with_the_interpreter_keeps_many_and_large_files_too(project, before) -> None:
    files = {f"data/{number}": str(number) for number in range(20)} | {"data/large": b"1" * 5_000_000}
    write(project, files)
    job(
        project,
        f"{before}import gittrack, os\ngittrack.start_run()\nfor n in os.listdir('data'): open('data/' + n).read()",
    )
    run = only_run(project)
    assert read(run) == dict.fromkeys([*files, "data/train.csv"], "cache")
    assert run.lost == ()


RESUME = "import gittrack, sys, os\nwith gittrack.start_run(run_id=sys.argv[1]):\n    "


def resumed(root: Path, code: str) -> RunRecord:
    """Return the only run there is after another process has gone on with it and done `code`."""
    [before] = sealed_runs(root)
    done = python(root, f"import warnings; warnings.simplefilter('always')\n{RESUME}{code}", before.run_id)
    assert done.returncode == 0
    return max(sealed_runs(root), key=lambda run: len(run.supersedes))


def test_what_the_later_part_of_a_resumed_run_reads_is_its_data_too(project) -> None:
    write(project, {"data/test.csv": "5,6"})
    first = recorded(project, "open('data/train.csv').read()")
    run = resumed(
        project, "open('data/train.csv').read(); open('data/test.csv').read(); open('notes.txt').read()"
    )
    assert read(run) == {"data/test.csv": "cache", "data/train.csv": "cache"}
    assert first.data[0] in run.data
    assert run.lost == ()


def test_a_file_that_changes_between_the_parts_of_a_run_is_named_and_stays_as_it_was_first(project) -> None:
    first = recorded(project, "open('data/train.csv').read()")
    write(project, {"data/train.csv": "other"})
    run = resumed(project, "open('data/train.csv').read()")
    assert run.data == first.data
    assert run.lost == ("data 'data/train.csv': it changed before the run was resumed",)


def test_the_same_content_written_anew_between_the_parts_is_the_same_data(project) -> None:
    content = (project / "data/train.csv").read_bytes()
    first = recorded(project, "open('data/train.csv').read()")
    (project / "data/train.csv").unlink()
    write(project, {"data/train.csv": content})
    run = resumed(project, "open('data/train.csv').read()")
    assert (run.data, run.lost) == (first.data, ())


def test_a_checkpoint_of_the_run_is_not_its_input_and_one_that_may_be_is_named(project) -> None:
    recorded(
        project,
        "open('data/a.ckpt', 'w').write('12'); open('data/b.ckpt', 'w').write('123')\n"
        "gittrack.log_artifact('data/a.ckpt')",
    )
    run = resumed(project, "open('data/a.ckpt').read(); open('data/b.ckpt').read()")
    assert run.data == ()
    assert run.lost == (
        "data 'data/b.ckpt': it is newer than the run, which may have made it before it was resumed",
    )


def test_code_that_changed_before_a_run_is_resumed_is_named(project) -> None:
    recorded(project, "pass")
    write(project, {"train.py": "other"})
    assert resumed(project, "open('train.py').read()").lost == (
        "code: it changed before the run was resumed",
    )


def test_a_folder_of_very_many_files_has_what_all_parts_have_read(project) -> None:
    write(project, {f"data/many/{number}": str(number) for number in range(360)})
    first = recorded(project, "[open(f'data/many/{number}').read() for number in range(120)]")
    run = resumed(project, "[open(f'data/many/{number}').read() for number in range(110, 240)]")
    [entry] = run.data
    manifest = dict(hashing.manifest_entries(FileStore(layout_at(project)).read(entry.digest)))
    assert (first.data[0].files, entry.files, len(manifest)) == (120, 240, 240)
    assert (entry.size, entry.kept_by) == (sum(len(str(number)) for number in range(240)), "cache")
    assert run.lost == ()


def test_an_amended_run_has_no_more_data(project) -> None:
    first = recorded(project, "pass")
    job(
        project,
        f"import gittrack\nopen('data/train.csv').read()\ngittrack.Client().log_metric('{first.run_id}', 'a', 1)",
    )
    run = max(sealed_runs(project), key=lambda run: len(run.supersedes))
    assert (run.data, set(run.metrics)) == ((), {"a"})
