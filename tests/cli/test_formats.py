"""The same answer in each form, for programs that are not gittrack."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.cli import formats, options
from gittrack.cli.formats import Answer, Form

COLUMNS = ["name", "auc", "step"]
ROWS = [("a", 0.5, 2**53 + 1), ("b", math.nan, -1), (None, -math.inf, 0)]


def test_json_is_one_array_with_a_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Form("json").write(Answer(COLUMNS, iter(ROWS)))

    out = capsys.readouterr().out
    assert json.loads(out) == [
        {"name": "a", "auc": 0.5, "step": 2**53 + 1},
        {"name": "b", "auc": "NaN", "step": -1},
        {"name": None, "auc": "-Infinity", "step": 0},
    ]
    assert len(out.splitlines()) == 5


def test_json_of_nothing_is_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    Form("json").write(Answer(COLUMNS, ()))

    assert json.loads(capsys.readouterr().out) == []


def test_columns_of_one_name_all_reach_json(capsys: pytest.CaptureFixture[str]) -> None:
    Form("json").write(Answer(["a", "a", "a_2"], [(1, 2, 3)]))

    assert sorted(json.loads(capsys.readouterr().out)[0].values()) == [1, 2, 3]


@pytest.mark.parametrize("first", [*"=+-@\t\r\n", "＝"], ids=ascii)
def test_text_that_a_spreadsheet_would_run_gets_a_quote_before_it(first: str) -> None:
    assert formats.csv_cell(f"{first}cmd|' /C calc'!A0", to_file=True) == f"'{first}cmd|' /C calc'!A0"


@pytest.mark.parametrize("value", [-0.5, -1, "-0.5", "+3", "-1e-5", -math.inf], ids=repr)
def test_numbers_stay_numbers_in_csv(value: object) -> None:
    assert not formats.csv_cell(value, to_file=True).startswith("'")


@given(st.lists(st.tuples(st.text(max_size=20), st.floats(), st.integers()), max_size=5))
def test_csv_in_a_file_reads_back_as_it_was(rows: list[tuple[str, float, int]]) -> None:
    lines = [formats.csv_line([formats.csv_cell(value, to_file=True) for value in row]) for row in rows]

    read = list(csv.reader(io.StringIO("".join(lines), newline="")))
    assert [name.removeprefix("'") for name, *_ in read] == [name.removeprefix("'") for name, *_ in rows]
    assert [int(step) for *_, step in read] == [step for *_, step in rows]
    assert [float(value).hex() for _, value, _ in read] == [value.hex() for _, value, _ in rows]


def test_csv_on_stdout_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    Form("csv").write(Answer(["a\x1b"], [("\x1b]52;c;x\x07",)]))

    assert capsys.readouterr().out == "a\\x1b\n\\x1b]52;c;x\\x07\n"


def test_csv_in_a_file_has_the_text_itself(tmp_path: Path) -> None:
    Form("csv", tmp_path / "a.csv").write(Answer(["a"], [("ünï\x1bcode",)]))

    assert (tmp_path / "a.csv").read_text() == "a\nünï\x1bcode\n"


def test_markdown_shows_text_and_makes_no_link_image_or_html(capsys: pytest.CaptureFixture[str]) -> None:
    Form("markdown").write(Answer(["val_auc", "n"], [("![x](http://e.example) <b> a|b `c` *d*", 1)]))

    assert capsys.readouterr().out == (
        "| val_auc | n |\n| --- | ---: |\n| !\\[x\\](http://e.example) \\<b\\> a\\|b \\`c\\` \\*d\\* | 1 |\n"
    )


def test_parquet_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    Form("parquet", path).write(Answer(COLUMNS, ROWS))

    table = pq.read_table(path)
    assert table.column("step").to_pylist() == [2**53 + 1, -1, 0]
    assert math.isnan(table.column("auc")[1].as_py())
    assert table.column("name").to_pylist() == ["a", "b", None]


def test_parquet_of_mixed_values_is_text(tmp_path: Path) -> None:
    path = tmp_path / "facts.parquet"
    Form("parquet", path).write(Answer(["value"], [(1,), ("x",), ({"a": 1},)]))

    assert pq.read_table(path).column("value").to_pylist() == ["1", "x", '{"a": 1}']


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("what was there")

    def rows():
        yield (1,)
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        Form("csv", path).write(Answer(["n"], rows()))

    assert path.read_text() == "what was there"
    assert sorted(os.listdir(tmp_path)) == ["home", "runs.csv"]


def test_a_device_is_written_to_and_stays_one() -> None:
    Form("csv", Path(os.devnull)).write(Answer(["n"], [(1,)]))

    assert not Path(os.devnull).is_file()


def test_a_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("")
    (tmp_path / "link.csv").symlink_to("real.csv")
    Form("csv", tmp_path / "link.csv").write(Answer(["n"], [(1,)]))

    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "n\n1\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.json", "json"),
        ("a.CSV", "csv"),
        ("a.md", "markdown"),
        ("a.parquet", "parquet"),
        ("a.out", "table"),
    ],
)
def test_the_ending_of_a_file_says_the_format(name: str, expected: str) -> None:
    @click.command()
    @options.form_options
    def command(form: Form) -> None:
        assert form == Form(expected, Path(name))

    command.main(["-o", name], standalone_mode=False)
