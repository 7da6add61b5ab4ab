"""OTLP's `KeyValue` and `AnyValue` as JSON trees that a redactor reads, and back again.

A list is a list, a key-value list a list of objects with one key each (a key may stand twice in it, and both values are looked at), bytes
are text: UTF-8, or one character a byte where they are none.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from collectors.model import CollectorError
from redactors.model import Json

MAX_DEPTH: Final = 32
"""How deep arrays and key-value lists may stand in one another."""


@cache
def pair_class() -> Any:
    """The official message class `KeyValue`; loading it costs milliseconds, so the first request does it."""
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    return KeyValue


@cache
def value_class() -> Any:
    """The official message class `AnyValue`."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

    return AnyValue


def scrub(message: Any) -> None:
    """Take out of a `KeyValue` or `AnyValue` what no signal of ours has: unknown fields, and indices into the profiles' string table."""
    message.DiscardUnknownFields()
    is_pair = message.DESCRIPTOR.name == "KeyValue"
    _scrub_value(message.value if is_pair else message, 0, message if is_pair else None)


def _scrub_value(value: Any, depth: int, pair: Any) -> None:
    if depth > MAX_DEPTH:
        raise CollectorError("a value is nested too deeply")
    if pair is not None and pair.key_strindex:
        pair.key_strindex = 0
    kind = value.WhichOneof("value")
    if kind == "array_value":
        for item in value.array_value.values:
            _scrub_value(item, depth + 1, None)
    elif kind == "kvlist_value":
        for inner in value.kvlist_value.values:
            _scrub_value(inner.value, depth + 1, inner)
    elif kind is not None and kind not in _KINDS:
        value.ClearField(kind)


_KINDS: Final = frozenset({"string_value", "bool_value", "int_value", "double_value", "bytes_value", "array_value", "kvlist_value"})


def tree_of(value: Any) -> Json:
    """A scrubbed `AnyValue` as a tree."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [tree_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return [{pair.key: tree_of(pair.value)} for pair in value.kvlist_value.values]
    if kind == "bytes_value":
        return _text_of(value.bytes_value)[0]
    plain: Json = getattr(value, kind)
    return plain


def refill(value: Any, clean: Any) -> None:
    """Put the redacted tree of an `AnyValue` back into it. Raises CollectorError when it has another shape than `tree_of` gave."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        items = value.array_value.values
        _check(type(clean) is list and len(clean) == len(items))
        for item, inner in zip(items, clean, strict=True):
            refill(item, inner)
    elif kind == "kvlist_value":
        pairs = value.kvlist_value.values
        _check(type(clean) is list and len(clean) == len(pairs))
        for pair, inner in zip(pairs, clean, strict=True):
            refill_pair(pair, inner)
    elif kind == "bytes_value":
        text, encoding = _text_of(value.bytes_value)
        _check(type(clean) is str)
        if clean != text:
            value.bytes_value = clean.encode(encoding, "replace")
    elif type(clean) is str:
        value.string_value = clean  # also in place of a number that was none to be shown
    elif kind is not None:
        _check(type(clean) is type(getattr(value, kind)) and kind != "string_value")
        setattr(value, kind, clean)
    else:
        _check(clean is None)


def refill_pair(pair: Any, clean: Any) -> None:
    """The same for a `KeyValue`, whose tree is an object with one key."""
    _check(type(clean) is dict and len(clean) == 1)
    ((key, value),) = clean.items()
    pair.key = key
    refill(pair.value, value)


def _text_of(data: bytes) -> tuple[str, str]:
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def _check(fits: bool) -> None:
    if not fits:
        raise CollectorError("the redacted value has another shape")
