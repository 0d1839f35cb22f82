"""Choose the number of clusters of points drawn around five centres."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, silhouette_score

import gittrack

points, truth = make_blobs(n_samples=600, centers=5, cluster_std=1.2, random_state=3)

with gittrack.start_run(run_name="kmeans"):
    gittrack.log_params({"samples": len(points), "seed": 3})
    best, labels = -1.0, truth
    for count in range(2, 10):
        found = KMeans(n_clusters=count, n_init=4, random_state=3).fit(points)
        score = silhouette_score(points, found.labels_)
        gittrack.log_metrics({"silhouette": score, "inertia": found.inertia_}, step=count)
        if score > best:
            best, labels = score, found.labels_
    gittrack.log_metric("rand", adjusted_rand_score(truth, labels))
    np.save("labels.npy", labels)
    gittrack.log_artifact("labels.npy")
