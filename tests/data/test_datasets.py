from __future__ import annotations

import datetime
import decimal
import http.server
import json
import os
import subprocess
import sys
import threading
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gittrack.data
from gittrack.data import schema as schemas
from gittrack.data import tables
from gittrack.data.dataset_source_registry import register_dataset_source
from gittrack.data.sources import CannotLoad, DatasetSource, FileSystemDatasetSource
from gittrack.entities import Dataset as RecordedEntity
from gittrack.errors import GittrackError, InvalidValue, NotFound

CELLS = {
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int8": st.integers(-128, 127),
    "float64": st.floats(allow_nan=False),
    "str": st.text(max_size=5),
    "object": st.one_of(
        st.integers(),
        st.text(max_size=3),
        st.binary(max_size=3),
        st.booleans(),
        st.decimals(allow_nan=False),
        st.datetimes().map(lambda when: when.replace(fold=0)),
        st.uuids(),
        st.lists(st.integers(), max_size=3),
        st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
        st.frozensets(st.text(max_size=2), max_size=3),
    ),
    "datetime64[ns]": st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1)),
    "category": st.text(max_size=3),
}


@st.composite
def columns(draw) -> tuple[str, list]:
    dtype = draw(st.sampled_from(sorted(CELLS)))
    return dtype, draw(st.lists(CELLS[dtype], min_size=1, max_size=8))


def as_column(dtype: str, cells: list) -> pd.Series:
    if dtype == "object":
        held = np.empty(len(cells), object)
        held[:] = cells
        return pd.Series(held)
    return pd.Series(cells, dtype=dtype)


def digest(**columns_of_frame) -> str:
    return tables.of_pandas(pd.DataFrame(columns_of_frame))


def sample() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": [0.5, float("nan"), -0.0],
            "n": pd.array([1, None, 3], dtype="Int64"),
            "when": pd.to_datetime(["2020-01-01 00:00:00.5", None, "2021-05-06 07:08:09.123456"]),
            "kind": pd.Categorical(["b", "a", None], categories=["b", "a", "c"]),
            "ok": [True, False, True],
            "text": ["ä", "", None],
            "many": [[1, 2], [], [3]],
            "odd": pd.Series([{"a": 1}, 2**70, uuid.UUID(int=7)], dtype=object),
        },
        index=pd.Index([10, 20, 30], name="id"),
    )


def test_the_digest_is_the_same_on_every_day_and_every_machine() -> None:
    assert gittrack.data.from_pandas(sample()).digest == (
        "4046df633b8d969afbb62406db0ebb1b1bc6d9569e67627a418621b118f83b88"
    )
    assert gittrack.data.from_numpy(
        {"x": np.arange(6.0).reshape(2, 3)}, targets=np.array(["a", "b"])
    ).digest == ("e7e696d8a9771d0fa2dae9b2211a2b8ae638c1468b8c7282c11f40ab54d23e5b")


def test_the_digest_does_not_depend_on_the_seed_of_hashes() -> None:
    code = (
        "import pandas as pd\nfrom gittrack.data import tables\n"
        "odd = pd.Series([{'b', 'a', 'c'}, {'x': 1, 'y': 'z'}, None, 'text'], dtype=object)\n"
        "print(tables.of_pandas(pd.DataFrame({'odd': odd})))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


@settings(max_examples=200, deadline=None)
@given(columns(), st.data())
def test_another_value_in_any_cell_of_any_type_is_another_dataset(column, data) -> None:
    dtype, cells = column
    at = data.draw(st.integers(0, len(cells) - 1))
    other = data.draw(CELLS[dtype])
    changed = [*cells[:at], other, *cells[at + 1 :]]
    before, after = as_column(dtype, cells), as_column(dtype, changed)
    same = type(cells[at]) is type(other) and repr(cells[at]) == repr(other)
    if dtype == "object" and isinstance(other, frozenset):
        same = cells[at] == other
    assert (digest(x=before) == digest(x=after)) == same


@settings(max_examples=50, deadline=None)
@given(columns())
def test_a_copy_is_the_same_dataset_and_a_renamed_column_is_another(column) -> None:
    held = as_column(*column)
    assert digest(x=held) == digest(x=held.copy())
    assert digest(x=held) != digest(y=held)


@pytest.mark.parametrize(
    ("dtype", "cell", "other"),
    [
        ("float64", 0.0, 5e-324),
        ("float16", 0, 1),
        ("complex128", 0, 1e-300j),
        ("bool", False, True),
        ("int8", 0, 1),
        ("Int8", 0, None),
        ("datetime64[ns]", pd.Timestamp(0), pd.Timestamp(1)),
        ("datetime64[us, UTC]", pd.Timestamp(0, tz="UTC"), pd.Timestamp(1000, tz="UTC")),
        ("timedelta64[ns]", pd.Timedelta(0), pd.Timedelta(1)),
        ("period[D]", pd.Period("2020-01-01", "D"), pd.Period("2020-01-02", "D")),
        (pd.CategoricalDtype(["a", "b"]), "a", "b"),
        ("str", "a", "b"),
        ("object", "a", "b"),
        ("object", b"a", b"b"),
        ("object", (0, 0), (0, 1)),
        ("object", {"a": {"b": [0]}}, {"a": {"b": [1]}}),
        ("object", np.zeros(3), np.array([0.0, 0.0, 5e-324])),
        ("object", decimal.Decimal(0), decimal.Decimal("0.0")),
        ("object", pd.Timestamp(0), pd.Timestamp(1)),
    ],
    ids=str,
)
def test_one_value_changed_far_down_in_a_column_of_any_type_changes_the_digest(dtype, cell, other) -> None:
    held = np.empty(30_000, object)
    held[:] = [cell] * 30_000
    before = pd.Series(held, dtype=object).astype(dtype)
    held[20_000] = other
    after = pd.Series(held, dtype=object).astype(dtype)
    assert digest(a=1, x=before) == digest(a=1, x=before.copy())
    assert digest(a=1, x=before) != digest(a=1, x=after)


def test_missing_values_empty_ones_and_zeros_are_three_things() -> None:
    assert len({digest(x=["a", None]), digest(x=["a", ""])}) == 2
    assert len({digest(x=pd.array([1, value], dtype="Int64")) for value in (None, 0)}) == 2
    assert len({digest(x=pd.array([True, value], dtype="boolean")) for value in (None, False)}) == 2
    assert len({digest(x=pd.Series([[1], value], dtype=object)) for value in (None, [])}) == 2
    assert len({digest(x=[1.0, value]) for value in (float("nan"), 0.0, -0.0)}) == 3


def test_types_names_order_and_index_count() -> None:
    plain = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    others = [
        plain,
        plain[["b", "a"]],
        plain.astype({"a": "int32"}),
        plain.astype(float),
        plain.astype(str),
        plain.iloc[::-1],
        plain.rename(columns={"a": 7}),
        plain.rename(columns={"a": "7"}),
        plain.rename_axis("i"),
        plain.rename_axis("i", axis=1),
        plain.set_index("a"),
        plain.set_index(["a", "b"]),
        plain.set_axis([5, 6]),
        plain.set_axis(["0", "1"]),
        plain.iloc[:1],
        plain.iloc[:0],
        plain.astype("category"),
        plain.astype(pd.CategoricalDtype([1, 2, 3, 4])),
        plain.astype(pd.CategoricalDtype([4, 3, 2, 1])),
        plain.astype(pd.CategoricalDtype([4, 3, 2, 1], ordered=True)),
        plain.set_axis(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")]), axis=1),
        plain.set_axis(["a", "a"], axis=1),
    ]
    assert len({tables.of_pandas(frame) for frame in others}) == len(others)


def test_text_borders_and_kinds_of_values_are_not_blurred() -> None:
    columns_seen = [
        ["ab", "c"],
        ["a", "bc"],
        [b"ab", b"c"],
        ["ab", b"c"],
        [1, "1"],
        [1, 1.0],
        [1, True],
        [[1], [2, 3]],
        [[1, 2], [3]],
        [[[1], [2]], [[3]]],
        [[[1, 2]], [[3]]],
        [{"a": 1}, {"b": 1}],
        [{"a": 1}, {"a": "1"}],
        [{"a": 1, "b": None}, {"a": 1}],
        [{"a": 1}, {"a": 1}],
        [{1}, {2, 3}],
        [{1, 2}, {3}],
        ["\ud800", "c"],
        [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)],
        [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
        [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2020, 1, 2)],
        [pd.Timestamp(1), pd.Timestamp(2)],
        [pd.Timestamp(1), pd.Timestamp(3)],
        [np.float32(1), np.float32(2)],
        [1.0, 2.0],
        [np.zeros((2, 2)), np.zeros((1, 2))],
        [np.zeros((2, 2)), np.zeros((2, 1))],
    ]
    seen = set()
    for cells in columns_seen:
        held = np.empty(2, object)
        held[:] = cells if not isinstance(cells[0], np.ndarray) else [None, None]
        for at, cell in enumerate(cells):
            held[at] = cell
        seen.add(digest(x=pd.Series(held, dtype=object)))
    assert len(seen) == len(columns_seen)


def test_how_text_is_held_does_not_count() -> None:
    held = [
        pd.Series(["a", None, "ä"], dtype=dtype)
        for dtype in ("str", "object", "string", "string[python]", pd.ArrowDtype(pa.string()))
    ]
    held.append(pd.Series(["a", float("nan"), "ä"], dtype=object))
    held.append(pd.Series(["a", pd.NA, "ä"], dtype=object))
    assert len({digest(x=column) for column in held}) == 1


def test_the_unit_of_times_does_not_count_and_their_zone_does() -> None:
    when = pd.Series(pd.to_datetime(["1905-01-01 01:02:03", None, "2020-01-01 00:00:00"]))
    found = {digest(x=when.astype(f"datetime64[{unit}]")) for unit in ("s", "ms", "us", "ns")}
    assert len(found) == 1
    assert (
        len({*found, digest(x=when.dt.tz_localize("UTC")), digest(x=when.dt.tz_localize("Asia/Tokyo"))}) == 3
    )
    long = pd.Series(pd.to_timedelta([-1500, 0], unit="ms"))
    assert len({digest(x=long.astype(f"timedelta64[{unit}]")) for unit in ("ms", "us", "ns")}) == 1


def test_strides_and_the_order_of_bytes_do_not_count() -> None:
    grid = np.arange(12.0).reshape(3, 4)
    assert (
        tables.of_arrays(grid)
        == tables.of_arrays(np.asfortranarray(grid))
        == tables.of_arrays(grid.astype(">f8"))
    )
    frame = pd.DataFrame(grid)
    assert tables.of_pandas(frame) == tables.of_pandas(frame.copy(deep=True).iloc[:, [0, 1, 2, 3]])
    assert tables.of_pandas(frame) == tables.of_pandas(
        pd.DataFrame({at: grid[:, at].copy() for at in range(4)})
    )


def test_an_index_that_only_counts_the_rows_does_not_count() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    assert tables.of_pandas(frame) == tables.of_pandas(frame.set_axis([0, 1]))


ARROW = {
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": ""}]),
    "list": pa.array([[1.5], None, []]),
    "fixed": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-2.25")]),
    "time": pa.array([datetime.time(1, 2, 3), None, datetime.time(0)]),
    "date": pa.array([datetime.date(2020, 1, 1), None, datetime.date(1969, 1, 1)]),
    "zoned": pa.array([1, None, -1], pa.timestamp("ms", "UTC")),
    "bool": pa.array([True, None, False]),
    "half": pa.array(np.array([1, 2, 3], "f2")),
    "bytes": pa.array([b"a", None, b""], pa.binary()),
    "fixed bytes": pa.array([b"ab", None, b"cd"], pa.binary(2)),
    "null": pa.nulls(3),
    "dictionary": pa.array(["a", None, "b"]).dictionary_encode(),
    "runs": pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([1, 2])),
    "uint64": pa.array([2**64 - 1, None, 0], pa.uint64()),
}


@pytest.mark.parametrize("kind", ARROW)
def test_how_an_arrow_table_is_cut_does_not_count(kind) -> None:
    column = ARROW[kind]
    whole = tables.of_arrow(pa.table({"x": column}))
    cut = pa.chunked_array([column[:1], column[1:1], column[1:]])
    assert tables.of_arrow(pa.table({"x": cut})) == whole
    assert tables.of_arrow(pa.table({"x": pa.concat_arrays([column, column])}).slice(3)) == whole
    swapped = column.take(pa.array([2, 0, 1])) if kind not in ("null", "runs") else column[:2]
    assert tables.of_arrow(pa.table({"x": swapped})) != whole


def test_what_lies_under_a_null_does_not_count() -> None:
    mask = pa.py_buffer(b"\x05")
    one, two = (
        pa.Array.from_buffers(pa.int64(), 3, [mask, pa.array([1, x, 3]).buffers()[1]]) for x in (7, 8)
    )
    assert one.to_pylist() == two.to_pylist()
    assert tables.of_arrow(pa.table({"x": one})) == tables.of_arrow(pa.table({"x": two}))


def test_pandas_and_arrow_give_one_digest_for_one_table() -> None:
    table = pa.table(
        {
            "i": pa.array([1, 2], pa.int32()),
            "f": [0.5, float("nan")],
            "t": ["a", None],
            "b": [True, False],
            "when": pa.array([1, None], pa.timestamp("us")),
            "day": pa.array([1, None], pa.date32()),
            "many": [[1, 2], None],
        }
    )
    assert tables.of_pandas(table.to_pandas()) == tables.of_arrow(table)
    assert gittrack.data.from_arrow(table).digest == gittrack.data.from_arrow(table.to_batches()[0]).digest


def test_polars_and_arrow_give_one_digest_for_one_table() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "i": [1, None],
            "f": [0.5, float("nan")],
            "t": ["a", None],
            "s": [{"a": 1}, None],
            "l": [[1], []],
            "c": polars.Series(["a", "b"], dtype=polars.Categorical),
            "e": polars.Series(["a", "b"], dtype=polars.Enum(["b", "a"])),
        }
    )
    dataset = gittrack.data.from_polars(frame, targets="i", name="p")
    assert (
        dataset.digest
        == tables.of_arrow(frame.to_arrow())
        == gittrack.data.from_polars(frame.rechunk()).digest
    )
    assert dataset.profile == {"num_rows": 2, "num_elements": 14}
    assert dataset.schema.input_types()[:3] == [{"type": "long"}, {"type": "double"}, {"type": "string"}]
    odd = polars.DataFrame(
        {"big": polars.Series([1], dtype=polars.Int128), "s": polars.Series([{1}], dtype=polars.Object)}
    )
    assert len(gittrack.data.from_polars(odd).digest) == 64
    with pytest.raises(InvalidValue, match="LazyFrame"):
        gittrack.data.from_polars(frame.lazy())


def test_arrays_differ_by_shape_type_name_mask_and_role() -> None:
    grid = np.arange(6.0).reshape(2, 3)
    record = np.zeros(2, [("a", "i1"), ("b", "f8")])
    found = [
        tables.of_arrays(grid),
        tables.of_arrays(grid.reshape(3, 2)),
        tables.of_arrays(grid.ravel()),
        tables.of_arrays(grid.astype("f4")),
        tables.of_arrays({"x": grid}),
        tables.of_arrays({"y": grid}),
        tables.of_arrays(grid, grid),
        tables.of_arrays(np.ma.masked_greater(grid, 4)),
        tables.of_arrays(np.array(5.0)),
        tables.of_arrays(np.array(["a", "b"])),
        tables.of_arrays(np.array([b"a", b"b"])),
        tables.of_arrays(np.array([None, {"a": 1}])),
        tables.of_arrays(np.array([1, 2], np.longdouble)),
        tables.of_arrays(np.array([1, 2], np.longdouble) + np.finfo(np.longdouble).eps),
        tables.of_arrays(np.array(["2020"], "M8[D]")),
        tables.of_arrays(np.array([1], "m8[M]")),
        tables.of_arrays(record),
        tables.of_arrays(np.zeros(2, [("a", "i1"), ("c", "f8")])),
    ]
    assert len(set(found)) == len(found)
    assert tables.of_arrays({"a": grid, "b": record}) == tables.of_arrays({"b": record, "a": grid})
    padded = np.frombuffer(b"\x01" * 32, np.dtype([("a", "i1"), ("b", "f8")], align=True))
    other = np.frombuffer((b"\x01" + b"\x02" * 7 + b"\x01" * 8) * 2, padded.dtype)
    assert tables.of_arrays(padded) == tables.of_arrays(other)


def test_an_object_whose_content_is_unknown_is_named_with_its_column() -> None:
    class Picture:
        pass

    with pytest.raises(InvalidValue, match=r"column 'image' holds .*Picture") as error:
        gittrack.data.from_pandas(pd.DataFrame({"image": [Picture()]}))
    assert "digest=" in error.value.hint
    assert gittrack.data.from_pandas(pd.DataFrame({"image": [Picture()]}), digest="v1").digest == "v1"


def test_a_dataset_of_pandas_records_what_mlflow_records() -> None:
    frame = pd.DataFrame({"x": [0.5, None], "n": [1, 2], "y": ["a", "b"], 7: [True, False]})
    dataset = gittrack.data.from_pandas(
        frame, source="data/train.csv", targets="y", name="train", predictions="n"
    )
    assert dataset.df is frame
    assert (dataset.name, dataset.targets, dataset.predictions) == ("train", "y", "n")
    assert json.loads(dataset.to_json()) == dataset.to_dict()
    assert dataset.to_dict() == {
        "name": "train",
        "digest": tables.of_pandas(frame),
        "source": '{"uri": "data/train.csv"}',
        "source_type": "local",
        "schema": '{"mlflow_colspec": [{"type": "double", "name": "x", "required": false}, '
        '{"type": "long", "name": "n", "required": true}, {"type": "string", "name": "y", "required": true}, '
        '{"type": "boolean", "name": 7, "required": true}]}',
        "profile": '{"num_rows": 2, "num_elements": 8}',
    }


@pytest.mark.parametrize(
    ("cells", "spec"),
    [
        (np.array([1], "i1"), {"type": "integer", "required": True}),
        (np.array([1], "u4"), {"type": "long", "required": True}),
        (np.array([1], "u8"), {"type": "any", "required": True}),
        (np.array([1], "f2"), {"type": "float", "required": True}),
        (pd.array([1, None], dtype="Int64"), {"type": "long", "required": False}),
        (pd.Categorical(["a"]), {"type": "string", "required": True}),
        (pd.Categorical([1]), {"type": "long", "required": True}),
        (pd.to_datetime(["2020-01-01"]), {"type": "datetime", "required": True}),
        (pd.to_timedelta([1]), {"type": "any", "required": True}),
        ([datetime.date(2020, 1, 1)], {"type": "datetime", "required": True}),
        ([b"a"], {"type": "binary", "required": True}),
        (["a", b"a"], {"type": "any", "required": True}),
        ([1, "a"], {"type": "any", "required": True}),
        ([None, None], {"type": "any", "required": False}),
        ([[], []], {"type": "any", "required": True}),
        ([[1], [2]], {"type": "array", "items": {"type": "long"}, "required": True}),
        ([np.zeros(2)], {"type": "array", "items": {"type": "double"}, "required": True}),
        (
            [{"a": 1}, {"a": 2, "b": "x"}],
            {
                "type": "object",
                "properties": {
                    "a": {"type": "long", "required": True},
                    "b": {"type": "string", "required": False},
                },
                "required": True,
            },
        ),
        (
            pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            {"type": "array", "items": {"type": "long"}, "required": True},
        ),
    ],
    ids=str,
)
def test_a_column_has_the_type_that_mlflow_gives_it(cells, spec) -> None:
    schema = gittrack.data.from_pandas(pd.DataFrame({"x": cells})).schema
    assert schema.to_dict() == [{**spec, "name": "x"}]
    assert schemas.Schema.from_json(schema.to_json()) == schema


def test_a_dataset_of_numpy_records_what_mlflow_records() -> None:
    dataset = gittrack.data.from_numpy(
        {"a": np.zeros((3, 4)), "b": np.array(["x", "yy", "z"])}, source="s3://b/x", targets=np.arange(3)
    )
    assert json.loads(dataset.to_dict()["profile"]) == {
        "features_shape": {"a": [3, 4], "b": [3]},
        "features_size": {"a": 12, "b": 3},
        "features_nbytes": {"a": 96, "b": 24},
        "targets_shape": [3],
        "targets_size": 3,
        "targets_nbytes": 24,
    }
    spec = json.loads(dataset.to_dict()["schema"])["mlflow_tensorspec"]
    assert spec["features"] == (
        '[{"name": "a", "type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}, '
        '{"name": "b", "type": "tensor", "tensor-spec": {"dtype": "str", "shape": [-1]}}]'
    )
    assert spec["targets"] == '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
    assert schemas.parse(dataset.to_dict()["schema"]) == dataset.schema
    assert gittrack.data.from_numpy(np.array(5.0)).schema is None


def test_a_dataset_without_a_schema_says_so() -> None:
    assert gittrack.data.from_pandas(pd.DataFrame()).to_dict()["schema"] is None
    assert (
        schemas.parse(None)
        is schemas.parse("null")
        is schemas.parse("{")
        is schemas.parse('{"a": 1}')
        is None
    )


@pytest.mark.parametrize("role", ["targets", "predictions"])
def test_a_column_that_is_not_there_is_named(role) -> None:
    with pytest.raises(InvalidValue, match="no column 'z'") as error:
        gittrack.data.from_pandas(pd.DataFrame({"a": [1]}), **{role: "z"})
    assert error.value.hint == "one of a"


def test_what_is_no_table_is_refused_with_a_way_out() -> None:
    with pytest.raises(InvalidValue, match="a Series is no") as error:
        gittrack.data.from_pandas(pd.Series([1]))
    assert error.value.hint == ".to_frame()"
    with pytest.raises(InvalidValue, match="a list is no numpy array"):
        gittrack.data.from_numpy([1, 2])
    with pytest.raises(InvalidValue, match="a int is no Arrow table"):
        gittrack.data.from_arrow(7)
    with pytest.raises(InvalidValue, match="is no source"):
        gittrack.data.from_pandas(pd.DataFrame({"a": [1]}), source=7)


def test_a_dataset_known_by_its_source_only_is_digested_by_what_was_told() -> None:
    source = gittrack.data.HTTPDatasetSource(url="http://x/y")
    schema = schemas.Schema([schemas.ColSpec("string", "text")])
    dataset = gittrack.data.meta_dataset.MetaDataset(source, name="q", schema=schema)
    assert dataset.digest.startswith("38bf9933")
    assert (
        dataset.to_dict()["schema"]
        == '{"mlflow_colspec": [{"type": "string", "name": "text", "required": true}]}'
    )
    assert dataset.profile is None
    assert "schema" not in gittrack.data.MetaDataset(source).to_dict()
    with pytest.raises(InvalidValue, match="'strong' is no type"):
        schemas.ColSpec("strong")


@pytest.mark.parametrize(
    ("address", "kind", "recorded"),
    [
        ("s3://b/x", "s3", '{"uri": "s3://b/x"}'),
        ("gs://b/x", "gs", '{"uri": "gs://b/x"}'),
        ("wasbs://a@b/c", "wasbs", '{"uri": "wasbs://a@b/c"}'),
        ("sftp://ada:secret@b/c", "sftp", '{"uri": "sftp://ada@b/c"}'),
        ("runs:/0123/data.csv", "runs", '{"uri": "runs:/0123/data.csv"}'),
        ("data/a@b:c.csv", "local", '{"uri": "data/a@b:c.csv"}'),
        ("file:///tmp/x", "local", '{"uri": "file:///tmp/x"}'),
        ("C:/data/x", "local", '{"uri": "C:/data/x"}'),
        ("https://x/y.csv?a=b", "http", '{"url": "https://x/y.csv?a=b"}'),
        ("https://ada:secret@x/y.csv", "http", '{"url": "https://ada@x/y.csv"}'),
    ],
)
def test_a_source_is_recorded_by_kind_and_address_and_never_with_a_password(address, kind, recorded) -> None:
    dataset = gittrack.data.from_pandas(pd.DataFrame({"a": [1]}), source=address)
    assert (dataset.to_dict()["source_type"], dataset.to_dict()["source"]) == (kind, recorded)
    entity = gittrack.data.as_entity(dataset, {"mlflow.data.context": "train"})
    assert entity.dataset.digest == dataset.digest
    assert [(tag.key, tag.value) for tag in entity.tags] == [("mlflow.data.context", "train")]
    for asked in (entity, entity.dataset):
        source = gittrack.data.get_source(asked)
        assert (type(source), source.to_json()) == (type(dataset.source), recorded)
    assert gittrack.data.get_source(dataset) is dataset.source
    again = gittrack.data.from_entity(entity)
    assert again.to_dict() == dataset.to_dict()
    assert (again.schema, again.profile) == (dataset.schema, dataset.profile)


def test_a_dataset_without_a_source_is_from_the_script_and_the_run_says_more() -> None:
    dataset = gittrack.data.from_pandas(pd.DataFrame({"a": [1]}))
    assert dataset.source.tags["mlflow.source.name"] == sys.argv[0]
    entity = gittrack.data.as_entity(dataset, context={"mlflow.user": "ada"})
    source = gittrack.data.get_source(entity)
    assert source.tags == {"mlflow.user": "ada", **dataset.source.tags}
    with pytest.raises(NotImplementedError, match="made by code"):
        source.load()


def test_what_is_no_dataset_has_no_source_and_is_not_recorded() -> None:
    with pytest.raises(InvalidValue, match="a dict is no dataset"):
        gittrack.data.get_source({})
    with pytest.raises(InvalidValue, match="a DataFrame is no dataset"):
        gittrack.data.as_entity(pd.DataFrame())
    with pytest.raises(NotFound, match="'delta_table'"):
        gittrack.data.get_source(RecordedEntity("d", "1", "delta_table", '{"path": "x"}'))
    for source in ("{}", "7", "{"):
        with pytest.raises(InvalidValue, match="source of a dataset"):
            gittrack.data.get_source(RecordedEntity("d", "1", "local", source))


def test_a_local_source_loads_as_a_path_or_as_a_copy(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in dir").mkdir()
    (tmp_path / "in dir" / "x.csv").write_text("1")
    for address in ("in dir/x.csv", tmp_path / "in dir/x.csv", (tmp_path / "in dir/x.csv").as_uri()):
        source = gittrack.data.from_pandas(pd.DataFrame({"a": [1]}), source=address).source
        assert source.load() == str(tmp_path / "in dir" / "x.csv")
        assert source.load("out") == str(tmp_path / "out" / "x.csv")
    folder = gittrack.data.LocalArtifactDatasetSource("in dir").load("out")
    assert folder == str(tmp_path / "out" / "in dir")
    assert (tmp_path / "out" / "in dir" / "x.csv").read_text() == "1"
    with pytest.raises(NotFound, match=r"no file or folder 'gone.csv'"):
        gittrack.data.LocalArtifactDatasetSource("gone.csv").load()
    with pytest.raises(InvalidValue, match="of the machine 'far'"):
        gittrack.data.LocalArtifactDatasetSource("file://far/x").load()


def test_a_source_that_cannot_be_fetched_names_the_tool_that_can() -> None:
    with pytest.raises(CannotLoad, match="s3") as error:
        gittrack.data.FileSystemDatasetSource("s3://bucket/a b.csv").load()
    assert error.value.hint == "aws s3 cp 's3://bucket/a b.csv' ."


def test_a_room_above_can_say_how_a_scheme_is_fetched(monkeypatch) -> None:
    monkeypatch.setitem(FileSystemDatasetSource.fetchers, "runs", lambda uri, folder: f"{folder}/{uri[-3:]}")
    assert gittrack.data.FileSystemDatasetSource("runs:/0123/csv").load("here") == "here/csv"


def test_a_kind_of_source_of_ones_own_is_found_again(monkeypatch) -> None:
    from gittrack.data import dataset_source_registry as registry

    class Shelf(DatasetSource):
        def __init__(self, place: str) -> None:
            self.place = place

        @staticmethod
        def _get_source_type() -> str:
            return "shelf"

        @staticmethod
        def _can_resolve(raw_source) -> bool:
            return str(raw_source).startswith("shelf ")

        @classmethod
        def _resolve(cls, raw_source) -> Shelf:
            return cls(raw_source[6:])

        def to_dict(self) -> dict:
            return {"place": self.place}

        @classmethod
        def from_dict(cls, source_dict) -> Shelf:
            return cls(**source_dict)

    monkeypatch.setattr(registry, "_sources", list(registry._sources))
    monkeypatch.setattr(registry, "_KINDS", dict(registry._KINDS))
    register_dataset_source(Shelf)
    dataset = gittrack.data.from_pandas(pd.DataFrame({"a": [1]}), source="shelf 3")
    assert gittrack.data.get_source(gittrack.data.as_entity(dataset)).place == "3"


class Answers(http.server.BaseHTTPRequestHandler):
    """Serves one file under many names, and what a bad server would."""

    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
        elif self.path == "/broken":
            self.send_error(500)
        elif self.path in ("/moved", "/moved-to-file"):
            self.send_response(302)
            self.send_header("Location", "/data.csv" if self.path == "/moved" else "file:///etc/hostname")
            self.end_headers()
        else:
            self.send_response(200)
            if self.path.startswith("/named"):
                self.send_header("Content-Disposition", 'attachment; filename="../../up/ev\\il.csv"')
            self.send_header("Content-Length", "99" if self.path == "/short" else "3")
            self.send_header("X-Auth", self.headers.get("Authorization", ""))
            self.end_headers()
            self.wfile.write(
                b"1,2" if self.path != "/who" else self.headers.get("Authorization", "")[-3:].encode()
            )

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data.csv", "data.csv"),
        ("/moved", "data.csv"),
        ("/", "dataset_source"),
        ("/a/%2e%2e%2fb.csv?x=/y", "b.csv"),
        ("/a/..", "dataset_source"),
        ("/named", "il.csv"),
    ],
)
def test_a_file_of_the_web_is_downloaded_under_a_name_that_is_no_path(server, tmp_path, path, name) -> None:
    source = gittrack.data.HTTPDatasetSource(server + path)
    assert source.load(str(tmp_path / "new")) == str(tmp_path / "new" / name)
    assert (tmp_path / "new" / name).read_bytes() == b"1,2"
    assert os.listdir(tmp_path / "new") == [name]


@pytest.mark.parametrize(
    ("path", "category", "says"),
    [
        ("/gone", NotFound, "answered 404"),
        ("/broken", GittrackError, "answered 500"),
        ("/short", GittrackError, "broke off after 3 of 99 bytes"),
        ("/moved-to-file", GittrackError, "could not be fetched|answered 302"),
    ],
)
def test_a_download_that_fails_says_why_and_leaves_nothing(server, tmp_path, path, category, says) -> None:
    with pytest.raises(category, match=says):
        gittrack.data.HTTPDatasetSource(server + path).load(str(tmp_path / "new"))
    assert not list(tmp_path.glob("new/*"))


def test_a_download_is_bounded(server, tmp_path) -> None:
    with pytest.raises(InvalidValue, match="larger than 2 bytes"):
        gittrack.data.HTTPDatasetSource(f"{server}/data.csv").load(str(tmp_path / "new"), max_bytes=2)
    assert os.listdir(tmp_path / "new") == []


def test_a_password_in_an_address_is_used_and_never_shown(server, tmp_path) -> None:
    source = gittrack.data.HTTPDatasetSource(server.replace("//", "//ada:s%40cret@") + "/who")
    with open(source.load(str(tmp_path)), "rb") as file:
        assert file.read() == b"YWRhOnNAY3JldA=="[-3:]
    with pytest.raises(NotFound) as error:
        gittrack.data.HTTPDatasetSource(server.replace("//", "//ada:secret@") + "/gone").load()
    assert "secret" not in str(error.value)


def test_what_is_not_of_the_web_is_not_opened() -> None:
    with pytest.raises(InvalidValue, match="no address of the web"):
        gittrack.data.HTTPDatasetSource("file:///etc/hostname").load()
    with pytest.raises(GittrackError, match="could not be fetched"):
        gittrack.data.HTTPDatasetSource("http://127.0.0.1:1/x").load()


def test_the_room_is_loaded_without_a_library_of_tables() -> None:
    code = (
        "import sys, gittrack.data as data, gittrack.data.hashing\n"
        "data.MetaDataset(data.HTTPDatasetSource('http://x/y')).to_dict()\n"
        "data.pandas_dataset, data.from_polars, data.from_numpy, data.from_arrow, data.from_pandas\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_every_name_of_the_room_is_there() -> None:
    assert set(gittrack.data.__all__) <= set(dir(gittrack.data))
    for name in gittrack.data.__all__:
        assert getattr(gittrack.data, name).__doc__
    with pytest.raises(AttributeError, match="from_nothing"):
        gittrack.data.from_nothing
