"""Write `docs/cli.md` from the help texts of the commands: `python docs/make_cli_reference.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from gittrack.cli.group import ALIASES, SECTIONS, gittrack

TARGET = Path(__file__).with_name("cli.md")
WIDTH = 100
HEAD = """\
# The command line

*Made from `--help` by `docs/make_cli_reference.py`; do not edit.*

Answers go to stdout; remarks, progress and errors go to stderr. Nothing is asked and nothing is coloured where no
person looks, or where `NO_COLOR` is set. A run is named by its id, by its first four digits or more, or by its name.

**Formats.** Each command has `--json`. Commands that query also have `--format table|json|csv|markdown|parquet` and
`-o FILE`, which writes the file whole or not at all.

- JSON is ASCII. NaN, ∞ and −∞ are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`, as in MLflow's REST API;
  integers of 64 bits are exact (read them with a parser that keeps them so); times are ISO 8601 in UTC; bytes are hex.
  Listings are one array with a row a line, other answers one object on one line.
- CSV has text that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`, tab or line end first) with a `'`
  before it; numbers are numbers.
- Characters that a terminal acts on or hides (control, bidirectional, zero-width, tag characters) are shown as
  `\\x1b`, `\\u202e`, … in tables, Markdown, remarks and errors, and in CSV on stdout, also when piped. `-o FILE` has
  the text itself in CSV and Parquet.

**Errors** are one sentence, `gittrack: …`, and mostly a command that helps, `hint: …`; with `--json` stdout has
`{"error": …, "hint": …, "kind": …}` too. Exit codes:

| code | means |
|---:|---|
| 0 | done; `repro`: identical or equivalent; `verify`: signed by somebody known, and as it says |
| 1 | an error that is none of these; `verify`: not signed by anybody known, or not here |
| 2 | wrong usage |
| 3 | not found, or the name is ambiguous |
| 4 | conflict or wrong state |
| 5 | damaged data; `verify`: something is not as it says |
| 6 | git or a remote failed |
| 7 | `repro`: ran, and the result differs |
| 8 | `repro`: the command failed |
| 9 | `repro`: an input could not be restored |
| 10 | `repro`: inconclusive |
| 70 | a bug in gittrack |
| 130 | interrupted |
| 141 | nobody reads the output any more |

`gittrack run` exits with the code of the command it ran.
"""


def reference() -> str:
    """Return the page."""
    aliases = ", ".join(f"`{alias}` for `{name}`" for alias, name in sorted(ALIASES.items()))
    parts = [HEAD, *_chapters(), f"## Other names\n\nFor fingers used to other tools: {aliases}.\n"]
    return "\n".join(parts)


def _chapters() -> Iterator[str]:
    top = click.Context(gittrack, info_name="gittrack", terminal_width=WIDTH, **gittrack.context_settings)
    yield _block(gittrack.get_help(top))
    for title, names in SECTIONS.items():
        yield f"## {title}\n"
        for name in names:
            command = gittrack.get_command(top, name)
            assert command is not None
            context = click.Context(command, parent=top, info_name=name)
            yield f"### gittrack {name}\n"
            yield _block(command.get_help(context))


def _block(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"```text\n{lines}\n```\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
