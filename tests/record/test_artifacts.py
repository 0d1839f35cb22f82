from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack import config
from gittrack.entities.record import RunRecord
from gittrack.errors import Conflict, InvalidValue, RecordingWarning
from gittrack.record import format as formats
from gittrack.record import media, origin, serialise, tables
from gittrack.record.artifacts import path_of
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.store.layout import safe_path
from gittrack.store.objects import FileStore

PIL = pytest.importorskip("PIL.Image")


GREY = np.arange(24, dtype=np.uint8).reshape(4, 6)


@pytest.fixture(autouse=True)
def new_process() -> None:
    """Make each test a process that has started no run yet."""
    origin._forget()


@pytest.fixture
def project(repo: Path) -> Project:
    return Project.find(repo)


@pytest.fixture
def run(project: Project):
    with begin(project) as run:
        yield run


def begin(project: Project) -> ActiveRun:
    return ActiveRun.begin(project, project.config(), config.surroundings())


def sealed(project: Project, run: ActiveRun) -> RunRecord:
    run.end()
    return formats.load_run((project.layout.run(run.digest) / "run.yaml").read_bytes())


def kept(project: Project, run: ActiveRun) -> dict[str, bytes]:
    """Return the content of all artifacts of a run, which ends."""
    files = FileStore(project.layout)
    return {artifact.path: files.read(artifact.digest) for artifact in sealed(project, run).artifacts}


def table(content: bytes) -> list[list[object]]:
    return json.loads(content)["data"]


CLIMBING = [
    "../x", "a/../b", "..", "/x", "~/x", "a\\b", "a\x00b", "a#b", "%2e%2e/x", "%252e%252e/x", "a/%2E%2E/b", "%2Fetc",
    "a%00b", "a%23b", "", ".", "./", "a//b", "a/", None, 3, b"a",
]  # fmt: skip


@pytest.mark.parametrize("name", CLIMBING)
def test_a_path_that_climbs_or_means_something_else_in_a_uri_is_refused(project, run, name) -> None:
    for log in (
        lambda: run.log_text("x", name),
        lambda: run.log_dict({}, name),
        lambda: run.log_stream(io.BytesIO(b"x"), name),
        lambda: run.log_image(GREY, name),
        lambda: run.log_table({"a": [1]}, name),
    ):
        with pytest.raises(InvalidValue):
            log()
    assert kept(project, run) == {}
    assert not list(FileStore(project.layout).all())


@pytest.mark.parametrize("folder", ["../x", "a/../b", "/x", "a\\b", "a#b", "%2e%2e", "a/", "a//b"])
def test_a_folder_of_artifacts_cannot_climb_either(project, run, folder, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fine.txt").write_text("x")
    with pytest.raises(InvalidValue):
        run.log_artifact(tmp_path / "out" / "fine.txt", folder)
    with pytest.raises(InvalidValue):
        run.log_artifacts(tmp_path / "out", folder)
    assert kept(project, run) == {}


@given(st.text("ab.%2eEfF/\\#~:\0 é", max_size=20))
def test_a_path_that_is_taken_is_a_plain_one_before_and_after_it_is_decoded(text) -> None:
    try:
        path = path_of(text)
    except InvalidValue:
        return
    for _ in range(5):
        assert safe_path(path) == path
        assert "#" not in path
        path = unquote(path)


def test_a_path_may_be_unusual(project, run) -> None:
    for name in ("./a.txt", "b/./c.txt", "50%.txt", "x y.txt", "what?.txt", "größe.txt", "a..b", ".hidden"):
        run.log_text(name, name)
    assert set(kept(project, run)) == {
        "a.txt", "b/c.txt", "50%.txt", "x y.txt", "what?.txt", "größe.txt", "a..b", ".hidden"
    }  # fmt: skip


def test_a_path_is_a_file_or_a_folder_and_never_both(project, run, tmp_path) -> None:
    run.log_text("file", "a")
    run.log_text("file", "deep/er/b")
    with pytest.raises(InvalidValue, match="'a' is an artifact already"):
        run.log_text("x", "a/b/c")
    with pytest.raises(InvalidValue, match="'deep' is a folder"):
        run.log_text("x", "deep")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fine").write_text("x")
    (tmp_path / "out" / "deep").write_text("x")
    with pytest.raises(InvalidValue, match="'deep' is a folder"):
        run.log_artifacts(tmp_path / "out")
    run.log_text("another", "a")
    assert kept(project, run) == {"a": b"another", "deep/er/b": b"file"}


def test_a_process_that_joins_or_resumes_a_run_knows_what_it_has(project, run) -> None:
    run.log_text("file", "a")
    joined = ActiveRun.attach(project, project.config(), run.run_id)
    with pytest.raises(InvalidValue, match="'a' is an artifact already"):
        joined.log_text("x", "a/b")
    joined.leave()


def test_a_run_that_has_ended_keeps_nothing_more(run) -> None:
    run.end()
    for log in (
        lambda: run.log_stream(io.BytesIO(b"x"), "a"),
        lambda: run.log_image(np.zeros((2, 2), np.uint8), key="a"),
        lambda: run.log_table({"a": [1]}, "a.json"),
    ):
        with pytest.raises(Conflict, match="ended"):
            log()


def test_a_stream_is_kept_piece_by_piece(project, run) -> None:
    class Endless(io.RawIOBase):
        left = 40
        largest = 0

        def read(self, size: int = -1) -> bytes:
            assert size > 0, "asked for everything at once"
            self.largest = max(self.largest, size)
            self.left -= 1
            return b"x" * 100_000 if self.left >= 0 else b""

    stream = Endless()
    run.log_stream(stream, "big.bin")
    run.log_stream(io.BytesIO(), "empty.bin")
    assert stream.largest <= 1 << 20
    assert kept(project, run) == {"big.bin": b"x" * 4_000_000, "empty.bin": b""}


def test_what_is_no_stream_of_bytes_is_refused_and_leaves_nothing(project, run) -> None:
    with pytest.raises(InvalidValue, match="gives str, not bytes"):
        run.log_stream(io.StringIO("x"), "a")
    with pytest.raises(InvalidValue, match="a str is not a stream"):
        run.log_stream("x", "a")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise RuntimeError("the line is dead")

    with pytest.raises(RuntimeError, match="the line is dead"):
        run.log_stream(Broken(), "a")
    assert kept(project, run) == {}
    assert not list(project.layout.tmp.glob("*"))


def test_what_is_no_text_and_no_dictionary_is_refused(run) -> None:
    with pytest.raises(InvalidValue, match="a dict is not text"):
        run.log_text({}, "a.txt")
    circle: dict[str, object] = {}
    circle["self"] = circle
    for wrong in (circle, {(1, 2): 3}):
        with pytest.raises(InvalidValue, match="cannot be written"):
            run.log_dict(wrong, "a.json")


PICTURES = {
    "grey": (GREY, "L", GREY),
    "one channel": (GREY[:, :, None], "L", GREY),
    "RGB": (np.stack([GREY] * 3, -1), "RGB", np.stack([GREY] * 3, -1)),
    "RGBA": (np.stack([GREY] * 4, -1), "RGBA", np.stack([GREY] * 4, -1)),
    "int64": (GREY.astype(np.int64), "L", GREY),
    "booleans": (GREY > 5, "L", np.where(GREY > 5, 255, 0)),
    "floats": (np.array([[0.0, 0.5, 1.0]]), "L", np.array([[0, 127, 255]])),
    "float32": (np.array([[0.0, 0.5, 1.0]], np.float32), "L", np.array([[0, 127, 255]])),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_an_array_becomes_the_picture_that_mlflow_makes_of_it(project, run, kind) -> None:
    array, mode, pixels = PICTURES[kind]
    before = array.copy()
    run.log_image(array, "image.png")
    image = PIL.open(io.BytesIO(kept(project, run)["image.png"]))
    assert image.mode == mode
    assert np.array_equal(np.array(image), pixels)
    assert np.array_equal(array, before)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.full((2, 2), 256), "from 256 to 256, not from 0 to 255"),
        (np.full((2, 2), -1), "from -1 to -1"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.zeros((1, 2, 2, 3)), r"shape \(1, 2, 2, 3\)"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.zeros((2, 2), complex), "an array of complex128"),
        (np.array([["a"]]), "an array of <U1"),
        ("image.png", "a str is not a picture"),
        ([[1, 2]], "a list is not a picture"),
        (None, "a NoneType is not a picture"),
    ],
)
def test_what_is_no_picture_is_refused(project, run, array, why) -> None:
    with pytest.raises(InvalidValue, match=why):
        run.log_image(array, "image.png")
    with pytest.raises(InvalidValue, match=why):
        run.log_image(array, key="image")
    assert kept(project, run) == {}


@pytest.mark.parametrize(
    ("floats", "pixels"),
    [
        ([[-1.0, 0.0, 1.0]], [[0, 127, 255]]),
        ([[2.0, 2.0]], [[0, 0]]),
        ([[float("nan"), float("inf"), float("-inf"), 0.5]], [[0, 255, 0, 127]]),
        ([[-1e308, 1e308]], [[0, 255]]),
    ],
)
def test_a_picture_that_has_diverged_warns_and_is_kept(floats, pixels) -> None:
    with pytest.warns(RecordingWarning, match="a picture has"):
        image = media.picture(np.array(floats))
    assert np.array(image).tolist() == pixels


def test_a_picture_of_a_series_is_kept_whole_and_small_under_key_step_and_time(project, run) -> None:
    image = PIL.new("RGB", (600, 300), (10, 200, 30))
    run.log_image(image, key="val/dogs", step=3, timestamp=1000)
    run.log_image(media.Image(image), key="val/dogs", step=4, timestamp=2000, synchronous=False)
    run.log_image(GREY, key="cat")
    found = kept(project, run)
    assert len(found) == 6
    whole = [path for path in found if path.startswith("images/val~dogs+step+3+timestamp+1000+")]
    small, large = sorted(whole, key=len, reverse=True)
    assert small.removesuffix("+compressed.webp") == large.removesuffix(".png")
    assert len(large.removesuffix(".png").rpartition("+")[2]) == 36
    assert PIL.open(io.BytesIO(found[large])).size == (600, 300)
    assert PIL.open(io.BytesIO(found[small])).format == "WEBP"
    assert PIL.open(io.BytesIO(found[small])).size == (256, 128)
    record = sealed(project, run)
    assert record.tags["mlflow.loggedImages"] == "True"
    assert record.volatile == (media.KEYED,)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "either artifact_file or key"),
        ({"artifact_file": "a.png", "key": "a"}, "either artifact_file or key"),
        ({"artifact_file": "a.png", "step": 1}, "with a key only"),
        ({"artifact_file": "a.png", "timestamp": 1}, "with a key only"),
        ({"artifact_file": "a.xyz"}, "no ending of a picture"),
        ({"artifact_file": "a"}, "no ending of a picture"),
        ({"artifact_file": "a.jpg"}, "cannot save the picture as 'a.jpg'"),
        ({"key": "do?gs"}, "'do\\?gs' is not an image key"),
        ({"key": ""}, "'' is not an image key"),
        ({"key": "a", "step": 1.5}, "step of an image is 1.5"),
        ({"key": "a", "timestamp": "now"}, "timestamp of an image is 'now'"),
    ],
)
def test_how_a_picture_is_not_kept(project, run, options, why) -> None:
    with pytest.raises(InvalidValue, match=why):
        run.log_image(np.zeros((2, 2, 4), np.uint8), **options)
    assert kept(project, run) == {}


def test_an_image_can_be_made_of_arrays_lists_files_and_images(tmp_path) -> None:
    image = media.Image(np.stack([GREY] * 3, -1))
    assert image.size == (6, 4)
    assert image.to_array().shape == (4, 6, 3)
    assert image.to_list()[:2] == [(0, 0, 0), (1, 1, 1)]
    assert media.Image([[1, 2], [3, 4]]).to_list() == [1, 2, 3, 4]
    assert media.Image(image.to_pil()).to_pil() is image.image
    assert media.Image(image).size == (6, 4)
    assert image.resize((3, 2)).size == (3, 2)
    image.save(tmp_path / "a.png")
    assert np.array_equal(media.Image(str(tmp_path / "a.png")).to_array(), image.to_array())
    assert np.array_equal(media.Image(tmp_path / "a.png").to_array(), image.to_array())
    with pytest.raises(InvalidValue, match=r"gone.png' cannot be read"):
        media.Image("gone.png")
    (tmp_path / "no.png").write_text("x")
    with pytest.raises(InvalidValue, match="cannot be read as a picture"):
        media.Image(tmp_path / "no.png")


def test_the_small_copy_of_a_thin_picture_has_a_pixel_at_least() -> None:
    assert media.preview(PIL.new("L", (1, 2000))).size == (1, 256)
    assert media.preview(PIL.new("L", (20, 10))).size == (256, 128)


def test_a_table_grows_by_rows_and_columns(project, run) -> None:
    run.log_table({"x": [1, 2], "y": ["a", None]}, "deep/t.json")
    run.log_table(pd.DataFrame({"x": [3], "y": ["c"]}), "deep/t.json")
    run.log_table({"z": 0.5, "x": 4}, "deep/t.json")
    found = kept(project, run)
    assert json.loads(found["deep/t.json"]) == {
        "columns": ["x", "y", "z"],
        "data": [[1, "a", None], [2, None, None], [3, "c", None], [4, None, 0.5]],
    }
    assert json.loads(sealed(project, run).tags["mlflow.loggedArtifacts"]) == [
        {"path": "deep/t.json", "type": "table"}
    ]


def test_a_table_in_parquet_grows_and_keeps_its_types(project, run) -> None:
    run.log_table({"x": [1, 2], "y": ["a", None]}, "t.parquet")
    run.log_table({"x": [3], "when": pd.to_datetime(["2026-01-02"])}, "t.parquet")
    frame = tables.load(kept(project, run)["t.parquet"], "t.parquet")
    assert frame["x"].tolist() == [1, 2, 3]
    assert frame["x"].dtype == "int64"
    assert frame["when"].iloc[2] == pd.Timestamp("2026-01-02")
    assert frame["y"].tolist()[0] == "a"


def test_rows_that_come_later_change_nothing_of_those_before(project, run) -> None:
    rows = {"zip": ["00713", "x"], "n": ["007", "8"], "f": [0.1 + 0.2, 1e-20], "date": ["2020", "2021"]}
    run.log_table(rows, "t.json")
    run.log_table(rows, "t.json")
    found = kept(project, run)["t.json"]
    first = [["00713", "007", 0.1 + 0.2, "2020"], ["x", "8", 1e-20, "2021"]]
    assert table(found) == first + first
    assert tables.load(found, "t.json").to_numpy().tolist() == first + first


VALUES = st.one_of(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4),
    st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=4),
    st.lists(st.text(max_size=5).filter(lambda text: text.isprintable()), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=4),
)


@given(VALUES, VALUES)
def test_a_table_comes_back_as_it_was_written(first, second) -> None:
    content = tables.dump(pd.DataFrame({"v": first}), "t.json", None)
    content = tables.dump(pd.DataFrame({"v": second}), "t.json", content)
    assert [row[0] for row in table(content)] == first + second
    loaded = tables.load(content, "t.json")["v"].tolist()
    assert loaded == first + second


def test_times_come_back_where_the_name_says_so_and_nan_is_null(project, run) -> None:
    when = pd.to_datetime(["2026-01-02T03:04:05.678", None], format="ISO8601")
    run.log_table(
        {"created_at": when, "plain": when, "f": [float("nan"), float("inf")], "timestamp": [1, 2]}, "t.json"
    )
    found = kept(project, run)["t.json"]
    assert table(found)[0] == ["2026-01-02T03:04:05.678", "2026-01-02T03:04:05.678", None, 1]
    frame = tables.load(found, "t.json")
    assert frame["created_at"].iloc[0] == when[0]
    assert frame["plain"].iloc[0] == "2026-01-02T03:04:05.678"
    assert frame["f"].isna().all()
    assert frame["f"].dtype == "float64"
    assert frame["timestamp"].tolist() == [1, 2]


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_pictures_in_a_table_are_kept_beside_it_and_a_rerun_makes_the_same_table(project, ending) -> None:
    found = []
    for _ in range(2):
        with begin(project) as run:
            frame = pd.DataFrame(
                {"q": ["a", "b"], "out": [media.Image(GREY), PIL.fromarray(GREY).rotate(90)]}
            )
            run.log_table(frame, f"deep/t.{ending}")
            assert isinstance(frame["out"][0], media.Image)
        found.append(kept(project, run))
    assert found[0] == found[1]
    assert len(found[0]) == 5
    cell = tables.load(found[0][f"deep/t.{ending}"], f"t.{ending}")["out"][0]
    assert cell["type"] == "image"
    assert cell["filepath"].startswith("table_images/deep/t/")
    assert PIL.open(io.BytesIO(found[0][cell["filepath"]])).format == "PNG"
    assert PIL.open(io.BytesIO(found[0][cell["compressed_filepath"]])).format == "WEBP"


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        ([1, 2], "t.json", "a list is not a table"),
        (None, "t.json", "a NoneType is not a table"),
        ({"a": [1]}, "t.csv", "'t.csv' is not the name of a table"),
        ({"a": [1]}, "t", "'t' is not the name of a table"),
        ({"a": [1]}, "a,b.json", "the character , in its name"),
        ({"a": [1]}, "a[1].json", r"the character \[ in its name"),
        ({"a": [1 + 2j]}, "t.parquet", "cannot be kept as 't.parquet'"),
        ({"a": ["x", media.Image([[1]])]}, "t.json", "'a' has pictures and other things"),
    ],
)
def test_what_is_no_table_is_refused_and_nothing_is_written(project, run, data, name, why) -> None:
    with pytest.raises(InvalidValue, match=why):
        run.log_table(data, name)
    record = sealed(project, run)
    assert (record.artifacts, dict(record.tags)) == ((), {})


def test_rows_cannot_follow_what_is_no_table(run) -> None:
    for content in ("no json", "[1, 2]", '{"a": 1}'):
        run.log_text(content, "t.json")
        with pytest.raises(InvalidValue, match=r"cannot be kept as 't\.json'"):
            run.log_table({"a": [1]}, "t.json")


def test_rows_that_cannot_be_added_are_named_in_the_record(project, run) -> None:
    run.log_table({"a": [1]}, "t.json")
    [(digest, _)] = FileStore(project.layout).all()
    FileStore(project.layout).path(digest).unlink()
    with pytest.warns(RecordingWarning, match=r"2 rows of the table t.json"):
        run.log_table({"a": [2, 3]}, "t.json")
    [lost] = sealed(project, run).lost
    assert lost.startswith("2 rows of the table t.json: the content")


def test_a_table_that_many_threads_and_processes_add_to_has_all_rows(project, run) -> None:
    def add(number: int) -> None:
        for _ in range(5):
            run.log_table({"n": [number]}, "t.json")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    joined = ActiveRun.attach(project, project.config(), run.run_id)
    joined.log_table({"n": [7]}, "t.json")
    run.log_table({"n": [8]}, "t.json")
    joined.log_table({"n": [9]}, "other.json")
    run.log_table({"n": [10]}, "other.json")
    joined.leave()
    found = kept(project, run)
    assert sorted(row[0] for row in table(found["t.json"])) == sorted([*range(4)] * 5 + [7, 8])
    assert [row[0] for row in table(found["other.json"])] == [9, 10]
    noted = json.loads(sealed(project, run).tags["mlflow.loggedArtifacts"])
    assert [entry["path"] for entry in noted] == ["t.json", "other.json"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_adds_rows_to_the_table_of_its_parent(project, run) -> None:
    run.log_table({"n": [1]}, "t.json")
    child = os.fork()
    if child == 0:
        try:
            run.log_table({"n": [2]}, "t.json")
            run.leave()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    run.log_table({"n": [3]}, "t.json")
    assert [row[0] for row in table(kept(project, run)["t.json"])] == [1, 2, 3]


def test_a_figure_of_plotly_is_a_page_or_says_what_it_needs() -> None:
    plotly = pytest.importorskip("plotly.graph_objects")
    page = serialise.figure(plotly.Figure(), "a.html", {"auto_open": True, "include_plotlyjs": False})
    assert page == serialise.figure(plotly.Figure(), "a", {"include_plotlyjs": False})
    assert b"<div" in page
    with pytest.raises(InvalidValue, match="as 'txt'"):
        serialise.figure(plotly.Figure(), "a.txt", {})
