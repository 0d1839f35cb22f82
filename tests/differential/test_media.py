"""Figures, images and tables."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from tests.differential.test_artifacts import everything
from tests.differential.twins import same_in_both

mpl.use("Agg")
GREY = np.arange(24, dtype=np.uint8).reshape(4, 6)
IMAGES = {
    "grey": GREY,
    "grey with a channel": GREY[:, :, None],
    "colour": np.stack([GREY] * 3, axis=-1),
    "transparent": np.stack([GREY] * 4, axis=-1),
    "float": GREY / 23.0,
    "float32 colour": np.stack([GREY / 23.0] * 3, axis=-1).astype(np.float32),
    "bool": GREY > 5,
    "int64": GREY.astype(np.int64),
}
NO_IMAGES = {
    "one dimension": np.zeros(3, np.uint8),
    "two channels": np.zeros((2, 2, 2), np.uint8),
    "five channels": np.zeros((2, 2, 5), np.uint8),
    "four dimensions": np.zeros((1, 2, 2, 3), np.uint8),
    "too large": np.full((2, 2), 300),
    "negative": np.full((2, 2), -1),
    "complex": np.zeros((2, 2), complex),
    "text": np.array([["a"]]),
}


def pixels(folder: str) -> dict[str, list[object]]:
    """Return mode and pixels of each image below a folder."""
    from PIL import Image

    found: dict[str, list[object]] = {}
    for name in everything(folder):
        with Image.open(Path(folder) / name) as image:
            found[name] = [image.mode, np.asarray(image).tolist()]
    return found


@pytest.mark.parametrize("kind", IMAGES)
def test_an_array_is_kept_as_the_image_that_mlflow_makes_of_it(twins, kind) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            see(ml.log_image(IMAGES[kind], "plots/image.png"))
        see(pixels(ml.MlflowClient().download_artifacts(run.info.run_id, "")))

    twins.compare(scenario)


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_an_array_that_is_no_image_is_refused(twins, kind) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            answer = see.caught(ml.log_image, NO_IMAGES[kind], "image.png")
            see(answer is not None)
        see(ml.MlflowClient().list_artifacts(run.info.run_id))

    twins.compare(scenario)


@same_in_both
def test_an_image_of_pillow_is_kept(ml, see) -> None:
    from PIL import Image

    with ml.start_run() as run:
        ml.log_image(Image.fromarray(IMAGES["colour"]), "a.png")
        ml.log_image(ml.Image(IMAGES["colour"]), "b.png")
    see(pixels(ml.MlflowClient().download_artifacts(run.info.run_id, "")))
    loaded = ml.artifacts.load_image(f"runs:/{run.info.run_id}/a.png")
    see([loaded.size, loaded.mode])


@same_in_both
def test_images_of_a_key_are_kept_by_step(ml, see) -> None:
    with ml.start_run() as run:
        ml.log_image(GREY, key="dogs/small", step=3, timestamp=1000, synchronous=True)
        ml.log_image(GREY, key="dogs/small", step=4, synchronous=True)
    client = ml.MlflowClient()
    names = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
    see(sorted(name.replace("%", "+") for name in names))
    see([name.count("%") for name in sorted(names)])
    see(ml.get_run(run.info.run_id).data.tags.get("mlflow.loggedImages"))


@same_in_both
def test_an_image_has_a_file_or_a_key(ml, see) -> None:
    with ml.start_run():
        see.refused(ml.log_image, GREY, mlflow="TypeError")
        see.refused(ml.log_image, GREY, "a.png", key="dogs", mlflow="TypeError")
        see.refused(ml.log_image, GREY, key="do?gs", mlflow="ValueError")
        see.refused(ml.log_image, "no image", "a.png", mlflow="TypeError")


@same_in_both
def test_a_figure_is_kept_in_the_format_of_its_name(ml, see) -> None:
    import matplotlib.pyplot as plt
    import plotly.graph_objects as go

    figure, axes = plt.subplots()
    axes.plot([1, 2], [3, 4])
    with ml.start_run() as run:
        for name in ("a.png", "deep/a.pdf", "a.svg"):
            see(ml.log_figure(figure, name))
        ml.log_figure(go.Figure(go.Scatter(x=[1], y=[2])), "a.html")
        see.refused(ml.log_figure, "no figure", "b.png", mlflow="TypeError")
        see.refused(ml.log_figure, go.Figure(), "b.txt", mlflow="TypeError")
    plt.close(figure)
    kept = everything(ml.MlflowClient().download_artifacts(run.info.run_id, ""))
    see({name: content[:4] for name, content in kept.items() if not name.endswith("html")})
    see(sorted(kept))


@same_in_both
def test_a_figure_is_saved_as_the_caller_wishes(ml, see) -> None:
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, _ = plt.subplots(figsize=(2, 1))
    with ml.start_run() as run:
        ml.log_figure(figure, "a.png", save_kwargs={"dpi": 50})
    plt.close(figure)
    with Image.open(ml.MlflowClient().download_artifacts(run.info.run_id, "a.png")) as image:
        see(image.size)


@pytest.mark.parametrize("name", ["table.json", "deep/table.json", "table.parquet"])
def test_a_table_grows(twins, name) -> None:
    def scenario(ml, see) -> None:
        with ml.start_run() as run:
            see(ml.log_table({"x": [1, 2], "y": ["a", None]}, name))
            ml.log_table(pd.DataFrame({"x": [3], "y": ["c"]}), name)
            see(ml.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"])
        see(ml.load_table(name, run_ids=[run.info.run_id]).astype(object).to_dict("list"))
        if name.endswith("json"):
            see(json.loads(Path(ml.MlflowClient().download_artifacts(run.info.run_id, name)).read_text()))
        else:
            see(pd.read_parquet(ml.MlflowClient().download_artifacts(run.info.run_id, name)).to_dict("list"))

    twins.compare(scenario)


@same_in_both
def test_tables_of_several_runs_come_back_as_one(ml, see) -> None:
    runs = []
    for number in range(2):
        with ml.start_run(run_name=f"run {number}") as run:
            ml.log_table({"x": [number], "y": [0.5]}, "table.json")
            runs.append(run.info.run_id)
    with ml.start_run():
        pass
    found = ml.load_table("table.json", run_ids=runs, extra_columns=["run_id", "start_time"])
    see(sorted(found.columns))
    see([runs.index(one) for one in found["run_id"]])
    see(len(ml.load_table("table.json")))
    see(len(ml.MlflowClient().load_table("0", "table.json", run_ids=runs[:1])))
    see.error(ml.load_table, "missing.json")
    see.error(ml.load_table, "missing.json", run_ids=runs)


@same_in_both
def test_what_is_no_table_is_refused(ml, see) -> None:
    with ml.start_run():
        for wrong in ([1, 2], "text", None):
            see.error(ml.log_table, wrong, "a.json")
        see.refused(ml.log_table, {"x": [1]}, "a.txt", mlflow="ValueError")
        see.refused(ml.log_table, {"x": [1]}, "a", mlflow="ValueError")


@same_in_both
def test_a_client_keeps_media_by_the_id_of_the_run(ml, see) -> None:
    import matplotlib.pyplot as plt

    client = ml.MlflowClient()
    one = client.create_run("0").info.run_id
    figure, _ = plt.subplots()
    see(client.log_figure(one, figure, "figure.png"))
    plt.close(figure)
    see(client.log_image(one, GREY, "image.png"))
    see(client.log_table(one, {"x": [1]}, "table.json"))
    see([file.path for file in client.list_artifacts(one)])
    see(client.get_run(one).data.tags["mlflow.loggedArtifacts"])
