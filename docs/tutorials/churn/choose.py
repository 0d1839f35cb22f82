"""Choose the run with the best AUC among those whose probabilities can be trusted, and tag it.

python choose.py --brier-ceiling 0.12
"""

import argparse
import sys

import gittrack as mlflow
from config import EXPERIMENT

TAG = "chosen"
SHOWN = {
    "tags.mlflow.runName": "run",
    "params.churn_weight": "churn_weight",
    "params.degree": "degree",
    "params.alpha": "alpha",
    "metrics.val_auc": "val_auc",
    "metrics.val_brier": "val_brier",
}


def choose(ceiling: float) -> None:
    """Compare the runs under the ceiling and tag the best, which alone has the tag afterwards."""
    runs = mlflow.search_runs(
        experiment_names=[EXPERIMENT],
        filter_string=f"metrics.val_brier <= {ceiling}",
        order_by=["metrics.val_auc DESC", "metrics.val_brier ASC"],
    )
    if runs.empty:
        sys.exit(f"no run has a Brier score of at most {ceiling}; raise the ceiling or train a better model")
    print(runs[list(SHOWN)].rename(columns=SHOWN).round(4).to_string(index=False))

    client = mlflow.MlflowClient()
    tagged = mlflow.search_runs(experiment_names=[EXPERIMENT], filter_string=f"tags.{TAG} IS NOT NULL")
    for run_id in tagged["run_id"]:
        client.delete_tag(run_id, TAG)
    best = runs.iloc[0]
    client.set_tag(best["run_id"], TAG, f"best AUC with a Brier score of at most {ceiling}")
    print(f"chosen: {best['tags.mlflow.runName']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--brier-ceiling", type=float, default=0.12)
    choose(parser.parse_args().brier_ceiling)
