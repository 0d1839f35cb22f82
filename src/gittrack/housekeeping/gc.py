"""`gittrack gc`: what nothing needs any more, what it would free, and why the rest is kept.

Needed is what any run refers to that this clone can reach: in every branch and git tag, in every working tree,
in the second copies, in journals, and in every commit that a keep ref or the stash holds. A run that was deleted
by an event is a run; only a purge takes it out. While one of them cannot be read, no content is freed at all.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gittrack.entities.record import Digest, RunId, RunRecord
from gittrack.errors import Damaged
from gittrack.git import keep as keeping
from gittrack.git import worktree
from gittrack.git.repo import Repository
from gittrack.housekeeping import recover, stored
from gittrack.housekeeping.contents import kept_for_environment, wanted
from gittrack.record import format as formats
from gittrack.record import live
from gittrack.repro import environments
from gittrack.store import digest as digests
from gittrack.store import durable, locking
from gittrack.store.layout import FOLDER, RUN_FILE, Layout
from gittrack.store.objects import FileStore

Progress = Callable[[str, int, int], None]

DAY_S = 86_400.0
_LOCK = "gc.lock"
_GRAVE = "gc-"


@dataclass(frozen=True)
class Freed:
    """Something that goes.

    Attributes:
        kind: `content`, `leftover`, `second copy`, `worktree`, `environment` or `index`.
        path: Where it is.
        size: Bytes.
        why: Why it is not needed.
        digest: Of content, None for the rest.
    """

    kind: str
    path: Path
    size: int
    why: str
    digest: Digest | None = None


@dataclass(frozen=True)
class Kept:
    """A group of things that stay, and why."""

    what: str
    count: int
    size: int
    why: str


@dataclass(frozen=True)
class GcPlan:
    """What would be freed, and what stays.

    Attributes:
        freed: What goes.
        kept: What stays, in groups.
        unreadable: Runs that cannot be read, for whose sake all content is kept.
    """

    repo: Repository
    layout: Layout
    freed: tuple[Freed, ...]
    kept: tuple[Kept, ...]
    unreadable: tuple[str, ...]
    older_than_s: float

    @property
    def size(self) -> int:
        """How many bytes would be freed."""
        return sum(item.size for item in self.freed)


@dataclass
class _Needs:
    """Which content runs refer to, and which runs cannot be asked."""

    digests: set[Digest]
    runs: set[RunId]
    unreadable: list[str]
    places: set[str] = field(default_factory=set)  # of the runs that were asked


def plan(
    repo: Repository, layout: Layout, *, older_than_s: float = DAY_S, progress: Progress | None = None
) -> GcPlan:
    """Return what could be freed now; nothing is removed. What an interrupted `apply` left is put back first.

    Args:
        repo: The repository.
        layout: Where the store is.
        older_than_s: Content and leftovers that are younger stay: their reference may be about to be written.
        progress: Called with what is being looked at, how much of it is done, and how much there is.

    Raises:
        GitFailed: git cannot be asked.
    """
    restore_set_aside(layout)
    needs = _needs(repo, layout, progress)
    content, kept = _content(layout, needs, older_than_s)
    freed = [*content, *_leftovers(layout, older_than_s), *_second_copies(repo, layout)]
    freed += [*_worktrees(repo), *_environments(layout)]
    unsaved = sum(1 for _ in stored.on_disk(layout.unsaved))
    waiting = unsaved - sum(item.kind == "second copy" for item in freed)
    if waiting:
        kept.append(Kept("second copies", waiting, 0, "no branch and no git tag holds them: gittrack commit"))
    alive = len(live.folders(layout))
    if alive:
        kept.append(Kept("live runs", alive, 0, "they have not been sealed"))
    return GcPlan(repo, layout, tuple(freed), tuple(kept), tuple(needs.unreadable), older_than_s)


def apply(plan: GcPlan, *, progress: Progress | None = None) -> int:
    """Free what `plan` says, except what has become needed since; return how many bytes went.

    It can be interrupted at any moment and repeated.

    Raises:
        OSError: The disk does not let go.
    """
    size = 0
    content = [item for item in plan.freed if item.kind == "content"]
    rest = [
        item for item in plan.freed if item.kind not in ("content", "second copy", "worktree", "environment")
    ]
    size += _free_content(plan, content)
    for done, item in enumerate(rest):
        if progress is not None:
            progress("leftovers", done, len(rest))
        if not _is_locked(item.path):
            durable.hook("gc.remove")
            recover.remove(item.path, plan.layout)
            size += item.size
    copies = {item.path: item.size for item in plan.freed if item.kind == "second copy"}
    dropped = recover.drop_saved(plan.repo, plan.layout) if copies else []
    size += sum(copies.get(plan.layout.unsaved.committed / place, 0) for place in dropped)
    pooled = {item.path: item.size for item in plan.freed if item.kind in ("worktree", "environment")}
    gone = [*worktree.remove_pool(plan.repo), *environments.remove_pool(plan.layout)] if pooled else []
    return size + sum(pooled.get(path, 0) for path in gone)


def _free_content(plan: GcPlan, content: list[Freed]) -> int:
    """Take content out of the store, look once more whether a run refers to it now, and only then let it go."""
    layout = plan.layout
    durable.make_folder(layout.tmp)
    with locking.locked(layout.private / _LOCK):
        graves = dict(_set_aside(layout, content))
        late = _recent_needs(layout)
        size = 0
        for grave, item in graves.items():
            if late is None or item.digest in late:
                durable.make_folder(item.path.parent)
                grave.rename(item.path)
            else:
                durable.hook("gc.remove")
                durable.remove_file(grave)
                size += item.size
    return size


def _set_aside(layout: Layout, content: list[Freed]) -> Iterator[tuple[Path, Freed]]:
    for item in content:
        grave = layout.tmp / f"{_GRAVE}{item.digest}"
        durable.hook("gc.set-aside")
        try:
            item.path.rename(grave)
        except FileNotFoundError:  # somebody else was here
            continue
        yield grave, item


def _recent_needs(layout: Layout) -> set[Digest] | None:
    """Return what live and freshly sealed runs refer to; None when one of them cannot be read."""
    needs = _Needs(set(), set(), [])
    for folder in (layout, layout.unsaved):
        _ask_folder(folder, needs, FileStore(layout))
    _ask_live(layout, needs)
    return None if needs.unreadable else needs.digests


def restore_set_aside(layout: Layout) -> int:
    """Put back content that an interrupted `apply` had set aside; return how many files."""
    count = 0
    durable.make_folder(layout.private)
    with locking.locked(layout.private / _LOCK, wait=False) as mine:
        for entry in stored.entries(layout.tmp) if mine else ():
            digest = entry.name.removeprefix(_GRAVE)
            if entry.name.startswith(_GRAVE) and digests.is_digest(digest):
                target = layout.file(Digest(digest))
                durable.make_folder(target.parent)
                Path(entry.path).rename(target)
                count += 1
    return count


def _needs(repo: Repository, layout: Layout, progress: Progress | None) -> _Needs:
    needs = _Needs(set(), set(), [])
    files = FileStore(layout)
    folders = {layout.committed: layout, layout.unsaved.committed: layout.unsaved}
    for top in recover.worktrees(repo):
        folders.setdefault(top / FOLDER, Layout(top / FOLDER, layout.private))
    for done, folder in enumerate(folders.values()):
        if progress is not None:
            progress("working trees", done, len(folders))
        _ask_folder(folder, needs, files)
    _ask_live(layout, needs)
    _ask_git(repo, needs, files, progress)
    return needs


def _ask_folder(layout: Layout, needs: _Needs, files: FileStore) -> None:
    for place in stored.on_disk(layout):
        if place.startswith(f"{stored.RUNS}/") and place not in needs.places:  # a second copy may be torn
            path = layout.committed / place / RUN_FILE
            try:
                content = stored.read_regular(path)
            except OSError:
                needs.unreadable.append(str(path))
                continue
            _ask(place, content, str(path), needs, files)
        elif place.startswith(f"{stored.ENVIRONMENTS}/") and place not in needs.places:
            with contextlib.suppress(OSError):
                _ask_environment(place, stored.read_regular(layout.committed / place), needs)


def _ask_git(repo: Repository, needs: _Needs, files: FileStore, progress: Progress | None) -> None:
    """Ask the runs in all commits that anything holds, keep refs and stashes included."""
    commits = [*stored.lasting_commits(repo), *keeping.kept(repo)]
    head = repo.head()
    commits += [*recover.stashes(repo), *([head] if head else [])]
    trees = stored.Trees(repo, commits)
    everything = trees.all()
    found = [entry for entry in everything if entry.place.startswith(f"{stored.ENVIRONMENTS}/")]
    for entry, contents in zip(found, trees.files(found), strict=True):
        _ask_environment(entry.place, next(iter(contents.values()), b""), needs)
    found = [entry for entry in everything if entry.place.startswith(f"{stored.RUNS}/")]
    for done, (entry, contents) in enumerate(zip(found, trees.files(found), strict=True)):
        if progress is not None:
            progress("runs in git", done, len(found))
        where = f"{entry.commit[:12]}:{FOLDER}/{entry.place}/{RUN_FILE}"
        _ask(entry.place, contents.get(RUN_FILE, b""), where, needs, files)


def _ask(place: str, content: bytes, where: str, needs: _Needs, files: FileStore) -> None:
    if not stored.is_whole(place, {RUN_FILE: content}):
        needs.unreadable.append(where)
        return
    try:
        run = formats.load_run(content)
    except Damaged:
        needs.unreadable.append(where)
        return
    needs.places.add(place)
    _take(run, needs, files)


def _ask_environment(place: str, content: bytes, needs: _Needs) -> None:
    with contextlib.suppress(Damaged):  # fsck's to name; no run can be rebuilt from it
        needs.digests.update(kept_for_environment(formats.load_environment(content)))
        needs.places.add(place)


def _take(run: RunRecord, needs: _Needs, files: FileStore) -> None:
    needs.runs.add(run.run_id)
    needs.digests.update(wanted(run, files))


def _ask_live(layout: Layout, needs: _Needs) -> None:
    for folder in live.folders(layout):
        try:
            _take(live.read(folder).run, needs, FileStore(layout))
        except (Damaged, OSError, ValueError):
            if folder.is_dir():
                needs.unreadable.append(str(folder))


def _content(layout: Layout, needs: _Needs, older_than_s: float) -> tuple[list[Freed], list[Kept]]:
    files = FileStore(layout)
    now = time.time()
    freed, groups = [], dict.fromkeys(("needed", "young", "unsure"), (0, 0))
    for digest, size in files.all():
        path = files.path(digest)
        why = "needed" if digest in needs.digests else "young" if _age(path, now) < older_than_s else "unsure"
        if why == "unsure" and not needs.unreadable:
            freed.append(Freed("content", path, size, "no run refers to it", digest))
        else:
            groups[why] = (groups[why][0] + 1, groups[why][1] + size)
    reasons = {
        "needed": f"artifacts and data of {_plural(len(needs.runs), 'run')}",
        "young": "stored a short while ago: a run may be about to refer to it",
        "unsure": f"{_plural(len(needs.unreadable), 'run')} cannot be read, and may refer to it: gittrack fsck",
    }
    kept = [Kept("content", count, size, reasons[why]) for why, (count, size) in groups.items() if count]
    return freed, kept


def _age(path: Path, now: float) -> float:
    """Return how long ago the file came or was last linked to, in seconds."""
    try:
        found = path.lstat()
    except OSError:
        return 0.0
    return now - max(found.st_mtime, found.st_ctime)


def _leftovers(layout: Layout, older_than_s: float) -> Iterable[Freed]:
    now = time.time()
    for entry in stored.entries(layout.tmp):
        path = Path(entry.path)
        if not entry.name.startswith(_GRAVE) and _age(path, now) >= older_than_s and not _is_locked(path):
            yield Freed("leftover", path, _size(path), "left by interrupted work")


def _is_locked(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    try:
        return locking.is_held(path) is True
    except OSError:
        return False


def _second_copies(repo: Repository, layout: Layout) -> Iterable[Freed]:
    for place in recover.saved_places(repo, layout):
        path = layout.unsaved.committed / place
        yield Freed("second copy", path, _size(path), "a branch or a git tag holds it")


def _worktrees(repo: Repository) -> Iterable[Freed]:
    for path in worktree.pool(repo):
        yield Freed("worktree", path, _size(path), "made anew when a run is reproduced")


def _environments(layout: Layout) -> Iterable[Freed]:
    for path in environments.pool(layout):
        yield Freed("environment", path, _size(path), "built anew when a run is reproduced in it")


def _size(path: Path) -> int:
    """Return the bytes of a file or of all files in a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size if os.path.lexists(path) else 0
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - a loop over 10,000 files
            except OSError:
                continue
    return total


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
