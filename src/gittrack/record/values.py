"""What may be logged: keys, numbers, steps and params, checked before anything is written."""

from __future__ import annotations

import operator
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gittrack.entities.record import Scalar, UsedModel
from gittrack.errors import InvalidValue

MAX_KEY = 250
MAX_TIME = 253_402_300_799_999  # the last millisecond of the year 9999, where SQL's times end
MAX_TEXT_BYTES = 1 << 20
MAX_CALL = 8 << 20  # characters of one record; with escapes it takes twelve times as much at most
MAX_REPORT_BYTES = 64_000
MAX_INTEGER_BITS = 4096
KEEP_LONG_TEXT = "gittrack.log_text(text, 'long.txt') keeps long text as an artifact"
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
    return as_number(value, f"the value of metric '{key}'")


def as_number(value: Any, what: str) -> float:
    """Return `value` as a float: a number, a scalar array or tensor, a boolean or numeric text.

    Raises:
        InvalidValue: It is none of these.
    """
    try:
        return float(value.item() if hasattr(value, "item") and not isinstance(value, float) else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InvalidValue(f"{what} is {value!r:.80}, not a number") from None


def as_integer(value: Any, what: str) -> int:
    """Return `value` as an integer: one of Python's, or a scalar array or tensor of one.

    Raises:
        InvalidValue: It is none of these.
    """
    try:
        return operator.index(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        raise InvalidValue(f"{what} is {value!r:.80}, not an integer") from None


def as_count(value: Any, what: str) -> int:
    """Return `value` as an integer from 0 on.

    Raises:
        InvalidValue: It is none.
    """
    whole = as_integer(value, what)
    if whole < 0:
        raise InvalidValue(f"{what} is {whole}", hint="a number from 0 on")
    return whole


def as_step(step: Any, key: str, *, kind: str = "metric") -> int:
    """Return `step` as an integer of 64 bits.

    Raises:
        InvalidValue: It is not an integer, or does not fit.
    """
    try:
        whole = operator.index(step.item() if hasattr(step, "item") else step)
    except (TypeError, ValueError):
        hint = f"step={int(step)}" if isinstance(step, float) and step == step // 1 else None
        raise InvalidValue(f"the step of {kind} '{key}' is {step!r:.80}, not an integer", hint=hint) from None
    if not -(1 << 63) <= whole < 1 << 63:
        raise InvalidValue(f"the step of {kind} '{key}' is {whole}, which does not fit in 64 bits")
    return whole


def as_timestamp(timestamp: Any, key: str) -> int:
    """Return the time of a point; see `as_time`."""
    return as_time(timestamp, f"the timestamp of metric '{key}'")


def as_time(timestamp: Any, what: str) -> int:
    """Return a time in milliseconds since 1970 UTC.

    Args:
        timestamp: An integer.
        what: Names it in the message.

    Raises:
        InvalidValue: It is not an integer, before 1970, or after the year 9999.
    """
    try:
        whole = operator.index(timestamp)
    except TypeError:
        raise InvalidValue(f"{what} is {timestamp!r:.80}, not milliseconds") from None
    if not 0 <= whole <= MAX_TIME:
        raise InvalidValue(f"{what} is {whole}, not milliseconds since 1970")
    return whole


def as_model(used: UsedModel) -> UsedModel:
    """Return the use of a model with its id as UTF-8 can hold it; the step of an output is 0 without one.

    Raises:
        InvalidValue: The id is no text, empty or longer than 250 characters, or the step is not an integer.
    """
    model_id = used.model_id
    if not isinstance(model_id, str) or not 0 < len(model_id) <= MAX_KEY:
        raise InvalidValue(
            f"{model_id!r:.80} is not the id of a model", hint=f"an id is text of 1 to {MAX_KEY} characters"
        )
    step = (
        None
        if used.role == "input"
        else as_step(0 if used.step is None else used.step, model_id, kind="model")
    )
    return replace(used, model_id=as_text(model_id, "the id of a model"), step=step)


def as_param(value: Any, key: str) -> Scalar:
    """Return a param's value: text, numbers, booleans and None keep their type, the rest becomes text.

    Raises:
        InvalidValue: Its text is larger than 1 MB, or it is an integer of more than 4096 bits.
    """
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()  # a NumPy scalar
    if type(value) is int and value.bit_length() > MAX_INTEGER_BITS:
        raise InvalidValue(
            f"the value of param '{key}' has {value.bit_length()} bits, at most {MAX_INTEGER_BITS} are taken"
        )
    if value is None or type(value) in (bool, int, float):
        return value  # type: ignore[no-any-return]
    return as_text(value, f"the value of param '{key}'")


def as_text(value: Any, what: str) -> str:
    """Return `value` as text that UTF-8 can hold: half a surrogate pair becomes a question mark.

    Args:
        value: Text, or anything with a `str`.
        what: Names it in the message.

    Raises:
        InvalidValue: It is larger than 1 MB.
    """
    content = _utf8(value)
    if len(content) > MAX_TEXT_BYTES:
        raise InvalidValue(
            f"{what} has {len(content)} bytes, at most {MAX_TEXT_BYTES} are taken", hint=KEEP_LONG_TEXT
        )
    return content.decode()


def cleaned(value: Any) -> str:
    """Return `value` as text that UTF-8 can hold, however long: half a surrogate pair becomes a question mark."""
    return _utf8(value).decode()


def _utf8(value: Any) -> bytes:
    return (value if type(value) is str else str(value)).encode("utf-8", "replace")


def check_together(entries: Mapping[str, Scalar], kind: str) -> None:
    """Check that the params or tags of one call fit into one record.

    Raises:
        InvalidValue: Their keys and texts are longer than 8 million characters together.
    """
    size = sum(len(key) + len(value if isinstance(value, str) else "") for key, value in entries.items())
    if size > MAX_CALL:
        raise InvalidValue(
            f"{len(entries)} {kind}s of {size} characters in one call, at most {MAX_CALL} are taken",
            hint=KEEP_LONG_TEXT,
        )


def shortened(report: str) -> str:
    """Return the text of an error; of one over 64 kB the middle is left out."""
    content = report.encode("utf-8", "replace")
    left_out = len(content) - MAX_REPORT_BYTES
    if left_out <= 0:
        return content.decode()
    half = MAX_REPORT_BYTES // 2
    first, last = (part.decode("utf-8", "ignore") for part in (content[:half], content[-half:]))
    return f"{first}\n… {left_out} bytes left out …\n{last}"


def check_mapping(entries: object, kind: str) -> Mapping[str, Any]:
    """Return `entries` if it maps keys to values.

    Raises:
        InvalidValue: It does not.
    """
    if not isinstance(entries, Mapping):
        raise InvalidValue(f"{entries!r:.80} maps no {kind} keys to values", hint='{"key": value}')
    return entries


def as_list(given: object, what: str) -> list[Any]:
    """Return what was given as a list.

    Raises:
        InvalidValue: It is one text, bytes or a mapping, or has no items.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidValue(f"{what} is {given!r:.80}, no list", hint=f"{what}=[...]")
    return list(given)
