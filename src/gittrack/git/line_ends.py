"""Line ends: which settings of the user's changed the files between git and the working tree."""

from __future__ import annotations

import os
import re
import subprocess

from gittrack.git import command
from gittrack.git.repo import Repository

_SETTINGS = ("config", "-z", "--get-regexp", r"^core\.(autocrlf|eol)$")
_USUAL = {"autocrlf": ("false", ""), "eol": ("native", "lf", "")}
_WRITES_CRLF = {"autocrlf=true", "eol=crlf"}
# Files with an `eol` attribute have it wherever they are written; only the others follow the settings.
_WRITTEN = re.compile(rb"i/lf +w/crlf +attr/(?![^\t]*\beol=)[^\t]*\t")


def begin_settings(repo: Repository) -> subprocess.Popen[bytes]:
    """Start asking for the settings; `end_settings` has the answer."""
    return command.start(_SETTINGS, cwd=repo.top)


def end_settings(process: subprocess.Popen[bytes]) -> list[str]:
    """Return the settings that are not the usual ones, as words for `Code.state`."""
    out, _ = process.communicate()  # it ends with 1 when nothing is set
    pairs = (line.partition("\n") for line in os.fsdecode(out).split("\0") if line)
    last = {key.lower().removeprefix("core."): value.lower() for key, _, value in pairs}
    return [f"{key}={value}" for key, value in last.items() if value not in _USUAL[key]]


def in_use(repo: Repository, words: list[str], env: command.Environment | None = None) -> list[str]:
    """Return those of `words` that the working tree bears out.

    A setting that writes CRLF says nothing of files that an editor or a program wrote with LF. Reads every file
    of the index, and so is asked only where such a setting is.

    Args:
        repo: With a working tree.
        words: From `end_settings`.
        env: Names the index to compare the working tree with; by default the user's.
    """
    if not _WRITES_CRLF.intersection(words):
        return words
    lines = repo.git("ls-files", "--eol", "-z", env=env).split(b"\0")
    if any(_WRITTEN.match(line) for line in lines):
        return words
    return [word for word in words if word not in _WRITES_CRLF]
