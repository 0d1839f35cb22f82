"""The same calls to MLflow and to gittrack, and a comparison of what both answer.

A scenario is a test that takes a library and an observer: `@same_in_both def test_...(ml, see)`. It runs once under
MLflow and once under gittrack, each in a fresh repository with a fresh store; then the two lists of what was seen are
compared. Where gittrack answers differently on purpose, the scenario says so with `see.differs(slug, ...)`, and the
table of docs/mlflow.md has a row with that slug.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gittrack.api import state
from tests.conftest import commit_all, git, write
from tests.differential.plain import Plainer, caught, same

Scenario = Callable[[ModuleType, "Observer"], None]


@dataclass(frozen=True)
class Seen:
    """One thing that a scenario looked at, and where."""

    line: int
    value: Any


class Observer:
    """Notes what one side answers."""

    def __init__(self, side: str, root: Path) -> None:
        self.side = side
        self.root = root
        self.seen: list[Seen] = []
        self._plain = Plainer(root)

    def __call__(self, value: Any) -> None:
        """Note a value."""
        self._note(self._plain(value))

    def error(self, call: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Note the error that a call ends with; if it ends with none, its answer."""
        self._note(self._plain(caught(call, *args, **options)))

    caught = staticmethod(caught)

    def experiment(self, experiment_id: str) -> None:
        """Note the id of an experiment."""
        self._note(self._plain.experiment(experiment_id))

    def refused(
        self,
        call: Callable[..., Any],
        *args: Any,
        mlflow: str,
        gittrack: str = "INVALID_PARAMETER_VALUE",
        **options: Any,
    ) -> None:
        """Check an error whose code says more in gittrack: the row `errors` of docs/mlflow.md."""
        answer = caught(call, *args, **options)
        self.differs("errors", answer, mlflow=f"error: {mlflow}", gittrack=f"error: {gittrack}")

    def differs(self, slug: str, value: Any, *, mlflow: Any, gittrack: Any) -> None:
        """Check a value that is another one in gittrack, as the row `slug` of docs/mlflow.md says.

        Args:
            slug: The row.
            value: The value on this side.
            mlflow: What MLflow answers; `...` where that changes with the platform or from call to call.
            gittrack: What gittrack answers.
        """
        expected = {"mlflow": mlflow, "gittrack": gittrack}[self.side]
        found = self._plain(value)
        if expected is ...:
            return
        assert same(found, self._plain(expected)), f"{self.side} ({slug}): {found!r}, expected {expected!r}"
        assert not same(mlflow, gittrack), f"no difference: {slug}"

    def _note(self, value: Any) -> None:
        self.seen.append(Seen(sys._getframe(2).f_lineno, value))


class Twins:
    """Both libraries, each with a place of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def compare(self, scenario: Scenario) -> None:
        """Run a scenario on both sides; fail with each thing that differs."""
        answers = [self.watch(side, scenario).seen for side in ("mlflow", "gittrack")]
        apart = [
            f"line {theirs.line}:\n  mlflow    {theirs.value!r}\n  gittrack  {ours.value!r}"
            for theirs, ours in zip(*answers, strict=True)
            if not same(theirs.value, ours.value)
        ]
        assert not apart, "\n".join(apart)

    def watch(self, side: str, scenario: Scenario) -> Observer:
        """Run a scenario on one side; return what it saw."""
        root = new_place(side, self._folder / side)
        observer = Observer(side, root)
        with at(side, root) as library:
            scenario(library, observer)
        return observer


def same_in_both(scenario: Scenario) -> Callable[[Twins], None]:
    """Turn a scenario into a test."""

    def test(twins: Twins) -> None:
        twins.compare(scenario)

    test.__name__ = test.__qualname__ = scenario.__name__
    test.__module__ = scenario.__module__
    return test


def row(slug: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test of what only gittrack answers: the row `slug` of docs/mlflow.md."""
    return lambda test: test


def new_place(side: str, root: Path) -> Path:
    """Make a repository with a script in it, and an empty store of MLflow's if it is for MLflow."""
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write(root, {"train.py": "print('training')\n", ".gitignore": "mlruns/\nmlflow.db\n"})
    commit_all(root, "first")
    if side == "mlflow":
        with _kept_apart():
            shutil.copy(_empty_store(), root / "mlflow.db")
        with sqlite3.connect(root / "mlflow.db") as store:
            store.execute("update experiments set artifact_location = ?", (f"{root}/mlruns/0",))
        store.close()
    return root


@contextmanager
def at(side: str, root: Path) -> Iterator[ModuleType]:
    """Be in a place: the current folder, the store, the script; afterwards nothing of it is left."""
    before, argv, folder = dict(os.environ), sys.argv, Path.cwd()
    os.chdir(root)
    sys.argv = [str(root / "train.py")]
    try:
        with _mlflow_at(root) if side == "mlflow" else _gittrack_at() as library:
            yield library
    finally:
        sys.argv = argv
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _mlflow_at(root: Path) -> Iterator[ModuleType]:
    with _kept_apart():
        mlflow = the_mlflow()
        mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
        try:
            yield mlflow
        finally:
            _end_all(mlflow)
            mlflow.tracking.fluent._active_experiment_id = None
            mlflow.tracking.fluent._last_active_run_id.set(None)


@contextmanager
def _kept_apart() -> Iterator[None]:
    """Let a library warn, and write to the environment, for as long as it is in use."""
    before = dict(os.environ)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _gittrack_at() -> Iterator[ModuleType]:
    import gittrack

    try:
        yield gittrack
    finally:
        _end_all(gittrack)
        state.forget()


def _end_all(library: ModuleType) -> None:
    while library.active_run():
        library.end_run()


@functools.cache
def the_mlflow() -> ModuleType:
    """Import MLflow, which takes seconds and looks at the environment; it is told to send nothing anywhere."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    importlib.import_module("mlflow.data")
    return importlib.import_module("mlflow")


@functools.cache
def _empty_store() -> Path:
    """Make one empty SQLite store: MLflow takes two seconds to create its tables."""
    mlflow = the_mlflow()
    store = Path(tempfile.mkdtemp()) / "mlflow.db"
    mlflow.set_tracking_uri(f"sqlite:///{store}")
    mlflow.search_experiments()
    return store
