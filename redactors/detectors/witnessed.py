r"""Heads that go on to what makes a value telling, so that `token: yesterday` is not even a candidate.

A head by itself ends a few characters into the value. Where a rule says what every accepted value has (`Rule.witness`), its head goes on to
the first of that: still a place behind the start of every match that counts, and not behind its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Final

from redactors.detectors.bytewise import characters
from redactors.detectors.derived import head, loosened
from redactors.detectors.linear import compile_linear
from redactors.detectors.literals import opener
from redactors.detectors.syntax import Char, Choice, Group, Mark, Node, Repeat, Sequence
from redactors.rules.model import Rule

_ASCII: Final = "".join(map(chr, range(0x80)))


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A head that goes on to a witness, or from it to the context where the value `comes_first`; it then begins inside the match."""

    head: Node
    comes_first: bool


def witnessed(tree: Node, rule: Rule) -> Witnessed | None:
    """The head of a rule with its value's witness; None when the rule has none, or its value is not a whole part of the pattern."""
    if rule.witness is None or rule.group != 1 or not isinstance(tree, Sequence):
        return None
    index = next((index for index, item in enumerate(tree.items) if _captures(item)), 0)
    value = tree.items[index]
    allowed = _alphabet(value)
    if not isinstance(value, Group) or not value.captures or "\n" in allowed:
        return None
    told = allowed - {chr(code) for code in (*range(0x21), 0x7F)} - _members(f"[{rule.witness.plain}]")
    telling = Repeat(_or_beyond(told), 1, 1)
    any_run = Repeat(_or_beyond(allowed), rule.witness.length, rule.witness.length)
    if opener(Sequence(tree.items[:index])) is None:
        # The context comes behind the value.
        start = Group(Choice((telling, any_run))) if rule.witness.length else telling
        return Witnessed(head(loosened(Sequence((start, Repeat(_or_beyond(allowed), 0, None), *tree.items[index + 1 :])))), True)
    first = Sequence((Repeat(_class(allowed - told), 0, None), telling)) if allowed - told else telling
    return Witnessed(loosened(Sequence((*tree.items[:index], Group(Choice((first, any_run)) if rule.witness.length else first)))), False)


def _alphabet(value: Node) -> frozenset[str]:
    """Which characters of ASCII may stand in the value, whatever their case."""
    return frozenset().union(*map(_members, set(characters(value))))


@cache
def _members(item: str) -> frozenset[str]:
    """The characters of ASCII that an item of a pattern matches."""
    expression = compile_linear(item, ignores_case=True)
    return frozenset(character for character in _ASCII if expression.fullmatch(character.encode()) is not None)


def _class(characters_in: frozenset[str]) -> Char:
    """Exactly these characters of ASCII."""
    return Char(f"[{_spelled(characters_in)}]")


def _or_beyond(characters_in: frozenset[str]) -> Char:
    """These characters of ASCII, or any beyond."""
    return Char(f"[^{_spelled(frozenset(_ASCII) - characters_in)}]")


def _spelled(characters_in: frozenset[str]) -> str:
    """The inside of a class, as ranges."""
    codes = sorted(map(ord, characters_in))
    ranges = [[code for _, code in run] for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0])]
    return "".join(rf"\x{run[0]:02x}" if len(run) == 1 else rf"\x{run[0]:02x}-\x{run[-1]:02x}" for run in ranges)


def _captures(node: Node) -> bool:
    match node:
        case Char() | Mark():
            return False
        case Group(item, captures):
            return captures or _captures(item)
        case Repeat(item):
            return _captures(item)
        case Sequence(items) | Choice(items):
            return any(map(_captures, items))
