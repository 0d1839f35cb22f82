from __future__ import annotations

import io
import subprocess
import sys
from array import array

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.record import parquet
from gittrack.record.points import SMALL, from_arrow, read_parquet
from tests.record.strategies import ROWS, to_points


def columns(rows) -> tuple:
    points = to_points(rows).sort()
    return points.keys, points.counts, points.step, points.timestamp, points.value.tobytes()


@settings(max_examples=150, deadline=None)
@given(ROWS.filter(bool))
def test_what_the_small_writer_wrote_is_read_as_it_was_given(rows) -> None:
    assert parquet.read(parquet.write(*columns(rows)), most=SMALL) == columns(rows)


@settings(max_examples=100, deadline=None)
@given(ROWS.filter(bool))
def test_the_small_reader_and_pyarrow_read_the_same(rows) -> None:
    content = parquet.write(*columns(rows))
    theirs = from_arrow(pq.read_table(io.BytesIO(content))).sort()
    assert read_parquet(content).sort().digest() == theirs.digest()


@settings(max_examples=200, deadline=None)
@given(ROWS.filter(bool), st.data())
def test_a_changed_file_is_left_to_pyarrow(rows, data) -> None:
    content = bytearray(parquet.write(*columns(rows)))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert parquet.read(bytes(content), most=SMALL) is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_anything_at_all_is_left_to_pyarrow(content) -> None:
    assert parquet.read(b"PAR1" + content, most=SMALL) is None


def test_nested_structs_without_end_are_left_to_pyarrow() -> None:
    assert parquet.read(b"PAR1" + b"\x1c" * 100_000, most=SMALL) is None


def test_counts_that_are_not_those_of_the_rows_are_left_to_pyarrow() -> None:
    rows = array("q", [1, 2])
    content = parquet.write(["loss"], [1 << 60], rows, rows, bytes(16))
    assert parquet.read(content, most=SMALL) is None


def test_a_file_of_many_rows_is_left_to_pyarrow() -> None:
    rows = array("q", range(10))
    content = parquet.write(["loss"], [10], rows, rows, bytes(80))
    assert parquet.read(content, most=9) is None
    assert parquet.read(content, most=10) is not None


def test_reading_a_small_series_loads_no_heavy_library() -> None:
    code = """
import sys
from array import array
from gittrack.record import parquet, points
rows = array("q", range(100))
assert len(points.read_parquet(parquet.write(["loss"], [100], rows, rows, bytes(800))).sort()) == 100
assert not {"pyarrow", "numpy", "pandas"} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
