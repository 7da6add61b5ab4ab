"""What is left of a record that could not be redacted: ids, parent, times, kind, status code and known numbers; never a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collectors.classes import CLASSES, AttributeClass, AttributeRule
from collectors.model import Record
from collectors.vocabulary import ERROR_TYPES

NAME: Final = "redaction_failed"
_IDS: Final = {"trace_id": 32, "span_id": 16, "parent_span_id": 16}
_NUMBERS: Final = ("kind", "flags", "start_time_unix_nano", "end_time_unix_nano", "time_unix_nano", "severity_number")
_HEX: Final = frozenset("0123456789abcdef")
_INT64: Final = 2**63


def tombstone(raw: Record) -> Record:
    """Make the tombstone of a raw record. It reads by type and never fails; what it does not recognize is left out."""
    try:
        return Record(raw.signal, _tree(raw.tree))
    except Exception:  # noqa: BLE001 - the last resort of the fail-closed path: a record without any field
        return Record(raw.signal, {"name": NAME, "attributes": {}})


def _tree(raw: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": NAME}
    for key, length in _IDS.items():
        value = raw.get(key)
        if type(value) is str and len(value) in (0, length) and _HEX.issuperset(value):
            out[key] = value
    for key in _NUMBERS:
        value = raw.get(key)
        if isinstance(value, int) and 0 <= value < _INT64:
            out[key] = int(value)
    status = raw.get("status")
    if isinstance(status, dict) and isinstance(status.get("code"), int):
        out["status"] = {"code": int(status["code"])}
    out["attributes"] = _numbers(raw.get("attributes"))
    out["resource"] = {"attributes": {"service.name": "lockgate"}}
    out["scope"] = {"name": "lockgate", "attributes": {}}
    return out


def _numbers(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        return {}
    kept: dict[str, Any] = {}
    for key, value in raw.items():
        rule = CLASSES.get(key) if type(key) is str else None
        if rule is not None and (_is_number(rule, value) or (key == "error.type" and type(value) is str and value in ERROR_TYPES)):
            kept[key] = value
    return kept


def _is_number(rule: AttributeRule, value: Any) -> bool:
    if rule.kind is not AttributeClass.NUMBER:
        return False
    return type(value) is bool or type(value) is float or (type(value) is int and -_INT64 <= value < _INT64)
