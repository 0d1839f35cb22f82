"""The index is derived: incremental, disposable, safe with many readers and writers, never trusted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gittrack.query import engine, index
from gittrack.query.segments import Builder
from gittrack.store.layout import Layout
from tests.conftest import commit_all, git, python
from tests.query.helpers import ROWS, Store, a_run, answers, flip, run_id

READ = """
import json, sys
from pathlib import Path
from gittrack.git.repo import Repository
from gittrack.record.project import layout_of
from gittrack.query.session import Session
repo = Repository.find(Path("."))
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
    session = Session.open(repo, layout_of(repo, repo.root))
    found = session.rows("select count(*), count(distinct run_id), (select count(*) from points) from runs")
    print(json.dumps([list(found[0]), len(session.damaged)]))
"""


def start(store: Store, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", READ, str(rounds)], cwd=store.root, stdout=subprocess.PIPE, text=True
    )


def added(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes the number of runs of each batch that is written from now on."""
    sizes: list[int] = []
    add = Builder.add

    def counting(self: Builder, batch: object) -> object:
        sizes.append(len(batch.runs))  # type: ignore[attr-defined]
        return add(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Builder, "add", counting)
    return sizes


def test_only_what_is_new_is_indexed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        store.put(a_run(number), ROWS)
    store.session()
    sizes = added(monkeypatch)
    store.put(a_run(9), ROWS)
    assert len(store.names()) == 6
    assert sum(sizes) == 1
    store.session()
    commit_all(store.root)
    git(store.root, "switch", "-qc", "side")
    store.session()
    assert sum(sizes) == 1


def test_many_small_segments_are_merged_into_few(store: Store) -> None:
    for number in range(30):
        store.put(a_run(number), ROWS)
        store.tell(run_id(number), "set_tag", "number", str(number))
    assert len(store.segments()) <= index.MAX_SEGMENTS
    before = answers(store.session())
    index.discard(store.layout)
    assert store.segments() == []
    assert answers(store.session()) == before
    assert len(store.names()) == 30


@pytest.mark.parametrize("lost", ["index", "listing.json", "segment", "view", "everything"])
def test_what_is_deleted_is_made_again(store: Store, lost: str) -> None:
    store.put(a_run(1), ROWS)
    store.put_environment()
    before = answers(store.session())
    victims = {
        "index": [store.layout.index],
        "listing.json": [store.layout.index / "listing.json"],
        "segment": store.segments(),
        "view": list(store.layout.index.glob("view-*")),
        "everything": [store.layout.private],
    }[lost]
    for victim in victims:
        shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    assert json.loads(python(store.root, READ).stdout) == [[1, 1, 3], 0]
    assert answers(store.session()) == before


@pytest.mark.parametrize("content", [b"", b"nothing that DuckDB knows", b"\0" * 20_000])
def test_a_foreign_file_in_the_index_is_thrown_away(store: Store, content: bytes) -> None:
    store.put(a_run(1), ROWS)
    store.session()
    [segment] = store.segments()
    segment.write_bytes(content)
    assert json.loads(python(store.root, READ).stdout) == [[1, 1, 3], 0]


def test_a_duckdb_file_of_somebody_else_is_thrown_away(store: Store) -> None:
    import duckdb

    store.put(a_run(1), ROWS)
    store.session()
    [segment] = store.segments()
    segment.unlink()
    with duckdb.connect(str(segment)) as other:
        other.execute("create table runs (run_id varchar)")
    assert json.loads(python(store.root, READ).stdout) == [[1, 1, 3], 0]


def test_flipped_bits_in_the_index_never_change_an_answer(store: Store) -> None:
    for number in range(20):
        store.put(a_run(number), [("auc", step, 0, step / 7) for step in range(300)])
    expected = answers(store.session())
    [segment] = store.segments()
    whole = segment.read_bytes()
    for at in range(0, len(whole), len(whole) // 25):
        for path in store.segments():
            path.unlink()
        flipped = bytearray(whole)
        flipped[at] ^= 4
        segment.write_bytes(flipped)
        extra = store.put(a_run(1000 + at))  # nothing that this process remembers holds any more
        assert len(store.session().rows("select * from runs")) == 21
        shutil.rmtree(store.layout.run(extra))
        assert answers(store.session()) == expected


@pytest.mark.parametrize("name", ["listing.json", "view"])
def test_a_damaged_note_of_the_index_is_not_believed(store: Store, name: str) -> None:
    store.put(a_run(1), ROWS)
    time.sleep(0.06)  # a folder that has just changed may change again: no view of it is kept
    expected = answers(store.session())
    [note] = store.layout.index.glob(f"{name}*")
    for at in range(0, note.stat().st_size, 17):
        flip(note, at)
        engine.forget(store.layout)
        assert answers(store.session()) == expected
        flip(note, at)
    assert answers(store.session()) == expected


def test_an_index_that_cannot_be_written_is_made_in_memory(store: Store) -> None:
    store.put(a_run(1), ROWS)
    commit_all(store.root)
    shutil.rmtree(store.layout.private, ignore_errors=True)
    store.layout.private.mkdir()
    store.layout.index.write_bytes(b"in the way")
    assert store.session().rows("select count(*) from points") == [(3,)]
    assert store.layout.index.read_bytes() == b"in the way"


def test_a_disk_that_can_only_be_read_is_read(store: Store) -> None:
    store.put(a_run(1), ROWS)
    script = (
        f"mount --bind . . && mount -o remount,bind,ro . && cd {store.root} && {sys.executable} -c '{READ}'"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=store.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr}")
    assert json.loads(done.stdout) == [[1, 1, 3], 0], done.stderr
    assert not store.layout.private.exists()


def test_eight_processes_index_at_once(store: Store) -> None:
    for number in range(100):
        store.put(a_run(number), ROWS)
    readers = [start(store, 1) for _ in range(8)]
    answers_given = [reader.communicate()[0].splitlines() for reader in readers]
    assert {line for lines in answers_given for line in lines} == {"[[100, 100, 300], 0]"}
    assert all(reader.returncode == 0 for reader in readers)


def test_readers_never_miss_a_run_while_others_are_added_and_segments_merged(store: Store) -> None:
    store.put(a_run(0), ROWS)
    readers = [start(store, 15) for _ in range(3)]
    for number in range(1, 40):
        store.put(a_run(number), ROWS, into=Layout(store.layout.tmp / "draft", store.layout.private))
        [folder] = (store.layout.tmp / "draft" / "runs").glob("*/*")
        target = store.layout.runs / folder.parent.name
        target.mkdir(parents=True, exist_ok=True)
        folder.rename(target / folder.name)
        shutil.rmtree(store.layout.tmp / "draft")
        if number % 2:
            store.session()
    for reader in readers:
        counts = [json.loads(line) for line in reader.communicate()[0].splitlines()]
        assert reader.returncode == 0
        assert len(counts) == 15
        assert all(
            damaged == 0 and runs == ids and points == 3 * runs for (runs, ids, points), damaged in counts
        )
        assert counts == sorted(counts)
    assert len(store.names()) == 40


def test_threads_share_what_is_open(store: Store) -> None:
    for number in range(20):
        store.put(a_run(number), ROWS)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.session().rows("select count(*) from points"), range(40)))
    assert found == [[(60,)]] * 40


def test_a_forked_child_opens_its_own(store: Store) -> None:
    code = f"""
import os
{READ}
child = os.fork()
if child == 0:
    session = Session.open(repo, layout_of(repo, repo.root))
    os._exit(0 if session.rows("select count(*) from runs") == [(1,)] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    store.put(a_run(1), ROWS)
    python(store.root, code)


def test_a_warm_question_imports_neither_yaml_nor_arrow_nor_pandas(store: Store) -> None:
    import duckdb

    if duckdb.__version__.startswith("1."):
        pytest.skip("DuckDB 1 imports NumPy, pandas and pyarrow by itself")
    store.put(a_run(1), ROWS)
    store.session()
    heavy = "{'yaml', 'pyarrow', 'pandas', 'numpy', 'git'}"
    done = python(store.root, f"{READ}\nassert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)")
    assert json.loads(done.stdout) == [[1, 1, 3], 0]


def test_progress_is_told(store: Store) -> None:
    from gittrack.query.session import Session

    for number in range(3):
        store.put(a_run(number))
    told: list[tuple[str, int, int]] = []
    Session.open(store.repository, store.layout, progress=lambda *step: told.append(step))
    assert told == [("indexing runs", 0, 3), ("indexing runs", 3, 3)]


def test_nothing_is_left_in_tmp(store: Store) -> None:
    git(store.root, "switch", "-qc", "side")
    for number in range(12):
        store.put(a_run(number), ROWS)
        store.session()
    commit_all(store.root)
    git(store.root, "switch", "-q", "main")
    index.discard(store.layout)
    assert len(store.names()) == 12
    assert os.listdir(store.layout.tmp) == []
