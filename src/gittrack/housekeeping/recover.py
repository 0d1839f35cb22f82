"""Second copies of what no commit holds: put back when the first is gone, dropped when a commit has it."""

from __future__ import annotations

import os
from pathlib import Path

from gittrack.git.repo import Repository
from gittrack.housekeeping import stored
from gittrack.housekeeping.flaws import inspect_run
from gittrack.store import durable
from gittrack.store.layout import FOLDER, Layout


def restore_unsaved(repo: Repository, layout: Layout, *, stashed: bool = False) -> list[str]:
    """Put back what the working tree has lost (`git clean`, a switch) and no commit holds.

    What another working tree of the repository has is not lost; a damaged copy is left for `fsck` to name.

    Args:
        repo: A repository with a working tree.
        layout: Where its store is.
        stashed: Put back too what a `git stash -u` has taken: `git stash pop` fails where a file is there already.
            Queries read the second copies anyway.

    Returns:
        The places, below `.gittrack/`, that were put back; runs that are there again.

    Raises:
        OSError: The disk does not take it.
    """
    gone = [place for place in stored.on_disk(layout.unsaved) if not _is_there(layout, place)]
    if not gone:
        return []
    elsewhere = [Layout(top / FOLDER, layout.private) for top in worktrees(repo)]
    gone = [place for place in gone if not any(_is_there(other, place) for other in elsewhere)]
    commits = [*stored.lasting_commits(repo), *([] if stashed else stashes(repo))]
    saved = stored.Trees(repo, commits).some(gone)
    return [place for place in gone if place not in saved and _put_back(layout, place)]


def _is_there(layout: Layout, place: str) -> bool:
    return os.path.lexists(layout.committed / place)


def worktrees(repo: Repository) -> list[Path]:
    """Return the tops of all working trees of a repository."""
    answer = os.fsdecode(repo.git("worktree", "list", "--porcelain"))
    return [Path(line[9:]) for line in answer.splitlines() if line.startswith("worktree ")]


def stashes(repo: Repository) -> list[str]:
    """Return the commits in which stashes hold untracked files."""
    if not repo.git("for-each-ref", "refs/stash"):
        return []
    entries = repo.git("log", "-g", "--format=%P", "refs/stash", "--").decode().splitlines()
    return [parents[2] for line in entries if len(parents := line.split()) == 3]


def _put_back(layout: Layout, place: str) -> bool:
    try:
        files = stored.read(layout.unsaved, place)
    except OSError:
        return False
    if not _is_whole(place, files):
        return False
    path = layout.committed / place
    if place.startswith(f"{stored.RUNS}/"):
        durable.publish_folder(path, files, tmp=layout.tmp, step="recover")
    else:
        durable.write_once(path, files[path.name], tmp=layout.tmp)
    return True


def _is_whole(place: str, files: dict[str, bytes]) -> bool:
    """Whether nothing of a second copy is damaged: it is not synced, so that a power cut may have torn it."""
    if not place.startswith(f"{stored.RUNS}/"):
        return stored.is_whole(place, files)
    digest = stored.digest_of(place)
    return digest is not None and all(flaw.severity != "damaged" for flaw in inspect_run(digest, files)[1])


def saved_places(repo: Repository, layout: Layout, places: list[str] | None = None) -> list[str]:
    """Return the places of second copies that a branch or a git tag holds, byte for byte.

    Args:
        repo: Where the commits are.
        layout: Where the store is.
        places: Look at these alone; all when None.
    """
    if places is None:
        places = list(stored.on_disk(layout.unsaved))
    if not places:
        return []
    held = stored.Trees(repo, stored.lasting_commits(repo)).some(places)
    return [place for place in places if place in held and _local_id(repo, layout, place) in held[place]]


def _local_id(repo: Repository, layout: Layout, place: str) -> str | None:
    try:
        files = stored.read(layout.unsaved, place)
        return stored.git_id(place, files, repo.object_format) if files else None
    except OSError:
        return None


def drop_saved(repo: Repository, layout: Layout) -> list[str]:
    """Remove the second copies that a branch or a git tag holds by now; return their places."""
    saved = saved_places(repo, layout)
    for place in saved:
        remove(layout.unsaved.committed / place, layout)
    return saved


def remove(path: Path, layout: Layout) -> None:
    """Remove a file or a folder in one step; one that is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        durable.remove_folder(path, tmp=layout.tmp)
    else:
        durable.remove_file(path)
