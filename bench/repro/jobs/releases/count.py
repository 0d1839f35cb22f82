"""Count the releases of a list that are understood and wanted."""

from __future__ import annotations

from pathlib import Path

import rules
from packaging.version import InvalidVersion, parse

import gittrack

LIST = Path("data/releases.txt")

with gittrack.start_run():
    gittrack.log_data(LIST)
    count = 0
    for line in LIST.read_text().splitlines():
        try:
            count += rules.is_wanted(parse(line))
        except InvalidVersion:
            continue
    gittrack.log_metric("releases", count)
