"""Train a small network batch by batch and record its learning curve."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

import gittrack

features, target = load_digits(return_X_y=True)
features = features / 16.0
draw = np.random.default_rng(0)
order = draw.permutation(len(features))
train, held = order[:1400], order[1400:]

with gittrack.start_run(run_name="mlp"):
    gittrack.log_params({"batch": 50, "hidden": 32, "seed": 0})
    network = MLPClassifier((32,), random_state=0)
    for step in range(200):
        batch = draw.choice(train, 50, replace=False)
        network.partial_fit(features[batch], target[batch], classes=range(10))
        gittrack.log_metric("train_loss", network.loss_, step=step)
        if step % 10 == 9:
            gittrack.log_metric(
                "held_loss", log_loss(target[held], network.predict_proba(features[held])), step=step
            )
            gittrack.log_metric("held_accuracy", network.score(features[held], target[held]), step=step)
