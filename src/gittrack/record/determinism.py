"""What is known to make two executions of one command differ, as variables; docs/determinism.md has the reasons.

PyTorch has no variable: `site/sitecustomize.py` tells it when it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple

from gittrack.config import DETERMINISTIC

_THREADS = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_FIXED = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
    "PYTHONHASHSEED": "0",
    "TF_CUDNN_DETERMINISTIC": "1",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TZ": "UTC",
}
_FIRST_OF_1980 = 315532800  # archives in zip's format cannot hold an earlier time


class Settings(NamedTuple):
    """Variables for a command.

    Attributes:
        variables: To be set, and recorded.
        kept: Those that the user has set to something else, which stay.
    """

    variables: Mapping[str, str]
    kept: Mapping[str, str]


def settings(present: Mapping[str, str], *, threads: int = 1, commit_time: int | None = None) -> Settings:
    """Return the variables that make a command as deterministic as variables can.

    Args:
        present: The variables that are set already; they win.
        threads: For each library that can be told.
        commit_time: What files that are made now are dated with, in seconds since 1970 UTC.
    """
    wanted = {
        **_FIXED,
        **dict.fromkeys(_THREADS, str(threads)),
        "SOURCE_DATE_EPOCH": str(max(commit_time or 0, _FIRST_OF_1980)),
    }
    if sys.platform == "linux":  # elsewhere the locale may be missing, which every shell complains of
        wanted["LC_ALL"] = "C.UTF-8"
    kept = {name: present[name] for name in sorted(wanted) if present.get(name, wanted[name]) != wanted[name]}
    return Settings(dict(sorted({DETERMINISTIC: "1", **wanted, **kept}.items())), kept)
