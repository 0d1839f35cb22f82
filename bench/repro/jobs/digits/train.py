"""Recognise hand-written digits with a support vector machine."""

from __future__ import annotations

import joblib
from sklearn import datasets, metrics, svm
from sklearn.model_selection import train_test_split

import gittrack

digits = datasets.load_digits()
images = digits.images.reshape((len(digits.images), -1))
x_train, x_test, y_train, y_test = train_test_split(images, digits.target, test_size=0.5, shuffle=False)

with gittrack.start_run(run_name="svc"):
    gittrack.log_params({"gamma": 0.001, "test_size": 0.5})
    classifier = svm.SVC(gamma=0.001).fit(x_train, y_train)
    predicted = classifier.predict(x_test)
    gittrack.log_metric("accuracy", metrics.accuracy_score(y_test, predicted))
    for digit, score in enumerate(metrics.f1_score(y_test, predicted, average=None)):
        gittrack.log_metric("f1", score, step=digit)
    gittrack.log_dict(
        {"confusion": metrics.confusion_matrix(y_test, predicted).tolist()}, "reports/confusion.json"
    )
    gittrack.log_text(metrics.classification_report(y_test, predicted), "reports/report.txt")
    joblib.dump(classifier, "model.joblib")
    gittrack.log_artifact("model.joblib")
