"""How a run stands is known without a question to the index, and is what the index would say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gittrack
from gittrack.entities import ViewType
from gittrack.entities.record import ExperimentId, RunId
from gittrack.errors import GittrackError, InvalidValue, NotFound
from gittrack.query import index, search, standing
from gittrack.query.session import Session
from gittrack.record.project import Project
from gittrack.tracking import open_runs
from tests.conftest import commit_all, git, python
from tests.tracking.conftest import fresh

__all__ = ["fresh"]  # a fixture


@pytest.fixture
def runs(fresh: None) -> Iterator[list[str]]:
    """Three runs that have ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = []
        for number in range(3):
            with gittrack.start_run(tags={"a": number, "mlflow.user": "eve"}) as run:
                ids.append(run.run_id)
        yield ids


def test_many_tags_in_a_row_make_one_segment_of_the_index(repo, runs) -> None:
    client = gittrack.Client()
    project = Project.find(repo)
    client.get_run(runs[0])
    before = index.files(project.layout)
    for number in range(20):
        client.set_tag(runs[number % 3], f"k{number}", number)
    assert len(index.files(project.layout)) <= len(before) + 2  # the runs, when they are first asked about
    assert client.get_run(runs[1]).data.tags["k19"] == "19"
    assert len(index.files(project.layout)) <= len(before) + 3


def test_tags_of_another_process_are_seen_by_the_next_call(repo, runs) -> None:
    client = gittrack.Client()
    client.set_tag(runs[0], "mine", 1)
    other = "import sys, gittrack; gittrack.Client().set_tag(sys.argv[1], 'theirs', 1)"
    python(repo, other, runs[0])
    client.delete_tag(runs[0], "theirs")
    assert "theirs" not in client.get_run(runs[0]).data.tags
    python(repo, "import sys, gittrack; gittrack.delete_run(sys.argv[1])", runs[0])
    with pytest.raises(InvalidValue, match="is deleted"):
        client.set_tag(runs[0], "more", 1)


def test_a_run_that_was_resumed_meanwhile_is_looked_at_anew(repo, runs) -> None:
    client = gittrack.Client()
    client.set_tag(runs[0], "early", 1)
    with gittrack.start_run(runs[0]):
        gittrack.delete_tag("early")
    with pytest.raises(NotFound, match="has no tag 'early'"):
        client.delete_tag(runs[0], "early")
    client.set_tag(runs[0], "late", 1)
    assert client.get_run(runs[0]).data.tags["late"] == "1"


def test_a_run_that_is_new_can_be_tagged_at_once(repo, runs) -> None:
    client = gittrack.Client()
    client.set_tag(runs[0], "a", 1)
    with gittrack.start_run() as run:
        pass
    client.set_tag(run.run_id, "b", 1)
    assert client.get_run(run.run_id).data.tags["b"] == "1"


def test_tags_that_a_branch_brings_are_seen(repo, runs) -> None:
    commit_all(repo, "runs")
    git(repo, "switch", "-q", "-c", "side")
    client = gittrack.Client()
    client.set_tag(runs[0], "side", 1)
    commit_all(repo, "tagged")
    git(repo, "switch", "-q", "main")
    client.delete_tag(runs[0], "side")
    with pytest.raises(NotFound):
        client.delete_tag(runs[0], "side")


def test_a_run_of_an_experiment_that_is_deleted_takes_no_tag(repo, runs) -> None:
    client = gittrack.Client()
    mine = client.create_experiment("mine")
    with gittrack.start_run(experiment_id=mine) as run:
        pass
    client.set_tag(run.run_id, "a", 1)
    client.delete_experiment(mine)
    with pytest.raises(InvalidValue, match="is deleted"):
        client.set_tag(run.run_id, "a", 2)
    client.restore_experiment(mine)
    client.set_tag(run.run_id, "a", 3)
    assert client.get_run(run.run_id).data.tags["a"] == "3"


KEYS = st.sampled_from(["a", "b", "mlflow.user", "mlflow.runName"])
WHO = st.integers(0, 2)
CALLS = st.one_of(
    st.tuples(st.just("set_tag"), WHO, KEYS, st.sampled_from(["1", "2"])),
    st.tuples(st.just("delete_tag"), WHO, KEYS),
    st.tuples(st.just("delete_run"), WHO),
    st.tuples(st.just("restore_run"), WHO),
    st.tuples(st.just("log_param"), WHO, st.just("p"), st.just(1)),
)
GROUP_CALLS = st.one_of(
    st.tuples(st.just("set_experiment_tag"), st.just("0"), KEYS, st.sampled_from(["1", "2"])),
    st.tuples(st.just("delete_experiment_tag"), st.just("0"), KEYS),
    st.tuples(st.just("rename_experiment"), st.just("0"), st.sampled_from(["new", "newer"])),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.one_of(CALLS, GROUP_CALLS), max_size=8))
def test_what_is_known_without_the_index_is_what_the_index_says(repo, runs, calls) -> None:
    client, project = gittrack.Client(), Project.find(repo)
    for name, who, *rest in calls:
        subject = runs[who] if isinstance(who, int) else who
        try:
            getattr(client, name)(subject, *rest)
        except GittrackError:
            continue
        if name == "log_param":
            open_runs.release(RunId(subject))
    stands = {one: standing.of(project.repository, project.layout, RunId(one)) for one in runs}
    found = {one: stands[one].run(RunId(one)) for one in runs}
    group = standing.of(project.repository, project.layout, ExperimentId("0")).experiment(ExperimentId("0"))
    session = Session.open(project.repository, project.layout)
    for one in runs:
        assert found[one].to_dictionary() == search.run(session, one).to_dictionary()
        assert stands[one].events(RunId(one)) == session.events(RunId(one))
    [expected] = search.experiments(session, view_type=ViewType.ALL, limit=5)
    assert group.to_dictionary() == expected.to_dictionary()
