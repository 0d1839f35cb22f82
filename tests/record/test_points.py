from __future__ import annotations

import io
import math
import struct
from array import array

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.errors import Damaged
from gittrack.record import points as points_module
from gittrack.record.points import Points, read_parquet
from tests.record.strategies import ROWS, to_points


def bits(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", math.nan if math.isnan(value) else value))[0]


def exact(points: Points) -> list[tuple[str, int, int, int]]:
    return sorted((m.key, m.step, m.timestamp, bits(m.value)) for m in points.metrics())


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_every_point_comes_back_exactly_from_parquet(rows) -> None:
    points = to_points(rows)
    if not rows:
        return
    assert exact(read_parquet(points.sort().to_parquet())) == exact(points)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_the_small_and_the_large_way_give_the_same_points_in_the_same_order(rows) -> None:
    points = to_points(rows)
    small = points.sort()
    large = points_module._sort_large(points, *_ranks(points)) if rows else small
    assert (large.keys, large.counts, large.step, large.timestamp) == (
        small.keys,
        small.counts,
        small.step,
        small.timestamp,
    )
    assert large.digest() == small.digest()


def _ranks(points: Points) -> tuple[list[str], list[int]]:
    ranked = sorted(set(points.keys), key=str.encode)
    return ranked, [ranked.index(key) for key in points.keys]


@settings(max_examples=100, deadline=None)
@given(ROWS, st.randoms())
def test_the_series_digest_does_not_depend_on_the_order_of_logging(rows, random) -> None:
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert to_points(rows).sort().digest() == to_points(shuffled).sort().digest()


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_other_engines_read_the_file_that_the_small_writer_makes(tmp_path_factory, rows) -> None:
    if not rows:
        return
    file = tmp_path_factory.mktemp("parquet") / "metrics.parquet"
    file.write_bytes(to_points(rows).sort().to_parquet())
    found = duckdb.sql(f"select key, step, timestamp, value from '{file}'").fetchall()
    assert sorted((k, s, t, bits(v)) for k, s, t, v in found) == exact(to_points(rows))


def test_more_points_than_the_interpreter_should_sort_go_through_arrow() -> None:
    rows = points_module.SMALL + 1
    points = Points(
        ["b", "a"],
        array("I", [i % 2 for i in range(rows)]),
        array("q", range(rows)),
        array("q", range(rows)),
        array("d", range(rows)),
    )
    file = pq.ParquetFile(io.BytesIO(points.sort().to_parquet()))
    assert file.metadata.num_rows == rows
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert exact(read_parquet(points.sort().to_parquet())) == exact(points)


def test_the_last_value_is_the_greatest_by_step_then_time_then_value() -> None:
    rows = [("a", 2, 10, 1.0), ("a", 2, 10, 5.0), ("a", 2, 10, math.nan), ("a", 1, 99, 9.0), ("a", 2, 9, 8.0)]
    summary = to_points(rows).sort().summaries()["a"]
    assert (summary.last, summary.step, summary.min, summary.max, summary.count) == (5.0, 2, 1.0, 9.0, 5)


def test_the_extremes_of_a_series_of_nan_are_nan() -> None:
    summary = to_points([("a", 0, 0, math.nan)]).sort().summaries()["a"]
    assert math.isnan(summary.min)
    assert math.isnan(summary.last)


def test_equal_points_are_kept_as_often_as_they_were_logged() -> None:
    assert len(to_points([("a", 0, 7, 1.0)] * 3).sort()) == 3


def test_a_flipped_bit_in_a_small_file_is_damage_and_never_another_number() -> None:
    content = bytearray(to_points([("a", step, 7, step / 3) for step in range(40)]).sort().to_parquet())
    right = exact(read_parquet(bytes(content)))
    for position in range(0, len(content) * 8, 7):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert exact(read_parquet(bytes(flipped))) == right
        except (Damaged, AssertionError) as error:
            if isinstance(error, AssertionError):
                pytest.fail(f"bit {position} changed a number unseen")


def test_a_truncated_file_is_damage() -> None:
    content = to_points([("a", 0, 0, 1.0)]).sort().to_parquet()
    for length in range(len(content)):
        with pytest.raises(Damaged):
            read_parquet(content[:length])
