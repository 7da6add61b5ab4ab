"""Heads as the set scan looks for them: cheaper ones that are found at least wherever the rule's own head ends.

The scan only tells where to look, so it may see too much. What costs is an expression that keeps an automaton of its own busy at every
byte, as one does that begins with a long run of any letters in front of the literal that makes it telling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from redactors.detectors.derived import positions
from redactors.detectors.syntax import EMPTY, Char, Choice, Group, Node, Repeat, Sequence

_TELLING: Final = 3
"""Characters of a literal that is rare enough to be looked for alone."""
_LONG: Final = 20
"""Characters of a leading run from which on it is left out."""
_TOGETHER: Final = 16
"""Alternatives at the beginning of a head that are looked for as one expression."""
_MUCH: Final = 100
"""Places of an automaton from which on heads that begin with the same are looked for together."""


def split(node: Node) -> tuple[Node, ...]:
    """A head that begins with many alternatives, as several heads with few: hyperscan finds the words of few by their literals.

    Of many it makes an automaton that runs over every byte.
    """
    match node:
        case Choice(options) if len(options) > _TOGETHER:
            return tuple(Choice(options[at : at + _TOGETHER]) for at in range(0, len(options), _TOGETHER))
        case Group(item, captures, flags):
            return tuple(Group(part, captures, flags) for part in split(item))
        case Sequence((first, *rest)):
            return tuple(Sequence((part, *rest)) for part in split(first))
        case _:
            return (node,)


def merged(heads: Iterable[tuple[Node, bool, int]]) -> list[tuple[Node, tuple[int, ...]]]:
    """Heads, given with whether they ignore case and with their owners: those that begin alike become one head of several owners.

    It is found wherever one of them is. The long beginning that they share is followed through the text once, not once for each.
    """
    groups: dict[tuple[bool, tuple[Node, ...]], list[tuple[tuple[Node, ...], int]]] = {}
    for node, ignores_case, owner in heads:
        items = _items(node)
        groups.setdefault((ignores_case, _beginning(items)), []).append((items, owner))
    together: list[tuple[Node, tuple[int, ...]]] = []
    for members in groups.values():
        owners = tuple(dict.fromkeys(owner for _, owner in members))
        if len(members) == 1:
            together.append((Sequence(members[0][0]), owners))
            continue
        common = _common([items for items, _ in members])
        rests = tuple(dict.fromkeys(Sequence(items[len(common) :]) for items, _ in members))
        more = () if EMPTY in rests else (Group(Choice(rests)) if len(rests) > 1 else rests[0],)
        together.append((Sequence((*common, *more)), owners))
    return together


def _items(node: Node) -> tuple[Node, ...]:
    """The parts of a head one after another, sequences inside of it opened."""
    match node:
        case Sequence(items):
            return tuple(part for item in items for part in _items(item))
        case Group(item, _, "") if not isinstance(item, Choice):
            return _items(item)
        case _:
            return (node,)


def _beginning(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """The first parts of a head that are much to follow; all of it when it is short."""
    size = 0
    for index, item in enumerate(items, 1):
        size += positions(item)
        if size >= _MUCH:
            return items[:index]
    return items


def _common(sequences: list[tuple[Node, ...]]) -> tuple[Node, ...]:
    """The parts that all of them begin with."""
    first = sequences[0]
    length = min(map(len, sequences))
    return first[: next((at for at in range(length) if any(one[at] != first[at] for one in sequences)), length)]


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
