"""Pictures, sound and files inside message content: dropped, and described in their place by type, size and digest.

Nothing can be redacted in base64 of a picture, so no destination gets it. Known are `blob` parts (docs/gen-ai/gen-ai-input-messages.json
of OpenTelemetry's semantic conventions), OpenAI's `image_url`, `input_audio` and `file`, Anthropic's `source`, Gemini's `inline_data`, data
URLs (RFC 2397) under any key, and all of these in JSON inside strings. The shape of a tree stays: only strings change.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

_HOLDERS: Final = frozenset({"content", "data", "file_data", "bytes", "b64_json", "blob"})
_TYPES: Final = ("mime_type", "media_type", "mimeType", "mediaType", "format")
_LEAST: Final = 128
"""Base64 of so many characters is a blob also where nothing beside it says so: it is no sentence."""

_LEAST_DIGEST: Final = 64
"""Fewer bytes have no digest: somebody might guess them."""

_DEEPEST: Final = 128
_DEEPEST_JSON: Final = 4
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\r\n"
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z]{1,20}/[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
"""Repeated as it was said: in small letters nobody might know again what has to be redacted."""
_LONGEST_HEAD: Final = 200


class Blob(NamedTuple):
    """What is said of a blob: its bytes as they were before base64, and their SHA-256 (empty for a few bytes, and for a text)."""

    size: int
    digest: str


def described(data: str) -> Blob:
    """Size and digest of what a base64 text spells; of the text itself where it spells nothing."""
    try:
        raw = base64.b64decode(data.replace("-", "+").replace("_", "/") + "=" * (-len(data.rstrip("=")) % 4))
    except (binascii.Error, ValueError):
        raw = data.encode("utf-8", "replace")
    return Blob(len(raw), f"sha256:{hashlib.sha256(raw).hexdigest()}" if len(raw) >= _LEAST_DIGEST and not _is_words(raw) else "")


def _is_words(raw: bytes) -> bool:
    """Whether bytes are a text, which somebody who guesses it could check against its digest. No picture, sound or PDF is UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def without_blobs(tree: Any) -> Any:
    """The tree with a description in the place of every blob; the same object when there is none."""
    return _clean(tree, 0, 0)


def _clean(node: Any, depth: int, inside: int) -> Any:
    kind = type(node)
    if kind is str:
        return _text(node, inside)
    if depth >= _DEEPEST or (kind is not dict and kind is not list):
        return node
    if kind is dict:
        return _object(node, node, depth, inside)
    pairs = all(type(item) is dict and len(item) == 1 for item in node)  # how OTLP's key-value lists are read
    beside: Mapping[str, Any] = {key: value for item in node for key, value in item.items()} if pairs else {}
    items = [_object(item, beside, depth + 1, inside) if pairs else _clean(item, depth + 1, inside) for item in node]
    return node if all(new is old for new, old in zip(items, node, strict=True)) else items


def _object(node: dict[str, Any], beside: Mapping[str, Any], depth: int, inside: int) -> dict[str, Any]:
    fresh = {
        key: _marker(value, _type_of(beside)) if type(value) is str and _is_blob(key, value, beside) else _clean(value, depth + 1, inside)
        for key, value in node.items()
    }
    return node if all(fresh[key] is value for key, value in node.items()) else fresh


def _is_blob(key: str, value: str, beside: Mapping[str, Any]) -> bool:
    if key not in _HOLDERS or not value or value.startswith(_OPENS):
        return False
    if beside.get("type") == "blob":
        return True
    return (len(value) >= _LEAST or any(name in beside for name in _TYPES)) and _is_base64(value)


def _is_base64(value: str) -> bool:
    return len(value) % 4 != 1 and value.isascii() and not value.encode().translate(None, _ALPHABET)


def _type_of(beside: Mapping[str, Any]) -> str:
    said = next((beside[name] for name in _TYPES if name in beside), "")
    if type(said) is str and said and "/" not in said and type(beside.get("data")) is str:
        said = f"audio/{said}"  # OpenAI's input_audio
    return said if type(said) is str else ""


def _text(text: str, inside: int) -> str:
    """A string that is a data URL, or JSON with blobs in it, without them."""
    if text[:5].lower() == "data:":
        head, comma, data = text[5:].partition(",")
        if comma and len(head) <= _LONGEST_HEAD and head.lower().endswith(";base64"):
            return _marker(data, head.split(";", 1)[0])
        return text
    if inside >= _DEEPEST_JSON or text[:64].lstrip()[:1] not in ("{", "[") or not may_spell(text.encode("utf-8", "replace")):
        return text
    try:
        tree = json.loads(text)  # orjson rounds whole numbers of more than 64 bits, and refuses what Python's programs write
    except (ValueError, RecursionError):
        return text  # looked at as a text
    fresh = _clean(tree, 0, inside + 1)
    return text if fresh is tree else _spelled(fresh)


def _spelled(tree: Any) -> str:
    """A tree as JSON. Raises TypeError for one that is nested too deeply."""
    try:
        return orjson.dumps(tree).decode()
    except orjson.JSONEncodeError:
        pass
    try:
        return json.dumps(tree, separators=(",", ":"))
    except RecursionError:
        raise TypeError("the value is nested too deeply") from None


def may_hold(data: bytes) -> bool:
    """Whether a blob may stand in nested values: a look at their bytes."""
    return b"data" in data or b"bytes" in data or may_spell(data)


def may_spell(data: bytes) -> bool:
    """Whether a blob may stand in a text: a look at its bytes, in which keys have a quote behind them. Every long text is asked this."""
    return (
        b"blob" in data
        or b"base64" in data
        or b"BASE64" in data
        or b"b64_json" in data
        or b'data"' in data
        or b'bytes"' in data
        or b"data\\" in data
        or b"bytes\\" in data
    )


_OPENS: Final = "[blob"


def _marker(data: str, media_type: str) -> str:
    """What stands in the place of a blob."""
    blob = described(data)
    named = f" {media_type}" if _MEDIA_TYPE.fullmatch(media_type) else ""
    return f"{_OPENS}{named}, {blob.size} bytes{', ' + blob.digest if blob.digest else ''}]"
