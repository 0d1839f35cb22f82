"""Runs that have not been sealed, and what interrupted work has left."""

from __future__ import annotations

import time
from pathlib import Path

from gittrack.entities.record import RunId
from gittrack.errors import GittrackError
from gittrack.housekeeping import stored
from gittrack.housekeeping.findings import Collector
from gittrack.record import live
from gittrack.record.journal_reader import Contents
from gittrack.store.layout import RUN_FILE, Layout

_OLD_S = 86_400


def check_live(found: Collector, layout: Layout) -> None:
    """Name damage in the journals of live runs, and runs that wait to be sealed."""
    for folder in live.folders(layout):
        found.checked.live += 1
        run_id = RunId(folder.name)
        try:
            run = live.read(folder)
            contents = live.read_journals(folder)
        except (GittrackError, OSError, ValueError) as error:
            if folder.is_dir():
                what = f"the start of the run cannot be read: {error}"
                found.add("bad-journal", str(folder / RUN_FILE), "lost", what, f"ls '{folder}'", run_id)
            continue
        for journal in contents:
            _check_journal(found, folder / journal.name, journal, run_id, alive=run.alive)
        if not run.alive:
            what = "its processes have died, and it is not sealed yet"
            found.add("stale-live", str(folder), "untidy", what, "gittrack ls", run_id)


def _check_journal(found: Collector, path: Path, journal: Contents, run_id: RunId, *, alive: bool) -> None:
    torn = 0 if alive else journal.torn
    if journal.damaged or torn:
        words = [f"{journal.damaged} bytes in the middle are damaged"] if journal.damaged else []
        words += [f"the last {torn} bytes are no whole record"] if torn else []
        remedy = "the rest is kept: gittrack ls seals the run, and its record says what it lacks"
        found.add("bad-journal", str(path), "lost", "; ".join(words), remedy, run_id)


def check_leftovers(found: Collector, layout: Layout) -> None:
    """Name what has been on its way to its final name for more than a day."""
    now = time.time()
    old = [entry for entry in stored.entries(layout.tmp) if _age_s(Path(entry.path), now) > _OLD_S]
    if old:
        what = f"{len(old)} leftovers of interrupted work are older than a day"
        found.add("orphan-tmp", str(layout.tmp), "untidy", what, "gittrack gc --yes")


def _age_s(path: Path, now: float) -> float:
    try:
        return now - path.lstat().st_mtime
    except OSError:
        return 0.0
