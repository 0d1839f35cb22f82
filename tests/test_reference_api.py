"""The reference of the Python API cannot rot."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import gittrack

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def maker() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "make_api_reference.py"))


@pytest.fixture(scope="module")
def names(maker) -> list[Any]:
    tops = [name for chapter in maker["chapters"]() for name in chapter.names]
    return [*tops, *(member for name in tops for member in name.members)]


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "api.md").read_text(encoding="utf-8")


def test_the_reference_is_what_the_docstrings_say_now(maker, page) -> None:
    assert page == maker["reference"](), "run: python docs/make_api_reference.py"


def test_each_public_name_begins_its_docstring_with_a_sentence(maker, names) -> None:
    summaries = {name.full: maker["docstring"](name).partition("\n\n")[0] for name in names}

    assert [full for full, text in summaries.items() if not re.match(r"[A-Z`].*\.$", text, re.DOTALL)] == []


def test_each_public_name_is_in_the_reference(maker, page) -> None:
    modules = {path.rpartition(".")[2] for path in maker["MODULES"]}

    assert [
        name for name in gittrack.__all__ if f"\n### gittrack.{name}\n" not in page and name not in modules
    ] == []


def test_no_name_has_two_subjects(maker) -> None:
    counted = Counter(name for names in maker["SUBJECTS"].values() for name in names.split())

    assert [name for name, times in counted.items() if times > 1] == []


def test_each_link_leads_to_one_heading(page) -> None:
    anchors = Counter(
        "#" + re.sub(r"[.:]", "", heading).replace(" ", "-").lower()
        for heading in re.findall(r"^#{3,4} (.*)$", page, re.MULTILINE)
    )

    assert [anchor for anchor, times in anchors.items() if times > 1] == []
    assert [link for link in re.findall(r"\]\((#[^)]*)\)", page) if link not in anchors] == []


def test_no_address_in_memory_is_in_the_reference(page) -> None:
    assert " at 0x" not in page


def sample(a: int, /, b: str = "x", *rest: Any, c: float, d: object = dict, **more: Any) -> None:
    """Do it.

    A second paragraph.

    Args:
        a: A number,
            in two lines.
        rest: What `sample` takes.

    Returns:
        Nothing
        at all.

    Raises:
        ValueError: Never.
    Source: a book.
    """


def test_a_signature_is_written_as_in_the_source(maker) -> None:
    name = maker["Name"]("gittrack.sample", sample)

    assert maker["signature"](name) == (
        "sample(a: int, /, b: str = 'x', *rest: Any, c: float, d: object = ..., **more: Any) -> None"
    )


def test_what_can_only_go_by_keyword_has_a_star_before_it(maker) -> None:
    def short(*, only: int) -> int:
        return only

    assert maker["signature"](maker["Name"]("gittrack.short", short)) == "short(*, only: int) -> int"


def test_sections_become_lists_and_the_rest_paragraphs(maker) -> None:
    name = maker["Name"]("gittrack.sample", sample)

    assert "\n".join(maker["_markdown"](maker["docstring"](name))) == (
        "Do it.\n\nA second paragraph.\n\n"
        "**Args**\n\n- `a`: A number, in two lines.\n- `rest`: What `sample` takes.\n\n"
        "**Returns**: Nothing at all.\n\n"
        "**Raises**\n\n- `ValueError`: Never.\n\n"
        "Source: a book.\n"
    )


def test_a_name_without_a_docstring_stops_the_generator(maker) -> None:
    def silent() -> None:
        pass

    with pytest.raises(LookupError, match=r"gittrack\.silent has no docstring"):
        maker["docstring"](maker["Name"]("gittrack.silent", silent))


def test_a_public_name_without_a_subject_stops_the_generator(maker, monkeypatch) -> None:
    monkeypatch.setattr(gittrack, "__all__", [*gittrack.__all__, "__version__"])

    with pytest.raises(LookupError, match=r"gittrack\.__version__ has no subject"):
        maker["chapters"]()


def test_a_subject_of_a_name_that_is_gone_stops_the_generator(maker, monkeypatch) -> None:
    monkeypatch.setattr(gittrack, "__all__", [name for name in gittrack.__all__ if name != "start_run"])

    with pytest.raises(LookupError, match="'start_run'"):
        maker["chapters"]()


def test_a_class_shows_what_it_inherits_once(maker) -> None:
    class Base:
        def shared(self) -> int:
            return 1

    class Heir(Base):
        def own(self) -> int:
            return 2

    Base.__module__ = Heir.__module__ = "gittrack.somewhere"
    name = maker["Name"]("gittrack.Heir", Heir)

    assert [member.full for member in maker["_class"](name, set()).members] == [
        "gittrack.Heir.own",
        "gittrack.Heir.shared",
    ]
    assert [member.full for member in maker["_class"](name, {Base}).members] == ["gittrack.Heir.own"]


def test_a_thing_of_two_names_is_described_under_its_own(maker) -> None:
    alias, own = maker["Name"]("gittrack.Other", Path), maker["Name"]("gittrack.deep.Path", Path)

    assert maker["_homes"]([maker["Chapter"]("", "", [alias, own])]) == {Path: own}
    assert maker["_homes"]([maker["Chapter"]("", "", [alias])]) == {Path: alias}
