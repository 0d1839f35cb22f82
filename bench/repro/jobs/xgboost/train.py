"""Boost trees with XGBoost, the loss of every round recorded."""

from __future__ import annotations

import numpy as np
import xgboost

import gittrack

draw = np.random.default_rng(4)
features = draw.normal(size=(2000, 12))
target = (features[:, 0] * features[:, 1] + features[:, 2] + draw.normal(0, 0.3, 2000) > 0).astype(int)
train = xgboost.DMatrix(features[:1500], target[:1500])
held = xgboost.DMatrix(features[1500:], target[1500:])
params = {
    "objective": "binary:logistic",
    "max_depth": 4,
    "eta": 0.2,
    "subsample": 0.8,
    "seed": 4,
    "nthread": 2,
}

with gittrack.start_run(run_name="xgboost"):
    gittrack.log_params(params)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        params, train, 40, evals=[(train, "train"), (held, "held")], evals_result=history, verbose_eval=False
    )
    for part, losses in history.items():
        for step, loss in enumerate(losses["logloss"]):
            gittrack.log_metric(f"{part}/logloss", loss, step=step)
    booster.save_model("model.json")
    gittrack.log_artifact("model.json")
