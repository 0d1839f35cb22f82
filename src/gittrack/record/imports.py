"""Which distributions the job imports: not those that only gittrack does.

A module that gittrack was first to import (`record.importers`) counts where the source of the job's own modules
imports it, or a distribution of the job needs it, be it for an extra. In doubt it counts: a distribution too many
costs a rebuilt environment, one too few a result that nobody can explain.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gittrack.record import environment, importers, installed
from gittrack.store.layout import Layout

_BY_SITE = {"_distutils_hack"}  # imported by every Python that has setuptools, before the job begins
_INSTALLED = re.compile(r"/(site|dist)-packages/")
_IMPORT = re.compile(
    rb"(?:^|[;:\n])[ \t]*(?:from[ \t]+(\w+)|import[ \t]+((?:[^\n;#\\]|\\\r?\n)*))"
    rb"|(?:import_module|__import__|importorskip)\(\s*['\"](\w+)"
)
_ANY_IMPORT = re.compile(rb"(?:import_module|__import__)\(\s*[^\s'\")]")  # of what only the running job knows
_NAME = re.compile(rb"\w+")
# Taken now: Python forgets it before the exit handlers run.
_SCRIPT = getattr(sys.modules.get("__main__"), "__file__", None)


def imported(layout: Layout, roots: Sequence[Path] = ()) -> list[str] | None:
    """Return the distributions of which the job has imported a module in this process, None when that is not known.

    Of a namespace that several distributions share, all count.

    Args:
        layout: Where the store is.
        roots: As `environment.record` was given them.
    """
    modules = environment.modules(layout, roots)
    if modules is None:
        return None
    tops = {name.partition(".")[0] for name in list(sys.modules)} - _BY_SITE
    ours = importers.ours & tops
    job = _distributions(tops - ours, modules)
    doubtful = _distributions(ours, modules) - job
    if doubtful:
        job |= _distributions(_imported_by_code(ours), modules)
        job |= _needed(doubtful - job, job)
    return sorted(job)


def _distributions(tops: Iterable[str], modules: Mapping[str, Sequence[str]]) -> set[str]:
    return {name for top in tops for name in modules.get(top, ())} - {environment.RECORDER}


def _imported_by_code(tops: set[str]) -> set[str]:
    """Return those of some top-level modules that the job's own source imports; all where it is not to be had."""
    found: set[str] = set()
    for text in _sources():
        if text is None or _ANY_IMPORT.search(text):
            return tops
        for words in _IMPORT.findall(text):
            found |= {name.decode() for name in _NAME.findall(b" ".join(words))} & tops
    return found


def _sources() -> Iterator[bytes | None]:
    """Yield the source of the job's own modules, of what is installed nowhere; None for one that cannot be read."""
    library = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - no pathlib for each of the modules
    ours = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120
    for name, module in list(sys.modules.items()):
        facts = _facts(module)
        file = facts.get("__file__", _SCRIPT if name == "__main__" else None)
        if name == "__main__" and not isinstance(file, str):
            yield _given_code()
        elif not isinstance(file, str) or file.startswith((library, ours)) or _INSTALLED.search(file):
            continue
        else:
            yield _read(file) if file.endswith(".py") or name == "__main__" else None  # it is compiled


def _facts(module: object) -> Mapping[str, Any]:
    """Return the variables of a module as they are: to one that loads lazily any question is the first use."""
    try:
        found: dict[str, Any] = object.__getattribute__(module, "__dict__")
    except AttributeError:  # anything may stand in `sys.modules`
        return {}
    return found


def _given_code() -> bytes | None:
    """Return what `python -c` was given; None for what somebody types."""
    words = sys.orig_argv
    return words[words.index("-c") + 1].encode("utf-8", "replace") if "-c" in words[:-1] else None


def _read(file: str) -> bytes | None:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123
            return stream.read()
    except OSError:
        return None


def _needed(names: set[str], job: Iterable[str]) -> set[str]:
    """Return those of some distributions that others need, or need for an extra, and what these need in turn."""
    places = installed.scan(sys.path)
    found: set[str] = set()
    waiting = list(job)
    while waiting and names - found:
        place = places.get(waiting.pop())
        needs = None if place is None else installed.requirements(place)
        new = {name for name in names - found if needs is None or installed.normal(name) in needs}
        found |= new
        waiting += new
    return found
