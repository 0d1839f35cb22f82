"""Tell letters of complaint from letters of thanks, with a grid search over a text pipeline."""

from __future__ import annotations

import random

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

import gittrack

SAID = {
    0: "late broken refund never again angry cold rude wrong missing waited",
    1: "thanks lovely quick friendly perfect again happy warm kind helped",
}
BOTH = "the parcel came and my order was in a box from your shop on monday with two of them"


def letter(draw: random.Random, kind: int) -> str:
    """Return twenty words, of which a few say what kind of letter it is."""
    words = draw.choices(BOTH.split(), k=17) + draw.choices(SAID[kind].split(), k=2)
    words += draw.choices(SAID[1 - kind].split(), k=1)
    draw.shuffle(words)
    return " ".join(words)


draw = random.Random(11)
kinds = [draw.randrange(2) for _ in range(500)]
letters = [letter(draw, kind) for kind in kinds]

with gittrack.start_run(run_name="letters"):
    pipeline = Pipeline([("words", TfidfVectorizer()), ("model", SGDClassifier(random_state=5))])
    grid = {"words__ngram_range": [(1, 1), (1, 2)], "model__alpha": [1e-4, 1e-3, 1e-2]}
    search = GridSearchCV(pipeline, grid, cv=4).fit(letters, kinds)
    for number, score in enumerate(search.cv_results_["mean_test_score"]):
        gittrack.log_metric("cv_accuracy", score, step=number)
    gittrack.log_params({name: str(value) for name, value in search.best_params_.items()})
    words = search.best_estimator_["words"].get_feature_names_out()
    weights = search.best_estimator_["model"].coef_[0]
    ranked = sorted(zip(weights.tolist(), words, strict=True), key=lambda pair: (pair[0], pair[1]))
    gittrack.log_text("\n".join(f"{weight!r} {word}" for weight, word in ranked[:15]), "complaints.txt")
