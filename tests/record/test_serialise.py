from __future__ import annotations

import json

import matplotlib
import pytest
import yaml

from gittrack.errors import InvalidValue
from gittrack.record import serialise

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(ending) -> None:
    drawn = []
    for _ in range(2):
        figure, axes = plt.subplots()
        axes.plot([1, 2, 3], label="loss")
        axes.legend()
        drawn.append(serialise.figure(figure, f"plots/curve.{ending}", {}))
        plt.close(figure)
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) > 500


def test_what_is_no_figure_is_refused() -> None:
    with pytest.raises(InvalidValue, match="a str is not a figure"):
        serialise.figure("x", "a.png", {})
    figure = plt.figure()
    with pytest.raises(InvalidValue, match="'xyz'"):
        serialise.figure(figure, "a.xyz", {})
    plt.close(figure)


def test_a_dictionary_is_json_or_yaml_by_its_ending() -> None:
    value = {"b": [1, 2.5], "a": {"ü": None}}
    assert json.loads(serialise.dictionary(value, "x.json")) == value
    assert json.loads(serialise.dictionary(value, "x")) == value
    assert yaml.safe_load(serialise.dictionary(value, "x.YML")) == value
    assert json.loads(serialise.dictionary({"p": object}, "x.json")) == {"p": "<class 'object'>"}
