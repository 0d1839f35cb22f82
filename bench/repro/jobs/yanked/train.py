"""Use a library that an index no longer has."""

from __future__ import annotations

import corpus_yanked

import gittrack

with gittrack.start_run(run_name="yanked"):
    gittrack.log_metric("answer", corpus_yanked.ANSWER)
