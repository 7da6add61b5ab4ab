"""Heads as the set scan looks for them: cheaper ones that are found at least wherever the rule's own head ends.

The scan only tells where to look, so it may see too much. What costs is an expression that keeps an automaton of its own busy at every
byte, as one does that begins with a long run of any letters in front of the literal that makes it telling.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from redactors.detectors.derived import positions, width
from redactors.detectors.literals import flattened, literal_prefix, literal_run
from redactors.detectors.syntax import EMPTY, Char, Choice, Group, Node, Repeat, Sequence

_TELLING: Final = 3
"""Characters of a literal that is rare enough to be looked for alone."""
_RARE: Final = frozenset("@")
"""Literals that are rare enough alone."""
_COUNTED: Final = 16
"""Characters of one class behind a literal that make it rare enough."""
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
        items = flattened(node)
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
    """The head from its first telling literal on, when much or any number of anything stands before; it has the same ends, and more."""
    match node:
        case Group(item, captures, flags):
            return Group(from_literal(item), captures, flags)
        case Choice(options):
            return Choice(tuple(map(from_literal, options)))
        case Sequence():
            items = flattened(node)
            return Sequence(_from_literal(items) if len(items) > 1 else tuple(map(from_literal, items)))
        case _:
            return node


def _from_literal(items: tuple[Node, ...]) -> tuple[Node, ...]:
    if _tells(items):
        return items
    least, endless, loose = 0, False, True
    for index, item in enumerate(items):
        if (least >= _LONG or (endless and loose)) and _tells(items[index:]):
            return items[index:]
        low, high = width(item)
        least, endless, loose = least + low, endless or high is None, loose and not literal_run(item)
    return (from_literal(items[0]), *items[1:]) if isinstance(items[0], Group) else items


def _tells(items: tuple[Node, ...]) -> bool:
    """Whether what begins a pattern is rare: a few literal characters, an at sign, or one character before a long run of others."""
    first = items[0]
    if isinstance(first, Char) and first.text in _RARE:
        return True
    if literal_prefix(Sequence(items[:_TELLING])) >= _TELLING:
        return True
    return len(items) > 1 and literal_prefix(first) == 1 and isinstance(items[1], Repeat) and items[1].low >= _COUNTED
