"""What is left of a part of a received OTLP request that could not be redacted: ids, times, kinds and known numbers; never a text."""

from __future__ import annotations

from typing import Any, Final

from collectors.classes import CLASSES, AttributeClass
from collectors.otlp.shapes import Plan
from collectors.otlp.values import pair_class
from collectors.tombstone import NAME
from collectors.vocabulary import ERROR_TYPES

_NAMES: Final = ("event_name", "name")


def bury(message: Any, plan: Plan) -> None:
    """Make a unit its own tombstone, in place. The units below it stay: they are clean by themselves, or tombstones too."""
    for name in (*plan.texts, *plan.values, *plan.cleared):
        message.ClearField(name)
    for name, length in plan.ids:
        if len(getattr(message, name)) != length:
            message.ClearField(name)
    for name in plan.pairs:
        pairs = getattr(message, name)
        kept = [plain for plain in map(_number, pairs) if plain]
        del pairs[:]
        pairs.extend(kept)
    for name, inner in plan.ones:
        if not inner.has_items and message.HasField(name):
            bury(getattr(message, name), inner)
    for name, inner in plan.many:
        if not (inner.is_item or inner.has_items):
            message.ClearField(name)
    if plan.is_item or plan.has_items:
        for name in _NAMES:
            if name in plan.texts:
                setattr(message, name, NAME)
                break


def _number(raw: bytes) -> bytes:
    """An attribute that is known to be a number, or a known class of error, written anew; empty for any other."""
    try:
        pair = pair_class().FromString(raw)
    except Exception:  # noqa: BLE001 - the last resort of the fail-closed path: what cannot be read is left out
        return b""
    rule = CLASSES.get(pair.key)
    kind = pair.value.WhichOneof("value")
    plain = pair_class()(key=pair.key)
    if rule is not None and rule.kind is AttributeClass.NUMBER and kind in ("bool_value", "int_value", "double_value"):
        setattr(plain.value, kind, getattr(pair.value, kind))
    elif pair.key == "error.type" and kind == "string_value" and pair.value.string_value in ERROR_TYPES:
        plain.value.string_value = pair.value.string_value
    else:
        return b""
    data: bytes = plain.SerializeToString()
    return data
