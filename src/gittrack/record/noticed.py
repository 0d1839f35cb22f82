"""What a run notices by itself of the process that logs to it: the files that are read, the distributions imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gittrack.entities.record import RunId
from gittrack.errors import Conflict, StorageFailed
from gittrack.record import opens, reads, values
from gittrack.record.imports import imported
from gittrack.record.journal import Journal
from gittrack.record.project import Project

if TYPE_CHECKING:
    from gittrack.record.trace import Accesses


class Noticed:
    """Follows one run in the process that opened it; children that it is forked into tell nothing here.

    Args:
        project: What the run is recorded into.
        journal: This process's journal of it.
        run_id: The run.
        is_job: Whether this process is the job, or a part of it: no one that only watches or adds to a record.
        reads: Follows what is read for the run; None where the run's owner does, or nobody.
    """

    def __init__(
        self, project: Project, journal: Journal, run_id: RunId, *, is_job: bool, reads: reads.Reads | None
    ) -> None:
        self._project = project
        self._journal = journal
        self._folder = project.layout.live_run(run_id)
        self._is_job = is_job
        self._reads = reads
        self._process = os.getpid()

    @property
    def is_mine(self) -> bool:
        """Whether this very process, not one it was forked from, opened the run."""
        return self._process == os.getpid()

    def declare(self, path: str) -> None:
        """Leave a file or folder to who declared it, under the path that the run's file has for it."""
        if self._reads is not None and self.is_mine:
            self._reads.declare(path)
        else:
            opens.declare(str(self._folder), path)

    def take_trace(self, accesses: Accesses) -> None:
        """Take what a tracer saw of the processes of the run."""
        if self._reads is not None:
            with suppress(OSError):
                self._reads.take(accesses.read, accesses.written)

    def tell_imports(self) -> None:
        """Record which distributions the job has imported in this process."""
        if not self._is_job or not self.is_mine:
            return
        try:
            found = imported(self._project.layout, (self._project.root, self._project.home))
        except Exception:  # noqa: BLE001 - anything may stand in `sys.modules`; then it is not known
            return
        if found is not None:
            self._tell({"imports": found})

    def tell_reads(self, *, hurry: bool) -> None:
        """Record what was read without being declared, and say what of it is not kept.

        Args:
            hurry: Take no longer than a second: the process is being ended.
        """
        if self._reads is None or not self.is_mine:
            return
        try:
            found = self._reads.finish(hurry=hurry)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training's end is not to fail for it
            found = reads.Found(lost=[f"data: what it read ({error})"])
        self._tell(*({"data": asdict(entry)} for entry in found.entries))
        self._tell(*({"lost": values.shortened(lost)} for lost in found.lost))
        reads.warn_of(found)

    def _tell(self, *facts: Mapping[str, Any]) -> None:
        with suppress(StorageFailed, Conflict):  # told when the run ends
            for fact in facts:
                self._journal.fact(dict(fact))
