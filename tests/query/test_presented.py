"""A run that is read from its record and one that the index tells of are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import config
from gittrack.entities.record import Command, RunId
from gittrack.query import search
from gittrack.query.session import Session
from gittrack.record import events, presented
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from tests.conftest import write


def begin(project: Project, *argv: str, **options) -> ActiveRun:
    command = Command(argv=argv, cwd=".", env={}) if argv else None
    return ActiveRun.begin(project, project.config(), config.surroundings(), command=command, **options)


def plain(project: Project) -> ActiveRun:
    run = begin(project, name="plain", tags={"a": "b"})
    run.log_params({"lr": 0.1, "on": True, "none": None, "text": "x", "many": 10**20, "float": 1e300})
    run.log_metrics({"loss": [0.5, float("nan")], "auc": 1e-9})
    return run


def nested(project: Project) -> ActiveRun:
    return begin(project, parent=RunId("0" * 32))


def dirty(project: Project) -> ActiveRun:
    write(project.root, {"train.py": "print('changed')\n"})
    return begin(project)


def renamed(project: Project) -> ActiveRun:
    run = begin(project, name="old")
    run.set_name("new")
    return run


def covered(project: Project) -> ActiveRun:
    return begin(
        project, tags={"mlflow.user": "eve", "mlflow.source.name": "mine", "mlflow.source.type": "JOB"}
    )


KINDS = {
    "plain": plain,
    "nested": nested,
    "dirty": dirty,
    "renamed": renamed,
    "covered": covered,
    "grouped": lambda project: begin(project, experiment="mine"),
    "script": lambda project: begin(project, "python", "src/train.py", "--lr", "0.1"),
    "script with spaces": lambda project: begin(project, "python", "my train.py", "it's.py"),
    "module": lambda project: begin(project, "python", "-m", "train.py.main", "x.pyc"),
    "program": lambda project: begin(project, "./run.sh", "a\nb", "ä.py\tc"),
    "notebook": lambda project: begin(project, "/usr/lib/ipykernel_launcher.py", "-f", "kernel.json"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ended", [False, True], ids=["live", "ended"])
def test_what_the_index_says_of_a_run_is_what_its_record_says(repo: Path, kind: str, ended: bool) -> None:
    project = Project.find(repo)
    project.init()
    run = KINDS[kind](project)
    if ended:
        run.end()
    session = Session.open(project.repository, project.layout)
    told = search.run(session, run.run_id)
    record = session.run(run.run_id)
    assert repr(presented.run(record, deleted=False).to_dictionary()) == repr(in_order(told, record))
    run.end()


def in_order(told, record):
    """Return a run as a dictionary, its params, metrics and tags in the order of the record."""
    shown = told.to_dictionary()
    like = presented.run(record, deleted=False).data
    for name in ("metrics", "params", "tags"):
        mapping, order = shown["data"][name], getattr(like, name)
        assert mapping.keys() == order.keys()
        shown["data"][name] = {key: mapping[key] for key in order}
    return shown


def test_a_new_name_and_later_tags_are_the_same_in_both(repo: Path) -> None:
    project = Project.find(repo)
    project.init()
    run = plain(project)
    run.end()
    for op, key, value in (
        ("set_tag", "mlflow.runName", "later"),
        ("delete_tag", "a", None),
        ("set_tag", "c", "d"),
    ):
        event = events.new_event(run.run_id, op, key, value, known={}, now_ms=run.info.end_time, user="ada")
        events.write_event(project.layout, event)
    session = Session.open(project.repository, project.layout)
    record = session.run(run.run_id)
    told = search.run(session, run.run_id)
    assert repr(presented.run(record, deleted=False).to_dictionary()) == repr(in_order(told, record))
    assert (told.info.run_name, told.data.tags["c"]) == ("later", "d")
