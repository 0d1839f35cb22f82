"""Commits and the runs that belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from gittrack.entities.record import Digest, RunId, Status
from gittrack.git.history import CommitInfo
from gittrack.query import commits
from gittrack.query.places import Catalogue
from gittrack.query.session import Session


@dataclass(frozen=True)
class LoggedRun:
    """A run, as short as a log shows it."""

    run_id: RunId
    name: str
    experiment: str
    status: Status
    metrics: dict[str, float]


@dataclass(frozen=True)
class LoggedCommit:
    """A commit with its runs.

    Attributes:
        commit: The commit; its `branches` are short names, local ones and remote-tracking ones.
        made: Runs whose code was this commit.
        committed: Runs that this commit added.
    """

    commit: CommitInfo
    made: tuple[LoggedRun, ...]
    committed: tuple[LoggedRun, ...]


def log(session: Session, limit: int | None = None) -> list[LoggedCommit]:
    """Return the commits that have runs, the newest first, at most `limit`."""
    repo = session.repo
    runs = {
        RunId(run_id): LoggedRun(RunId(run_id), name, experiment, status, dict(metrics))
        for run_id, name, experiment, status, metrics in session.rows(
            "select run_id, name, experiment, status, metrics from runs order by start_time, run_id"
        )
    }
    made: dict[str, list[LoggedRun]] = {}
    for run_id, commit in session.rows(
        "select run_id, commit from runs where commit is not null order by start_time, run_id"
    ):
        made.setdefault(commit, []).append(runs[RunId(run_id)])
    run_of: dict[Digest, RunId] = dict(session.rows("select digest, run_id from _seals"))
    logged = _logged(session, made, runs, run_of, commits.related(repo, made))
    return list(islice(logged, limit))


def _logged(
    session: Session,
    made: dict[str, list[LoggedRun]],
    runs: dict[RunId, LoggedRun],
    run_of: dict[Digest, RunId],
    related: Iterable[CommitInfo],
) -> Iterator[LoggedCommit]:
    known = list(related)
    added = Catalogue(session.repo, session.layout).added({one.commit: one.parents for one in known})
    for one in known:
        ids = sorted({run_of[digest] for digest in added.get(one.commit, ()) if digest in run_of})
        committed = tuple(runs[run_id] for run_id in ids if run_id in runs)
        if one.commit in made or committed:
            yield LoggedCommit(commits.named(one), tuple(made.get(one.commit, ())), committed)
