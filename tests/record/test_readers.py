"""Files that libraries open without Python's knowledge."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from gittrack.record.project import Project
from tests.conftest import commit_all, python, write
from tests.record.processes import only_run


@pytest.fixture
def project(repo: Path) -> Path:
    """The current folder: a repository that ignores `data/`, with its store."""
    write(repo, {".gitignore": "data/\n", "data/a.csv": "a,b\n1,2\n", "data/a.json": '{"a": 1}\n'})
    Project.find(repo).init()
    commit_all(repo, "the code")
    made = (
        "import os, pyarrow as pa, pyarrow.parquet as pq, pyarrow.feather as f, pyarrow.orc as o, duckdb\n"
        "t = pa.table({'a': [1, 2]}); os.makedirs('data/parts')\n"
        "pq.write_table(t, 'data/a.parquet'); f.write_feather(t, 'data/a.feather'); o.write_table(t, 'data/a.orc')\n"
        "pq.write_table(t, 'data/parts/0.parquet'); pq.write_table(t, 'data/parts/1.parquet')\n"
        "c = duckdb.connect('data/a.duckdb'); c.execute('create table t as select 1 as a'); c.close()\n"
    )
    python(repo, made)
    return repo


def found(root: Path, code: str, before: str = "") -> list[str]:
    lines = [
        before,
        "import gittrack",
        "with gittrack.start_run():",
        *(f"    {line}" for line in code.splitlines()),
    ]
    python(root, "\n".join(lines))
    return [entry.path for entry in only_run(root).data]


@pytest.mark.parametrize(
    ("code", "paths"),
    [
        ("import pyarrow.parquet as pq; pq.read_table('data/a.parquet')", ["a.parquet"]),
        ("import pyarrow.parquet as pq; pq.ParquetFile('data/a.parquet').read()", ["a.parquet"]),
        ("import pyarrow.parquet as pq; pq.read_table('data/parts')", ["parts/0.parquet", "parts/1.parquet"]),
        (
            "import pyarrow.dataset as ds; ds.dataset('data/parts').to_table()",
            ["parts/0.parquet", "parts/1.parquet"],
        ),
        ("from pyarrow.csv import read_csv; read_csv('data/a.csv')", ["a.csv"]),
        ("import pyarrow.json; pyarrow.json.read_json('data/a.json')", ["a.json"]),
        ("import pyarrow.feather as f; f.read_table('data/a.feather')", ["a.feather"]),
        ("import pyarrow.orc as o; o.read_table('data/a.orc')", ["a.orc"]),
        ("import pyarrow as pa; pa.memory_map('data/a.csv')", ["a.csv"]),
        ("import pandas; pandas.read_parquet('data/a.parquet')", ["a.parquet"]),
        ("import pandas; pandas.read_parquet('data/parts')", ["parts/0.parquet", "parts/1.parquet"]),
        ("import pandas; pandas.read_csv('data/a.csv', engine='pyarrow')", ["a.csv"]),
        ("import pandas; pandas.read_feather('data/a.feather')", ["a.feather"]),
        ("import duckdb; duckdb.sql(\"select * from 'data/a.csv'\").fetchall()", ["a.csv"]),
        ("import duckdb; duckdb.read_parquet('data/a.parquet').fetchall()", ["a.parquet"]),
        ("import duckdb; duckdb.connect().execute(\"from read_csv('data/*.csv')\").fetchall()", ["a.csv"]),
        (
            "import duckdb; duckdb.connect('data/a.duckdb', read_only=True).sql('from t').fetchall()",
            ["a.duckdb"],
        ),
        ("import duckdb, os\nos.chdir('data')\nduckdb.sql('select * from \"a.csv\"').fetchall()", ["a.csv"]),
        ("import duckdb\nduckdb.sql(\"copy (select 1) to 'data/a.csv'\")\nopen('data/a.csv').read()", []),
    ],
)
def test_what_a_library_reads_by_itself_is_found(project, code, paths) -> None:
    assert found(project, code) == [f"data/{path}" for path in paths]


@pytest.mark.parametrize("before", ["import pyarrow.parquet", "import pyarrow.parquet, duckdb, pandas", ""])
def test_it_does_not_matter_which_is_imported_first(project, before) -> None:
    code = "import pyarrow.parquet as pq; pq.read_table('data/a.parquet')"
    assert found(project, code, before) == ["data/a.parquet"]


@pytest.mark.parametrize(
    ("module", "make", "code", "path"),
    [
        ("polars", "", "import polars; polars.scan_csv('data/a.csv').collect()", "a.csv"),
        ("polars", "", "import polars; polars.read_parquet('data/a.parquet')", "a.parquet"),
        (
            "h5py",
            "import h5py; h5py.File('data/a.h5', 'w').close()",
            "import h5py; h5py.File('data/a.h5')",
            "a.h5",
        ),
        ("lightgbm", "", "import lightgbm; lightgbm.Dataset('data/a.csv')", "a.csv"),
        (
            "xgboost",
            "",
            "import xgboost\ntry: xgboost.DMatrix('data/a.csv?format=csv')\nfinally: pass",
            "a.csv",
        ),
        (
            "safetensors",
            "import numpy, safetensors.numpy as s; s.save_file({'a': numpy.zeros(2)}, 'data/a.st')",
            "import safetensors.numpy as s; s.load_file('data/a.st')",
            "a.st",
        ),
    ],
)
def test_what_an_optional_library_reads_by_itself_is_found(project, module, make, code, path) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    if make:
        python(project, make)
    assert found(project, code) == [f"data/{path}"]


def test_a_replaced_function_is_what_it_was_to_everybody_else(repo) -> None:
    code = """\
import inspect, pickle
import pyarrow.parquet, pyarrow.csv, duckdb
from pyarrow.parquet import ParquetFile, read_table
look = lambda: [inspect.signature(pyarrow.parquet.read_table), ParquetFile, pyarrow.csv.read_csv.__doc__]
before = look()
functions = [pyarrow.parquet.read_table, pyarrow.csv.read_csv, pyarrow.memory_map, duckdb.sql]
kept = pickle.dumps(functions)
import gittrack
assert look() == before
assert [getattr(one, "__wrapped__", one) for one in pickle.loads(kept)] == functions
again = pickle.loads(pickle.dumps([read_table, pyarrow.csv.read_csv, duckdb.sql]))
assert again == [pyarrow.parquet.read_table, pyarrow.csv.read_csv, duckdb.sql]
try: pyarrow.parquet.read_table()
except TypeError as error: print(error)
try: duckdb.sql("nonsense '")
except duckdb.Error: print("duckdb's own error")
"""
    lines = python(repo, code).stdout.splitlines()
    assert lines == ["read_table() missing 1 required positional argument: 'source'", "duckdb's own error"]


def test_a_listed_library_that_is_not_there_is_missing_as_ever(repo) -> None:
    code = """\
import gittrack, sys, importlib.util
for name in ("xgboost.core", "cv2", "tables.file"):
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        try: __import__(name)
        except ModuleNotFoundError as error: assert error.name == name.partition(".")[0]
        else: raise AssertionError(name)
import pyarrow.parquet.core as core
assert type(core.__loader__).__name__ == "SourceFileLoader" and "exec_module" not in vars(core.__loader__)
"""
    python(repo, code)
