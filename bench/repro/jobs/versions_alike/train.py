"""Use a library whose version makes no difference to the result."""

from __future__ import annotations

import six

import gittrack

with gittrack.start_run(run_name="alike"):
    for step, text in enumerate(("one", b"two", "three")):
        gittrack.log_metric("length", len(six.ensure_text(text)), step=step)
