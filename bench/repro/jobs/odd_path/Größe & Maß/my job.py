"""Measure words, from a file whose name a shell would take apart."""

from __future__ import annotations

from pathlib import Path

import gittrack

with gittrack.start_run(run_name="Größe"):
    table = Path(__file__).with_name("Wörter, alle.txt")
    gittrack.log_data(table)
    for step, word in enumerate(table.read_text(encoding="utf-8").split()):
        gittrack.log_metric("länge", len(word), step=step)
    gittrack.log_text("fertig", "Ergebnis – 1.txt")
