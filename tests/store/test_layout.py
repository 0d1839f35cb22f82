from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.entities.record import Digest
from gittrack.errors import InvalidValue
from gittrack.store.layout import Layout, fan_out, safe_path

PIECES = st.sampled_from(
    ["..", ".", "/", "\\", "a", "b.txt", ".git", ".GIT", "git~1", ".gittrack", ":", "~", "\x00", "\n",
    "\u200c", " ", "é", "C:"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))


@settings(max_examples=600, deadline=None)
@given(TEXTS)
def test_a_path_that_passes_the_door_stays_below_its_folder_and_out_of_git(text) -> None:
    try:
        path = safe_path(text)
    except InvalidValue:
        return
    assert path == text
    joined = os.path.normpath(os.path.join("/top/folder", path))
    assert joined.startswith("/top/folder/")
    parts = Path(path).parts
    assert "/".join(parts) == path, "no part is folded away"
    assert not {part.casefold().rstrip(". ") for part in parts} & {".git", ".gittrack"}
    assert not set(path) & set("\\\0\n\r")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_ .+=@-]{0,20}[A-Za-z0-9]", fullmatch=True),
        min_size=1,
        max_size=5,
    )
)
def test_plain_names_pass(parts) -> None:
    assert safe_path("/".join(parts)) == "/".join(parts)


@pytest.mark.parametrize(
    "text",
    [
        None, 3, b"a", "", "/", "/a", "a/", "a//b", "..", "a/..", "../a", "a/../../b", ".", "./a", "a\\b", "C:",
        "C:/a", "~", "~a",
        "a\x00", "a\nb", "a\x7f", "a\ud800", "a\u2028b", ".git", "a/.git/b", ".Git", ".git.", ".git ",
        ".git ::$INDEX_ALLOCATION",
        ".git::$DATA",
        "GIT~1", ".g\u200dit", "．git", ".gittrack", "GITTRA~1", "x" * 256, "é" * 128,
    ],
    ids=repr,
)  # fmt: skip
def test_what_could_climb_hide_or_reach_git_is_refused(text) -> None:
    with pytest.raises(InvalidValue):
        safe_path(text)


def test_names_fan_out_by_their_first_two_digits() -> None:
    layout = Layout(Path("/w/.gittrack"), Path("/w/.git/gittrack"))
    digest = Digest("ab" + "c" * 62)
    assert fan_out(digest) == "ab/" + "c" * 62
    assert layout.run(digest) == Path("/w/.gittrack/runs/ab") / ("c" * 62)
    assert layout.unsaved.run(digest) == Path("/w/.git/gittrack/unsaved/runs/ab") / ("c" * 62)
    assert layout.event(digest).name == "c" * 62 + ".yaml"
