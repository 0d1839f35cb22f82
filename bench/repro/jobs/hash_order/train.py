"""Number words in the order in which a set gives them: it hangs on the seed of Python's hashes."""

from __future__ import annotations

import gittrack

TEXT = "the quick brown fox jumps over the lazy dog while seven wizards boil five dozen quail eggs"

with gittrack.start_run(run_name="vocabulary"):
    vocabulary = {word: number for number, word in enumerate(set(TEXT.split()))}
    for step, word in enumerate(TEXT.split()):
        gittrack.log_metric("code", vocabulary[word], step=step)
    gittrack.log_text("\n".join(vocabulary), "vocabulary.txt")
