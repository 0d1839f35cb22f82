"""Boost trees with LightGBM in its deterministic mode."""

from __future__ import annotations

import lightgbm
import numpy as np

import gittrack

draw = np.random.default_rng(9)
features = draw.normal(size=(2000, 10))
target = features[:, 0] ** 2 + 2 * features[:, 1] + draw.normal(0, 0.2, 2000)
train = lightgbm.Dataset(features[:1500], target[:1500])
held = lightgbm.Dataset(features[1500:], target[1500:], reference=train)
params = {
    "objective": "regression",
    "metric": "l2",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "seed": 9,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "verbosity": -1,
}

with gittrack.start_run(run_name="lightgbm"):
    gittrack.log_params(params)
    history: dict[str, dict[str, list[float]]] = {}
    booster = lightgbm.train(
        params, train, 40, valid_sets=[held], callbacks=[lightgbm.record_evaluation(history)]
    )
    for step, loss in enumerate(history["valid_0"]["l2"]):
        gittrack.log_metric("held/l2", loss, step=step)
    gittrack.log_text(booster.model_to_string(), "model.txt")
