"""Seams: where a replacement touches a word, so that a second redaction does not see a border that the first did not see.

`EMP-123456BE51…` has no word border inside; `[REDACTED:…]BE51…` would have one, and another rule might now find something. A letter
between the replacement and the word keeps the text as borderless as it was. Escapes and invisible characters count as what they spell.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from redactors.detectors.terms import joins
from redactors.normalise import LONGEST_ESCAPE, folded, stands_for, unescaped

GLUE: Final = "x"
_NEAR: Final = LONGEST_ESCAPE + 4
_MARKS: Final = frozenset("\\%&=")


def is_seamless(text: str, at: int) -> bool:
    """Whether a word goes on across a place of the text: the visible characters on both sides belong to words."""
    before = _before(text, at)
    if not before or not _is_word(before):
        return False
    after = _after(text, at)
    return bool(after) and _is_word(after)


def is_seamless_behind(text: str, at: int) -> bool:
    r"""The same behind a replacement, where a word may also go on only as the text stands: `\u0025` has no border behind it."""
    return is_seamless(text, at) or (0 < at < len(text) and _is_word(text[at - 1]) and _is_word(text[at]))


def _is_word(character: str) -> bool:
    return character == "_" or joins(character)


def _before(text: str, at: int) -> str:
    near = text[max(0, at - _NEAR) : at]
    if not near:
        return ""
    if near.isascii():
        return near[-1:] if _MARKS.isdisjoint(near) else _visible(near)[-1:]
    return _alone(near[-1]) if _may_be_marks().isdisjoint(near) and _alone(near[-1]) else _visible(near)[-1:]


def _after(text: str, at: int) -> str:
    near = text[at : at + 1]
    if near in _MARKS or (not near.isascii() and (near in _may_be_marks() or not _alone(near))):
        return _visible(text[at : at + _NEAR])[:1]
    return _alone(near)


def _alone(character: str) -> str:
    """What a character stands for that belongs to no escape; "" for an invisible one."""
    return character if character.isascii() else stands_for().get(character, character)


@cache
def _may_be_marks() -> frozenset[str]:
    """The characters of `_MARKS`, and those that look like them."""
    return _MARKS.union(odd for odd, plain in stands_for().items() if plain in _MARKS)


def _visible(text: str) -> str:
    view = folded(text)
    if view is not None:
        text = view.text
    view = unescaped(text)
    return text if view is None else view.text
