"""Log a long walk as arrays."""

from __future__ import annotations

import numpy as np

import gittrack

draw = np.random.default_rng(1)
with gittrack.start_run(run_name="walk"):
    for axis in "xyz":
        walk = draw.normal(size=100_000).cumsum()
        gittrack.log_points({"key": [axis] * len(walk), "step": np.arange(len(walk)), "value": walk})
