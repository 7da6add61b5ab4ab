"""Depth-first walk of a JSON tree: its texts in order, and the same tree again with other texts.

Texts are string values, keys, and integers long enough to be an account or card number. A string that is itself a JSON object or
array is walked too and written back as JSON. Both walks count texts in the same order, so that one pass may look at all of them at once
and the second is needed only where something was found.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redactors.model import Json, RedactionError

MAX_DEPTH: Final = 128
MAX_TEXT: Final = 32 * 1024 * 1024
"""Characters of all texts together."""

MAX_EMBEDDED: Final = 1 << 18
"""Characters up to which a string is read as JSON: a parser cannot be interrupted. A longer one is read as text."""

_LONG_INTEGER: Final = 10**11
_LONGEST_FLOAT: Final = 2.0**63
"""Larger floating-point numbers are nobody's account: they have lost their last digits."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: its JSON pointer (RFC 6901), the nearest key above it, and whether it is a key itself."""

    path: str
    key: str
    is_key: bool


Change = Callable[[str, Place], str]
"""Gives a text back, changed or not."""


def texts(tree: Json) -> tuple[list[str], list[str]]:
    """All texts of a tree in order, and for each the nearest key above it ("" for none and for keys).

    Raises RedactionError for a tree too deep or too large, and for what is not JSON.
    """
    found: list[str] = []
    keys: list[str] = []
    _collect(tree, "", 0, found, keys)
    if sum(map(len, found)) > MAX_TEXT:
        raise RedactionError("the value holds more text than may be redacted at once")
    return found, keys


def _collect(node: Any, key: str, depth: int, found: list[str], keys: list[str]) -> None:
    if depth > MAX_DEPTH:
        raise RedactionError("the value is nested too deeply")
    kind = type(node)
    if kind is str:
        inner = embedded(node, MAX_DEPTH - depth - 1)
        if inner is None:
            found.append(node)
            keys.append(key)
        else:
            _collect(inner, key, depth + 1, found, keys)
    elif kind is dict:
        _collect_object(node, depth, found, keys)
    elif kind is list or kind is tuple:
        for value in node:
            _collect(value, key, depth + 1, found, keys)
    elif kind is int or kind is float:
        if is_long_number(node):
            found.append(str(int(node)))
            keys.append(key)
    elif node is not None and kind is not bool:
        raise RedactionError("the value is not JSON")


def _collect_object(node: dict[Any, Any], depth: int, found: list[str], keys: list[str]) -> None:
    for name, value in node.items():
        if type(name) is not str:
            raise RedactionError("a key is not a string")
        found.append(name)
        keys.append("")
        if type(value) is str and not may_be_json(value):
            found.append(value)
            keys.append(name)
        elif value is not None and value is not True and value is not False:
            _collect(value, name, depth + 1, found, keys)


def changed(tree: Json, change: Change) -> Json:
    """The tree with every text passed through `change`; parts without a change are the same objects."""
    fresh: Json = _rebuild(tree, "", "", 0, change)
    return fresh


def _rebuild(node: Any, path: str, key: str, depth: int, change: Change) -> Any:
    kind = type(node)
    if kind is str:
        inner = embedded(node, MAX_DEPTH - depth - 1)
        if inner is None:
            return change(node, Place(path, key, False))
        fresh = _rebuild(inner, path, key, depth + 1, change)
        return node if fresh is inner else json.dumps(fresh, ensure_ascii=node.isascii(), separators=_separators(node))
    if kind is dict:
        return _rebuild_object(node, path, depth, change)
    if kind is list or kind is tuple:
        items = [_rebuild(value, f"{path}/{index}", key, depth + 1, change) for index, value in enumerate(node)]
        return node if all(new is old for new, old in zip(items, node, strict=True)) else items
    if is_long_number(node):
        digits = str(int(node))
        fresh = change(digits, Place(path, key, False))
        return node if fresh == digits else fresh
    return node


def _rebuild_object(node: dict[str, Any], path: str, depth: int, change: Change) -> dict[str, Any]:
    out: dict[str, Any] = {}
    same = True
    for name, value in node.items():
        here = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        clean_name = change(name, Place(here, "", True))
        if clean_name != name:
            # The pointer is shown, so it spells the key as it now stands.
            here = f"{path}/{clean_name.replace('~', '~0').replace('/', '~1')}"
        fresh = value if value is None or value is True or value is False else _rebuild(value, here, name, depth + 1, change)
        same = same and fresh is value and clean_name == name
        out[_free(out, clean_name)] = fresh
    return node if same else out


def _free(taken: dict[str, Any], name: str) -> str:
    """A key that is not taken yet: two keys may look alike once they are redacted."""
    if name not in taken:
        return name
    number = 2
    while f"{name}#{number}" in taken:
        number += 1
    return f"{name}#{number}"


def is_long_number(node: Any) -> bool:
    """Whether a value is a number that has the digits of an account: an integer, or a floating-point number that is one."""
    if type(node) is int:
        return not -_LONG_INTEGER < node < _LONG_INTEGER
    return type(node) is float and _LONG_INTEGER <= node < _LONGEST_FLOAT and node.is_integer()


def may_be_json(text: str) -> bool:
    """Whether a string begins like an object or array. Both walks ask this same question, or they would count differently."""
    first = text[:1]
    return first in ("{", "[") or (first <= " " and text[:64].lstrip().startswith(("{", "[")))


def embedded(text: str, room: int = MAX_DEPTH) -> Any:
    """The object or array that a string spells; None when it spells neither, names a key twice, is too long, or deeper than `room`.

    What is none is read as a text.
    """
    if len(text) > MAX_EMBEDDED:
        return None
    if not may_be_json(text):
        return None
    if text.rstrip()[-1:] not in ("}", "]"):
        return None
    try:
        inner = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if type(inner) not in (dict, list):
        return None
    return None if text.count("[") + text.count("{") > room and _is_deeper(inner, room) else inner


def _is_deeper(tree: Any, room: int) -> bool:
    """Whether objects and arrays stand in one another more than `room` times."""
    level = [tree]
    for _ in range(room):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node if type(node) is list else ())
            if type(child) in (dict, list)
        ]
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fresh = dict(pairs)
    if len(fresh) < len(pairs):
        raise ValueError("a key stands twice")
    return fresh


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique)


def _separators(text: str) -> tuple[str, str]:
    """The separators in which the text was written, as far as its first ones tell."""
    return (", " if ", " in text else ",", ": " if '": ' in text else ":")
