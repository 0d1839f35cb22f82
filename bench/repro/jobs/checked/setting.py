"""Take a setting from a variable that gittrack does not record."""

from __future__ import annotations

import os

import gittrack

with gittrack.start_run():
    gittrack.log_metric("depth", float(os.environ["CORPUS_DEPTH"]))
