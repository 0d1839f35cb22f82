"""Use a library that is a submodule."""

from __future__ import annotations

from library import shapes

import gittrack

with gittrack.start_run(run_name="shapes"):
    for corners in range(3, 12):
        gittrack.log_metric("area", shapes.area(corners), step=corners)
