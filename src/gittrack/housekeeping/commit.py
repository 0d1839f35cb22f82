"""`gittrack commit`: runs, events and environments alone, whatever else is staged or changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict, Damaged
from gittrack.git.commit import commit_paths
from gittrack.git.repo import Repository
from gittrack.housekeeping import stored
from gittrack.housekeeping.recover import drop_saved, restore_unsaved
from gittrack.record import format as formats
from gittrack.record.seal import seal_dead
from gittrack.store.layout import RUN_FILE, Layout

_NAMED = 3
_LISTED = 100


@dataclass(frozen=True)
class Committed:
    """What a commit took in.

    Attributes:
        commit: Its full id; None when there was nothing new.
        message: Of the commit.
        runs: Those that are new in it.
        events: How many events are new in it.
        sealed: How many runs were sealed first because their processes had died.
        put_back: Places of what the working tree had lost and has again.
        dropped: Places of second copies that are needed no more.
    """

    commit: str | None
    message: str
    runs: tuple[RunRecord, ...]
    events: int
    sealed: int
    put_back: tuple[str, ...]
    dropped: tuple[str, ...]


def commit(repo: Repository, layout: Layout, message: str | None = None) -> Committed:
    """Commit what is new below `.gittrack/`, on the branch that is checked out.

    Runs whose processes have died are sealed first, and what the working tree has lost, to a stash too, is put
    back. Files that are gone from the working tree stay in the commit.

    Args:
        repo: A repository with a working tree.
        layout: Where its store is.
        message: Of the commit; by default it says how many runs of which experiment.

    Raises:
        Conflict: The repository is bare, or a merge or the like is unfinished.
        GitFailed: git could not write the commit.
    """
    if repo.root is None:
        raise Conflict(
            f"'{repo.git_dir}' is a bare repository: nothing can be committed in it",
            hint="git worktree add ../work",
        )
    sealed = seal_dead(layout)
    put_back = restore_unsaved(repo, layout, stashed=True)
    new = _new_places(repo, layout)
    runs = _runs(layout, new)
    events = sum(place.startswith(f"{stored.EVENTS}/") for place in new)
    text = message or _message(runs, events)
    made = commit_paths(repo, text)
    return Committed(
        commit=made,
        message=text,
        runs=tuple(runs) if made else (),
        events=events if made else 0,
        sealed=len(sealed),
        put_back=tuple(put_back),
        dropped=tuple(drop_saved(repo, layout)),
    )


def _new_places(repo: Repository, layout: Layout) -> list[str]:
    here = list(stored.on_disk(layout))
    head = repo.head()
    held = stored.Trees(repo, [head]).some(here) if head and here else {}
    return [place for place in here if place not in held]


def _runs(layout: Layout, places: Sequence[str]) -> list[RunRecord]:
    runs = []
    for place in places:
        if place.startswith(f"{stored.RUNS}/"):
            try:
                runs.append(
                    formats.load_run(stored.read_regular(layout.committed / place / RUN_FILE), what=place)
                )
            except (Damaged, OSError):
                continue  # committed as it is; `fsck` names it
    return sorted(runs, key=lambda run: (run.start_time, run.run_id))


def _message(runs: Sequence[RunRecord], events: int) -> str:
    """Return a message such as `gittrack: 9 runs of churn (3f2a9c1e…)`, each run on a line of its own below."""
    if not runs:
        return f"gittrack: {_plural(events, 'event')}" if events else "gittrack: settings"
    experiments = [name for name, _ in Counter(run.experiment for run in runs).most_common()]
    named = ", ".join(experiments[:_NAMED])
    if len(experiments) > _NAMED:
        named += f" and {len(experiments) - _NAMED} more"
    more = "…" if len(runs) > 1 else ""
    subject = f"gittrack: {_plural(len(runs), 'run')} of {_line(named)} ({runs[0].run_id[:8]}{more})"
    body = [f"{run.run_id} {run.status} {_line(run.name)}" for run in runs[:_LISTED]]
    if len(runs) > _LISTED:
        body.append(f"and {len(runs) - _LISTED} more")
    return "\n".join([subject, "", *body])


def _line(text: str) -> str:
    """Return `text` as part of one line: names come from users."""
    return " ".join(text.split())[:200]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
