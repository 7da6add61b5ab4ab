r"""Heads that go on to what makes a value telling, so that `token: yesterday` is not even a candidate.

A head by itself ends a few characters into the value. Where a rule says what every accepted value has (`Rule.witness`), its head goes on to
the first of that: still a place behind the start of every match that counts, and not behind its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from redactors.detectors.bytewise import characters
from redactors.detectors.derived import head, loosened
from redactors.detectors.linear import compile_linear
from redactors.detectors.literals import opener
from redactors.detectors.syntax import Char, Choice, Group, Mark, Node, Repeat, Sequence
from redactors.rules.model import Rule


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
    kept = frozenset(_kept(value))
    if not isinstance(value, Group) or not value.captures or "\n" not in kept:
        return None
    outside = r"\r\n" if " " not in kept else r"\s"
    plain = r"\x00-\x20\x7f" + rule.witness.plain
    telling = Repeat(Char(f"[^{plain}]"), 1, 1)
    any_run = Repeat(Char(f"[^{outside}]"), rule.witness.length, rule.witness.length)
    if opener(Sequence(tree.items[:index])) is None:
        # The context comes behind the value.
        start = Group(Choice((telling, any_run))) if rule.witness.length else telling
        return Witnessed(head(loosened(Sequence((start, Repeat(Char(f"[^{outside}]"), 0, None), *tree.items[index + 1 :])))), True)
    blank = r"\t\x20" if " " not in kept else ""
    first = Sequence((Repeat(Char(f"[{blank}{rule.witness.plain}]"), 0, None), telling))
    return Witnessed(loosened(Sequence((*tree.items[:index], Group(Choice((first, any_run)) if rule.witness.length else first)))), False)


def _kept(value: Node) -> Iterator[str]:
    """Which of blank and line end no character of the value is."""
    members = [compile_linear(text) for text in set(characters(value))]
    for one in (" ", "\n"):
        if not any(member.fullmatch(one.encode()) for member in members):
            yield one


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
