"""Boost trees for the breast cancer data and keep the model as a pickle."""

from __future__ import annotations

import pickle

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import gittrack

features, target = load_breast_cancer(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(features, target, random_state=1, stratify=target)

with gittrack.start_run(run_name="boosting"):
    model = GradientBoostingClassifier(n_estimators=40, subsample=0.8, random_state=1).fit(x_train, y_train)
    for step, scores in enumerate(model.staged_predict_proba(x_test)):
        gittrack.log_metric("auc", roc_auc_score(y_test, scores[:, 1]), step=step)
    for step, loss in enumerate(model.train_score_):
        gittrack.log_metric("train_loss", loss, step=step)
    with open("model.pkl", "wb") as file:
        pickle.dump(model, file)
    gittrack.log_artifact("model.pkl", "model")
