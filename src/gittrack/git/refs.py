"""The names that lead to commits."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gittrack.git.repo import Repository, is_oid

_PLACES = ("refs/heads", "refs/remotes", "refs/tags")
_FORMAT = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"


@dataclass(frozen=True)
class Ref:
    """A name and the commit that it leads to, git tags followed to their commit.

    Attributes:
        name: The full name, `refs/heads/main`; `HEAD` for a HEAD that is detached.
        commit: The full id.
    """

    name: str
    commit: str


def tips(repo: Repository) -> list[Ref]:
    """Return all local and remote-tracking branches and git tags, and HEAD if detached; costs one process."""
    answer = os.fsdecode(repo.git("for-each-ref", f"--format={_FORMAT}", *_PLACES))
    found = [ref for line in answer.splitlines() if (ref := _parse(line))]
    head = detached_head(repo)
    return [*found, Ref("HEAD", head)] if head else found


def detached_head(repo: Repository) -> str | None:
    """Return the commit of a HEAD that is on no branch, read from its file."""
    text = (repo.git_dir / "HEAD").read_text(errors="replace").strip()
    return text if is_oid(text) else None


def _parse(line: str) -> Ref | None:
    kind, oid, peeled_kind, peeled, name = line.split(" ", 4)
    if kind == "tag":
        kind, oid = peeled_kind, peeled
    return Ref(name, oid) if kind == "commit" and not name.endswith("/HEAD") else None
