from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.errors import Damaged
from gittrack.record import document

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ODD = st.sampled_from(
    [
        *"no 1e3 0777 12:30:45 2020-01-01 ~ - .5 ._1 = << 0x1F 1_000 e3 .. +1 \ufeff a:b x#c null .inf 0b1 0o7".split(),
        *[
            "1.",
            "",
            "a: b",
            "x #c",
            "a\nb",
            " a",
            "a ",
            "- a",
            "{a",
            "[a",
            "%a",
            "@a",
            "`a",
            "a\x7f",
            "a\u2028",
        ],
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT, ODD)
KEYS = st.one_of(TEXT.filter(lambda text: len(text) < 250), ODD)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=5))
def test_what_is_written_comes_back_with_its_types(value) -> None:
    assert document.load(document.dump(value), what="it") == value


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=5))
def test_any_yaml_reader_reads_the_same(value) -> None:
    assert yaml.safe_load(document.dump(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [ls]",
        "a: &x 1\nb: *x",
        "a: &x {}",
        "a: 1\na: 2",
        "a: 1\n---\nb: 2",
        "- 1",
        "a: [",
        "a: " + "[" * 40 + "]" * 40,
        "? {a: 1}\n: 2",
        "a: \x00",
        "",
        "\tx: 1",
    ],
)
def test_what_gittrack_never_writes_is_damage(text: str) -> None:
    with pytest.raises(Damaged):
        document.load(text.encode(), what="it")


def test_bytes_that_are_not_text_are_damage() -> None:
    with pytest.raises(Damaged):
        document.load(b"a: \xff", what="it")
    with pytest.raises(Damaged):
        document.load(b"x" * (document.MAX_BYTES + 1), what="it")


def test_a_small_leaf_takes_one_line_and_a_large_one_a_line_for_each_entry() -> None:
    text = document.dump({"small": {"a": 1}, "large": {f"key_{i}": i / 3 for i in range(9)}}).decode()
    assert text.startswith("small: {a: 1}\nlarge:\n  key_0: 0.0\n")
