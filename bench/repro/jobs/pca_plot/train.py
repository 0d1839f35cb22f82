"""Plot two principal components of the iris measurements."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

import gittrack

mpl.use("Agg")

iris = load_iris()
with gittrack.start_run(run_name="pca"):
    reduction = PCA(n_components=3).fit(iris.data)
    for number, ratio in enumerate(reduction.explained_variance_ratio_):
        gittrack.log_metric("explained", ratio, step=number)
    shown = reduction.transform(iris.data)
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.scatter(shown[:, 0], shown[:, 1], c=iris.target)
    axes.set_xlabel("first component")
    axes.set_ylabel("second component")
    gittrack.log_figure(figure, "components.png")
