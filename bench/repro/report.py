"""What came of the jobs, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench import harness
from bench.repro.scene import Answer, Outcome

_HEAD = """\
# Reproductions

*Made by `python -m bench.repro --markdown docs/reproductions.md`; do not edit.*

Each job is a folder of real files that becomes a repository of its own. It is recorded in one clone and asked about
in a fresh clone of what was pushed, with a fresh environment: neither shares anything with the first, but where the
table says "same clone". What is asked is a command of gittrack, mostly `gittrack repro RUN`. The table says which
answer is right, by the way in which the job was made, and which one was given: the verdict of a reproduction, the
number of runs of each verdict for many, the commit that `bisect` blames, the inputs that `why` names. The program also
checks that the answer names what it has to, that the exit code is right, and that the working tree is as it was. Code,
data and environment say how each came back. The overhead is what the whole command took longer than the job in it,
the checkout included, and the environment where it was rebuilt.
"""
_COLUMNS = ("job", "what", "asked", "expected", "got", "code", "data", "environment", "job took", "overhead")


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page: the table, what was skipped and why, and the machine."""
    played = [outcome for outcome in outcomes if not outcome.skipped]
    answers = [answer for outcome in played for answer in outcome.answers]
    right = sum(not answer.trouble for answer in answers)
    rule = ["---"] * (len(_COLUMNS) - 2) + ["---:"] * 2
    told = f"**{right} of {len(answers)} answers about {len(played)} jobs are right.**"
    lines = [_HEAD, f"{told}{_overhead(answers)}", ""]
    lines += [_line(row) for row in (_COLUMNS, rule, *(row for outcome in played for row in _rows(outcome)))]
    skipped = [outcome for outcome in outcomes if outcome.skipped]
    if skipped:
        lines += ["", "Not played:", ""]
        lines += [f"- `{found.job.name}` ({found.job.what}): {found.skipped}" for found in skipped]
    return "\n".join([*lines, "", harness.conditions(), ""])


def _overhead(answers: Sequence[Answer]) -> str:
    """Return what reproductions took, as a sentence to go on with."""
    took = [answer.overhead_s for answer in answers if answer.overhead_s is not None]
    if not took:
        return ""
    return (
        f" Half of the reproductions took at most {median(took):.1f} s beside the job, "
        f"the longest {max(took):.1f} s."
    )


def word(outcome: Outcome) -> str:
    """Return one line about each answer to a job's questions, for who waits."""
    if outcome.skipped:
        return f"skipped  {outcome.job.name}: {outcome.skipped}"
    lines = []
    for answer in outcome.answers:
        state = "WRONG  " if answer.trouble else "right  "
        took = "" if answer.overhead_s is None else f", {answer.overhead_s:.1f} s beside the job"
        lines.append(f"{state}  {outcome.job.name}: {answer.question.shown}: {answer.got}{took}")
        lines += map(_indented, answer.trouble)
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"         {line}" for line in text.splitlines())


def _rows(outcome: Outcome) -> list[tuple[str, ...]]:
    return [_row(outcome, answer) for answer in outcome.answers]


def _row(outcome: Outcome, answer: Answer) -> tuple[str, ...]:
    restored = answer.document.get("restored") or {}
    got = f"**{answer.got}**" if answer.trouble else answer.got
    took = (answer.job_s, answer.overhead_s)
    is_first = answer is outcome.answers[0]
    return (
        f"`{outcome.job.name}`",
        outcome.job.what if is_first else "the same",
        f"`{answer.question.shown}`",
        answer.question.answer,
        got,
        _code(restored),
        _data(restored),
        _environment(restored) if restored else "",
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
