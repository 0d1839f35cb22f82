"""Keeps one big file as an artifact, turn by turn with a bare `hashlib.file_digest` of it.

Usage: artifact.py FILE ROUNDS; prints JSON: seconds of both by round, and peak memory before and after in MB.
"""

import hashlib
import json
import resource
import sys
import time
from pathlib import Path

import gittrack


def seconds(call):
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def digest():
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def peak_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


file, rounds = Path(sys.argv[1]), int(sys.argv[2])
taken = {"bare": [], "kept": []}
with gittrack.start_run():
    expected = digest()
    before = peak_mb()
    for _ in range(rounds):
        taken["bare"].append(seconds(digest))
        taken["kept"].append(seconds(lambda: gittrack.log_artifact(file)))
        kept = Path(".git/gittrack/files/sha256", expected[:2], expected[2:])
        assert kept.stat().st_size == file.stat().st_size, "the artifact is not in the store"
        kept.unlink()
    after = peak_mb()
print(json.dumps({**taken, "before": before, "after": after}))
