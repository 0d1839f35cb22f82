"""From a live folder to a sealed run. Every step can be interrupted and repeated, by anybody."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from gittrack.entities.record import Artifact, Digest, RunRecord
from gittrack.errors import Conflict, Damaged, StorageFailed
from gittrack.record import document, live, trust
from gittrack.record.journal import LOCK_FILE
from gittrack.store import durable, locking
from gittrack.store.layout import FOLDER, PATCH_FILE, RUN_FILE, Layout
from gittrack.store.objects import FileStore

PATIENCE_S = 5.0  # with somebody who looks at a run that its own process wants to end


def seal(
    layout: Layout, folder: Path, *, start: RunRecord | None = None, own: str | None = None
) -> Digest | None:
    """Seal the run of a live folder; return its digest.

    None while a process still writes to it, and when it adds nothing to a run that had ended: then it goes.

    Args:
        layout: Where the store is; its `committed` takes the run when the run's own working tree is gone.
        folder: The live folder.
        start: The run at its start, for a caller that still has it in memory.
        own: The caller's journal, still locked so that nobody else seals the run first; the caller then waits
            a few seconds for those who only look.

    Raises:
        Conflict: Somebody held the caller's run all the while.
        Damaged: The start of the run cannot be read.
        StorageFailed: The run's metadata are too large to be read again; the live folder stays.
        OSError: The disk does not take it; the live folder stays.
    """
    if not folder.is_dir():
        return None
    with locking.locked(folder / LOCK_FILE, wait=PATIENCE_S if own is not None else False) as mine:
        if not mine and own is not None:
            raise Conflict(f"another process holds '{folder / LOCK_FILE}'")
        if not mine or not (folder / RUN_FILE).is_file() or live.is_written(folder, besides=own or ""):
            return None
        contents = live.read_journals(folder)
        if live.adds_nothing(start or live.start_of(folder), contents):
            durable.remove_folder(folder, tmp=layout.tmp)
            return None
        run, points = live.assemble(start or live.start_of(folder), contents, live.base_points(folder))
        run = _with_logs(run, folder, layout)
        patch = folder / PATCH_FILE
        _trust_inputs(layout, start or live.start_of(folder), run)
        digest, files = live.sealed_files(run, points, patch.read_bytes() if patch.is_file() else None)
        _must_be_readable(files[RUN_FILE])
        durable.hook("seal.begin")
        home, is_home = _home(layout, folder), True
        try:
            _keep_environment(home, run)
            durable.publish_folder(home.run(digest), files, tmp=layout.tmp, step="seal.committed")
        except OSError:
            if not os.access(layout.private, os.W_OK):
                raise
            is_home = (
                False  # it takes nothing: the second copy is put into one that does, by the next command
            )
        # A second copy is there for `git clean`, and need not outlive a power cut too: a quarter of all syncs.
        durable.publish_folder(
            layout.unsaved.run(digest), files, tmp=layout.tmp, step="seal.unsaved", synced=not is_home
        )
        durable.hook("seal.remove")
        durable.remove_folder(folder, tmp=layout.tmp)
    return digest


def _trust_inputs(layout: Layout, start: RunRecord, run: RunRecord) -> None:
    """Note that this clone's user read the data of a run; what a record had that is added to, only if it was theirs."""
    before, now = trust.inputs_digest(start), trust.inputs_digest(run)
    if now is None or trust.is_trusted(layout, now):
        return
    if not start.supersedes or before is None or trust.is_trusted(layout, before):
        with contextlib.suppress(OSError):  # the reproduction will ask
            trust.trust(layout, now, synced=False)  # syncs are most of what the end of a run costs


def _must_be_readable(run_file: bytes) -> None:
    if len(run_file) > document.MAX_BYTES:
        raise StorageFailed(
            f"its {RUN_FILE} would have {len(run_file)} bytes, at most {document.MAX_BYTES} can be read"
        )


def _with_logs(run: RunRecord, folder: Path, layout: Layout) -> RunRecord:
    """Add what the run's command printed to its artifacts."""
    if not (folder / live.LOGS_FOLDER).is_dir():
        return run
    files = FileStore(layout)
    kept = {artifact.path: artifact for artifact in run.artifacts}
    for file in sorted(folder.glob(f"{live.LOGS_FOLDER}/*")):
        if file.stat().st_size:
            path = f"{live.LOGS_FOLDER}/{file.name}"
            kept[path] = Artifact(path, *files.put_file(file))
    return replace(run, artifacts=tuple(kept[path] for path in sorted(kept)))


def _home(layout: Layout, folder: Path) -> Layout:
    """Return the store of the working tree that the run was started in, while that is there."""
    worktree = live.worktree_of(folder)
    if worktree is None or worktree / FOLDER == layout.committed or not worktree.is_dir():
        return layout
    return Layout(worktree / FOLDER, layout.private)


def _keep_environment(home: Layout, run: RunRecord) -> None:
    if run.environment is None:
        return
    target, source = home.environment(run.environment), home.unsaved.environment(run.environment)
    if not target.is_file() and source.is_file():
        durable.write_once(target, source.read_bytes(), tmp=home.tmp)


def seal_dead(layout: Layout) -> list[Digest]:
    """Seal every run whose processes have died; return the digests. A folder that cannot be sealed is left."""
    sealed = []
    for folder in live.folders(layout):
        with contextlib.suppress(Damaged, OSError):
            digest = seal(layout, folder)
            if digest is not None:
                sealed.append(digest)
    return sealed
