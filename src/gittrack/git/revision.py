"""The code of a commit, as a run that was made from it would have recorded it, and what lies between two commits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from gittrack.entities.record import Code, Submodule
from gittrack.errors import GitFailed
from gittrack.git import command, objects, recover
from gittrack.git.patches import NOT_PRIVATE
from gittrack.git.recover import CodeLost
from gittrack.git.repo import Repository

_GITLINK = "160000"
_DESCRIBED = "--format=%H%x00%an <%ae>%x00%aI%x00%s"


@dataclass(frozen=True, slots=True)
class Described:
    """A commit for people.

    Attributes:
        commit: Its full id.
        author: Name and address, as the commit claims them.
        date: When it was written, ISO 8601.
        subject: The first line of its message.
    """

    commit: str
    author: str
    date: str
    subject: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that two commits do not have alike; the numbers of lines are None for a binary file."""

    path: str
    added: int | None
    removed: int | None


def code_at(repo: Repository, commit: str) -> Code:
    """Return the code of a commit, clean; of its submodules those that are checked out here.

    Args:
        repo: Where it is.
        commit: Its full id.

    Raises:
        CodeLost: The commit, or that of a submodule, is not here.
    """
    return Code(
        commit=commit,
        branch=None,
        captured=commit,
        code_tree=code_tree_of(repo, commit),
        base=commit,
        submodules=tuple(_submodules(repo, commit, prefix="")),
    )


def code_tree_of(repo: Repository, commit: str) -> str:
    """Return the id of a commit's root tree without `.gittrack/`.

    Raises:
        CodeLost: The commit is not here.
    """
    root = recover.root_tree(repo, commit)
    if root is None:
        raise CodeLost(f"commit {commit[:12]} is not here", hint=f"git fetch origin {commit}")
    return objects.code_tree(root, repo.object_format)


def _submodules(repo: Repository, commit: str, *, prefix: str) -> list[Submodule]:
    found = []
    listing = repo.git("ls-tree", "-r", "-z", "--full-tree", commit)
    for line in os.fsdecode(listing).split("\0"):
        facts, _, path = line.partition("\t")
        if not facts.startswith(_GITLINK) or not os.path.lexists(repo.top / path / ".git"):
            continue
        inner, held = Repository.find(repo.top / path), facts.split()[2]
        try:
            tree = code_tree_of(inner, held)
        except CodeLost as lost:
            hint = f"git submodule update --init --recursive -- '{prefix}{path}'"
            raise CodeLost(f"submodule '{prefix}{path}': {lost}", hint=hint) from lost
        found.append(Submodule(prefix + path, held, held, tree))
        found += _submodules(inner, held, prefix=f"{prefix}{path}/")
    return found


def describe(repo: Repository, commit: str) -> Described:
    """Return who made a commit, when, and what it says of itself."""
    words = repo.git("log", "--max-count=1", "--no-show-signature", _DESCRIBED, commit)
    return Described(*words.decode("utf-8", "replace").removesuffix("\n").split("\0", 3))


def last_of_code(repo: Repository, commit: str) -> str:
    """Return the commit that made the code of a commit what it is, whatever became of `.gittrack/` since."""
    found = repo.git("rev-list", "--max-count=1", commit, *NOT_PRIVATE, magic=True).decode().strip()
    same = found and code_tree_of(repo, found) == code_tree_of(repo, commit)
    return found if same else commit


def is_ancestor(repo: Repository, commit: str, of: str) -> bool:
    """Whether `commit` is `of`, or leads to it; False where there is no `of`."""
    try:
        repo.git("merge-base", "--is-ancestor", commit, of)
    except command.CommandFailed:
        return False
    return True


def merge_base(repo: Repository, a: str, b: str) -> str | None:
    """Return the best common ancestor of two commits, None when they have none."""
    try:
        return repo.git("merge-base", a, b).decode().split()[0]
    except command.CommandFailed:
        return None


def halves(
    repo: Repository, bad: str, good: Sequence[str], *, first_parent: bool = False
) -> list[tuple[str, int]]:
    """Return the commits that lead to `bad` and to none of `good`, those that halve them best first.

    The user's own `git bisect`, if one is under way, has no part in it.

    Returns:
        The id of each, `bad` among them, and how many of them the answer rules out at least.
    """
    options = ("--first-parent",) if first_parent else ()
    # --bisect would take the refs of the user's own bisection into account, --bisect-all does not.
    listing = repo.git("rev-list", "--bisect-all", *options, bad, *(f"^{commit}" for commit in good))
    found = []
    for line in listing.decode().splitlines():
        commit, _, rest = line.partition(" ")
        found.append((commit, int(rest.rpartition("dist=")[2].rstrip(")"))))
    return found


def apart(repo: Repository, a: str, b: str) -> tuple[int, int]:
    """Return how many commits lead only to `a`, and how many only to `b`."""
    left, right = repo.git("rev-list", "--left-right", "--count", f"{a}...{b}").split()
    return int(left), int(right)


def changed_lines(repo: Repository, before: str, after: str) -> list[FileChange]:
    """Return the files that differ between two commits, `.gittrack/` aside, with their numbers of lines.

    Raises:
        GitFailed: One of the two is not here.
    """
    args = (
        "diff-tree",
        "-r",
        "-z",
        "--numstat",
        "--no-renames",
        "--no-textconv",
        before,
        after,
        *NOT_PRIVATE,
    )
    found = []
    for line in os.fsdecode(repo.git(*args, magic=True)).split("\0"):
        if line:
            added, removed, path = line.split("\t", 2)
            found.append(FileChange(path, _count(added), _count(removed)))
    return found


def _count(text: str) -> int | None:
    if text == "-":
        return None
    try:
        return int(text)
    except ValueError as error:
        raise GitFailed(f"git diff-tree counts '{text}' lines") from error
