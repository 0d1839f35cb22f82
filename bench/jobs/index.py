"""Indexes every run of the repository around the current folder.

Prints JSON: seconds, peak memory in MB and the number of runs.
"""

import json
import resource
import sys
import time
from pathlib import Path

from gittrack.query.session import Session
from gittrack.record.project import Project

begun = time.perf_counter()
project = Project.find(Path.cwd())
((runs,),) = Session.open(project.repository, project.layout).rows("select count(*) from runs")
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
print(json.dumps({"seconds": seconds, "peak_mb": peak, "runs": runs}))
