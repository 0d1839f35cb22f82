"""What the processes of a run read, found by itself, as the run's data.

`record.opens` notes what is opened; here it becomes data: what is a program's, the system's, or held by the captured
code, drops out, and so does what the run itself made: a file that a process wrote before it read it, or that had
changed since the run began. The rest is hashed, in a thread of its own once a run has gone on for a second, and small
files are kept, unless DVC keeps them.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from gittrack import config as configs
from gittrack.config import Config
from gittrack.data import hashing
from gittrack.data.known import Changed, GaveUp, KnownDigests, Stamp, stamp_of
from gittrack.entities.record import DataFile, Digest, RunRecord
from gittrack.errors import GittrackError, InvalidValue
from gittrack.git.capture import Capture
from gittrack.git.screening import has_token, is_secret_name
from gittrack.record import dvc, opens, readers
from gittrack.record import format as formats
from gittrack.record.earlier import Earlier
from gittrack.record.project import Project
from gittrack.record.warning import warn
from gittrack.record.whereabouts import Whereabouts, grouped
from gittrack.store import digest as digests
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

MAX_KEPT_BYTES = 100_000_000  # of one run
MAX_KEPT_FILES = 800  # of one run: each costs a millisecond, most of it in its sync
HURRY_S = 0.8  # how long a run that is killed waits for what it read
PATIENCE_S = 60.0  # how long one that ends does
_LOOK_S = 1.0
_SCANNED = 1_000_000  # bytes: larger files are no text with a token in it


class Found(NamedTuple):
    """What a run has read.

    Attributes:
        entries: Its data.
        lost: What is not known of it, in words.
        gone: Paths of data that has changed since and that nobody keeps as it was: to keep it now is too late.
    """

    entries: Sequence[DataFile] = ()
    lost: Sequence[str] = ()
    gone: Collection[str] = ()


@dataclass(slots=True, eq=False, repr=False)
class _Input:
    """One file that was read: where it is, how it was then, what it held, and what DVC says that it should."""

    file: str
    stamp: Stamp
    digest: Digest | None = None
    kept_by: str = "nobody"
    lost: str | None = None
    known: dvc.Known | None = None
    is_dvcs: bool = False  # it held what DVC says

    @property
    def is_as_read(self) -> bool:
        """Whether the file is still as it was."""
        try:
            return stamp_of(os.stat(self.file)) == self.stamp  # noqa: PTH116 - there may be very many
        except OSError:
            return False

    @property
    def dvc_place(self) -> str | None:
        """The file or folder of DVC's that it is named with; what has changed in a folder is not."""
        if self.known is None or (self.known.out.is_folder and self.kept_by != "dvc"):
            return None
        return self.known.out.path


class Reads:
    """Follows what is read for one run, from its begin in the process that begins it.

    Args:
        project: What the run is recorded into.
        config: The project's settings.
        capture: The run's code: what it holds is no data.
        folder: The run's live folder, where its other processes tell what they read.
        earlier: What the run had read and made before, when it is resumed.
    """

    def __init__(
        self,
        project: Project,
        config: Config,
        capture: Capture,
        folder: Path,
        earlier: Earlier | None = None,
    ) -> None:
        self._config = config
        self._capture = capture
        self._files = FileStore(project.layout)
        self._earlier = earlier
        self._folder = str(folder)
        self._known = known_of(project.layout)
        self._dvc = dvc.Tracked(project)
        self._root = project.root
        self._since = _begin_of(folder)
        self._told = opens.Told(self._folder)
        self._seen = 0
        self._inputs: dict[str, _Input] = {}
        self._hashed: dict[str, _Input] = {}  # and not looked at yet to be kept
        self._declared: set[str] = set()
        self._changed_by_job: set[str] = set()
        self._kept_bytes = self._kept_files = 0
        self._is_full = False
        self._busy = threading.RLock()
        self._ended = threading.Event()
        self._until: float | None = None
        _begun(self._folder)
        with contextlib.suppress(RuntimeError):  # the interpreter is shutting down
            threading.Thread(target=self._work, name="gittrack-reads", daemon=True).start()

    def declare(self, path: str) -> None:
        """Leave a file or folder to who declared it, under the path that the run's file has for it."""
        self._declared.add(path)

    def add(self, path: str, stamp: Stamp, *, changed: bool = False) -> None:
        """Take a file that a process opened for reading before it opened it for anything else.

        Args:
            path: Absolute.
            stamp: How the file was then.
            changed: Whether it is known that the job changed it later.
        """
        name = self._name(path, stamp)
        if name is not None:
            lost = (
                self._earlier.objection(name, stamp) if self._earlier and name not in self._inputs else None
            )
            self._inputs.setdefault(name, _Input(path, stamp, lost=lost))
            if changed:
                self._changed_by_job.add(name)

    def take(self, read: Mapping[str, bool], written: Collection[str]) -> None:
        """Take what a tracer saw: files that were first read, with whether they were changed later, and others."""
        with self._busy:
            for path in written:
                opens.seen[path] = None
            for path, changed in read.items():
                self._take_traced(path, changed=changed)

    def _take_traced(self, path: str, *, changed: bool) -> None:
        with contextlib.suppress(OSError):  # it was only passing by
            info = os.stat(path)  # noqa: PTH116 - there may be very many
            if S_ISREG(info.st_mode):
                stamp = stamp_of(info)
                self.add(path, (*stamp[:3], 0, 0) if changed else stamp, changed=changed)

    def _name(self, path: str, stamp: Stamp) -> str | None:
        """Return how the run names a file, None for one that is no input, or that the captured code has."""
        changed_at = max(stamp[3], stamp[4])
        if changed_at >= self._since:
            return None
        name = self._whereabouts.name(path)
        if name is None or self._is_declared(name):
            return None
        is_captured = not name.startswith("/") and self._capture.takes(name)
        return None if is_captured and changed_at // 1_000_000 < self._capture.taken_at else name

    @cached_property
    def _whereabouts(self) -> Whereabouts:
        return Whereabouts(self._root, configs.temporary_folder())

    def _is_declared(self, name: str) -> bool:
        return bool(self._declared) and any(
            name == path or name.startswith(f"{path}/") for path in self._declared
        )

    def _collect(self) -> None:
        """Take what was opened since the last look, by this process and by those it started."""
        while True:
            with contextlib.suppress(RuntimeError):  # another thread has just opened a file
                opened = list(opens.seen.items())
                break
        for path, stamp in opened[self._seen :]:
            if self._is_late():
                return
            if stamp is not None:
                self.add(path, stamp)
            self._seen += 1
        self._declared.update(self._told.declared())
        for path, stamp in self._told.more():
            if self._is_late():
                return
            if opens.seen.get(path, stamp) is not None:  # this process did not write it first
                self.add(path, stamp)

    def _work(self) -> None:
        while not self._ended.wait(_LOOK_S):
            with self._busy, contextlib.suppress(OSError, GittrackError, ValueError):
                self._collect()
                if not self._hash_new():
                    self._keep()  # not before all was read: of a folder it has to be known how large it is
                self._known.save()

    def _hash_new(self) -> bool:
        """Hash what was not hashed yet, the small files first; whether there was any."""
        waiting = [
            (name, one)
            for name, one in list(self._inputs.items())
            if one.digest is None and not one.lost and not self._is_declared(name)
        ]
        waiting.sort(key=lambda found: found[1].stamp[2])
        for name, one in waiting:
            if self._is_late():
                break
            self._hash(name, one)
        return bool(waiting)

    def _is_late(self) -> bool:
        return self._until is not None and time.monotonic() > self._until

    def _hash(self, name: str, one: _Input) -> None:
        try:
            one.digest = self._digest(name, one)
        except GaveUp:
            pass
        except Changed:
            one.lost = "it changed after it was read"
        except FileNotFoundError:
            one.lost = "it was removed after it was read"
        except OSError as error:
            one.lost = error.strerror or str(error)
        else:
            is_kept = one.is_dvcs and one.known is not None and one.known.is_here
            one.kept_by = "outside" if name.startswith("/") else "dvc" if is_kept else "nobody"
            self._hashed[name] = one

    def _digest(self, name: str, one: _Input) -> Digest:
        one.known = None if name.startswith("/") else self._dvc.find(name)
        if one.known is None:
            return self._known.digest(one.file, one.stamp, give_up=self._is_late)[0]
        names, _ = self._known.names(one.file, one.stamp, give_up=self._is_late)
        one.is_dvcs = one.known.is_named(names)
        return names.digest

    def _keep(self) -> None:
        """Keep what may be kept; of very many in a folder all or none, for they are one entry."""
        missing = {}
        for name, one in self._hashed.items():
            if one.kept_by == "nobody" and self._files.has(_known_digest(one)):
                one.kept_by = "cache"
            elif one.kept_by == "nobody" and not self._is_declared(name):
                missing[name] = one
        self._hashed = {}
        groups = [{name: missing[name] for name in names} for names in grouped(missing).values()]
        wanted: list[_Input] = []
        for group in sorted(groups, key=_size_of):
            if not self._is_late() and self._may_keep(group):
                wanted += group.values()
        self._store(wanted)

    def _may_keep(self, group: Mapping[str, _Input]) -> bool:
        """Whether to keep what nobody keeps: the one place that decides it."""
        size, largest = _size_of(group), max(one.stamp[2] for one in group.values())
        is_much = self._kept_bytes + size > MAX_KEPT_BYTES or self._kept_files + len(group) > MAX_KEPT_FILES
        if is_much or largest > self._config.capture_data_max_bytes:
            return False
        if any(_is_secret(name, one) for name, one in group.items()):
            return False
        self._kept_bytes += size
        self._kept_files += len(group)
        return True

    def _store(self, wanted: list[_Input]) -> None:
        wanted = [one for one in wanted if one.is_as_read]  # whose digest was known, nobody has looked at
        try:
            stored = hashing.keep_files([Path(one.file) for one in wanted], self._files)
        except (OSError, GittrackError):  # a full disk, or a file that has just gone: kept by nobody
            wanted = [one for one in wanted if self._files.has(_known_digest(one))]
        else:
            for one, (digest, _) in zip(wanted, stored, strict=True):
                if digest != one.digest:
                    one.lost = "it changed after it was read"
        for one in wanted:
            one.kept_by = "cache"

    def finish(self, *, hurry: bool) -> Found:
        """Return what the run has read until now; the run ends.

        Args:
            hurry: Take no longer than a second: the process is being ended.
        """
        self._ended.set()
        _ended(self._folder)
        self._until = time.monotonic() + (HURRY_S if hurry else PATIENCE_S)
        lost: list[str] = []
        is_free = self._busy.acquire(timeout=HURRY_S if hurry else PATIENCE_S)
        try:
            if is_free:
                self._collect()
                if self._is_late():
                    lost.append("data: there was no time to look at all that it read")
                self._hash_new()
                self._keep()
            else:
                lost.append("data: there was no time to look at what it read last")
        except (OSError, GittrackError, ValueError) as error:
            lost.append(f"some of what it read: {error}")
        finally:
            if is_free:
                self._busy.release()
        self._known.save()
        return self._found(lost)

    def _found(self, lost: list[str]) -> Found:
        whole: dict[str, _Input] = {}
        gone = set()
        for name, one in list(self._inputs.items()):
            if self._is_declared(name):
                continue
            reason = self._doubt(name, one) or _unnameable(name)
            if self._is_known(name, one):
                continue
            if reason is None:
                whole[name] = one
                if one.kept_by in ("nobody", "outside") and not self._is_as_read(name, one):
                    gone.add(name)
                    reason = "it changed after it was read, and nobody keeps what it was"
            if reason is not None:
                lost.append(f"data {name!r}: {reason}")
        if opens.state.full:
            lost.append(f"data: it opened more than {opens.MAX_PATHS} files, and the others are not known")
        if len(lost) > _NAMED:
            lost[_NAMED:] = [f"data: {len(lost) - _NAMED} more files"]
        return Found(self._entries(whole), lost, gone)

    def _doubt(self, name: str, one: _Input) -> str | None:
        """Return why it is not known what was read, or who had it first; None when it is.

        What a file held is known, though it has changed since, when it was hashed before that, by whatever run.
        """
        if one.digest is None and one.lost:
            one.digest = self._known.find(one.stamp)
            one.kept_by = "outside" if name.startswith("/") else "nobody"
        if one.digest is None:
            return one.lost or "there was no time to hash it"
        if one.kept_by in ("nobody", "cache") and not self._is_as_read(name, one):
            one.kept_by = "cache" if self._files.has(one.digest) else "nobody"
        return None if self._earlier is None else self._earlier.objection(name, one.stamp, one.digest)

    def _is_as_read(self, name: str, one: _Input) -> bool:
        return one.is_as_read and name not in self._changed_by_job

    def _is_known(self, name: str, one: _Input) -> bool:
        """Whether the run had recorded the same before it was resumed."""
        return (
            self._earlier is not None and one.digest is not None and self._earlier.is_known(name, one.digest)
        )

    def _entries(self, whole: dict[str, _Input]) -> list[DataFile]:
        """Return all inputs as entries: one for each file and folder of DVC's, whose name brings it back."""
        places: dict[str, list[str]] = {}
        others = []
        for name, one in sorted(whole.items()):
            if one.dvc_place is None:
                others.append(name)
            else:
                places.setdefault(one.dvc_place, []).append(name)
        for place, names in grouped(others).items():
            places[place] = sorted([*places.get(place, ()), *names])
        return [self._entry(place, names, whole) for place, names in places.items()]

    def _entry(self, place: str, names: list[str], whole: dict[str, _Input]) -> DataFile:
        """Return one file, or the files that were read of one folder, as an entry of the run's data."""
        inputs = [whole[name] for name in names]
        size = sum(one.stamp[2] for one in inputs)
        kept = {one.kept_by for one in inputs}
        kept_by = kept.pop() if len(kept) == 1 else "dvc" if kept == {"dvc", "cache"} else "nobody"
        if names == [place]:
            return _of_file(place, inputs[0])
        files = {name[len(place) + 1 :]: _known_digest(whole[name]) for name in names}
        md5 = next((one.known.out.md5 for one in inputs if one.known and one.dvc_place == place), None)
        before, known = (self._earlier.folders.get(place) if self._earlier else None) or (None, None)
        if before is not None:
            files, size, md5 = {**(known or {}), **files}, size + before.size, md5 or before.md5
            kept_by = kept_by if before.kept_by == kept_by else "nobody"
        manifest = hashing.manifest_of(files.items())
        with contextlib.suppress(OSError):  # a full disk: the digest still tells whether it is the same data
            self._files.put_bytes(manifest)
        return DataFile(place, digests.of_bytes(manifest), size, kept_by, len(files), "read", md5)


_NAMED = 20  # of what is lost; a run's file is read by people


def _begin_of(folder: Path) -> int:
    """Return when the live folder appeared, by the clock of the disk, which lags behind the system's."""
    try:
        return folder.stat().st_ctime_ns
    except OSError:
        return time.time_ns()


def _of_file(name: str, one: _Input) -> DataFile:
    md5 = None if one.known is None else one.known.file.md5
    changed = md5 is not None and not one.is_dvcs
    return DataFile(name, _known_digest(one), one.stamp[2], one.kept_by, None, "read", md5, changed)


def _known_digest(one: _Input) -> Digest:
    assert one.digest is not None
    return one.digest


def _size_of(group: Mapping[str, _Input]) -> int:
    return sum(one.stamp[2] for one in group.values())


def _is_secret(name: str, one: _Input) -> bool:
    if is_secret_name(os.fsencode(name)):
        return True
    try:
        return one.stamp[2] <= _SCANNED and has_token(Path(one.file).read_bytes())
    except OSError:
        return False


def _unnameable(name: str) -> str | None:
    try:
        formats.data_path(name)
    except InvalidValue as error:
        return str(error)
    return None


def known_of(layout: Layout) -> KnownDigests:
    """Return the digests that this process knows in a clone."""
    return _known.setdefault(layout.private, KnownDigests(layout))


_known: dict[Path, KnownDigests] = {}


def _begun(folder: str) -> None:
    opens.state.runs = (*opens.state.runs, folder)
    _pass_on()


def _ended(folder: str) -> None:
    opens.state.runs = tuple(run for run in opens.state.runs if run != folder)
    _pass_on()


def _pass_on() -> None:
    """Let the Python processes that this one starts tell what they read, too."""
    folders = (*opens.state.spools, *opens.state.runs)
    configs.pass_on("READS", os.pathsep.join(folders) if folders else None)


def follow(
    project: Project,
    config: Config,
    capture: Capture | None,
    folder: Path,
    earlier: RunRecord | None = None,
) -> Reads | None:
    """Return what follows the reads of a run that begins or is resumed, with the record of what it was `earlier`.

    None where it is switched off, or the code is not known.
    """
    if capture is None or not opens.state.installed or not config.capture_reads:
        return None
    before = None if earlier is None else Earlier(earlier, FileStore(project.layout))
    return Reads(project, config, capture, folder, before)


def warn_of(found: Found) -> None:
    """Warn of the inputs that nobody keeps and that can be kept, each once in the life of this process."""
    unkept = [entry for entry in found.entries if entry.kept_by == "nobody"]
    missing = [entry for entry in unkept if entry.path not in {*_warned, *found.gone}]
    if not missing:
        return
    _warned.update(entry.path for entry in missing)
    shown = ", ".join(f"{entry.path} ({_size(entry.size)}, not kept)" for entry in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    paths = " ".join(shlex.quote(entry.path) for entry in missing[:_SHOWN])
    warn(f"this run would not reproduce without {shown}{more}: gittrack keep {paths}")


_SHOWN = 3
_warned: set[str] = set()


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count} {unit}"
        count //= 1000
    return f"{count} GB"


if configs.captures_reads():
    opens.install(configs.reads_for())
    readers.watch()
