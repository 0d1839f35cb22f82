"""Log a number that hangs on the version of a library."""

from __future__ import annotations

import six

import gittrack

with gittrack.start_run(run_name="versions"):
    for step, part in enumerate(six.__version__.split(".")):
        gittrack.log_metric("part", int(part), step=step)
