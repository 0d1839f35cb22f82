"""Advisory locks that the operating system drops when the process dies.

A lock belongs to the open file, so a forked child must close its copy: `os.register_at_fork` does. Where a
filesystem has no locks, `is_held` says None and the caller falls back to the identity of the process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_held: set[int] = set()
_LOOK_AGAIN_S = 0.02


def _close_in_child() -> None:
    for descriptor in list(_held):
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def hold(descriptor: int) -> None:
    """Take the lock of a file for the life of this process, or until `release`; a forked child drops it."""
    import fcntl

    _held.add(descriptor)  # first: a child that another thread forks in between must find it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits for a reader that looks whether it is held, no longer
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def release(descriptor: int) -> None:
    """Close a held file, which frees its lock."""
    _unlock(descriptor)
    _held.discard(descriptor)
    os.close(descriptor)


def _unlock(descriptor: int) -> None:
    """Free the lock itself, which a copy in a child that was just forked would keep."""
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_held(path: Path) -> bool | None:
    """Whether a living process holds the lock of the file at `path`; None where there are no locks."""
    import fcntl  # POSIX only, so not at module level

    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not see each other
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def locked(path: Path, *, wait: bool | float = True, shared: bool = False) -> Iterator[bool]:
    """Hold the lock file at `path` for the length of a block; yields whether it was taken.

    Args:
        path: Made when it is not there, in a folder that is; never removed alone, so that all take the same file.
        wait: Wait for the present holder: True without end, a number that many seconds, False not at all.
            Yields False when it still holds the lock then.
        shared: Let other shared holders in.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(descriptor)
    try:
        taken = _take(descriptor, shared=shared, wait=wait is True)
        until = time.monotonic() + wait
        while not taken and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_S)  # the system waits without end, or not at all
            taken = _take(descriptor, shared=shared, wait=False)
        yield taken
    finally:
        _unlock(descriptor)
        _held.discard(descriptor)
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _take(descriptor: int, *, shared: bool, wait: bool) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        # nothing to be had here: publication by rename keeps this safe, only work is doubled
    return True
