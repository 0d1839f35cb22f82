"""Commits and the runs that belong to them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from gittrack.entities import Digest, RunId, Status
from gittrack.git import history, objects, refs
from gittrack.git.history import CommitInfo
from gittrack.git.refs import Ref
from gittrack.git.repo import Repository
from gittrack.query.places import Catalogue
from gittrack.query.relations import OVERLAY

if TYPE_CHECKING:
    from gittrack.query.engine import Engine
    from gittrack.query.session import Session

_loading = threading.Lock()
_PREFIXES = ("refs/heads/", "refs/remotes/")


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
    logged = _logged(session, made, runs, run_of, related(repo, made))
    return list(islice(logged, limit))


def _logged(
    session: Session,
    made: dict[str, list[LoggedRun]],
    runs: dict[RunId, LoggedRun],
    run_of: dict[Digest, RunId],
    commits: Iterable[CommitInfo],
) -> Iterator[LoggedCommit]:
    known = list(commits)
    added = Catalogue(session.repo, session.layout).added({one.commit: one.parents for one in known})
    for one in known:
        ids = sorted({run_of[digest] for digest in added.get(one.commit, ()) if digest in run_of})
        committed = tuple(runs[run_id] for run_id in ids if run_id in runs)
        if one.commit in made or committed:
            yield LoggedCommit(_named(one), tuple(made.get(one.commit, ())), committed)


def related(repo: Repository, made_from: Iterable[str]) -> list[CommitInfo]:
    """Return every commit that leads to a branch, a git tag, or a commit that runs were made from."""
    tips = refs.tips(repo)
    found = list(history.commits(repo, tips))
    hidden = sorted(set(made_from) - {one.commit for one in found})
    kept = [
        Ref("", there.oid)
        for there in objects.read(repo, hidden, max_bytes=0)
        if there is not None and there.kind == "commit"
    ]
    return list(history.commits(repo, [*tips, *kept])) if kept else found


def _named(one: CommitInfo) -> CommitInfo:
    """Return a commit with its branches as people call them; git tags are none."""
    branches = tuple(
        name.removeprefix(prefix) for name in one.branches for prefix in _PREFIXES if name.startswith(prefix)
    )
    return CommitInfo(one.commit, one.parents, one.author, one.time, one.subject, branches)


def load(repo: Repository, engine: Engine) -> None:
    """Fill the relation `commits` once: the commits that runs were made from, and their ancestors."""
    with _loading:
        if not engine.commits_loaded:
            rows = _ancestry(repo, engine)
            if rows:
                _insert(engine, rows)
            engine.commits_loaded = True


def _ancestry(repo: Repository, engine: Engine) -> list[CommitInfo]:
    cursor = engine.connection.cursor()
    made_from = cursor.execute("select distinct commit from runs where commit is not null").fetchall()
    cursor.close()
    wanted = {commit for (commit,) in made_from}
    rows = []
    for one in related(repo, wanted):
        if one.commit in wanted:
            rows.append(_named(one))
            wanted.update(one.parents)
    return rows


def _insert(engine: Engine, rows: Sequence[CommitInfo]) -> None:
    cursor = engine.connection.cursor()
    cursor.execute(
        f"""insert into {OVERLAY}.commits select unnest($commits::varchar[]), unnest($parents::varchar[][]),
        unnest($authors::varchar[]), epoch_ms(unnest($times::bigint[])), unnest($subjects::varchar[]),
        unnest($branches::varchar[][])""",
        {
            "commits": [one.commit for one in rows],
            "parents": [list(one.parents) for one in rows],
            "authors": [one.author for one in rows],
            "times": [one.time for one in rows],
            "subjects": [one.subject for one in rows],
            "branches": [list(one.branches) for one in rows],
        },
    )
    cursor.close()
