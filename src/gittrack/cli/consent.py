"""Asking before a command runs that this clone did not make: all of it is shown, or nothing is asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gittrack.cli import output
from gittrack.errors import Conflict

_MOST_CHARACTERS = 4000  # of all that would run: more scrolls off a screen before it can be read


def ask(lines: Sequence[str], *, run: str | None) -> bool:
    """Show what would be executed and return whether the user agrees.

    Args:
        lines: All that decides what happens; shown escaped, long runs of blanks counted.
        run: How the user named the run; None for several.

    Raises:
        Conflict: Nobody is there to ask, or it is too long to be seen whole; nothing was started.
    """
    shown = [output.unspaced(line) for line in lines]
    hint = "look at each with gittrack show RUN, then add --yes"
    if run is not None:
        hint = f"look at it with gittrack show {run}, then give the same command --yes"
    if sum(map(len, shown)) > _MOST_CHARACTERS:
        raise Conflict("what it would execute is too long to be shown whole, nothing was started", hint=hint)
    for line in shown:
        output.remark(line)
    if not output.on_terminal(sys.stdin) or not output.on_terminal(sys.stderr):
        raise Conflict("no terminal to ask for your consent on, nothing was started", hint=hint)
    return _answer() in ("y", "yes")


def _answer() -> str:
    sys.stderr.write("Execute it? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower()
