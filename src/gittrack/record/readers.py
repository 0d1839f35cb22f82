"""Libraries that open files without Python's knowledge, and how to learn what they read.

Each function, or constructor, of the list below is replaced by one that notes its arguments and calls it. That is done
when the library is imported: by whom, and whether before or after gittrack, does not matter; it is never imported for
it. A function keeps its name, signature and documentation, and can be pickled; a class stays the class it is.
"""

from __future__ import annotations

import functools
import glob
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from gittrack.record import opens

_MAX_FILES = 100_000  # of one folder or pattern
_LITERAL = re.compile(r"(\bto\s+)?(?:'((?:[^']|'')*)'|\"([^\"]*)\")", re.IGNORECASE)

Noting = Callable[[Sequence[Any], Mapping[str, Any]], None]


def _paths(*names: str, place: int = 0) -> Noting:
    """Return what notes the argument at `place`, or of one of these names: a path, or several."""

    def note(args: Sequence[Any], options: Mapping[str, Any]) -> None:
        given = (
            args[place]
            if len(args) > place
            else next((options[name] for name in names if name in options), None)
        )
        for path in _each(given):
            _note_path(path)

    return note


def _with_mode(*names: str) -> Noting:
    """Return what notes a file that is opened to read, or to write by a mode beginning with `w` or `x`."""

    def note(args: Sequence[Any], options: Mapping[str, Any]) -> None:
        given = args[1] if len(args) > 1 else next((options[name] for name in names if name in options), None)
        mode = str(args[2] if len(args) > 2 else options.get("mode", "r"))
        for path in _each(given):
            opens.note(path, written=mode[:1] in ("w", "x") or not os.path.exists(path))  # noqa: PTH110

    return note


def _sql(place: int) -> Noting:
    """Return what notes the files that a query names in quotes; those after TO are written."""

    def note(args: Sequence[Any], options: Mapping[str, Any]) -> None:
        query = args[place] if len(args) > place else options.get("query")
        if not isinstance(query, str):
            return
        for found in _LITERAL.finditer(query):
            text = (found[2] or "").replace("''", "'") or found[3]
            if text and found[1]:
                opens.note(text, written=True)
            elif text:
                _note_path(text)

    return note


def _each(given: Any) -> Iterator[str]:
    """Yield the paths that an argument names."""
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        yield path if isinstance(path, str) else os.fsdecode(path)
    elif isinstance(given, list | tuple | set):
        for one in given:
            yield from _each(one)


def _note_path(path: str) -> None:
    """Note a file, all files of a folder, or those that a pattern means; what is none of these is passed over."""
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    if "://" in path or path.startswith(":") or "\n" in path or not path:
        return
    if os.path.isdir(path):  # noqa: PTH112 - no pathlib: this may be called in a loop
        _note_folder(path)
    elif os.path.exists(path) or not any(char in path for char in "*?["):  # noqa: PTH110
        opens.note(path)
    elif os.path.exists(path.partition("?")[0]):  # noqa: PTH110 - XGBoost says after it what the file holds
        opens.note(path.partition("?")[0])
    else:
        for count, found in enumerate(glob.iglob(path, recursive=True)):  # noqa: PTH207
            if count == _MAX_FILES:
                break
            opens.note(found)


def _note_folder(path: str) -> None:
    count = 0
    for parent, _, names in os.walk(path):
        for name in names:
            opens.note(f"{parent}/{name}")
        count += len(names)
        if count > _MAX_FILES:
            break


_SOURCE = _paths("source", "path", "where", "filename", "file", "input_file", "path_or_paths")
_DUCK = {
    name: _paths("path_or_buffer", "path", "file_glob", "file_globs", "name", "database", place=0)
    for name in (
        "read_csv", "from_csv_auto", "read_parquet", "from_parquet", "read_json", "connect",
    )
} | {name: _sql(0) for name in ("sql", "query", "execute", "from_query", "query_df", "executemany")}  # fmt: skip
_DUCK_METHODS = {
    name: _paths("path_or_buffer", "path", "file_glob", "file_globs", "name", place=1)
    for name in ("read_csv", "from_csv_auto", "read_parquet", "from_parquet", "read_json")
} | {name: _sql(1) for name in ("sql", "query", "execute", "from_query", "executemany")}
_POLARS = ("csv", "parquet", "ipc", "ndjson", "json", "avro", "excel", "ods", "delta", "csv_batched")

READERS: Mapping[str, Mapping[str, Noting]] = {
    "pyarrow": {"memory_map": _SOURCE},
    "pyarrow.csv": {"read_csv": _SOURCE, "open_csv": _paths("input_file")},
    "pyarrow.json": {"read_json": _SOURCE, "open_json": _paths("input_file")},
    "pyarrow.dataset": {"dataset": _SOURCE, "parquet_dataset": _paths("metadata_path")},
    "pyarrow.feather": {"read_table": _SOURCE, "read_feather": _SOURCE},
    "pyarrow.orc": {"read_table": _SOURCE, "ORCFile.__init__": _paths("source", place=1)},
    "pyarrow.parquet.core": {
        name: _paths("source", "where", "path_or_paths", place=place)
        for name, place in {
            "read_table": 0,
            "read_metadata": 0,
            "read_schema": 0,
            "read_pandas": 0,
            "ParquetFile.__init__": 1,
            "ParquetDataset.__init__": 1,
        }.items()
    },
    "duckdb": {**_DUCK, **{f"DuckDBPyConnection.{name}": noting for name, noting in _DUCK_METHODS.items()}},
    "polars": {f"{kind}_{name}": _SOURCE for kind in ("read", "scan") for name in _POLARS},
    "xgboost.core": {
        "DMatrix.__init__": _paths("data", place=1),
        "Booster.load_model": _paths("fname", place=1),
    },
    "lightgbm.basic": {
        "Dataset.__init__": _paths("data", place=1),
        "Booster.__init__": _paths("model_file", place=3),
    },
    "h5py._hl.files": {"File.__init__": _with_mode("name")},
    "tables.file": {"File.__init__": _with_mode("filename")},
    "cv2": {"imread": _paths("filename")},
    "safetensors.torch": {"load_file": _paths("filename")},
    "safetensors.numpy": {"load_file": _paths("filename")},
}


def watch() -> None:
    """Learn from now on what the listed libraries read, those that are imported already included."""
    for name in READERS:
        if name in sys.modules:
            for last, before, after in _replace(sys.modules[name]):
                _replace_copies(last, before, after)
    sys.meta_path.insert(0, _Finder())


class _Finder:
    """Sees a listed module when it is about to be imported; finds none itself."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders have, with a loader that replaces the readers afterwards."""
        if name not in READERS:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    _replace_after_loading(spec)
                    return spec
        return None


def _replace_after_loading(spec: ModuleSpec) -> None:
    loader = spec.loader
    load = getattr(loader, "exec_module", None)
    if load is None:
        return

    def exec_module(module: ModuleType) -> None:
        with suppress(AttributeError):
            del loader.exec_module  # type: ignore[union-attr]  # the loader is as it was
        load(module)
        _replace(module)

    with suppress(AttributeError, TypeError):  # a loader that takes no attributes: its module is not watched
        loader.exec_module = exec_module  # type: ignore[union-attr, method-assign]


def _replace_copies(name: str, before: object, after: object) -> None:
    """Replace a function under its name in all modules that have it: one that is left could not be pickled."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and vars(module).get(name) is before:
            setattr(module, name, after)


def _replace(module: ModuleType) -> list[tuple[str, object, object]]:
    """Replace the readers of a module; return name, old and new of those that are no methods."""
    done: list[tuple[str, object, object]] = []
    for name, noting in READERS[module.__name__].items():
        owner: Any = module
        *above, last = name.split(".")
        with suppress(AttributeError, TypeError):  # another version of the library, or a type that is closed
            for part in above:
                owner = getattr(owner, part)
            function = getattr(owner, last)
            if not isinstance(function, type) and not hasattr(function, "_gittrack"):
                replaced = _noting(function, noting, None if above else (module.__name__, last))
                setattr(owner, last, replaced)
                done += [] if above else [(last, function, replaced)]
    return done


def _noting(function: Callable[..., Any], noting: Noting, home: tuple[str, str] | None) -> Callable[..., Any]:
    """Return a function that notes its arguments and calls `function`; pickled, it is the one in `home`."""

    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        if not _is_ours(sys._getframe(1).f_globals.get("__name__")):
            with suppress(Exception):  # whatever was given, it is for the library to judge
                noting(args, options)
        return function(*args, **options)

    called._gittrack = True  # type: ignore[attr-defined]
    if home is not None:
        called.__module__, called.__qualname__ = home
    return called


def _is_ours(module: object) -> bool:
    return isinstance(module, str) and module.startswith("gittrack.")
