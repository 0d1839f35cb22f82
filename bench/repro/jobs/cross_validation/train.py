"""Score random forests by cross-validation in two processes."""

from __future__ import annotations

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

import gittrack

features, target = load_wine(return_X_y=True)

if __name__ == "__main__":
    with gittrack.start_run(run_name="forest"):
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        for depth in (2, 4, 8):
            forest = RandomForestClassifier(40, max_depth=depth, random_state=0)
            for fold, score in enumerate(cross_val_score(forest, features, target, cv=folds, n_jobs=2)):
                gittrack.log_metric(f"depth{depth}/accuracy", score, step=fold)
