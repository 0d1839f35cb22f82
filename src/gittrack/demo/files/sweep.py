"""Train eight classifiers, one nested run each.

python sweep.py
"""

from itertools import product

import gittrack
from train import train

LEARNING_RATES = (0.05, 0.2)
MAX_DEPTHS = (2, 4)
L2_REGULARIZATIONS = (0.0, 1.0)

gittrack.set_experiment("breast-cancer")
with gittrack.start_run(run_name="sweep"):
    for number, params in enumerate(product(LEARNING_RATES, MAX_DEPTHS, L2_REGULARIZATIONS), start=1):
        with gittrack.start_run(run_name=f"trial-{number}", nested=True):
            train(*params)
