"""Ends the runs of a process that ends, with the status it deserves, whether or not a `with` block is around.

Python tells nobody the code of `sys.exit`, so it is wrapped; the user's own hooks and handlers still run. What was
caught again ended nothing: the script's outermost frame tells whether it came to its end.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from gittrack.entities.record import Status
from gittrack.record.run import ActiveRun, status_of, traceback_of

_open: list[ActiveRun] = []
_outcome: dict[str, Any] = {}
_SIGNALS = ("SIGTERM", "SIGHUP")
_RETURNS = ("RETURN_VALUE", "RETURN_CONST")


def watch(run: ActiveRun) -> None:
    """See to it that `run` ends with this process."""
    if _outcome.get("pid") != os.getpid():
        _install()
    _open[:] = [other for other in _open if not other.has_ended and other.is_mine]
    _open.append(run)


def open_here(run_id: str) -> ActiveRun | None:
    """Return the run of an id if this process has it open; of several handles the latest."""
    return next(
        (run for run in reversed(_open) if run.run_id == run_id and not run.has_ended and run.is_mine), None
    )


def all_open() -> list[ActiveRun]:
    """Return the runs that this process has open."""
    return [run for run in _open if not run.has_ended and run.is_mine]


def _install() -> None:
    """Look out for the end of this process; a forked child has what its parent set up, and its own way to end."""
    main = threading.main_thread()
    processes = sys.modules.get("multiprocessing.process")
    worker = processes is not None and processes.parent_process() is not None
    if "exit" not in _outcome:
        _outcome["exit"], sys.exit = sys.exit, _on_sys_exit
    if threading.current_thread() is main and not worker:
        _handle_signals()
    _outcome.pop("error", None)
    _outcome["pid"] = os.getpid()
    _outcome["script"] = _outermost(sys._current_frames().get(main.ident or 0))
    if worker:
        from multiprocessing.util import Finalize

        Finalize(None, _at_exit, exitpriority=100)  # such a child leaves by os._exit, without atexit


def _handle_signals() -> None:
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _on_signal)


def _leave_signals() -> None:
    """Let a signal end a forked child at once, as it would without gittrack.

    Python runs a handler only between two steps of its own, so a worker that waits for a lock may never die of the
    SIGTERM by which a pool ends it, and the pool waits for ever. Its runs are sealed by who looks next.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is _on_signal:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(number, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_signals)


def _outermost(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _on_sys_exit(code: Any = None, /) -> NoReturn:
    if threading.current_thread() is threading.main_thread():
        _outcome["error"] = SystemExit(code)
    _outcome["exit"](code)
    raise AssertionError  # sys.exit raises


def _at_exit() -> None:
    error = _escaped()
    _end_all(status_of(error), error)


def _escaped() -> BaseException | None:
    """Return the exception that ends this process, if one does.

    The interpreter leaves it in `sys.last_value`, whatever hook the user has; a child of multiprocessing is still
    handling it.
    """
    error = sys.exc_info()[1] or getattr(sys, "last_value", None) or _outcome.get("error")
    return None if error is not None and sys.exc_info()[1] is None and _came_to_its_end() else error


def _came_to_its_end() -> bool:
    """Whether the script returned, in which case what was raised in it was caught."""
    script = _outcome.get("script")
    if script is None or script.f_lasti < 0:
        return False
    import opcode

    return opcode.opname[script.f_code.co_code[script.f_lasti]] in _RETURNS


def _on_signal(number: int, frame: FrameType | None) -> None:
    del frame
    _end_all("KILLED", None)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_all(status: Status, error: BaseException | None) -> None:
    for run in reversed(_open):
        if run.is_mine and not run.is_amended:
            run.end(status, error=None if error is None or status == "FINISHED" else traceback_of(error))
        else:
            run.leave()
    _open.clear()


# At the import: handlers that the user registers later run before, and may still log.
atexit.register(_at_exit)
