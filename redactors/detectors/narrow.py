"""Heads as the set scan looks for them: cheaper ones that are found at least wherever the rule's own head ends.

The scan only tells where to look, so it may see too much. What costs is an expression that keeps an automaton of its own busy at every
byte, as one does that begins with a long run of any letters in front of the literal that makes it telling.
"""

from __future__ import annotations

from typing import Final

from redactors.detectors.syntax import Char, Choice, Group, Node, Repeat, Sequence

_TELLING: Final = 3
"""Characters of a literal that is rare enough to be looked for alone."""
_LONG: Final = 20
"""Characters of a leading run from which on it is left out."""
_TOGETHER: Final = 16
"""Alternatives at the beginning of a head that are looked for as one expression."""


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
