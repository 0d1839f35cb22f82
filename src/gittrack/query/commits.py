"""The relation `commits`: commits that runs were made from, and their ancestors."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from gittrack.git import history, objects, refs
from gittrack.git.history import CommitInfo
from gittrack.git.refs import Ref
from gittrack.git.repo import Repository
from gittrack.query.engine import Engine
from gittrack.query.relations import OVERLAY

_loading = threading.Lock()
_PREFIXES = ("refs/heads/", "refs/remotes/")


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


def named(one: CommitInfo) -> CommitInfo:
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
            rows.append(named(one))
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
