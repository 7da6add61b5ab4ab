"""Heads as the set scan looks for them: cheaper ones that are found at least wherever the rule's own head ends.

The scan only tells where to look, so it may see too much. What costs is an expression that keeps an automaton of its own busy at every
byte: one compiled for UTF-8 characters where bytes would do, and one that begins with a long run of any letters in front of the literal
that makes it telling.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from redactors.detectors.syntax import Char, Choice, Group, Mark, Node, Repeat, Sequence, is_wide

_TELLING: Final = 3
"""Characters of a literal that is rare enough to be looked for alone."""
_LONG: Final = 20
"""Characters of a leading run from which on it is left out."""


def spelled_in_bytes(node: Node, *, ignores_case: bool = False) -> Node:
    """Characters beyond ASCII as their bytes, in every case where case does not matter; the same when a class has such characters.

    Not looked for are the two characters beyond ASCII that RE2 folds to `k` and `s`, as nowhere in rules of ASCII.
    """
    return node if _has_wide_class(node) else _spelled(node, ignores_case)


def _has_wide_class(node: Node) -> bool:
    match node:
        case Char(text):
            return text == "." or (len(text) > 1 and is_wide(text))
        case Mark():
            return False
        case Group(item) | Repeat(item):
            return _has_wide_class(item)
        case Sequence(items) | Choice(items):
            return any(map(_has_wide_class, items))


def _spelled(node: Node, ignores_case: bool) -> Node:
    match node:
        case Char(text):
            if text.isascii():
                return node
            forms = [Sequence(tuple(Char(f"\\x{byte:02x}") for byte in form.encode())) for form in _cases(text, ignores_case)]
            return Group(Choice(tuple(forms)) if len(forms) > 1 else forms[0])
        case Mark():
            return node
        case Group(item, captures, flags):
            return Group(_spelled(item, ignores_case or "i" in flags), captures, flags)
        case Sequence(items):
            return Sequence(tuple(_spelled(item, ignores_case) for item in items))
        case Choice(options):
            return Choice(tuple(_spelled(option, ignores_case) for option in options))
        case Repeat(item, low, high, lazy):
            return Repeat(_spelled(item, ignores_case), low, high, lazy)


@cache
def _cases(letter: str, ignores_case: bool) -> tuple[str, ...]:
    """The letter, in every case that it has."""
    if not ignores_case:
        return (letter,)
    return tuple(dict.fromkeys((letter, *re.findall(re.escape(letter), _plane(), re.IGNORECASE))))


@cache
def _plane() -> str:
    """Every character beyond ASCII of the basic plane."""
    return "".join(map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x10000))))


def from_literal(node: Node) -> Node:
    """The head from its first telling literal on, when nothing but a long run of classes stands before; it has the same ends."""
    match node:
        case Group(item, captures, flags):
            return Group(from_literal(item), captures, flags)
        case Sequence((Group(item, captures, flags), *rest)) if rest:
            return Sequence((Group(from_literal(item), captures, flags), *rest))
        case Sequence(items):
            length = 0
            for index, item in enumerate(items):
                if length >= _LONG and len(ahead := items[index : index + _TELLING]) == _TELLING and all(map(_is_literal, ahead)):
                    return Sequence(items[index:])
                match item:
                    case Char():
                        length += 1
                    case Repeat(Char(), low):
                        length += low
                    case _:
                        return node
            return node
        case _:
            return node


def _is_literal(node: Node) -> bool:
    return isinstance(node, Char) and (len(node.text) == 1 or (node.text[0] == "\\" and not node.text[1].isalnum())) and node.text != "."
