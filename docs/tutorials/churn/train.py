"""Train one model of who leaves, and record it as a run.

python train.py --degree 2
"""

import hashlib
import platform
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import RocCurveDisplay, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import gittrack as mlflow
from config import EXPERIMENT, Config

TARGET = "left"


def train(config: Config) -> float:
    """Fit one model, log everything about it to the active run, and return its AUC on the validation data."""
    mlflow.log_params(asdict(config))
    mlflow.set_tags(
        {
            "data.sha256": hashlib.sha256(Path(config.data).read_bytes()).hexdigest(),
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
        }
    )
    table = pd.read_csv(config.data)
    dataset = mlflow.data.from_pandas(table, source=config.data, name="customers", targets=TARGET)
    mlflow.log_input(dataset, context="training")

    features, left = table.drop(columns=TARGET), table[TARGET]
    x_train, x_val, y_train, y_val = train_test_split(
        features, left, test_size=config.validation_share, stratify=left, random_state=config.seed
    )
    expand = make_pipeline(PolynomialFeatures(config.degree, include_bias=False), StandardScaler())
    x_train, x_val = expand.fit_transform(x_train), expand.transform(x_val)
    model = fit(config, x_train, y_train, x_val, y_val)

    probability = model.predict_proba(x_val)[:, 1]
    auc = roc_auc_score(y_val, probability)
    mlflow.log_metrics({"val_auc": auc, "val_brier": brier_score_loss(y_val, probability)})
    mlflow.log_figure(roc_curve(y_val, probability), "plots/roc.png")
    mlflow.log_figure(calibration(y_val, probability), "plots/calibration.png")
    coefficients = zip(expand.get_feature_names_out(), model.coef_[0].tolist(), strict=True)
    mlflow.log_dict(dict(coefficients), "coefficients.json")
    mlflow.log_table(by_tenth(y_val, probability), "tenths.json")
    return auc


def fit(
    config: Config, x_train: np.ndarray, y_train: pd.Series, x_val: np.ndarray, y_val: pd.Series
) -> SGDClassifier:
    """Fit a logistic regression epoch by epoch, and log its learning curve."""
    model = SGDClassifier(
        loss="log_loss",
        alpha=config.alpha,
        learning_rate="constant",
        eta0=config.learning_rate,
        random_state=config.seed,
    )
    weight = np.where(y_train == 1, config.churn_weight, 1.0)
    for epoch in range(1, config.epochs + 1):
        model.partial_fit(x_train, y_train, classes=[0, 1], sample_weight=weight)
        mlflow.log_metric("train_log_loss", log_loss(y_train, model.predict_proba(x_train)), step=epoch)
        mlflow.log_metric("val_log_loss", log_loss(y_val, model.predict_proba(x_val)), step=epoch)
    return model


def roc_curve(left: pd.Series, probability: np.ndarray) -> Figure:
    """Draw how many leavers are found for how many false alarms."""
    figure = Figure(figsize=(5, 5))
    RocCurveDisplay.from_predictions(left, probability, name="validation", ax=figure.subplots())
    return figure


def calibration(left: pd.Series, probability: np.ndarray) -> Figure:
    """Draw whether of the customers with a probability of 30 % about 30 % leave."""
    figure = Figure(figsize=(5, 5))
    CalibrationDisplay.from_predictions(
        left, probability, n_bins=8, strategy="quantile", name="validation", ax=figure.subplots()
    )
    return figure


def by_tenth(left: pd.Series, probability: np.ndarray) -> pd.DataFrame:
    """Sort the customers by probability, most likely first, and count each tenth of them."""
    order = np.argsort(-probability, kind="stable")
    tenths = np.array_split(order, 10)
    return pd.DataFrame(
        {
            "tenth": range(1, 11),
            "customers": [len(tenth) for tenth in tenths],
            "left": [int(left.iloc[tenth].sum()) for tenth in tenths],
            "expected": [round(float(probability[tenth].sum()), 1) for tenth in tenths],
        }
    )


if __name__ == "__main__":
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name="first"):
        print(f"AUC {train(Config.from_command_line()):.4f}")
