"""A record being rebuilt: fresh containers, with the texts that the redactor must still see set aside in one list.

`Draft.record` copies what passes by grammar and leaves holes; `Draft.fill` puts the redacted texts into the holes. No
container of the raw record is shared with the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from collectors.classes import CLASSES, IDENTIFIER, OPAQUE_ID, AttributeClass, AttributeRule, is_member
from collectors.model import CollectorError, Record
from collectors.verdicts import Verdicts
from collectors.vocabulary import SPAN_NAMES
from redactors.model import Clean, Json, is_clean

_MAX_DEPTH: Final = 32
_SAFE_INT: Final = 10**12  # larger integers under unknown keys may be card or account numbers
_INT64: Final = 2**63
_NUMBERS: Final = frozenset({bool, int, float})

Put = Callable[[Any], None]


class Draft:
    """The rebuilding of one batch. `texts` is what the redactor must see, one entry per hole."""

    def __init__(self, verdicts: Verdicts) -> None:
        self.texts: list[Json] = []
        self._verdicts = verdicts
        self._holes: list[Put] = []

    def record(self, raw: Record) -> Record:
        """Rebuild one record. Raises CollectorError for a shape that no signal has."""
        if raw.signal == "metrics":
            raise CollectorError("metric points are rebuilt by collectors.metrics, which has no free text")
        return Record(raw.signal, self._fields(raw.tree))

    def fill(self, clean: Clean[Json]) -> None:
        """Put the redacted texts into their holes."""
        texts = clean.value
        if not isinstance(texts, list) or len(texts) != len(self._holes):
            raise CollectorError("the telemetry redactor changed the shape of a record")
        for put, text in zip(self._holes, texts, strict=True):
            put(text)

    def _fields(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Rebuild a span, an event, a link or a log record: they share their fields."""
        out: dict[str, Any] = {}
        for key, value in raw.items():
            field = _FIELDS.get(key)
            if field == "number":
                out[key] = value if type(value) is int else _number(value)
            elif field == "id":
                out[key] = _hex(value)
            elif field == "attributes":
                out[key] = self.attributes(value)
            elif field == "label":
                self._label(out, key, value)
            elif field == "origin":
                out[key] = value.value if is_clean(value) else self._origin(value)
            elif field == "status":
                self._status(out, value)
            elif field == "list":
                out[key] = [self._fields(item) for item in value]
            elif field == "body":
                self._content(out, key, (key,), value)
            else:
                raise CollectorError("a record has an unknown field")
        return out

    def _status(self, out: dict[str, Any], raw: Mapping[str, Any]) -> None:
        out["status"] = status = {"code": _number(raw.get("code", 0))}
        if raw.get("message"):
            self._text(status, "message", raw["message"])

    def _origin(self, raw: Any) -> dict[str, Any]:
        """The resource or the scope, rebuilt."""
        out: dict[str, Any] = {}
        for key in ("name", "version", "schema_url"):
            if raw.get(key):
                self._label(out, key, raw[key])
        out["attributes"] = self.attributes(raw.get("attributes") or {})
        return out

    def attributes(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Rebuild attributes: keys and values, each by its class."""
        out: dict[str, Any] = {}
        seen = self._verdicts.silent
        for key, value in raw.items():
            rule = CLASSES.get(key)
            kind = type(value)
            if rule is None:
                self._unknown(out, key, value)
            elif kind is str:
                if value in rule.words or value in seen:
                    out[key] = value
                else:
                    self._known(out, key, rule, value)
            elif kind in _NUMBERS and (kind is not int or -_INT64 <= value < _INT64):
                out[key] = value
            elif (kind is list or kind is tuple) and all(type(item) is str for item in value):
                items: list[Any] = [None] * len(value)
                for index, item in enumerate(value):
                    self._known(items, index, rule, item)
                out[key] = items
            else:
                self._content(out, key, (key,), value)
        return out

    def _known(self, out: Any, slot: Any, rule: AttributeRule, value: str) -> None:
        if is_member(rule, value):
            out[slot] = value
        elif rule.kind in _NAMED and IDENTIFIER.fullmatch(value):
            self._label(out, slot, value)  # also a word that stands in no vocabulary yet
        elif rule.kind is AttributeClass.OPAQUE:
            if OPAQUE_ID.fullmatch(value):
                self._text(out, slot, value)
            else:
                out[slot] = self._verdicts.hashed(value)
        else:
            self._text(out, slot, value)

    def _unknown(self, out: dict[str, Any], key: Any, value: Any) -> None:
        """A key that stands in no table: the key itself is text, its value content."""
        if not isinstance(key, str):
            raise CollectorError("an attribute key is not text")
        key = _valid(str.__str__(key))
        if key in self._verdicts.silent:
            self._content(out, key, (key,), value)
            return
        holder: dict[str, Any] = {}
        self._content(holder, "value", (key,), value)

        def name(clean: Any) -> None:
            if clean == key and IDENTIFIER.fullmatch(key):
                self._verdicts.learn(key)
            out[_free(out, str(clean))] = holder["value"]

        # Holes are filled in order, so the value stands in `holder` before its key is known.
        self._hole(key, name)

    def _label(self, out: Any, slot: Any, value: Any) -> None:
        """A text of low cardinality: the detectors see each distinct one once."""
        if not isinstance(value, str):
            raise CollectorError("a label is not text")
        value = str.__str__(value)
        if value in self._verdicts.silent or value in SPAN_NAMES:
            out[slot] = value
            return

        def put(clean: Any) -> None:
            if clean == value and len(value) <= 160:
                self._verdicts.learn(value)
            out[slot] = clean

        out[slot] = None
        self._hole(_valid(value), put)

    def _text(self, out: Any, slot: Any, value: Any) -> None:
        if is_clean(value):
            out[slot] = value.value
            return
        if not isinstance(value, str):
            raise CollectorError("a text is not text")
        out[slot] = None
        self._hole(_valid(str.__str__(value)), lambda clean: out.__setitem__(slot, clean))

    def _content(self, out: Any, slot: Any, keys: tuple[str, ...], value: Any) -> None:
        """Any value: strings go to the redactor below the keys they stand under, because those say what they are."""
        if len(keys) > _MAX_DEPTH:
            raise CollectorError("a value is nested too deeply")
        if value is None or isinstance(value, bool):
            out[slot] = value
        elif isinstance(value, str):
            out[slot] = None
            self._hole(_below(keys, _valid(str.__str__(value))), lambda clean: out.__setitem__(slot, _bottom(keys, clean)))
        elif isinstance(value, int):
            self._integer(out, slot, int(value))
        elif isinstance(value, float):
            out[slot] = float(value)
        elif is_clean(value):
            out[slot] = value.value
        elif isinstance(value, bytes | bytearray | memoryview):
            self._bytes(out, slot, keys, bytes(value))
        elif isinstance(value, Mapping):
            out[slot] = self._mapping(value, keys)
        elif isinstance(value, list | tuple):
            items: list[Any] = [None] * len(value)
            out[slot] = items
            for index, item in enumerate(value):
                self._content(items, index, keys if isinstance(item, str) else (*keys, "item"), item)
        else:
            out[slot] = "[unsupported]"  # str() of an unknown object may say anything

    def _mapping(self, raw: Mapping[Any, Any], keys: tuple[str, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in raw.items():
            holder: dict[str, Any] = {}
            text = _valid(str.__str__(key) if isinstance(key, str) else str(key) if type(key) in _NUMBERS else "[unsupported]")
            self._content(holder, "value", (*keys, text), value)
            self._hole(text, _keyed(out, holder))
        return out

    def _integer(self, out: Any, slot: Any, value: int) -> None:
        """Small integers pass. A long one may be a card or an account number, so its digits are looked at as text."""
        if -_SAFE_INT < value < _SAFE_INT:
            out[slot] = value
            return
        digits = str(value)
        out[slot] = None
        self._hole(digits, lambda clean: out.__setitem__(slot, value if clean == digits and -_INT64 <= value < _INT64 else clean))

    def _bytes(self, out: Any, slot: Any, keys: tuple[str, ...], value: bytes) -> None:
        """Bytes are looked at as UTF-8, or byte by byte when they are not, and come back as bytes."""
        try:
            text, encoding = value.decode(), "utf-8"
        except UnicodeDecodeError:
            text, encoding = value.decode("latin-1"), "latin-1"

        def put(clean: Any) -> None:
            redacted = _bottom(keys, clean)
            out[slot] = value if redacted == text else str(redacted).encode(encoding, "replace")

        out[slot] = None
        self._hole(_below(keys, text), put)

    def _hole(self, text: Json, put: Put) -> None:
        self.texts.append(text)
        self._holes.append(put)


_NAMED: Final = frozenset({AttributeClass.LABEL, AttributeClass.VOCABULARY})
_FIELDS: Final = {
    **dict.fromkeys(
        (
            "kind",
            "flags",
            "severity_number",
            "start_time_unix_nano",
            "end_time_unix_nano",
            "time_unix_nano",
            "observed_time_unix_nano",
            "dropped_attributes_count",
            "dropped_events_count",
            "dropped_links_count",
        ),
        "number",
    ),
    **dict.fromkeys(("trace_id", "span_id", "parent_span_id"), "id"),
    **dict.fromkeys(("name", "severity_text", "event_name"), "label"),
    **dict.fromkeys(("resource", "scope"), "origin"),
    **dict.fromkeys(("events", "links"), "list"),
    "attributes": "attributes",
    "status": "status",
    "body": "body",
}
_HEX_ID: Final = re.compile(r"(?:[0-9a-f]{16}){0,2}")


def _hex(value: Any) -> str:
    if isinstance(value, str) and _HEX_ID.fullmatch(value):
        return value
    raise CollectorError("an id is not hexadecimal")


def _number(value: Any) -> int:
    if isinstance(value, int):
        return int(value)
    raise CollectorError("a number is not one")


def _valid(text: str) -> str:
    """The text with lone surrogates replaced: UTF-8, and with it every wire format, has none."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def _below(keys: tuple[str, ...], text: str) -> Json:
    """The text as a tree of one branch."""
    tree: Json = text
    for key in reversed(keys):
        tree = {key: tree}
    return tree


def _bottom(keys: tuple[str, ...], clean: Any) -> Any:
    """What stands at the end of the branch, whatever the redactor made of its keys; it may have cut it off."""
    for _ in keys:
        if not isinstance(clean, dict) or not clean:
            return clean if isinstance(clean, str) else "[removed]"
        clean = next(iter(clean.values()))
    return clean


def _keyed(out: dict[str, Any], holder: dict[str, Any]) -> Put:
    """What puts a held value under its redacted key."""
    return lambda clean: out.__setitem__(_free(out, str(clean)), holder["value"])


def _free(out: Mapping[str, Any], key: str) -> str:
    """A key that is not taken yet: two keys may look alike once they are redacted."""
    if key not in out:
        return key
    number = 2
    while f"{key}#{number}" in out:
        number += 1
    return f"{key}#{number}"
