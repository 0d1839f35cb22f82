"""Follow the coefficients of a ridge and a lasso regression as the penalty grows."""

from __future__ import annotations

import csv

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Lasso, Ridge
from sklearn.metrics import mean_squared_error, r2_score

import gittrack

features, target = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = features[:-60], features[-60:], target[:-60], target[-60:]

with gittrack.start_run(run_name="penalties"), open("coefficients.csv", "w", newline="") as file:
    table = csv.writer(file)
    for step, penalty in enumerate(np.logspace(-4, 1, 30)):
        for kind in (Ridge, Lasso):
            model = kind(alpha=penalty, max_iter=5000).fit(x_train, y_train)
            predicted = model.predict(x_test)
            name = kind.__name__.lower()
            gittrack.log_metrics(
                {
                    f"{name}/mse": mean_squared_error(y_test, predicted),
                    f"{name}/r2": r2_score(y_test, predicted),
                },
                step=step,
            )
            table.writerow((name, repr(penalty), *map(repr, model.coef_.tolist())))
    file.flush()
    gittrack.log_artifact("coefficients.csv")
