"""Records that no honest clone would have made, put where a pull would put them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from gittrack.entities.record import Digest, Process, RunId, RunRecord
from gittrack.record import format as formats
from gittrack.store import digest as digests
from tests.repro.helpers import opened


def forged(root: Path, run: RunRecord, **changes: object) -> RunRecord:
    """Put a copy of `run` with changes beside it, as another run of another process if nothing else is said."""
    own = {"run_id": RunId(uuid4().hex), "process": Process(uuid4().hex[:12], 1)}
    made = replace(run, **{**own, **changes})  # type: ignore[arg-type]
    content = formats.dump_run(made)
    _, layout = opened(root)
    target = layout.run(digests.of_bytes(content))
    shutil.copytree(layout.run(digest_of(root, run)), target)
    (target / "run.yaml").write_bytes(content)
    return made


def digest_of(root: Path, run: RunRecord) -> Digest:
    """The digest of the seal of a run."""
    for file in opened(root)[1].runs.glob("*/*/run.yaml"):
        if formats.load_run(file.read_bytes()).run_id == run.run_id:
            return Digest(file.parent.parent.name + file.parent.name)
    raise AssertionError(run.run_id)
