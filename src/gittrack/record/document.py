"""A small, strict YAML: what gittrack's own files are written in.

Writing needs no library, gives the same bytes on every machine, and reads well in a pull request. Every file is
plain YAML for any reader. Reading takes PyYAML's parser but builds nothing that the writer does not write:
no tags, anchors, aliases, duplicate keys or second documents; text is text unless it is written as a number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from gittrack.errors import Damaged

WIDTH = 130
MAX_BYTES = 64 << 20
MAX_DEPTH = 16

_MOST_IN_LINE = WIDTH // 3  # an entry of a line takes a character, a comma and a space at least
_SCALARS = frozenset({str, int, float, bool, type(None)})
_MAPPINGS = (dict, Mapping)  # the usual type first: asking an abstract class takes ten times as long
_COLLECTIONS = (*_MAPPINGS, list, tuple)
_REMEMBERED = 64  # characters: keys, names, digests
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.+@=-]*( [A-Za-z0-9_/.+@=-]+)*", re.ASCII)
_HEX_ID = re.compile(r"(?=.{12})[0-9a-f]*[acdf][0-9a-f]*", re.ASCII)  # no number in any YAML
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", ".", "..", "..."}
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_CORE_INTEGER = re.compile(r"(?P<dec>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)", re.ASCII)
_CORE_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    ".nan": math.nan,
    ".inf": math.inf,
    "-.inf": -math.inf,
}


class Plain(str):
    """Text that is written without quotes: a time as this module's users spell it."""

    __slots__ = ()


def dump(document: Mapping[str, Any]) -> bytes:
    """Return `document` as YAML, its keys in the order given.

    Small leaves are written in one line, others one entry a line. Values are mappings, sequences, text,
    integers, floats, booleans and None.
    """
    lines: list[str] = []
    for key, value in document.items():
        _write_entry(lines, "", scalar(key) + ":", value)
    return ("\n".join(lines) + "\n").encode()


def _write_entry(lines: list[str], indent: str, head: str, value: Any) -> None:
    if not _is_collection(value):
        lines.append(f"{indent}{head} {scalar(value)}")
        return
    if (head == "-" or len(value) <= _MOST_IN_LINE) and _is_leaf(value):
        line = f"{indent}{head} {_flow(value)}"
        if not value or len(line) <= WIDTH or head == "-":
            lines.append(line)
            return
    lines.append(indent + head)
    if isinstance(value, _MAPPINGS):
        for key, entry in value.items():
            _write_entry(lines, indent + "  ", scalar(key) + ":", entry)
    else:
        for entry in value:
            _write_entry(lines, indent if head != "-" else indent + "  ", "-", entry)


def _is_collection(value: Any) -> bool:
    return type(value) not in _SCALARS and isinstance(value, _COLLECTIONS)


def _is_leaf(value: Any) -> bool:
    entries = value.values() if isinstance(value, _MAPPINGS) else value
    return _SCALARS.issuperset(map(type, entries)) or not any(
        _is_collection(entry) and entry for entry in entries
    )


def _flow(value: Any) -> str:
    if type(value) in _SCALARS:
        return scalar(value)
    if isinstance(value, _MAPPINGS):
        return "{" + ", ".join([f"{scalar(key)}: {_flow(entry)}" for key, entry in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Return one value as it is written: text that any reader could take for something else has quotes."""
    if isinstance(value, str):
        if isinstance(value, Plain):
            return str(value)
        return _known_text(value) if len(value) <= _REMEMBERED else _text(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return str(int(value))


def _text(text: str) -> str:
    if _HEX_ID.fullmatch(text):
        return text
    if _PLAIN.fullmatch(text) and text.casefold() not in _RESERVED and not _looks_numeric(text):
        return text
    quoted = json.dumps(
        text.encode("utf-8", "replace").decode(), ensure_ascii=False
    )  # YAML has no lone surrogates
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


# The keys of a run's file come again in every run, and with each of its metrics.
_known_text = lru_cache(1024)(_text)


def _looks_numeric(text: str) -> bool:
    return text[0] in "._" and (
        text.lower() in (".nan", ".inf") or text[1:2].isdigit() or text[1:2] in ("_", ".")
    )


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def load(content: bytes, *, what: str, is_ours: bool = True) -> dict[str, Any]:
    """Return the mapping that `content` spells.

    Args:
        content: YAML as `dump` writes it, at most `MAX_BYTES`.
        what: Names the file in the message.
        is_ours: Whether `dump` wrote it. What people write has more spellings of a number, as YAML 1.2 has them.

    Raises:
        Damaged: It is not YAML, not a mapping, or uses what `dump` never writes.
    """
    import yaml

    if len(content) > MAX_BYTES:
        raise Damaged(f"{what} is {len(content)} bytes long")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        parser = loader(content.decode())
        try:
            document = _Builder(parser, what, _plain_value if is_ours else _core_value).document()
        finally:
            parser.dispose()
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        kind = "the YAML that gittrack writes" if is_ours else "YAML"
        raise Damaged(f"{what} is not {kind}: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise Damaged(f"{what} is not a mapping")
    return document


class _Builder:
    """Builds plain values from the parser's events."""

    def __init__(self, parser: Any, what: str, plain: Callable[[str], Any]) -> None:
        import yaml

        self._plain = plain

        self._next = parser.get_event
        self._what = what
        self._scalar, self._mapping, self._sequence = (
            yaml.ScalarEvent,
            yaml.MappingStartEvent,
            yaml.SequenceStartEvent,
        )
        self._mapping_end, self._sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
        self._document_end, self._stream_end = yaml.DocumentEndEvent, yaml.StreamEndEvent

    def document(self) -> Any:
        self._next()  # the start of the stream
        if isinstance(self._next(), self._stream_end):
            return None
        value = self._value(self._next(), 0)
        if not isinstance(self._next(), self._document_end) or not isinstance(self._next(), self._stream_end):
            raise Damaged(f"{self._what} has more than one document")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if depth > MAX_DEPTH:
            raise Damaged(f"{self._what} is nested deeper than {MAX_DEPTH} levels")
        if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
            raise Damaged(f"{self._what} has an anchor, an alias or a tag")
        if kind is self._scalar:
            return event.value if event.style else self._plain(event.value)
        if kind is self._mapping:
            return self._entries(depth)
        if kind is self._sequence:
            items = []
            while type(event := self._next()) is not self._sequence_end:
                items.append(self._value(event, depth + 1))
            return items
        raise Damaged(f"{self._what} has an anchor, an alias or a tag")

    def _entries(self, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while type(event := self._next()) is not self._mapping_end:
            if type(event) is not self._scalar or event.anchor is not None or event.tag is not None:
                raise Damaged(f"{self._what} has a key that is not text")
            key = event.value
            if key in entries:
                raise Damaged(f"{self._what} has the key {key!r} twice")
            entries[key] = self._value(self._next(), depth + 1)
        return entries


def _plain_value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _core_value(text: str) -> Any:
    """Return what plain text means by the core schema of YAML 1.2."""
    word = text.lower() if text in (text.lower(), text.title(), text.upper(), ".NaN") else text
    if word in _WORDS or word in ("", "~", "+.inf"):
        return _WORDS.get(word.removeprefix("+"))
    if whole := _CORE_INTEGER.fullmatch(text):
        return int(whole[whole.lastgroup], {"dec": 10, "oct": 8, "hex": 16}[whole.lastgroup])  # type: ignore[index]
    return float(text) if _CORE_FLOAT.fullmatch(text) else text
