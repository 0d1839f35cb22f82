"""The corpus: real jobs of many kinds, each recorded in one clone and asked about in a fresh one.

    python -m bench.repro [-k NAME] [--markdown docs/reproductions.md]

`table.py` declares the jobs: the files in `jobs/`, how they are recorded, what happens between (`steps.py`), and
what is asked about them, with the answer that is right (`questions.py`). `environments.py` makes one environment to
record in and another, fresh one, to reproduce in; `scene.py` plays a job; `report.py` says what came of it. A job that
needs what this gittrack or this machine lacks is skipped, with the reason.
"""
