"""Take a setting from a variable of the environment that gittrack does not record."""

from __future__ import annotations

import os

import gittrack

with gittrack.start_run(run_name="depth"):
    gittrack.log_metric("depth", float(os.environ["CORPUS_DEPTH"]))
