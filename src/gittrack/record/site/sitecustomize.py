"""Run by Python at its start, for `gittrack run --deterministic`; then the sitecustomize that it stands before."""

import importlib.machinery
import importlib.util
import os
import sys

from _gittrack_imports import after_import
from _gittrack_torch import settle

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib would slow each start down


def _run_the_next() -> None:
    """Run the sitecustomize that Python would have found without this folder."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec(__name__)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[__name__] = module
        spec.loader.exec_module(module)


after_import("torch", settle)
_run_the_next()
