"""The text of filters and orders: its tokens, its grammar, and where a mistake stands.

A filter is made of comparisons, `metrics.auc > 0.9`, joined with AND, OR, NOT and parentheses; an order is a name
with a direction, `metrics.auc DESC`. What a name means is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gittrack.errors import InvalidValue

MAX_LENGTH = 100_000
MAX_DEPTH = 200
_SHOWN = 40
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?(?![\w.])", re.ASCII | re.IGNORECASE)
_WORD = re.compile(r"\w+")
_KEY = re.compile(r"[\w.]+")
_SIGN = re.compile(r"<=|>=|<>|!=|==|[=<>(),]")
_GLUED = re.compile(r"[^\s=<>!(),'\"`;]+")
_CHUNK = re.compile(r"[^\s=<>!(),'\"`]+|.", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_KEYWORDS = frozenset("and or not in is null like ilike between".split())
_OPPOSITES = {"=": False, "==": False, "!=": True, "<>": True}


class FilterError(InvalidValue):
    """A filter or an order that is not understood.

    Attributes:
        column: Where the mistake stands, counted from 1.
    """

    def __init__(self, column: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"column {column}: {message}", hint=hint)
        self.column = column


@dataclass(frozen=True)
class Name:
    """What is compared: `metrics.auc`, `min(metrics.auc)`, or `status`, which has no prefix."""

    prefix: str | None
    key: str
    function: str | None
    text: str
    column: int


@dataclass(frozen=True)
class Value:
    """What something is compared with; a word is anything that stands there without quotes."""

    content: str | float
    is_word: bool
    text: str
    column: int


@dataclass(frozen=True)
class Comparison:
    """A name, an operator and its values.

    Attributes:
        operator: One of = < <= > >= like ilike in between, or `is null`.
        negated: Whether its opposite is meant: `!=`, `NOT IN`, `IS NOT NULL`.
        text: The operator as it was written.
        column: Where the operator stands.
    """

    name: Name
    operator: str
    negated: bool
    values: tuple[Value, ...]
    text: str
    column: int


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True)
class Joined:
    """Several conditions, of which all or any must hold."""

    word: Literal["and", "or"]
    conditions: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Not | Joined


@dataclass(frozen=True)
class Ordering:
    """A name to order by."""

    name: Name
    descending: bool
    missing_first: bool


def shown(text: str) -> str:
    """Return text as a message quotes it: not all of a long one."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def filter_of(text: str, *, example: str) -> Condition | None:
    """Return what a filter says; None when it says nothing.

    Args:
        text: The filter.
        example: A filter that is right, for the hints.

    Raises:
        FilterError: It is not understood.
    """
    return _Reader(text, "a filter", example).filter()


def order_of(text: str, *, example: str) -> Ordering:
    """Return what one entry of an order says.

    Args:
        text: The entry.
        example: An entry that is right, for the hints.

    Raises:
        FilterError: It is not understood.
    """
    return _Reader(text, "an order", example).order()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: Literal["name", "quoted", "number", "sign", "end"]
    text: str
    column: int
    prefix: str | None = None
    content: str = ""  # a key or a value without its quotes

    @property
    def word(self) -> str:
        """The token as the grammar knows it: a sign, or a bare word in lower case."""
        return self.text.lower() if self.kind in ("name", "sign") else ""

    @property
    def end(self) -> int:
        """Where the text goes on after the token, counted from 0."""
        return self.column - 1 + len(self.text)

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{shown(self.text)}'"


class _Tokens:
    """Cuts a text into tokens."""

    def __init__(self, text: str, example: str) -> None:
        self._text = text
        self._example = example
        self._at = 0

    def __iter__(self) -> Iterator[_Token]:
        while self._skip_space():
            token = self._next()
            if token.kind == "name" and token.word not in _KEYWORDS:
                self._check_ended(token)
            yield token
        yield _Token("end", "", len(self._text) + 1)

    def _skip_space(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _next(self) -> _Token:
        start = self._at
        for kind, pattern in (("number", _NUMBER), ("sign", _SIGN)):
            if match := pattern.match(self._text, start):
                self._at = match.end()
                return _Token("number" if kind == "number" else "sign", match[0], start + 1)
        if self._text[start] in "'\"":
            content = self._quoted()
            if self._text[start] == "'" or not self._text.startswith(".", self._at):
                return _Token("quoted", self._text[start : self._at], start + 1, content=content)
        elif self._text[start] == "`":
            content = self._quoted()
        else:
            content = self._matched(_WORD)
        return self._name(start, content)

    def _name(self, start: int, content: str) -> _Token:
        """Return the name whose first part was just read."""
        prefix = None
        if self._text.startswith(".", self._at):
            self._at += 1
            prefix, content = content, self._key()
        return _Token("name", self._text[start : self._at], start + 1, prefix, content)

    def _key(self) -> str:
        if self._text[self._at : self._at + 1] in ("'", '"', "`"):
            return self._quoted()
        if self._at == len(self._text) or not _KEY.match(self._text, self._at):
            raise FilterError(self._at + 1, "a key is missing after '.'", hint=self._example)
        return self._matched(_KEY)

    def _matched(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if not match:
            chunk = _CHUNK.match(self._text, self._at)
            assert chunk is not None
            raise FilterError(self._at + 1, f"'{shown(chunk[0])}' is not understood", hint=self._example)
        self._at = match.end()
        return match[0]

    def _quoted(self) -> str:
        """Return what stands between quotes, where two of them are one."""
        start, quote = self._at, self._text[self._at]
        end = start
        while True:
            end = self._text.find(quote, end + 1)
            if end < 0:
                rest = shown(self._text[start:])
                raise FilterError(start + 1, f"the quote in {rest} is not closed", hint=self._example)
            if not self._text.startswith(quote, end + 1):
                break
            end += 1
        self._at = end + 1
        return self._text[start + 1 : end].replace(quote * 2, quote)

    def _check_ended(self, name: _Token) -> None:
        """Refuse `metrics.val-loss`: what follows a name at once, and is no sign, was meant to belong to it."""
        rest = _GLUED.match(self._text, self._at)
        if not rest or name.text[-1] in "'\"`":
            return
        problem = f"'{shown(name.text + rest[0])}' needs quotes"
        if name.prefix is not None:
            problem += f" around its key: {shown(name.prefix)}.`{shown(name.content + rest[0])}`"
        raise FilterError(name.column, problem, hint=self._example)


class _Reader:
    """Reads tokens as a filter or as an order."""

    def __init__(self, text: str, what: str, example: str) -> None:
        self._text = text
        self._example = example
        if not isinstance(text, str):
            raise self._error(1, f"{what} is text, not '{shown(repr(text))}'")
        if len(text) > MAX_LENGTH:
            problem = f"{what} has {len(text)} characters, at most {MAX_LENGTH} are read: '{shown(text)}'"
            raise self._error(MAX_LENGTH + 1, problem)
        if found := _SURROGATE.search(text):
            raise self._error(found.start() + 1, f"{found[0]!r} is half a character")
        self._tokens = iter(_Tokens(text, example))
        self._next = next(self._tokens)
        self._end = 0  # of the token before

    def filter(self) -> Condition | None:
        """Read a filter; ANDs at its ends say nothing, as in MLflow."""
        if self._only_and_follows():
            return None
        condition = self._condition(0)
        self._check_end("where AND, OR or the end should be")
        return condition

    def order(self) -> Ordering:
        name = self._name()
        descending = self._accept("asc", "desc") == "desc"
        missing = self._accept("nulls") and self._expect("first", "last")
        self._check_end("where ASC, DESC or the end should be")
        return Ordering(name, descending, missing == "first")

    def _condition(self, depth: int) -> Condition:
        """Read what stands between parentheses, or the whole filter; AND binds tighter than OR."""
        if depth > MAX_DEPTH:
            raise self._error(self._next.column, f"{self._next} is nested more than {MAX_DEPTH} deep")
        alternatives = [[self._part(depth)]]
        while word := self._accept("and", "or"):
            if word == "and" and self._only_and_follows():
                break
            if word == "and":
                alternatives[-1].append(self._part(depth))
            else:
                alternatives.append([self._part(depth)])
        return _joined("or", [_joined("and", parts) for parts in alternatives])

    def _only_and_follows(self) -> bool:
        """Skip ANDs, several are as one, and say whether nothing else follows."""
        while self._accept("and"):
            pass
        return self._next.kind == "end"

    def _part(self, depth: int) -> Condition:
        negated = False
        while self._accept("not"):
            negated = not negated
        condition: Condition
        if self._accept("("):
            condition = self._condition(depth + 1)
            self._expect(")")
        else:
            condition = self._comparison()
        return Not(condition) if negated else condition

    def _comparison(self) -> Comparison:
        name = self._name()
        start = self._next
        operator, negated = self._operator(name)
        text = self._text[start.column - 1 : self._end]
        return Comparison(
            name, operator, negated, self._values(operator), " ".join(text.split()), start.column
        )

    def _operator(self, name: Name) -> tuple[str, bool]:
        """Read an operator; return it, or the one whose opposite it is."""
        if found := self._accept("<", "<=", ">", ">="):
            return found, False
        if found := self._accept(*_OPPOSITES):
            return "=", _OPPOSITES[found]
        if self._accept("is"):
            negated = bool(self._accept("not"))
            self._expect("null")
            return "is null", negated
        negated = bool(self._accept("not"))
        if found := self._accept("like", "ilike", "in", "between"):
            return found, negated
        where = "after NOT" if negated else f"after '{shown(name.text)}'"
        raise self._error(self._next.column, f"an operator is missing {where}, before {self._next}")

    def _values(self, operator: str) -> tuple[Value, ...]:
        if operator == "is null":
            return ()
        if operator == "between":
            low = self._value()
            self._expect("and")
            return low, self._value()
        return self._list() if operator == "in" else (self._value(),)

    def _list(self) -> tuple[Value, ...]:
        self._expect("(")
        values: list[Value] = []
        while self._next.word != ")":
            values.append(self._value())
            if not self._accept(","):
                break
        closing = self._next
        self._expect(")")
        if not values:
            raise self._error(closing.column, f"the list before {closing} is empty")
        return tuple(values)

    def _value(self) -> Value:
        token = self._next
        if token.kind in ("end", "sign") or token.word in _KEYWORDS:
            raise self._error(token.column, f"a value is missing before {token}")
        self._take()
        if token.kind == "number":
            return Value(float(token.text), False, token.text, token.column)
        is_word = token.kind == "name"
        return Value(token.text if is_word else token.content, is_word, token.text, token.column)

    def _name(self) -> Name:
        token = self._take_name()
        if token.prefix is None and self._next.word == "(":
            self._take()
            inner = self._take_name()
            closing = self._next
            self._expect(")")
            text = self._text[token.column - 1 : closing.column]
            return Name(inner.prefix, inner.content, token.text.lower(), text, token.column)
        return Name(token.prefix, token.content, None, token.text, token.column)

    def _take_name(self) -> _Token:
        token = self._next
        is_name = token.kind == "name" or (token.kind == "quoted" and token.text[0] == '"')
        if not is_name or token.word in _KEYWORDS:
            raise self._error(token.column, f"a name is missing before {token}")
        self._take()
        return token

    def _take(self) -> None:
        """Go past the next token; the one after it is read only now, so that the first mistake is the one told."""
        self._end = self._next.end
        self._next = next(self._tokens, self._next)

    def _accept(self, *words: str) -> str:
        """Return the next token if it is one of the words, and go past it; else an empty text."""
        found = next((word for word in words if self._next.word == word), "")
        if found:
            self._take()
        return found

    def _expect(self, *words: str) -> str:
        if found := self._accept(*words):
            return found
        expected = " or ".join(word.upper() if word.isalpha() else f"'{word}'" for word in words)
        raise self._error(self._next.column, f"{expected} is missing before {self._next}")

    def _check_end(self, where: str) -> None:
        token = self._next
        if token.kind != "end":
            raise self._error(token.column, f"{token} stands {where}")

    def _error(self, column: int, message: str) -> FilterError:
        return FilterError(column, message, hint=self._example)


def _joined(word: Literal["and", "or"], conditions: Collection[Condition]) -> Condition:
    return Joined(word, tuple(conditions)) if len(conditions) > 1 else next(iter(conditions))
