"""Opening what this clone knows, for the commands that read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gittrack.cli import output
from gittrack.errors import GittrackError, NotFound

if TYPE_CHECKING:
    from gittrack.entities.record import RunId
    from gittrack.git.repo import Repository
    from gittrack.query.session import Session
    from gittrack.store.layout import Layout

Scope = tuple[bool, str | None]
EVERYTHING: Scope = (False, None)
HOW_TO_BEGIN = "gittrack run -- python train.py, or 'import gittrack' in train.py"


def where() -> tuple[Repository, Layout]:
    """Return the repository around the current folder and where its store is.

    Raises:
        NotARepository: There is none.
    """
    from gittrack.git.repo import Repository
    from gittrack.record.project import layout_of

    repository = Repository.find(Path.cwd())
    return repository, layout_of(repository, repository.root)


@contextlib.contextmanager
def reading(scope: Scope = EVERYTHING, *, quiet: bool = False) -> Iterator[Session]:
    """Open a session for the length of a block; afterwards say on stderr what it had to leave out.

    Args:
        scope: Whether only the checked-out tree, and the commit to look at.
        quiet: Say nothing.
    """
    from gittrack.query.session import Scope, Session

    repository, layout = where()
    if repository.root is not None:
        _recover(repository, layout, quiet=quiet)
    here, at = scope
    with output.Progress() as progress:
        session = Session.open(
            repository, layout, scope=Scope(here=here, at=at), progress=None if quiet else progress
        )
    yield session
    if not quiet:
        _tell(session, scope)


def _recover(repository: Repository, layout: Layout, *, quiet: bool) -> None:
    """Whoever looks seals the runs of dead processes and puts back what the working tree has lost."""
    from gittrack.housekeeping.recover import restore_unsaved
    from gittrack.record.seal import seal_dead

    try:
        seal_dead(layout)
        back = restore_unsaved(repository, layout)
    except (GittrackError, OSError):
        return  # a disk that takes nothing can still be read
    if back and not quiet:
        output.remark(f"{len(back)} put back that the working tree had lost and no commit holds")


def _tell(session: Session, scope: Scope) -> None:
    left_out = len({damage.path for damage in session.damaged})
    if left_out:
        runs = "1 run" if left_out == 1 else f"{left_out} runs"
        output.remark(f"{runs} left out, damaged: gittrack fsck names them")
    if not is_empty(session):
        return
    if scope == EVERYTHING:
        output.remark("nothing recorded here yet")
        output.say_hint(HOW_TO_BEGIN)
    else:
        output.remark("no run is in what --here or --at looks at")
        output.say_hint("gittrack ls")


def find(session: Session, text: str) -> RunId:
    """Return the id of the run that `text` names: by its id, the first digits of it, or its name.

    Raises:
        NotFound: There is none, or more than one.
    """
    if is_empty(session):
        if session.scope != type(session.scope)():
            raise NotFound(f"no run is called '{text}' in what --here or --at looks at", hint="gittrack ls")
        raise NotFound(f"no run is called '{text}', nothing is recorded here yet", hint=HOW_TO_BEGIN)
    return session.find(text)


def is_empty(session: Session) -> bool:
    """Whether nothing has been recorded yet."""
    return not session.rows("select 1 from runs limit 1")
