"""The index is a view of the files: whatever happened before, it answers as one that is made from nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gittrack.query import engine
from tests.conftest import commit_all, git
from tests.query.helpers import ROWS, START, Store, a_run, answers, flip, run_id

QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["run", "resume", "tag", "commit", "switch", "merge", "index", "flip", "unsaved", "ask"]
        ),
        st.integers(0, 3),
    ),
    min_size=3,
    max_size=14,
)


def new_store(root: Path) -> Store:
    root.mkdir()
    git(root, "init", "-q", "-b", "b0")
    (root / "x").write_text("x")
    commit_all(root)
    return Store(root)


class Story:
    """Applies drawn operations to a store."""

    def __init__(self, store: Store, first: int = 0) -> None:
        self.store = store
        self.made = first

    def run(self, which: int) -> None:
        self.made += 1
        self.store.put(a_run(self.made, tags={"n": str(which)}), ROWS[: which + 1])

    def resume(self, which: int) -> None:
        ids = self.store.session().rows("select run_id from runs order by run_id")
        if ids:
            subject = ids[which % len(ids)][0]
            session = self.store.session()
            self.made += 1
            run = session.run(subject)
            seals = tuple(session.seals(subject))
            rows = [*ROWS, ("more", self.made, START, float(self.made))]
            end = START + 10**6 + self.made
            self.store.put(a_run(1, run_id=subject, supersedes=seals, end_time=end, params=run.params), rows)

    def tag(self, which: int) -> None:
        self.made += 1
        subject = run_id(max(1, self.made - which - 1))
        self.store.tell(subject, "set_tag", "k", str(self.made), now=START + which)

    def commit(self, _: int) -> None:
        commit_all(self.store.root)

    def switch(self, which: int) -> None:
        commit_all(self.store.root)
        branches = git(self.store.root, "branch", "--format=%(refname:short)").split()
        name = f"b{which}"
        git(self.store.root, "switch", "-q", *(() if name in branches else ("-c",)), name)

    def merge(self, which: int) -> None:
        commit_all(self.store.root)
        branches = git(self.store.root, "branch", "--format=%(refname:short)").split()
        git(self.store.root, "merge", "-q", "--no-edit", branches[which % len(branches)])

    def index(self, which: int) -> None:
        engine.forget(self.store.layout)  # else this process answers from files that it still holds open
        if which == 0:
            shutil.rmtree(self.store.layout.index, ignore_errors=True)
        else:
            for path in list(self.store.layout.index.glob("*"))[: which - 1]:
                path.unlink()

    def flip(self, which: int) -> None:
        engine.forget(self.store.layout)
        for path in self.store.segments():
            flip(path, path.stat().st_size * which // 4)

    def unsaved(self, which: int) -> None:
        self.made += 1
        self.store.put(a_run(self.made), ROWS[: which + 1], into=self.store.layout.unsaved)

    def ask(self, _: int) -> None:
        self.store.session().rows("select count(*) from points")


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(OPERATIONS)
def test_an_index_answers_as_one_made_from_nothing(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int]]
) -> None:
    store = new_store(tmp_path_factory.mktemp("law") / "repo")
    story = Story(store)
    for name, which in operations:
        getattr(story, name)(which)
    grown = store.session()
    assert grown.damaged == []
    found = answers(grown)
    commits = grown.rows("select * from commits order by all")
    engine.discard(store.layout)
    fresh = store.session()
    assert answers(fresh) == found
    assert fresh.rows("select * from commits order by all") == commits
    engine.discard(store.layout)


@settings(max_examples=15, deadline=None, suppress_health_check=QUIET)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(["run", "resume", "tag", "sync"]), st.integers(0, 3)
        ),
        max_size=10,
    )
)
def test_two_clones_that_merge_each_other_answer_the_same(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("clones")
    first = new_store(folder / "a")
    first.put(a_run(1), ROWS)
    commit_all(first.root)
    git(folder, "clone", "-q", "a", "b")
    git(first.root, "remote", "add", "origin", folder / "b")
    stories = {"a": Story(first, 1), "b": Story(Store(folder / "b"), 1000)}
    for side, name, which in operations:
        if name == "sync":
            exchange(stories["a"].store, stories["b"].store)
        else:
            getattr(stories[side], name)(which)
    exchange(stories["a"].store, stories["b"].store)
    left, right = (answers(stories[side].store.session(here=True)) for side in "ab")
    assert left == right
    everything = [answers(stories[side].store.session(), without_here=True) for side in "ab"]
    assert everything[0] == everything[1]


def exchange(one: Store, other: Store) -> None:
    """Each merges what the other has; `git` finds no conflict."""
    for store in (one, other):
        commit_all(store.root)
    for store in (one, other):
        git(store.root, "fetch", "-q", "origin")
        git(store.root, "merge", "-q", "--no-edit", "origin/b0")
    git(one.root, "fetch", "-q", "origin")
    git(one.root, "merge", "-q", "--no-edit", "origin/b0")
