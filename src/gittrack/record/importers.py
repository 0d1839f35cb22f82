"""Which modules were imported for gittrack itself, as the audit hook of `record.opens` sees it.

Python tells of the first import of a module alone, so what gittrack was first to import the job may use as well:
`record.imports` looks for that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

ours: set[str] = set()
"""Top-level modules that gittrack's code imported first, with what these imported in turn."""


def _judge_with() -> Callable[[str], None]:
    """Return what judges one import from the hook, with all that it needs in its own variables."""
    found, judged, standard = ours, {"gittrack", *sys.stdlib_module_names}, sys.stdlib_module_names
    modules, frame_at = sys.modules, sys._getframe

    def judge(name: str) -> None:
        top = name.partition(".")[0]
        if top not in judged:
            judged.add(top)
            if top not in modules and is_ours(frame_at(2)):  # else it came without a word of Python's
                found.add(top)

    def is_ours(importer: FrameType | None) -> bool:
        """Whether nothing but our code, and what that brought, stands between an import and our code."""
        while importer is not None:
            top = str(importer.f_globals.get("__name__")).partition(".")[0]
            if top == "gittrack":
                return True
            if top not in found and top not in standard:
                return False
            importer = importer.f_back
        return False

    return judge


judge = _judge_with()
