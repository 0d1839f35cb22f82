"""What came of the jobs, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench import harness
from bench.repro.scene import Outcome

_HEAD = """\
# Reproductions

*Made by `python -m bench.repro --markdown docs/reproductions.md`; do not edit.*

Each job is a folder of real files that becomes a repository of its own. It is recorded in one clone and reproduced
in a fresh clone of what was pushed, with a fresh environment: neither shares anything with the first, but where the
table says "same clone". It says which verdict is right and which one `gittrack repro` gave; the program also checks
that the report names what it has to, that the exit code is the verdict's, and that the working tree is as it was.
Code, data and environment say how each came back. The overhead is what the whole command took longer than the job in
it, the checkout included, and the environment where it was rebuilt.
"""
_COLUMNS = ("job", "what", "expected", "got", "code", "data", "environment", "job took", "overhead")


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page: the table, what was skipped and why, and the machine."""
    played = [outcome for outcome in outcomes if not outcome.skipped]
    right = sum(outcome.right for outcome in played)
    rule = ["---"] * (len(_COLUMNS) - 2) + ["---:"] * 2
    lines = [_HEAD, f"**{right} of {len(played)} are right.**{_overhead(played)}", ""]
    lines += [_line(row) for row in (_COLUMNS, rule, *map(_row, played))]
    skipped = [outcome for outcome in outcomes if outcome.skipped]
    if skipped:
        lines += ["", "Not played:", ""]
        lines += [f"- `{found.job.name}` ({found.job.what}): {found.skipped}" for found in skipped]
    return "\n".join([*lines, "", harness.conditions(), ""])


def _overhead(played: Sequence[Outcome]) -> str:
    """Return what they took, as a sentence to go on with."""
    took = [outcome.overhead_s for outcome in played if outcome.overhead_s is not None]
    if not took:
        return ""
    return f" Half of them took at most {median(took):.1f} s beside the job, the longest {max(took):.1f} s."


def word(outcome: Outcome) -> str:
    """Return one line about a job, for who waits."""
    if outcome.skipped:
        return f"skipped  {outcome.job.name}: {outcome.skipped}"
    state = "right  " if outcome.right else "WRONG  "
    took = "" if outcome.overhead_s is None else f", {outcome.overhead_s:.1f} s beside the job"
    return "\n".join([f"{state}  {outcome.job.name}: {outcome.got}{took}", *map(_indented, outcome.trouble)])


def _indented(text: str) -> str:
    return "\n".join(f"         {line}" for line in text.splitlines())


def _row(outcome: Outcome) -> tuple[str, ...]:
    job = outcome.job
    restored = outcome.report.get("restored") or {}
    got = outcome.got if outcome.right else f"**{outcome.got}**"
    took = (outcome.job_s, outcome.overhead_s)
    return (
        f"`{job.name}`",
        job.what,
        job.verdict,
        got,
        _code(restored),
        _data(restored),
        _environment(restored),
        *("" if seconds is None else f"{seconds:.1f} s" for seconds in took),
    )


def _code(restored: Mapping[str, Any]) -> str:
    how = (restored.get("code") or {}).get("how") or ""
    return "same tree" if how.startswith("same tree") else how


def _data(restored: Mapping[str, Any]) -> str:
    counted = Counter(entry["how"] for entry in restored.get("data") or ())
    return ", ".join(how if count == 1 else f"{count} × {how}" for how, count in counted.items())


def _environment(restored: Mapping[str, Any]) -> str:
    found = restored.get("environment") or {}
    count = len(found.get("differences") or ())
    differing = "" if not count else f"{count} difference" + ("" if count == 1 else "s")
    how = found.get("how") or ""
    return (
        ", ".join(text for text in ("" if how in ("compared", "current") else how, differing) if text)
        or "as recorded"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
