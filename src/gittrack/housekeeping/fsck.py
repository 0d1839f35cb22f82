"""`gittrack fsck`: every digest there is, and a name for everything that is not as it was recorded.

Nothing is repaired and nothing deleted. The codes are stable words.
"""

from __future__ import annotations

import time
from pathlib import Path

from gittrack.entities.record import Digest
from gittrack.git.repo import Repository
from gittrack.housekeeping import stored
from gittrack.housekeeping.contents import check_contents
from gittrack.housekeeping.findings import Checked, Collector, Finding, Progress, Sealed, Severity
from gittrack.housekeeping.flaws import Flaw, inspect_environment, inspect_event, inspect_run
from gittrack.housekeeping.relations import check_code, check_relations
from gittrack.housekeeping.underway import check_leftovers, check_live
from gittrack.store.layout import FOLDER, Layout

__all__ = ["Checked", "Finding", "fsck"]

_KNOWN_NAMES = {"config.yaml", ".gitattributes", "packs", *stored.KINDS}
_PRIVATE_NAMES = {"live", "tmp", "index", "files", "unsaved"}


def fsck(repo: Repository, layout: Layout, *, progress: Progress | None = None) -> Checked:
    """Verify every digest that this clone has, in the working tree, in every branch, and in git's folder.

    Args:
        repo: The repository.
        layout: Where the store is.
        progress: Called with what is being looked at, how much of it is done, and how much there is.

    Raises:
        GitFailed: git cannot be asked.
    """
    found = Collector(progress=progress)
    objects = _Objects(repo, found)
    objects.check_folder(layout, "here")
    objects.check_folder(layout.unsaved, "unsaved")
    objects.check_git()
    objects.report()
    check_relations(found, objects.sealed, objects.environments, layout)
    check_contents(found, objects.sealed.values(), repo, layout)
    check_code(found, objects.sealed.values(), repo)
    check_live(found, layout)
    check_leftovers(found, layout)
    checked = found.checked
    checked.findings = sorted(set(checked.findings), key=lambda finding: (finding.path, finding.code))
    checked.runs = len(objects.sealed)
    return checked


class _Objects:
    """Inspects every sealed object, and remembers where copies are whole.

    Attributes:
        sealed: The runs that could be read, by digest.
        environments: The environments that could be read.
    """

    def __init__(self, repo: Repository, found: Collector) -> None:
        self._repo = repo
        self._found = found
        self.sealed: dict[Digest, Sealed] = {}
        self.environments: set[Digest] = set()
        self._whole: dict[str, list[str]] = {}  # place -> where a good copy is
        self._ids: dict[tuple[str, str], bool] = {}  # place and git's id of what is on disk -> is it whole
        self._flawed: list[tuple[str, str, str, Flaw]] = []  # place, source, path, flaw

    def check_folder(self, layout: Layout, source: str) -> None:
        self._oddities(layout)
        places = list(stored.on_disk(layout))
        for done, place in enumerate(places):
            self._found.say("sealed runs", done, len(places))
            path = str(layout.committed / place)
            try:
                files = stored.read(layout, place)
            except OSError as error:
                code = "symlink-in-store" if _has_link(Path(path)) else "not-a-regular-file"
                if error.errno and code != "symlink-in-store":
                    code = "cannot-be-read"
                self._flawed.append((place, source, path, Flaw(code, f"cannot be read: {error.strerror}")))
                continue
            whole = self._object(place, files, source, path)
            self._ids[place, stored.git_id(place, files, self._repo.object_format)] = whole

    def check_git(self) -> None:
        """Look at what commits have, where it is other than what is on disk."""
        commits = stored.lasting_commits(self._repo)
        head = self._repo.head()
        if head is not None:
            commits.setdefault(head, "HEAD")
        names = {
            commit: ref.removeprefix("refs/heads/").removeprefix("refs/") for commit, ref in commits.items()
        }
        trees = stored.Trees(self._repo, commits)
        unknown = []
        for entry in trees.all():
            whole = self._ids.get((entry.place, entry.oid))
            if whole is None:
                unknown.append(entry)
            elif whole:
                self._whole.setdefault(entry.place, []).append(names[entry.commit])
        for done, (entry, files) in enumerate(zip(unknown, trees.files(unknown), strict=True)):
            self._found.say("runs in git", done, len(unknown))
            name = names[entry.commit]
            self._object(entry.place, files, name, f"{name}:{FOLDER}/{entry.place}")

    def _object(self, place: str, files: dict[str, bytes], source: str, path: str) -> bool:
        """Inspect one object; return whether it is whole."""
        digest = stored.digest_of(place)
        assert digest is not None
        run = None
        if place.startswith(f"{stored.RUNS}/"):
            run, flaws = inspect_run(digest, files)
        elif place.startswith(f"{stored.EVENTS}/"):
            flaws = inspect_event(digest, next(iter(files.values()), b""), now_ms=int(time.time() * 1000))
        else:
            flaws = inspect_environment(digest, next(iter(files.values()), b""))
            if not flaws:
                self.environments.add(digest)
        if run is not None:
            self.sealed.setdefault(digest, Sealed(run, digest, path))
        whole = not any(flaw.severity == "damaged" for flaw in flaws)
        if whole:
            self._whole.setdefault(place, []).append(source)
        self._flawed += [(place, source, path, flaw) for flaw in flaws]
        return whole

    def report(self) -> None:
        for place, source, path, flaw in self._flawed:
            digest = stored.digest_of(place)
            known = self.sealed.get(digest) if digest else None
            where = path if flaw.file is None else f"{path}/{flaw.file}"
            severity: Severity = flaw.severity  # type: ignore[assignment]
            remedy = "git log --all -- '.gittrack/" + place + "'"
            if severity == "damaged":
                severity, remedy = self._remedy(place, source, path)
            self._found.add(
                flaw.code, where, severity, flaw.what, remedy, known.run.run_id if known else flaw.run
            )

    def _remedy(self, place: str, source: str, path: str) -> tuple[Severity, str]:
        """Return whether another good copy is here, and the command that takes it."""
        good = [other for other in self._whole.get(place, []) if other != source]
        committed = [other for other in good if other not in ("here", "unsaved")]
        if not good:
            return "lost", f"no other copy is here: git fetch --all, then git log --all -- '{FOLDER}/{place}'"
        if source == "unsaved":
            return "damaged", f"rm -r '{path}'"
        if source == "here" and committed:
            return "damaged", f"git checkout {committed[0]} -- '{FOLDER}/{place}'"
        if source == "here":
            return "damaged", f"rm -r '{path}' && gittrack commit"
        return "damaged", "git fsck"

    def _oddities(self, layout: Layout) -> None:
        """Name what is no object: links, special files, names that are no digests."""
        top = layout.committed
        if top.is_symlink():
            self._found.link(top)
            return
        for entry in stored.entries(top):
            path = Path(entry.path)
            if entry.is_symlink():
                self._found.link(path)
            elif entry.name in _PRIVATE_NAMES:
                what = "belongs into git's own folder, and is not read here"
                self._found.add(
                    "tracked-private-file",
                    entry.path,
                    "suspicious",
                    what,
                    f"git rm -r '{FOLDER}/{entry.name}'",
                )
            elif entry.name not in _KNOWN_NAMES:
                self._found.unexpected(path)
            elif entry.name in stored.KINDS:
                self._odd_shards(path)

    def _odd_shards(self, folder: Path) -> None:
        for shard in stored.entries(folder):
            if shard.is_symlink():
                self._found.link(Path(shard.path))
                continue
            inside = stored.entries(Path(shard.path)) if shard.is_dir() else []
            if not shard.is_dir():
                self._found.unexpected(Path(shard.path))
            for entry in inside:
                place = f"{folder.name}/{shard.name}/{entry.name}"
                if entry.is_symlink():
                    self._found.link(Path(entry.path))
                elif not stored.digest_of(place) or entry.is_dir() != (folder.name == stored.RUNS):
                    self._found.unexpected(Path(entry.path))


def _has_link(path: Path) -> bool:
    return path.is_symlink() or any(entry.is_symlink() for entry in stored.entries(path))
