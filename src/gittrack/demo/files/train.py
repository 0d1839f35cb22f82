"""Train one classifier of the Wisconsin breast cancer table and record it as a run.

python train.py --learning-rate 0.1 --max-depth 3 --l2-regularization 0.0
"""

import argparse

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import ConfusionMatrixDisplay, brier_score_loss, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

import gittrack

DATA = "data/breast_cancer.csv"


def train(learning_rate: float, max_depth: int, l2_regularization: float) -> None:
    """Fit one model and log params, learning curve, scores and plots to the active run."""
    params = {"learning_rate": learning_rate, "max_depth": max_depth, "l2_regularization": l2_regularization}
    gittrack.log_params(params)
    gittrack.log_data(DATA)

    table = pd.read_csv(DATA)
    features, malignant = table.drop(columns="malignant"), table["malignant"]
    x_train, x_val, y_train, y_val = train_test_split(
        features, malignant, test_size=0.3, stratify=malignant, random_state=0
    )
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0, **params).fit(x_train, y_train)

    for step, stage in enumerate(model.staged_predict_proba(x_val), start=1):
        gittrack.log_metrics(
            {"val_auc": roc_auc_score(y_val, stage[:, 1]), "val_log_loss": log_loss(y_val, stage)}, step=step
        )

    probability, predicted = model.predict_proba(x_val)[:, 1], model.predict(x_val)
    gittrack.log_metrics(
        {
            "val_auc": roc_auc_score(y_val, probability),
            "val_brier": brier_score_loss(y_val, probability),
            "val_f1": f1_score(y_val, predicted),
        },
        step=model.n_iter_,
    )
    confusion = ConfusionMatrixDisplay.from_predictions(
        y_val, predicted, display_labels=["benign", "malignant"]
    )
    gittrack.log_figure(confusion.figure_, "plots/confusion_matrix.png")
    calibration = CalibrationDisplay.from_predictions(y_val, probability, n_bins=5, name="validation")
    calibration.ax_.set(xlabel="Predicted probability of malignant", ylabel="Fraction that is malignant")
    calibration.ax_.legend(loc="upper left")
    gittrack.log_figure(calibration.figure_, "plots/calibration.png")
    plt.close("all")


def main() -> None:
    """Train with the params of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--max-depth", type=int, default=3)
    parser.add_argument("--l2-regularization", type=float, default=0.0)
    params = vars(parser.parse_args())
    gittrack.set_experiment("breast-cancer")
    with gittrack.start_run():
        train(**params)


if __name__ == "__main__":
    main()
