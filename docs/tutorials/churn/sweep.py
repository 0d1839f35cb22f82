"""Train eight models, each a run nested in the run of the sweep.

python sweep.py
"""

from dataclasses import replace
from itertools import product

import gittrack as mlflow
from config import EXPERIMENT, Config
from train import train

CHURN_WEIGHTS = (1.0, 3.0)
DEGREES = (1, 2)
ALPHAS = (0.0001, 0.01)

mlflow.set_experiment(EXPERIMENT)
with mlflow.start_run(run_name="sweep"):
    trials = list(product(CHURN_WEIGHTS, DEGREES, ALPHAS))
    mlflow.log_param("trials", len(trials))
    aucs = []
    for number, (churn_weight, degree, alpha) in enumerate(trials, start=1):
        config = replace(Config(), churn_weight=churn_weight, degree=degree, alpha=alpha)
        with mlflow.start_run(run_name=f"trial-{number}", nested=True):
            aucs.append(train(config))
        mlflow.log_metric("best_val_auc", max(aucs), step=number)
print(f"{len(trials)} trials, the best AUC is {max(aucs):.4f}")
