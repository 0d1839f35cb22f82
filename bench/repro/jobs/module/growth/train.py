"""`python -m growth.train --rate R`."""

from __future__ import annotations

import argparse

import gittrack
from growth import logistic

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, required=True)
rate = parser.parse_args().rate
with gittrack.start_run():
    gittrack.log_param("rate", rate)
    for step, share in enumerate(logistic.grow(rate, steps=60)):
        gittrack.log_metric("share", share, step=step)
