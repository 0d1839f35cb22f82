"""Two contents of an artifact are compared as what they are, whatever they hold."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from gittrack.entities.record import Digest
from gittrack.record.project import Project
from gittrack.repro.artifact_diff import Contents, compare_files
from gittrack.repro.contents.finding import ArtifactDiff
from gittrack.repro.tolerance import Tolerance
from gittrack.store.objects import FileStore

EXACT = Tolerance()
NEAR = Tolerance(rtol=1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contents")


def diff(
    folder: Path, name: str, old: bytes | str, new: bytes | str, tolerance: Tolerance = EXACT
) -> ArtifactDiff:
    places = folder / "old", folder / "new"
    for place, content in zip(places, (old, new), strict=True):
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return compare_files(name, *places, tolerance, tmp=folder)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def png(pixels: np.ndarray, **info: str) -> bytes:
    file = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    for key, value in info.items():
        text.add_text(key, value)
    Image.fromarray(pixels).save(file, "PNG", pnginfo=text)
    return file.getvalue()


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def feather(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pa.feather.write_feather(table, file)
    return file.getvalue()


def zipped(members: dict[str, bytes], date: tuple[int, ...] = (2026, 1, 2, 3, 4, 6)) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, date)  # type: ignore[arg-type]
            archive.writestr(member, content, zipfile.ZIP_DEFLATED, 1)
    return file.getvalue()


def test_a_text_parts_at_a_line(folder: Path) -> None:
    found = diff(folder, "notes.txt", "a\nb\nc\n", "a\nB\nc\nd\n")

    assert found.kind == "text"
    assert found.words[0] == "parts at line 2: 'b' recorded, 'B' now"
    assert found.facts == {"lines": [3, 4], "first_line": 2, "only_recorded": 1, "only_repeated": 2}


def test_lines_in_another_order_and_other_line_ends_are_told_apart(folder: Path) -> None:
    assert "the same lines in another order" in diff(folder, "a.txt", "a\nb\n", "b\na\n").words
    assert diff(folder, "a.txt", "a\nb\n", "a\r\nb\r\n").words == ("only the line ends differ",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("done at 2026-01-02T03:04:05.678+00:00", "done at 2026-02-03 04:05:06,1 UTC"),
        ("took 0.83 s", "took 12 s"),
        ("Sat Nov 21 16:44:03 UTC 2026", "Sun Nov  1 06:00:00 CET 2027"),
        ("at=1700000000.25", "at=1700000001"),
        ("[10:00:01] start", "[11:12:13] start"),
    ],
)
def test_a_text_that_differs_in_times_alone_is_known(folder: Path, old: str, new: str) -> None:
    assert diff(folder, "log.txt", old, new).only_times
    assert not diff(folder, "log.txt", old + "x", new + "y").only_times


def test_close_numbers_in_a_text_are_equivalent_and_others_say_nothing(folder: Path) -> None:
    assert diff(folder, "a.txt", "auc 0.90000 of 3", "auc 0.90001 of 3", NEAR).close is True
    assert diff(folder, "a.txt", "auc 0.9 of 3", "auc 0.8 of 3", NEAR).close is None
    assert diff(folder, "a.txt", "auc 0.9", "AUC 0.9", NEAR).close is None
    assert diff(folder, "a.txt", "auc 0.90000", "auc 0.90001").close is None


def test_a_csv_is_compared_by_column(folder: Path) -> None:
    old = "id,score,name\n" + "".join(f"{i},{i / 7},n{i}\n" for i in range(100))
    new = "id,score,name\n" + "".join(f"{i},{i / 7 + (i in (3, 50)) * 1e-6},n{i}\n" for i in range(100))

    found = diff(folder, "predictions.csv", old, new, NEAR)

    (column,) = found.facts["differing"]
    assert (column["column"], column["differing"]) == ("score", 2)
    assert column["largest"] == pytest.approx(1e-6)
    assert found.facts["rows"] == [100, 100]
    assert found.close is True
    assert "column 'score': 2 cells, by at most 1e-06" in found.words
    assert diff(folder, "predictions.csv", old, new, Tolerance(atol=1e-9)).close is False
    assert diff(folder, "predictions.csv", old, new).close is None


def test_columns_and_rows_of_a_table_that_came_or_went_are_named(folder: Path) -> None:
    found = diff(folder, "t.tsv", "a\tb\nx\ty\n", "b\tc\ny\tz\nq\tr\n", NEAR)

    assert found.facts["missing_columns"] == ["a"]
    assert found.facts["new_columns"] == ["c"]
    assert found.facts["rows"] == [1, 2]
    assert found.close is False


def table(rows: Iterable[tuple[object, ...]], head: str = "id,score,name") -> str:
    return f"{head}\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


ROWS = [(f"a{i}", i / 7, f"n{i % 3}") for i in range(100)]


def test_one_row_more_is_one_row_more_wherever_it_stands(folder: Path) -> None:
    new = [*ROWS[:2], ("b", 0.5, "new"), *ROWS[2:50], ("a50", 9.0, "n2"), *ROWS[51:]]

    found = diff(folder, "t.csv", table(ROWS), table(new), NEAR)

    assert found.words == (
        "100 rows recorded, 101 now",
        "1 row added (id 'b')",
        "column 'score': 1 cell, by at most 1.86",
        "1 of 3 columns, 100 rows that both have",
    )
    assert found.facts["matched_rows"] == {
        "key": "id",
        "missing": 0,
        "added": 1,
        "missing_keys": [],
        "added_keys": ["b"],
        "moved": False,
    }
    assert found.close is False


def test_rows_that_went_and_rows_that_moved_are_told_apart(folder: Path) -> None:
    new = [
        ("a7", -1.0, "n1"),
        *[row for row in reversed(ROWS) if row[0] not in ("a1", "a2", "a3", "a4", "a7")],
    ]

    found = diff(folder, "t.csv", table(ROWS), table(new))

    assert found.words[1:4] == (
        "4 rows missing now (id 'a1', 'a2', 'a3', …)",
        "the others in another order",
        "column 'score': 1 cell, by at most 2",
    )


def test_rows_that_nothing_names_are_compared_whole(folder: Path) -> None:
    rows = [(i % 4, i % 4 / 8) for i in range(40)]

    found = diff(folder, "t.csv", table(rows, "n,x"), table([(9, 0.1), (1, 0.125), *rows[1:]], "n,x"))

    assert found.words[1:] == ("1 row missing now", "2 rows added", "the other 39 rows the same")


def test_a_column_that_numbers_the_rows_names_none_of_them(folder: Path) -> None:
    old, new = ([(i, *row) for i, row in enumerate(rows)] for rows in (ROWS, ROWS[1:]))

    found = diff(folder, "t.csv", table(old, ",id,score,name"), table(new, ",id,score,name"))

    assert found.words[:3] == (
        "100 rows recorded, 99 now",
        "1 row missing now (id 'a0')",
        "column '': 99 cells, by at most 1",
    )


def test_rows_with_other_names_at_each_run_are_compared_by_their_place(folder: Path) -> None:
    old, new = ([(f"{salt}{i}", i / 7, "x") for i in range(50)] for salt in "ab")

    found = diff(folder, "t.csv", table(old), table(new))

    assert found.words == ("column 'id': 50 cells", "1 of 3 columns, 50 rows")
    assert found.facts["matched_rows"] is None


def test_measured_numbers_name_no_rows(folder: Path) -> None:
    old, new = ([(i / 7 + (i < 9) * add, i % 2) for i in range(50)] for add in (0, 1e-9))

    found = diff(folder, "t.csv", table(old, "x,y"), table([*new, (99.5, 1)], "x,y"))

    assert found.words[:2] == ("50 rows recorded, 51 now", "column 'x': 9 cells, by at most 1e-09")


@pytest.mark.parametrize("pack", [parquet, feather])
def test_rows_of_typed_tables_are_found_again(folder: Path, pack: Callable[[pa.Table], bytes]) -> None:
    when = np.datetime64("2026-01-01") + np.arange(30)
    old = pa.table({"x": [float("nan"), *np.arange(29.0)], "when": when, "tag": ["a", None, "b"] * 10})
    name = "t.parquet" if pack is parquet else "t.feather"

    found = diff(folder, name, pack(old), pack(old.slice(1)))
    shuffled = diff(folder, name, pack(old), pack(old.select(["x", "tag"]).take(list(range(29, -1, -1)))))

    assert found.words[1:] == ("1 row missing now (when '2026-01-01')", "the other 29 rows the same")
    assert shuffled.words == ("column 'when' missing now", "the same rows in another order")


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 3)),
        unique_by=lambda row: row[0],
        min_size=1,
        max_size=12,
    ),
    st.data(),
)
def test_rows_that_are_added_shuffled_and_taken_away_are_counted_exactly(
    folder: Path, rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    old = [(f"k{key}", value) for key, value in rows]
    kept = data.draw(st.lists(st.sampled_from(old), unique=True, min_size=(len(old) + 1) // 2))
    more = [(f"new{place}", 0) for place in range(data.draw(st.integers(0, len(kept))))]
    new = data.draw(st.permutations([*kept, *more]))

    found = diff(folder, "t.csv", table(old, "id,n"), table(new, "id,n")).facts

    matched = found["matched_rows"] or {"missing": 0, "added": 0}
    if found["differing"] == []:
        assert (matched["missing"], matched["added"]) == (len(old) - len(kept), len(more))
    else:  # as few cells by place as rows that came and went
        assert found["matched_rows"] is None


def test_rows_in_another_order_are_said_to_be_so(folder: Path) -> None:
    found = diff(folder, "t.csv", "a,b\n1,x\n2,y\n", "a,b\n2,y\n1,x\n", NEAR)
    assert found.words == ("the same rows in another order",)
    assert found.close is False


def test_a_csv_without_a_head_and_one_with_quotes_and_times(folder: Path) -> None:
    headless = diff(folder, "t.csv", "1,2\n3,4\n", "1,2\n3,5\n")
    quoted = diff(folder, "t.csv", 'a,b\n"x,1\ny",2\n', 'a,b\n"x,1\ny",3\n')
    times = diff(folder, "t.csv", "at,x\n2026-01-02,1\n", "at,x\n2026-01-03,1\n")

    assert headless.facts["rows"] == [2, 2]
    assert headless.facts["differing"][0]["column"] == "column 2"
    assert quoted.facts["differing"][0]["column"] == "b"
    assert times.only_times


def test_a_csv_that_is_none_is_compared_as_text_and_says_so(folder: Path) -> None:
    found = diff(folder, "t.csv", "a,b\n1,2,3\n", "a,b\n1,2\n")
    assert found.kind == "text"
    assert str(found.problem).startswith("cannot be compared as CSV: ")
    assert diff(folder, "t.csv", b"\xff\xfe\x00", b"\xff\xfe\x01").kind == "bytes"


TABLE = pa.table(
    {
        "x": [1.0, 2.0, float("nan"), None],
        "n": [1, 2, 3, 4],
        "s": ["a", "b", "b", None],
        "l": [[1.0, 2.0], [3.0], [], None],
        "d": [{"u": 1, "v": 2.0}, {"u": 2, "v": 3.0}, None, {"u": 3, "v": 4.0}],
        "t": pa.array([1, 2, 3, 4], pa.timestamp("ms")),
    }
)


@pytest.mark.parametrize("pack", [parquet, feather])
def test_a_table_with_types_is_compared_by_column(folder: Path, pack) -> None:  # type: ignore[no-untyped-def]
    columns = {name: TABLE[name].to_pylist() for name in TABLE.column_names}
    columns["x"][1] = 2.5
    columns["s"] = ["a", "b", "c", "d"]
    columns["l"][0] = [1.0, 2.25]
    columns["d"][3] = {"u": 3, "v": 8.0}
    other = pa.table({n: pa.array(v, TABLE.schema.field(n).type) for n, v in columns.items()})

    name = "t.parquet" if pack is parquet else "t.feather"
    found = diff(folder, name, pack(TABLE), pack(other), Tolerance(atol=10))

    assert {c["column"]: (c["differing"], c["largest"]) for c in found.facts["differing"]} == {
        "x": (1, 0.5),
        "s": (2, None),
        "l": (1, 0.25),
        "d.v": (1, 4.0),
    }
    assert found.close is False  # a text differs


def test_a_table_written_differently_is_close_and_one_of_other_types_is_compared_by_value(
    folder: Path,
) -> None:
    same = diff(folder, "t.parquet", parquet(TABLE), parquet(TABLE, compression="zstd"), NEAR)
    small = pa.table({"x": [1, 2]})
    wider = diff(folder, "t.parquet", parquet(small), parquet(pa.table({"x": [1.0, 2.5]})), Tolerance(atol=1))

    assert same.words == ("the same table, written differently",)
    assert same.close is True
    assert wider.facts["differing"] == [
        {"column": "x", "differing": 1, "largest": 0.5, "largest_relative": 0.25}
    ]
    assert wider.close is True


def test_only_the_times_of_a_table_differ(folder: Path) -> None:
    later = TABLE.set_column(5, "t", pa.array([9, 2, 3, 4], pa.timestamp("ms")))
    assert diff(folder, "t.parquet", parquet(TABLE), parquet(later)).only_times


def test_json_is_compared_leaf_by_leaf(folder: Path) -> None:
    old = {"a": [1, 2.0, {"b": "x"}], "gone": None, "n": float("nan"), "big": 10**400}
    new = {"a": [1.0, 2.5, {"b": "y"}], "come": {}, "n": float("nan"), "big": 10**400}

    found = diff(folder, "m.json", json.dumps(old), json.dumps(new))

    assert found.facts["differing"] == 4
    assert set(found.facts["paths"]) == {"a[2].b", "gone", "come", "a[1]"}
    assert found.facts["largest"] == 0.5
    assert any(word == "a[2].b: 'x' recorded, 'y' now" for word in found.words)


@pytest.mark.parametrize("name", ["m.json", "m.yaml", "m.jsonl"])
def test_close_numbers_in_a_tree_are_equivalent(folder: Path, name: str) -> None:
    assert diff(folder, name, '{"a": [1.0, 2]}', '{"a": [1.0001, 2]}', NEAR).close is True
    assert diff(folder, name, '{"a": [1.0, 2]}', '{"a": [1.1, 2]}', NEAR).close is False
    assert diff(folder, name, '{"a": [1.0, 2]}', '{"a": [1.0001, 2, 3]}', NEAR).close is False
    assert diff(folder, name, '{"a": 1, "b": 2}', '{"b": 2, "a": 1}', NEAR).close is True


def test_a_tree_that_differs_in_times_alone_is_known(folder: Path) -> None:
    old = {"at": "2026-01-02T03:04:05", "elapsed_s": 1, "fit_seconds": 0.25, "end": 1700000000.5}
    new = {"at": "2026-01-02T03:04:06", "elapsed_s": 1, "fit_seconds": 0.5, "end": 1700000100.75}
    assert diff(folder, "m.json", json.dumps(old), json.dumps(new)).only_times
    assert not diff(folder, "m.json", json.dumps(old | {"x": 1}), json.dumps(new | {"x": 2})).only_times


def test_yaml_is_compared_with_its_anchors_and_documents(folder: Path) -> None:
    old = "base: &b {lr: 1e-3, deep: [1, 2]}\nuse: *b\ntext: '1'\n"
    found = diff(folder, "c.yml", old, old.replace("[1, 2]", "[1, 3]"))

    assert found.kind == "YAML"
    assert found.facts["paths"] == ["base.deep[1]"]
    assert diff(folder, "c.yml", "a: 1\n---\nb: 2\n", "a: 1\n---\nb: 3\n").facts["paths"] == ["[1].b"]


def test_images_are_compared_by_pixel(folder: Path) -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    other = pixels.copy()
    other[2, 3] = (0, 7, 0)

    found = diff(folder, "plot.png", png(pixels), png(other), NEAR)

    assert found.facts["differing_pixels"] == pytest.approx(1 / 200)
    assert found.facts["largest_channel_difference"] == 7
    assert found.close is None
    smaller = diff(folder, "plot.png", png(pixels), png(pixels[:5]))
    assert smaller.words == ("20 x 10 pixels recorded, 20 x 5 now",)


def test_the_same_pixels_with_another_date_differ_in_times_alone(folder: Path) -> None:
    pixels = np.zeros((4, 4), np.uint8)
    old, new = png(pixels, date="2026-01-02T03:04:05"), png(pixels, date="2026-01-02T03:04:06")

    found = diff(folder, "plot.png", old, new, NEAR)

    assert found.only_times
    assert found.close is True
    assert not diff(folder, "plot.png", png(pixels, by="ada"), png(pixels, by="bob")).only_times


def test_arrays_are_compared_by_value(folder: Path) -> None:
    old = np.linspace(1, 2, 60).reshape(3, 4, 5)
    new = old.copy()
    new[1, 2, 3] += 1e-5

    found = diff(folder, "w.npy", npy(old), npy(np.asfortranarray(new)), NEAR)

    assert found.facts["differing"] == 1
    assert found.facts["largest"] == pytest.approx(1e-5)
    assert found.close is True
    assert diff(folder, "w.npy", npy(old), npy(new), Tolerance(atol=1e-9)).close is False
    assert diff(folder, "w.npy", npy(old), npy(new[:2]), NEAR).close is False
    assert diff(folder, "w.npy", npy(old), npy(old.astype(np.float32)), NEAR).close is True


def test_archives_of_arrays_are_compared_array_by_array(folder: Path) -> None:
    a, b = np.arange(5), np.ones(3)
    found = diff(folder, "w.npz", npz(a=a, b=b, gone=a), npz(a=a, b=b + 1e-4, come=a), NEAR)

    assert found.facts["arrays"] == [3, 3]
    assert list(found.facts["differing"]) == ["b"]
    assert found.close is False
    assert diff(folder, "w.npz", npz(a=a, b=b), npz(a=a, b=b + 1e-4), NEAR).close is True


def test_a_zip_is_compared_by_its_members(folder: Path) -> None:
    old = zipped({"a": b"1", "b": b"2", "gone": b""})

    found = diff(folder, "model.zip", old, zipped({"a": b"1", "b": b"3", "come": b""}))

    assert (found.facts["differing"], found.facts["missing"], found.facts["new"]) == (
        ["b"],
        ["gone"],
        ["come"],
    )
    again = diff(folder, "model.zip", old, zipped({"a": b"1", "b": b"2", "gone": b""}, (2027, 1, 1, 0, 0, 0)))
    assert again.only_times
    assert again.words[0] == "the same members, packed at another time"


def test_gzip_is_compared_by_what_it_holds(folder: Path) -> None:
    old, same = gzip.compress(b"a,b\n1,2\n", mtime=1), gzip.compress(b"a,b\n1,2\n", mtime=2)
    other = gzip.compress(b"a,b\n1,2.001\n", mtime=1)

    assert diff(folder, "t.csv.gz", old, same, NEAR).only_times
    assert diff(folder, "t.csv.gz", old, same, NEAR).close is True
    assert diff(folder, "t.csv.gz", old, other).kind == "CSV, gzip"
    assert not list(folder.glob("tmp*"))


def test_a_pickle_is_never_loaded(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (folder / "hacked",))

    bomb = pickle.dumps(Bomb())
    for name in ("model.pkl", "model", "model.pt", "w.npy"):
        found = diff(folder, name, bomb, bomb[:-1] + b"\x00.")
        assert found.kind in ("pickle", "bytes")
        assert found.facts["first_byte"] == len(bomb) - 1
    objects = npy(np.array([Bomb()], dtype=object))
    assert "never unpickled" in str(diff(folder, "w.npy", objects, objects + b"x").problem)
    assert not (folder / "hacked").exists()


NAMES = (
    "a.txt a.csv a.tsv a.json a.jsonl a.yaml a.npy a.npz a.png a.parquet a.feather a.zip a.pkl a.gz a".split()
)


@given(st.sampled_from(NAMES), st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([EXACT, NEAR]))
def test_no_content_makes_a_comparison_raise(
    folder: Path, name: str, old: bytes, new: bytes, asked: Tolerance
) -> None:
    found = diff(folder, name, old, new, asked)
    assert found.close is None or asked.asked


WORDS = st.text("ab:-# é1.", max_size=6)
CELLS = st.one_of(st.none(), st.floats(), st.integers(-(2**70), 2**70), st.booleans(), WORDS)
TREES = st.recursive(
    CELLS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4)
)


@given(TREES, TREES, st.sampled_from(["m.json", "m.yaml"]))
def test_a_tree_is_that_of_itself_and_differences_are_symmetric(folder: Path, one, other, name: str) -> None:  # type: ignore[no-untyped-def]
    a, b = json.dumps(one), json.dumps(other)

    same = diff(folder, name, a, a, NEAR)
    there, back = diff(folder, name, a, b), diff(folder, name, b, a)

    assert (same.facts["differing"], same.close, same.problem) == (0, True, None)
    assert there.facts["differing"] == back.facts["differing"]
    assert there.facts["largest"] == back.facts["largest"]
    assert sorted(there.facts["paths"]) == sorted(back.facts["paths"]) or there.facts["differing"] > 50


FRAMES = st.lists(
    st.tuples(st.floats(), st.integers(-100, 100), st.text("ab,\"\n'", max_size=4)), min_size=1, max_size=12
)


@given(FRAMES, FRAMES, st.sampled_from(["t.csv", "t.tsv", "t.parquet", "t.feather"]))
def test_a_table_is_that_of_itself_and_counts_are_symmetric(folder: Path, rows, others, name: str) -> None:  # type: ignore[no-untyped-def]
    def packed(rows: list[tuple[float, int, str]]) -> bytes:
        frame = pd.DataFrame(rows, columns=["x", "n", "s"])
        if name.endswith("sv"):
            return frame.to_csv(index=False, sep="," if name == "t.csv" else "\t").encode()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return parquet(table) if name == "t.parquet" else feather(table)

    a, b = packed(rows), packed(others)
    same = diff(folder, name, a, a, NEAR)
    there, back = diff(folder, name, a, b), diff(folder, name, b, a)

    assert (same.facts["differing"], same.close, same.problem) == ([], True, None)
    assert there.facts["rows"] == back.facts["rows"][::-1] == [len(rows), len(others)]
    counts = [{c["column"]: c["differing"] for c in found.facts["differing"]} for found in (there, back)]
    assert counts[0] == counts[1]


@given(st.lists(st.floats(width=32), max_size=20), st.data())
def test_an_array_is_that_of_itself_and_counts_are_symmetric(folder: Path, values, data) -> None:  # type: ignore[no-untyped-def]
    old = np.array(values, np.float64)
    new = np.array(data.draw(st.lists(st.floats(), min_size=len(old), max_size=len(old))), np.float64)

    same = diff(folder, "w.npy", npy(old), npy(old), NEAR)
    there, back = (diff(folder, "w.npz", npz(w=a), npz(w=b)) for a, b in ((old, new), (new, old)))

    assert (same.facts["differing"], same.close) == (0, True)
    counts = [found.facts["differing"].get("w", {}).get("differing", 0) for found in (there, back)]
    assert counts[0] == counts[1]
    assert counts[0] == int((~((old == new) | (np.isnan(old) & np.isnan(new)))).sum())


def huge_png() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def laughs() -> bytes:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    return "\n".join(lines).encode()


def claiming_npy() -> bytes:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(80)


def long_text_parquet() -> bytes:
    text = "x" * (1 << 20)
    return parquet(
        pa.table({"s": pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), [text])})
    )


HOSTILE = {
    "bomb.npz": lambda: zipped({"w.npy": npy(np.zeros(40 << 20))}),
    "claim.npz": lambda: zipped({"w.npy": claiming_npy()}),
    "claim.npy": claiming_npy,
    "bomb.csv.gz": lambda: gzip.compress(bytes(300 << 20), 1),
    "huge.png": huge_png,
    "laughs.yaml": laughs,
    "deep.json": lambda: b"[" * 100_000 + b"]" * 100_000,
    "less_deep.json": lambda: b"[" * 500 + b"]" * 500,
    "deep.yaml": lambda: b"[" * 50_000 + b"]" * 50_000,
    "deep_block.yaml": lambda: b"- " * 5_000 + b"x",
    "digits.json": lambda: b'{"x": ' + b"9" * 10_000 + b"}",
    "wide.csv": lambda: b"," * 200_000 + b"\n",
    "long.parquet": long_text_parquet,
    "cut.parquet": lambda: parquet(TABLE)[:-20],
    "cut.zip": lambda: zipped({"a": b"1" * 1000})[:-30],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_content_costs_little_and_is_said_not_raised(folder: Path, name: str) -> None:
    content = HOSTILE[name]()
    found = diff(folder, name, content, content[:-1] + b" ", NEAR)
    assert found.words


def test_a_shared_anchor_is_not_expanded(folder: Path) -> None:
    found = diff(folder, "laughs.yaml", laughs(), laughs().replace(b"[lol", b"[LOL", 1))
    assert found.facts["paths"] == ["a0[0]"]
    assert found.facts["leaves"] < 300


def test_content_that_is_not_here_or_is_damaged_is_said(repo: Path) -> None:
    project = Project.find(repo)
    project.init()
    files = FileStore(project.layout)
    one, _ = files.put_bytes(b"a,b\n1,2\n")
    other, _ = files.put_bytes(b"a,b\n1,3\n")
    contents = Contents(project.layout, Tolerance.of({"*.csv": 0.5}, 0.0))

    assert contents.compare("t.csv", one, other).close is True
    assert contents.compare("t.tsv", one, other).close is None
    assert "is not in this clone" in str(contents.compare("t.csv", one, Digest("0" * 64)).problem)
    files.path(other).chmod(0o644)
    files.path(other).write_bytes(b"a,b\n1,4\n")
    assert "damaged" in str(contents.compare("t.csv", one, other).problem)
