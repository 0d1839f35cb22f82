"""Captures the environment as the start of a process does.

Usage: environment.py FOLDER; prints JSON: milliseconds with what is kept in FOLDER, and whether that was anything.
"""

import json
import sys
import time
from pathlib import Path

from gittrack.record import environment, installed
from gittrack.store.layout import Layout

folder = Path(sys.argv[1])
layout = Layout(folder / ".gittrack", folder / "private")
known = layout.index.is_dir()
begun = time.perf_counter()
installed.scan(sys.path)
listed = time.perf_counter()
environment.record(layout, (folder,), folder=folder)
recorded = time.perf_counter()
environment.imported(layout)
ended = time.perf_counter()
figures = {"listed": listed - begun, "recorded": recorded - listed, "imported": ended - recorded}
print(json.dumps({"known": known, **{name: value * 1e3 for name, value in figures.items()}}))
