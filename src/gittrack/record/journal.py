"""The append-only journal of one process that logs to one run; its format is that of `record.frames`.

One `write` a call puts a frame into the operating system's hands, where it survives the process; a thread syncs
within a second. What is not yet synced stays in memory: after a failed write or sync the file is never believed
again, a new journal says from which byte on it replaces the old one, and starts with what was in memory.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gittrack.errors import Conflict, InvalidValue, StorageFailed
from gittrack.record import frames, identity
from gittrack.record.frames import BLOCK, HEAD, NUMBERED, OWN_TIME, POINT, SUFFIX, TIMED, crc32, frame
from gittrack.record.points import Points
from gittrack.record.warning import warn
from gittrack.store import durable, locking
from gittrack.store.digest import random_hex

LOCK_FILE = "lock"  # of a live folder: shared by those who come to write, exclusive for who seals
MAX_BACKLOG = 256 << 20  # bytes kept in memory while the disk takes nothing
SYNC_INTERVAL_S = 1.0
KEEPING = "it keeps what is logged in memory and tries again"

_LATE_NS = 2_000_000_000
_RETRY_NS = 1_000_000_000
_ROWS_PER_FRAME = 1 << 16


class Journal:
    """Appends the records of this process to a run.

    Args:
        open_folder: Returns the run's live folder, made anew should it have gone. It may raise OSError, and
            Conflict where the run has ended and this process is not the one to make it anew.
        introduction: What the first record says of the writer; see `record.live`.
        strict: Sync every record before the call returns.
    """

    def __init__(
        self, open_folder: Callable[[], Path], introduction: dict[str, Any], *, strict: bool = False
    ) -> None:
        self._open_folder = open_folder
        self._introduction = introduction
        self._strict = strict
        self._reset()
        _flusher.journals.add(self)

    def _reset(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal handler may end the run in the middle of a call
        self._syncing = threading.RLock()  # taken without waiting for `_lock` inside, so the two cannot block
        self._descriptor: int | None = None
        self._anchor: int | None = None  # a failed file: not believed, but its lock says that we live
        self._name = ""
        self._distrusted = ""
        self._size = self._synced = 0
        self._unsynced: list[bytes] = []
        self._first = 0  # how many records were synced before `_unsynced`
        self._backlog = 0
        self._due = self._retry = 0
        self._keys: dict[str, int] = {}
        self._failure: OSError | None = None
        self._warned = self._stopped = False
        self.dropped = 0

    @property
    def name(self) -> str:
        """The name of this process's file in the live folder, empty before the first record."""
        return self._name

    @property
    def is_open(self) -> bool:
        """Whether this process has a journal of the run."""
        return self._descriptor is not None

    @property
    def failure(self) -> OSError | None:
        """Why the disk did not take what was logged last, or None."""
        return self._failure

    def open(self, draft: Path | None = None) -> None:
        """Make this process's journal in the run's folder, or in `draft` which becomes that folder.

        Raises:
            OSError: The disk did not take it.
            Conflict: The run has ended.
        """
        if draft is not None:
            # Whoever makes the folder syncs its names. The introduction can wait for the flusher, a second at most:
            # it says which process writes, and none does after a power cut.
            self._write_file(draft, {}, b"", synced=False)
            _flusher.start()
        else:
            self._start_file({}, b"")

    def _start_file(self, continues: dict[str, Any], content: bytes) -> None:
        """Make the file in the live folder, which nobody seals or removes meanwhile."""
        for last in (False, True):
            folder = self._open_folder()
            try:
                with locking.locked(folder / LOCK_FILE, shared=True):
                    self._write_file(folder, continues, content)
            except FileNotFoundError:  # the folder went while we waited for its lock: sealed, or removed
                if last:
                    raise
            else:
                return

    def _write_file(
        self, folder: Path, continues: dict[str, Any], content: bytes, *, synced: bool = True
    ) -> None:
        """Make the file appear whole: what it continues is given up only when its own content is on disk."""
        name = f"{os.getpid()}-{random_hex()[:12]}{SUFFIX}"
        draft = folder / f"{name}.new"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        try:
            locking.hold(descriptor)
            first = frame(
                frames.fact({"journal": 1, **self._introduction, **identity.of_this_process(), **continues})
            )
            durable.hook("journal.write")
            durable.write_all(descriptor, first + content)
            if synced:
                os.fsync(descriptor)
            durable.hook("journal.rename")
            draft.rename(folder / name)
            if synced:
                durable.sync_folder(folder)
        except BaseException:
            locking.release(descriptor)
            for path in (draft, folder / name):
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
        self._descriptor, self._name = descriptor, name
        self._size = len(first) + len(content)
        self._synced = self._size if synced else 0

    def point(self, key: str, value: float, step: int, timestamp: int | None) -> None:
        """Append one point; the hot path (bench/log_metric.py).

        Raises:
            Conflict: The run has ended.
        """
        now = time.time_ns()
        try:
            number = self._keys[key]
        except KeyError:
            number = self._define(key)
        if timestamp is None:
            payload = POINT.pack(OWN_TIME, number, step, now // 1_000_000, value)
        else:
            payload = POINT.pack(TIMED, number, step, timestamp, value)
        record = HEAD.pack(32, crc32(payload)) + payload
        with self._lock:
            self._unsynced.append(record)
            try:
                if os.write(self._descriptor, record) != 40:  # type: ignore[arg-type]
                    raise OSError("a short write")
            except (OSError, TypeError) as error:
                self._unwritten(error)
            else:
                self._size += 40
        if now > self._due:
            self._settle(now)

    def points(self, points: Points) -> None:
        """Append many points as columns."""
        numbers = [self._keys.get(key) for key in points.keys]
        known = array(
            "I", [self._define(key) if n is None else n for key, n in zip(points.keys, numbers, strict=True)]
        )
        for start in range(0, len(points), _ROWS_PER_FRAME):
            part = slice(start, start + _ROWS_PER_FRAME)
            places = points.key[part]
            ids = known * len(places) if len(known) == 1 else array("I", map(known.__getitem__, places))
            columns: tuple[array[Any], ...] = (
                ids,
                points.step[part],
                points.timestamp[part],
                points.value[part],
            )
            self.append(b"".join([NUMBERED.pack(BLOCK, len(ids)), *(column.tobytes() for column in columns)]))

    def fact(self, fact: dict[str, Any]) -> None:
        """Append one fact, with the time.

        Raises:
            Conflict: The run has ended.
        """
        self.append(frames.fact({"t": time.time_ns() // 1_000_000, **fact}))

    def append(self, payload: bytes) -> None:
        """Append one record of any kind."""
        record = frame(payload)
        with self._lock:
            self._unsynced.append(record)
            try:
                if self._descriptor is None:
                    raise OSError("the journal is not open")
                durable.write_all(self._descriptor, record)
            except OSError as error:
                self._unwritten(error)
            else:
                self._size += len(record)
        now = time.time_ns()
        if now > self._due:
            self._settle(now)

    def _define(self, key: str) -> int:
        with self._lock:
            if key not in self._keys:
                number = len(self._keys)
                self.append(frames.key(number, key))
                self._keys[key] = number
            return self._keys[key]

    def _settle(self, now: int) -> None:
        """Start the clock of the records that wait for a sync, or sync when the flusher is late."""
        if self._strict:
            self.flush()
        elif self._due == 0:
            self._due = now + _LATE_NS
            _flusher.start()
        elif self._failure is None:
            self._due = now + _LATE_NS
            self.sync()

    def sync(self) -> bool:
        """Bring to disk what was logged before the call; whether that worked. Never raises for storage."""
        with self._lock:
            upto, size = self._first + len(self._unsynced), self._size
            name, descriptor = self._name, self._anchor if self._stopped else self._descriptor
            if descriptor is None:
                if not self._stopped and (self._unsynced or self._failure is not None):
                    self._reopen()
                return self._failure is None
        error = self._sync_file(descriptor, name)
        with self._lock:
            if name == self._name and not self._stopped:
                if error is not None:
                    self._recover(error)
                else:
                    self._settled(upto, size)
            return self._failure is None

    def _sync_file(self, descriptor: int, name: str) -> OSError | None:
        """Sync a file, one thread at a time: of two at once the system tells only one of an error."""
        with self._syncing:
            if name == self._distrusted:
                return OSError("the journal could not be synced")
            try:
                durable.hook("journal.sync")
                if os.fstat(descriptor).st_nlink == 0:
                    raise FileNotFoundError("the run's live folder was removed")
                getattr(os, "fdatasync", os.fsync)(descriptor)
            except OSError as error:
                self._distrusted = name
                return error
        return None

    def _settled(self, upto: int, size: int) -> None:
        """Forget the records that are on disk; the lock is held."""
        if upto > self._first:
            del self._unsynced[: upto - self._first]
            self._first = upto
        self._synced = max(self._synced, size)
        self._due = time.time_ns() + _LATE_NS if self._unsynced and not self._strict else 0

    def flush(self) -> None:
        """Bring to disk what was logged before the call.

        Raises:
            StorageFailed: The disk does not take it.
        """
        if (self._unsynced or self._failure is not None) and not self.sync():
            raise StorageFailed(f"what was logged is not on disk: {self._failure}")

    def _unwritten(self, error: OSError | TypeError) -> None:
        """Keep in memory a record that the file did not take; the lock is held.

        Raises:
            Conflict: The run has ended; the record is not kept.
        """
        if self._stopped:
            self._unsynced.pop()
            raise ended(str(self._introduction.get("run_id", "")))
        if self._failure is None or time.time_ns() > self._retry:
            self._recover(error)
        elif self._failure is not None:
            self._bound_backlog(len(self._unsynced[-1]))

    def _recover(self, error: OSError | TypeError) -> None:
        """Leave the failed file alone and go on in a new one; the lock is held."""
        self._failure = error if isinstance(error, OSError) else OSError("the journal is not open")
        self._reopen()
        if self._failure is not None and not self._warned:
            self._warned = True
            warn(f"gittrack cannot write to its journal ({self._failure}); {KEEPING}")

    def _reopen(self) -> None:
        """Start a new journal with all that is not known to be on disk; the lock is held."""
        if self._descriptor is not None:
            self._anchor, self._descriptor = self._descriptor, None
        anchor = self._anchor
        try:
            continues = {"journal": self._name, "offset": self._synced}
            keys = [frame(frames.key(number, key)) for key, number in self._keys.items()]
            content = self._removed() + b"".join(keys) + b"".join(self._unsynced)
            self._start_file({"continues": continues} if self._name else {}, content)
        except OSError as error:
            self._failure = error
            self._retry = time.time_ns() + _RETRY_NS
            self._backlog = 0
            self._bound_backlog(sum(map(len, self._unsynced)))
            return
        except Conflict:
            self._unsynced, self._failure = [], None
            self.close()
            raise
        self._first += len(self._unsynced)
        self._unsynced, self._backlog, self._failure, self._due = [], 0, None, 0
        self._anchor = None
        if anchor is not None:
            with contextlib.suppress(OSError):
                locking.release(anchor)

    def _removed(self) -> bytes:
        """Return the synced records of a file that was removed under our hands, but can still be read."""
        if self._anchor is None or os.fstat(self._anchor).st_nlink:
            return b""
        saved = b""
        while len(saved) < self._synced and (
            piece := os.pread(self._anchor, self._synced - len(saved), len(saved))
        ):
            saved += piece
        return saved[frames.first_size(saved) :]

    def _bound_backlog(self, more: int) -> None:
        """Give up the oldest records when memory holds too much of what the disk does not take."""
        self._backlog += more
        if self._backlog <= MAX_BACKLOG:
            return
        count = 0
        while self._backlog > MAX_BACKLOG * 7 // 8 and count < len(self._unsynced):
            self._backlog -= len(self._unsynced[count])
            count += 1
        del self._unsynced[:count]  # an eighth at once: the front of a list is dear to take from
        self._first += count
        self.dropped += count

    def stop(self) -> None:
        """Take no more records; the lock is kept until `close`, so that nobody else seals the run."""
        with self._lock:
            self._stopped = True
            if self._descriptor is not None:
                self._anchor, self._descriptor = self._descriptor, None

    def go_on(self) -> None:
        """Take records again after `stop`: the run could not be sealed."""
        with self._lock:
            self._descriptor, self._anchor = self._anchor, None
            self._stopped = False

    def close(self) -> None:
        """Free the lock: this process logs no more to the run."""
        with self._lock:
            self.stop()
            anchor, self._anchor = self._anchor, None
            self._unsynced = []  # sealed, where it was not synced
            if anchor is not None:
                with contextlib.suppress(OSError):
                    locking.release(anchor)
        _flusher.journals.discard(self)

    def forked(self) -> None:
        """Forget the parent's file: a child opens a journal of its own when it first logs."""
        self._reset()
        self._introduction = {**self._introduction, "owner": False}


def ended(run_id: str) -> Conflict:
    """Return what to raise for a record of a run that has ended."""
    return Conflict(f"run {run_id[:8]} has ended", hint=f"gittrack.start_run(run_id='{run_id}')")


def deleted(run_id: str) -> InvalidValue:
    """Return what to raise for what is said to, or of, a run that is deleted."""
    return InvalidValue(f"run '{run_id}' is deleted", hint=f"gittrack restore {run_id[:12]}")


class _Flusher:
    """One thread a process, which syncs its journals every second while there is something to sync."""

    def __init__(self) -> None:
        self.journals: set[Journal] = set()  # a weak set cannot be copied while another thread adds to it
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="gittrack-flusher", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread begins now, or any more: `end` syncs
                thread.start()
                self._thread = thread

    def forked(self) -> None:
        """Go on without the parent's thread, which a child has not got."""
        self._thread = None
        for journal in list(self.journals):
            journal.forked()

    def _work(self) -> None:
        while True:
            time.sleep(SYNC_INTERVAL_S)
            for journal in list(self.journals):
                with contextlib.suppress(Conflict):  # the run of a forked child was ended by its parent
                    if journal._failure is not None or journal._synced < journal._size or journal._unsynced:
                        journal.sync()


_flusher = _Flusher()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _flusher.forked())
