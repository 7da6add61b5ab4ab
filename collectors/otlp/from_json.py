"""OTLP/JSON to the same request in protobuf: one reader for all three signals, led by the official descriptors.

Ids are hex, 64-bit integers may be strings, enums are numbers or names, bytes are base64, doubles may be `NaN` or `Infinity`; keys are
lowerCamelCase, and what the schema does not name is left behind. Source: opentelemetry.io/docs/specs/otlp, JSON Protobuf Encoding.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import orjson

from collectors.model import CollectorError, Signal
from collectors.otlp.bodies import TooLarge
from collectors.otlp.shapes import shape_of

_HEX: Final = frozenset({"trace_id", "span_id", "parent_span_id"})
_MAX_DEPTH: Final = 128
"""Messages in messages; a value nested in arrays takes three levels each."""

_MOST_CONTAINERS: Final = 1_000_000
"""Objects and lists in a body, counted before it is parsed; braces in texts count too."""

Read = Callable[[Any], Any]


def protobuf_of(signal: Signal, body: bytes) -> bytes:
    """The serialized request that an OTLP/JSON body spells.

    Raises CollectorError when it spells none, and TooLarge for too many objects; nothing of it is quoted.
    """
    if body.count(b"{") + body.count(b"[") > _MOST_CONTAINERS:
        raise TooLarge(f"the JSON has more than {_MOST_CONTAINERS} objects and lists")
    try:
        tree = orjson.loads(body)
        request = shape_of(signal).official()
        _fill(request, tree, 0)
        data: bytes = request.SerializeToString()
    except (orjson.JSONDecodeError, ValueError, TypeError, OverflowError, RecursionError):
        raise CollectorError("the body is no OTLP/JSON request") from None
    return data


def _fill(message: Any, tree: Any, depth: int) -> None:
    if not isinstance(tree, Mapping) or depth > _MAX_DEPTH:
        raise ValueError("not an object, or too deep")
    fields = _fields(message.DESCRIPTOR)
    for name, value in tree.items():
        found = fields.get(name)
        if found is None or value is None:
            continue
        field, read, repeated = found
        if repeated:
            if not isinstance(value, list):
                raise ValueError("not a list")
            target = getattr(message, field)
            if read is None:
                for item in value:
                    _fill(target.add(), item, depth + 1)
            else:
                target.extend([read(item) for item in value])
        elif read is None:
            inner = getattr(message, field)
            inner.SetInParent()
            _fill(inner, value, depth + 1)
        else:
            setattr(message, field, read(value))


@cache
def _fields(descriptor: Any) -> Mapping[str, tuple[str, Read | None, bool]]:
    """By the name in JSON (and in the schema): the field, what reads a value of it (None: a message), and whether it repeats."""
    fields: dict[str, tuple[str, Read | None, bool]] = {}
    for field in descriptor.fields:
        entry = (field.name, _reader(field), field.is_repeated)
        fields[field.json_name] = fields[field.name] = entry
    return fields


def _reader(field: Any) -> Read | None:
    if field.message_type is not None:
        return None
    if field.enum_type is not None:
        names = {value.name: value.number for value in field.enum_type.values}
        return lambda value: names[value] if value in names else _integer(value)
    if field.type == field.TYPE_BYTES:
        return _hex if field.name in _HEX else _base64
    if field.type == field.TYPE_STRING:
        return _text
    if field.type == field.TYPE_BOOL:
        return _flag
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return _double
    return _integer


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError("not an integer")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not an integer")
    return int(value)


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise ValueError("not a number")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not a boolean")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _hex(value: Any) -> bytes:
    return bytes.fromhex(_text(value))


def _base64(value: Any) -> bytes:
    text = _text(value).replace("-", "+").replace("_", "/")  # parsers of protobuf's JSON take both alphabets
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
