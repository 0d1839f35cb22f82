"""The files of the record: what is written can be read, and what anybody else wrote is checked."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.entities.record import (
    Artifact,
    Code,
    Command,
    DataFile,
    Event,
    LeftOut,
    MetricSummary,
    Process,
    RunRecord,
    Series,
    Submodule,
    UsedModel,
)
from gittrack.errors import Damaged
from gittrack.record import document
from gittrack.record import format as formats

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
INT64 = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(0, 2**63 - 1)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
OBJECTS = st.one_of(st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)).map(bytes.hex)
PARTS = st.from_regex(r"[a-z0-9_][A-Za-z0-9_ .#-]{0,8}[a-z0-9]", fullmatch=True)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
TIMES = st.integers(0, 250_000_000_000_000)
FLOATS = st.floats().map(lambda value: math.nan if math.isnan(value) else value)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, TEXT)
LEFT_OUT = st.builds(LeftOut, TEXT, COUNTS, TEXT, st.none() | DIGESTS)
SUBMODULES = st.builds(Submodule, PATHS, OBJECTS, OBJECTS, OBJECTS)


def tuples(entries: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(entries, max_size=3).map(tuple)


CODES = st.builds(
    Code, commit=st.none() | OBJECTS, branch=st.none() | TEXT, captured=OBJECTS, code_tree=OBJECTS,
    base=st.none() | OBJECTS, patch_digest=st.none() | DIGESTS, patch_files=COUNTS, dirty=st.booleans(),
    left_out=tuples(LEFT_OUT), submodules=tuples(SUBMODULES), state=tuples(TEXT),
).map(lambda code: code if code.patch_digest else replace(code, patch_files=0))  # fmt: skip
COMMANDS = st.builds(
    Command, tuples(TEXT), st.just(".") | PATHS, st.dictionaries(TEXT, TEXT, max_size=3), st.none() | INT64
)
DATA = st.builds(
    DataFile, st.one_of(PATHS, PATHS.map("/".__add__)), DIGESTS, COUNTS,
    st.sampled_from(["git", "cache", "outside", "nobody"]), st.none() | COUNTS,
)  # fmt: skip
MODELS = st.builds(UsedModel, TEXT, st.sampled_from(["input", "output"]), st.none() | INT64)
HOSTS = st.dictionaries(TEXT, st.one_of(SCALARS, st.lists(TEXT, max_size=3)), max_size=4)
RUNS = st.builds(
    RunRecord, run_id=IDS, experiment=TEXT, name=TEXT, start_time=TIMES,
    end_time=st.none() | TIMES, user=TEXT, host=HOSTS,
    status=st.sampled_from(["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]),
    process=st.builds(Process, TEXT, COUNTS), code=st.none() | CODES, command=st.none() | COMMANDS,
    environment=st.none() | DIGESTS, parent_run_id=st.none() | IDS, repro_of=st.none() | IDS,
    supersedes=tuples(DIGESTS), data=tuples(DATA), params=st.dictionaries(TEXT, SCALARS, max_size=5),
    metrics=st.dictionaries(TEXT, st.builds(MetricSummary, FLOATS, INT64, FLOATS, FLOATS, COUNTS), max_size=3),
    series=st.none() | st.builds(Series, COUNTS, DIGESTS, DIGESTS), tags=st.dictionaries(TEXT, TEXT, max_size=3),
    artifacts=tuples(st.builds(Artifact, PATHS, DIGESTS, COUNTS)), models=tuples(MODELS), volatile=tuples(TEXT),
    imports=st.none() | tuples(TEXT), error=st.none() | TEXT, lost=tuples(TEXT),
)  # fmt: skip
EVENTS = st.builds(
    Event, subject=IDS, op=st.sampled_from(["set_tag", "delete_tag", "delete", "restore"]), key=st.none() | TEXT,
    value=st.none() | TEXT, time=TIMES, counter=COUNTS, seen=tuples(DIGESTS), user=TEXT,
)  # fmt: skip


def spelled(value: Any) -> Any:
    """Make NaN equal to itself, and -0.0 other than 0.0."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: spelled(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [spelled(entry) for entry in value]
    return (
        {name: spelled(getattr(value, name)) for name in value.__dataclass_fields__}
        if hasattr(value, "__dataclass_fields__")
        else (type(value).__name__, value)
    )


@settings(max_examples=300, deadline=None)
@given(RUNS)
def test_any_run_comes_back_as_it_was_written_and_is_written_as_it_was(run) -> None:
    content = formats.dump_run(run)
    again = formats.load_run(content)
    assert spelled(again) == spelled(run)
    assert formats.dump_run(again) == content


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_any_event_comes_back_as_it_was_written(event) -> None:
    content = formats.dump_event(event)
    assert formats.load_event(content) == event
    assert formats.dump_event(formats.load_event(content)) == content


@settings(max_examples=100, deadline=None)
@given(*[st.dictionaries(TEXT, TEXT, max_size=4)] * 3)
def test_any_environment_comes_back_as_it_was_written(python, platform, distributions) -> None:
    environment = {"python": python, "platform": platform, "distributions": distributions}
    assert formats.load_environment(formats.dump_environment(environment)) == environment


D, G, R = "a" * 64, "b" * 40, "c" * 32
FULL = RunRecord(
    run_id=R, experiment="e", name="n", status="FINISHED", start_time=1_000, end_time=2_000, user="u",
    host={"name": "h", "gpus": []}, process=Process("p", 1),
    code=Code(
        G, "main", G, G, G, D, 1, True, (LeftOut("big.bin", 1, "large", D),), (Submodule("lib", G, G, G),), ("shallow",)
    ),
    command=Command(("python", "a.py"), "src", {"TZ": "UTC"}, 0), environment=D, parent_run_id=R, repro_of=R,
    supersedes=(D,), data=(DataFile("a.csv", D, 1, "git", 1),), params={"lr": 0.1},
    metrics={"loss": MetricSummary(0.1, 1, 0.1, 0.2, 2)}, series=Series(2, D, D), tags={"a": "b"},
    artifacts=(Artifact("a.png", D, 3),), volatile=("logs/*",), imports=("numpy",),
    error="no", lost=("one",),
)  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(value, list) and value:
        for place, entry in enumerate(value):
            yield from leaves(entry, (*path, place))
    else:
        yield path


def changed(path: tuple[Any, ...], value: Any) -> bytes:
    top = document.load(formats.dump_run(FULL), what="run.yaml")
    inner: Any = top
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return document.dump(top)


LEAVES = list(leaves(document.load(formats.dump_run(FULL), what="run.yaml")))
HOSTILE = [
    "../x", "a/../../x", "/etc/passwd", "..", ".", "", "a//b", "a\\b", "..\\x", "C:\\x", "C:x", "~/x", "a\x00b", "a\nb",
    ".git/hooks/pre-commit", "a/.GIT/x", ".git ", "git~1", ".g\u200cit/x", ".gittrack/runs", "\u202e.git\u200b",
    "--upload-pack=x",
    "a" * 5000, "%2e%2e/x", "file:///x", "\ud7ff", "x/" + "b" * 256,
]  # fmt: skip
FREE = {
    "experiment", "name", "user", "host", "id", "branch", "reason", "argv", "env", "kept_by", "params", "tags",
    "volatile", "imports", "error", "lost", "state", "left_out",
}  # fmt: skip
PATHS_THAT_ARE_WRITTEN_TO = [
    ("artifacts", 0, "path"),
    ("data", 0, "path"),
    ("command", "cwd"),
    ("code", "submodules", 0, "path"),
]


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_a_field_takes_a_hostile_text_only_where_it_is_free_text_or_a_checked_path(path) -> None:
    for text in HOSTILE:
        try:
            formats.load_run(changed(path, text))
        except Damaged:
            continue
        assert path in PATHS_THAT_ARE_WRITTEN_TO or FREE & set(path), (path, text)


@pytest.mark.parametrize("path", PATHS_THAT_ARE_WRITTEN_TO, ids=str)
@pytest.mark.parametrize(
    "text", [text for text in HOSTILE if text not in ("--upload-pack=x", "%2e%2e/x", "\ud7ff")]
)
def test_a_path_that_is_written_to_cannot_climb(path, text) -> None:
    allowed = {("command", "cwd"): ".", ("data", 0, "path"): "/etc/passwd"}
    if allowed.get(path) == text:
        return
    with pytest.raises(Damaged):
        formats.load_run(changed(path, text))


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize(
    "value", [[], {}, [[]], {"a": {"b": 1}}, 10**400, -1, 1.5, True, [None], float("nan")], ids=repr
)
def test_a_field_of_another_kind_is_damage_or_is_read_but_never_a_crash(path, value) -> None:
    try:
        run = formats.load_run(changed(path, value))
    except Damaged:
        return
    formats.dump_run(run)


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_a_field_that_is_missing_is_damage_or_is_read_but_never_a_crash(path) -> None:
    top = document.load(formats.dump_run(FULL), what="run.yaml")
    inner: Any = top
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    try:
        formats.dump_run(formats.load_run(document.dump(top)))
    except Damaged as error:
        message = str(error)
        named = str(path[-1]) in message or not isinstance(path[-1], str)
        assert named, message


def test_a_run_cut_off_at_any_length_is_damaged_or_is_another_run() -> None:
    content = formats.dump_run(FULL)
    for length in range(len(content)):
        try:
            formats.load_run(content[:length])
        except Damaged:
            continue
        assert hashlib.sha256(content[:length]).digest() != hashlib.sha256(content).digest()


def test_a_run_with_any_byte_flipped_is_damaged_or_is_another_run() -> None:
    content = formats.dump_run(FULL)
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        try:
            formats.dump_run(formats.load_run(bytes(flipped)))
        except Damaged:
            continue


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_run_or_damage(content) -> None:
    for load in (formats.load_run, formats.load_event, formats.load_environment):
        with pytest.raises(Damaged):
            load(content)


def test_keys_of_a_later_gittrack_are_passed_over() -> None:
    top = document.load(formats.dump_run(FULL), what="run.yaml")
    assert formats.load_run(document.dump({**top, "colour": {"a": [1]}})) == FULL


def test_another_format_is_named_in_the_message() -> None:
    with pytest.raises(Damaged, match="gittrack/run/2"):
        formats.load_run(formats.dump_run(FULL).replace(b"gittrack/run/1", b"gittrack/run/2"))


def test_text_that_utf_8_cannot_hold_is_written_so_that_it_can_be_read() -> None:
    odd = "caf\udce9"
    run = replace(FULL, user=odd, tags={"a": odd}, command=Command((odd,), ".", {"PYTHONPATH": odd}))
    again = formats.load_run(formats.dump_run(run))
    assert again.user == again.tags["a"] == again.command.env["PYTHONPATH"] == "caf?"
