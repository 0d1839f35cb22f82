"""One bad file costs one run, is named, and never the listing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gittrack.entities.record import Digest
from gittrack.store.layout import METRICS_FILE, RUN_FILE
from tests.conftest import commit_all, git
from tests.query.helpers import ROWS, Store, a_run, flip, run_id


@pytest.mark.parametrize("name", [RUN_FILE, METRICS_FILE])
@pytest.mark.parametrize("at", [0, 40, -20])
def test_a_flipped_bit_is_named_and_the_others_are_listed(store: Store, name: str, at: int) -> None:
    bad = store.put(a_run(1), ROWS)
    store.put(a_run(2), ROWS)
    flip(store.layout.run(bad) / name, at)
    for _ in range(2):
        session = store.session()
        assert session.rows("select name from runs") == [("trial-2",)]
        assert session.rows("select count(*) from points") == [(3,)]
        [damage] = session.damaged
        assert (damage.code, damage.path) == ("digest-mismatch", str(store.layout.run(bad) / name))


def test_a_repaired_run_is_back(store: Store) -> None:
    bad = store.put(a_run(1), ROWS)
    flip(store.layout.run(bad) / RUN_FILE)
    assert store.session().damaged
    flip(store.layout.run(bad) / RUN_FILE)
    session = store.session()
    assert session.damaged == []
    assert session.rows("select name from runs") == [("trial-1",)]


def test_a_good_copy_elsewhere_stands_in_for_a_damaged_one(store: Store) -> None:
    first, second = store.put(a_run(1), ROWS), store.put(a_run(2), ROWS)
    commit_all(store.root)
    store.put(a_run(2), ROWS, into=store.layout.unsaved)
    flip(store.layout.run(first) / METRICS_FILE)
    flip(store.layout.run(second) / RUN_FILE)
    session = store.session()
    assert session.damaged == []
    assert session.rows("select count(*) from points") == [(6,)]
    assert len(session.points(run_id(1))) == 3


def test_a_run_that_is_damaged_in_git_is_named_with_its_commit(store: Store) -> None:
    digest = store.put(a_run(1), ROWS)
    flip(store.layout.run(digest) / RUN_FILE)
    git(store.root, "switch", "-qc", "side")
    commit = commit_all(store.root)
    git(store.root, "switch", "-q", "main")
    session = store.session()
    assert session.rows("select * from runs") == []
    [damage] = session.damaged
    assert damage.code == "digest-mismatch"
    assert damage.path == f"{commit}:.gittrack/runs/{digest[:2]}/{digest[2:]}/{RUN_FILE}"


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_cut_off_file_is_damage(store: Store, length: int) -> None:
    for name in (RUN_FILE, METRICS_FILE):
        bad = store.put(a_run(1), ROWS)
        path = store.layout.run(bad) / name
        path.write_bytes(path.read_bytes()[:length])
        assert [damage.code for damage in store.session().damaged] == ["digest-mismatch"]
        shutil.rmtree(path.parent)


def test_a_missing_file_is_damage(store: Store) -> None:
    bad, worse = store.put(a_run(1), ROWS), store.put(a_run(2), ROWS)
    (store.layout.run(bad) / METRICS_FILE).unlink()
    (store.layout.run(worse) / RUN_FILE).unlink()
    assert [damage.code for damage in store.session().damaged] == ["missing-object"] * 2


def test_links_and_special_files_are_not_opened(store: Store, tmp_path: Path) -> None:
    linked, piped, endless, whole = (store.put(a_run(number), ROWS) for number in range(1, 5))
    outside = tmp_path / "outside.yaml"
    shutil.move(store.layout.run(linked) / RUN_FILE, outside)
    (store.layout.run(linked) / RUN_FILE).symlink_to(outside)
    (store.layout.run(piped) / RUN_FILE).unlink()
    os.mkfifo(store.layout.run(piped) / RUN_FILE)
    (store.layout.run(endless) / METRICS_FILE).unlink()
    (store.layout.run(endless) / METRICS_FILE).symlink_to("/dev/zero")
    shutil.move(store.layout.run(whole), tmp_path / "whole")
    store.layout.run(whole).symlink_to(tmp_path / "whole")
    session = store.session()
    assert session.rows("select * from runs") == []
    assert sorted(damage.code for damage in session.damaged) == [
        "not-a-regular-file",
        "symlink-in-store",
        "symlink-in-store",
        "symlink-in-store",
    ]


def test_a_store_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    store.put(a_run(1), ROWS)
    shutil.move(store.layout.committed, tmp_path / "elsewhere")
    store.layout.committed.symlink_to(tmp_path / "elsewhere")
    assert store.names() == []


def test_an_oversized_file_is_refused_before_it_is_read(store: Store) -> None:
    bad = store.put(a_run(1))
    os.truncate(store.layout.run(bad) / RUN_FILE, 1 << 40)
    assert [damage.code for damage in store.session().damaged] == ["size-mismatch"]


def test_yaml_that_is_no_run_costs_that_run(store: Store) -> None:
    import hashlib

    store.put(a_run(1))
    for content in (
        b"!!python/object/apply:os.system [id]\n",
        b"a: &a [*a]\n",
        b"format: gittrack/run/999\n",
    ):
        folder = store.layout.run(Digest(hashlib.sha256(content).hexdigest()))
        folder.mkdir(parents=True)
        (folder / RUN_FILE).write_bytes(content)
    session = store.session()
    assert session.rows("select name from runs") == [("trial-1",)]
    assert [damage.code for damage in session.damaged] == ["bad-yaml"] * 3


def test_parquet_that_is_none_costs_that_run_although_its_digest_is_right(store: Store) -> None:
    from dataclasses import replace

    from gittrack.entities.record import Series
    from gittrack.record.format import dump_run
    from gittrack.store.digest import of_bytes

    store.put(a_run(1), ROWS)
    run = replace(a_run(2), series=Series(3, of_bytes(b""), of_bytes(b"PAR1 nothing PAR1")))
    folder = store.layout.run(of_bytes(dump_run(run)))
    folder.mkdir(parents=True)
    (folder / RUN_FILE).write_bytes(dump_run(run))
    (folder / METRICS_FILE).write_bytes(b"PAR1 nothing PAR1")
    session = store.session()
    assert session.rows("select name from runs") == [("trial-1",)]
    assert session.rows("select count(*) from points") == [(3,)]
    assert [damage.code for damage in session.damaged] == ["bad-parquet"]


def test_names_that_are_no_digests_are_passed_over(store: Store) -> None:
    store.put(a_run(1))
    for name in ("ab/nothing", "zz/" + "0" * 62, "ab/" + "A" * 62, "README"):
        (store.layout.runs / name).mkdir(parents=True)
    commit_all(store.root)
    assert store.names() == ["trial-1"]


def test_a_damaged_event_and_environment_are_named(store: Store) -> None:
    store.put(a_run(1))
    store.tell(run_id(1), "set_tag", "a", "b")
    environment = store.put_environment()
    shutil.rmtree(store.layout.unsaved.committed)
    flip(store.layout.environment(environment))
    [event] = store.layout.events.glob("*/*")
    flip(event)
    session = store.session()
    assert session.rows("select tags from runs") == [({},)]
    assert {damage.path for damage in session.damaged} == {
        str(event),
        str(store.layout.environment(environment)),
    }
