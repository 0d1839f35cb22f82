"""What came of many reproductions, for a machine that builds, and as a comment on a change.

Names and reasons come from records, which others wrote: nothing of them may become a link, a mention, a tag or a
control character where it is shown.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from gittrack.repro.many import Many, Result
from gittrack.repro.phrases import plural

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # XML has no words for most of these
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line ends, bidi
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"  # lone bytes, no characters
)
_PLAIN = re.compile(r"[-0-9A-Za-z ]")
_ROWS = 50
_CHARACTERS = 60_000  # of a comment: GitHub takes 65,536
_TEXT = 120  # characters of a name or a reason
_SIGNS = {"identical": "✅", "equivalent": "✅", "restored": "✅", "inconclusive": "⚠️", "not run": "⚪"}


def junit(many: Many) -> str:
    """Return the results as JUnit XML: one test case a run, in a class named after its experiment.

    `different` and `failed` are failures, `impossible` and what went wrong are errors; `inconclusive` and what was
    not run are skipped.
    """
    counts = [
        sum(_outcome(result) == kind for result in many.results) for kind in ("failure", "error", "skipped")
    ]
    head = dict(zip(("failures", "errors", "skipped"), map(str, counts), strict=True))
    suite = {"name": "gittrack repro", "tests": str(len(many.results)), **head, "time": f"{many.seconds:.3f}"}
    cases = "".join(map(_case, many.results))
    attributes = _attributes(suite)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<testsuites{attributes}>\n<testsuite{attributes}>\n{cases}</testsuite>\n</testsuites>\n"
    )


def _case(result: Result) -> str:
    run = result.run
    name = f"{run.name} ({run.run_id[:8]})"
    head = {"classname": f"repro.{run.experiment}", "name": name, "time": f"{result.seconds:.3f}"}
    kind = _outcome(result)
    if kind is None:
        return f"<testcase{_attributes(head)}/>\n"
    body = escape(_xml("\n".join(_details(result))))
    message = _attributes({"message": _sentence(result), "type": result.state})
    return f"<testcase{_attributes(head)}><{kind}{message}>{body}</{kind}></testcase>\n"


def _outcome(result: Result) -> str | None:
    if result.is_good:
        return None
    return {"different": "failure", "failed": "failure", "impossible": "error", "error": "error"}.get(
        result.state, "skipped"
    )


def _details(result: Result) -> list[str]:
    lines = [f"run: {result.run.run_id}"]
    if result.hint:
        lines.append(f"this helps: {result.hint}")
    if result.repro_run_id:
        lines.append(f"reproduced as: {result.repro_run_id}")
    lines += [f"metric differs: {key}" for key in result.metrics]
    return lines + [f"artifact differs: {path}" for path in result.artifacts]


def _sentence(result: Result) -> str:
    return f"{result.state}: {result.reason}" if result.reason else result.state


def _attributes(values: dict[str, str]) -> str:
    return "".join(f" {name}={quoteattr(_xml(value))}" for name, value in values.items())


def _xml(text: str) -> str:
    r"""Return `text` with what XML cannot hold, or what hides, as `\x1b`."""
    return _HIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def markdown(many: Many) -> str:
    """Return the results as Markdown for a comment: what is not good first, long tables cut with a count."""
    title = (
        f"### Reproduction: {many.verdict or 'nothing to compare'}" if many.results else "### Reproduction"
    )
    lines = [title, "", _summary(many), ""]
    if many.results:
        lines += ["| | run | name | verdict | differs | s |", "| --- | --- | --- | --- | --- | ---: |"]
        rows = _fitting([_row(result) for result in sorted(many.results, key=lambda result: result.is_good)])
        lines += rows
        left = len(many.results) - len(rows)
        if left:
            lines += ["", f"and {left} more; `gittrack repro` with `--json` has all of them"]
    return "\n".join(lines) + "\n"


def _summary(many: Many) -> str:
    if not many.results:
        return "There is no run to reproduce."
    tally = ", ".join(f"{count} {state}" for state, count in many.tally.items())
    runs = plural(len(many.results), "run")
    ended = ", ended before its end" if many.interrupted else ""
    return f"{runs} in {many.seconds:.0f} s{ended}: {tally}."


def _fitting(rows: list[str]) -> list[str]:
    """Return as many rows as a comment takes."""
    room = _CHARACTERS
    kept = []
    for row in rows[:_ROWS]:
        room -= len(row) + 1
        if room < 0:
            break
        kept.append(row)
    return kept


def _row(result: Result) -> str:
    sign = _SIGNS.get(result.state, "❌")
    run = result.run
    verdict = result.state
    if result.reason and not result.is_good:
        verdict += f": {_code(result.reason)}"
    if result.hint:
        verdict += f", this helps: {_code(result.hint)}"
    differs = [_code(name) for name in (*result.metrics, *result.artifacts)]
    named = ", ".join(differs[:5]) + (f" and {len(differs) - 5} more" if len(differs) > 5 else "")
    cells = (sign, f"`{run.run_id[:8]}`", _code(run.name), verdict, named, f"{result.seconds:.1f}")
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    """Return `text` so that it is shown as it is: in an element in which nothing is linked, nobody mentioned."""
    shown = _xml(text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))
    cut = shown if len(shown) <= _TEXT else shown[: _TEXT - 1] + "…"
    entities = "".join(char if _PLAIN.fullmatch(char) else f"&#{ord(char)};" for char in cut)
    return f"<code>{entities}</code>" if entities.strip() else "<code>&nbsp;</code>"
