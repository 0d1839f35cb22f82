"""What may be logged: keys, numbers, steps and params, checked before anything is written."""

from __future__ import annotations

import operator
import posixpath
import re
from typing import Any

from gittrack.entities import Scalar
from gittrack.errors import InvalidValue

MAX_KEY = 250
_KEY = re.compile(r"[/\w.\- :]+")


def check_key(key: object, kind: str) -> str:
    """Return `key` if it can name a param, metric or tag; MLflow's rule.

    Raises:
        InvalidValue: It is no text, empty, longer than 250 characters, has other characters than letters,
            digits and `/ _ . - : space`, or is not a normal relative path.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidValue(
            f"{key!r:.80} is not a {kind} key",
            hint="a key has letters, digits, '_', '-', '.', ':', '/' and spaces",
        )
    if len(key) > MAX_KEY:
        raise InvalidValue(
            f"the {kind} key '{key[:40]}…' has {len(key)} characters, at most {MAX_KEY} are allowed"
        )
    if key != posixpath.normpath(key) or key.startswith(("/", "..")) or key == ".":
        raise InvalidValue(
            f"'{key}' is not a {kind} key", hint=f"'{posixpath.normpath('/' + key)[1:]}' would be one"
        )
    return key


def as_float(value: Any, key: str) -> float:
    """Return `value` as a float: a number, a scalar array or tensor, a boolean or numeric text.

    Raises:
        InvalidValue: It is none of these.
    """
    try:
        return float(value.item() if hasattr(value, "item") and not isinstance(value, float) else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InvalidValue(f"the value of metric '{key}' is {value!r:.80}, not a number") from None


def as_step(step: Any, key: str) -> int:
    """Return `step` as an integer of 64 bits.

    Raises:
        InvalidValue: It is not an integer, or does not fit.
    """
    try:
        whole = operator.index(step.item() if hasattr(step, "item") else step)
    except (TypeError, ValueError):
        hint = f"step={int(step)}" if isinstance(step, float) and step == step // 1 else None
        raise InvalidValue(f"the step of metric '{key}' is {step!r:.80}, not an integer", hint=hint) from None
    if not -(1 << 63) <= whole < 1 << 63:
        raise InvalidValue(f"the step of metric '{key}' is {whole}, which does not fit in 64 bits")
    return whole


def as_timestamp(timestamp: Any, key: str) -> int:
    """Return a time in milliseconds since 1970 UTC.

    Raises:
        InvalidValue: It is not an integer, or negative.
    """
    try:
        whole = operator.index(timestamp)
    except TypeError:
        raise InvalidValue(
            f"the timestamp of metric '{key}' is {timestamp!r:.80}, not milliseconds"
        ) from None
    if not 0 <= whole < 1 << 63:
        raise InvalidValue(f"the timestamp of metric '{key}' is {whole}, not milliseconds since 1970")
    return whole


def as_param(value: Any) -> Scalar:
    """Return a param's value: text, numbers, booleans and None keep their type, the rest becomes text."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()  # a NumPy scalar
    if value is None or type(value) in (bool, int, float):
        return value  # type: ignore[no-any-return]
    return as_text(value)


def as_text(value: Any) -> str:
    """Return `value` as text that UTF-8 can hold: half a surrogate pair becomes a question mark."""
    text = value if type(value) is str else str(value)
    return text.encode("utf-8", "replace").decode()
