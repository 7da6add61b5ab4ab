r"""A first look at many small trees together: which texts of them are not known yet, without walking each.

Telemetry is thousands of pairs of a key and a text, and most long texts are JSON of a few shapes: what the GenAI conventions call
messages. A shape is what stands between the strings of such a text, with its keys. It is learned from one text that was read and walked
as any (`redactors.walk`); of the next of that shape only the strings are taken, as they are when their escapes are undone. What is not as
simple as that is left to the walk, so a shape never decides that something passes: it only says which strings somebody has to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from redactors import walk
from redactors.detectors.keyname import names_secret
from redactors.model import Json

_MOST_SHAPES: Final = 1024
_MOST_PIECES: Final = 1024
_LONGEST_STRUCTURE: Final = 4096
"""Larger shapes are not kept."""

_ROOM: Final = walk.MAX_DEPTH - 3
"""How deep such a text may be: it stands under a key of an object of a list."""

_ESCAPED_BACKSLASH, _ESCAPED_QUOTE = "\0", "\1"
"""What stands for `\\\\` and `\\"` while a text is cut at its quotes: JSON has no such character."""


class Shape(NamedTuple):
    """The strings of texts of one structure: what picks the keys, as they are written, and the values; and which keys were seen."""

    keys: Callable[[Sequence[str]], tuple[str, ...]]
    values: Callable[[Sequence[str]], tuple[str, ...]]
    known: set[tuple[str, ...]]


class Shapes:
    """The shapes that were learned beside one memory of silent texts.

    `plain` are keys that are silent and name nothing secret; `words` silent texts that stand in JSON as they are.
    """

    __slots__ = ("_shapes", "plain", "words")

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self.plain: set[str] = set()
        self.words: set[str] = set()

    @property
    def size(self) -> int:
        """How many silent texts are needed here."""
        return len(self.plain) + len(self.words)

    def kept(self) -> set[str]:
        """The silent texts that are needed here."""
        return self.plain | self.words

    def strings(self, text: str, silent: set[str]) -> Sequence[str] | None:
        """The values, but those known to be silent, of a text that spells JSON of a known shape; None when it has to be walked."""
        pieces = _pieces(text)
        structure = tuple(pieces[::2])
        shape = self._shapes.get(structure)
        if shape is None or shape.keys(pieces) not in shape.known:
            if len(pieces) < 3 or not _is_plain(text, silent):
                return None
            shape = self._learned(structure, pieces)
        words = self.words
        values = [value for value in shape.values(pieces) if value not in words]
        for place, value in enumerate(values):
            try:
                read = values[place] = _read(value)
            except orjson.JSONDecodeError:
                return None
            if _may_be_json(read):
                return None
            if read in silent and read == value:
                words.add(value)
        return values

    def _learned(self, structure: tuple[str, ...], pieces: Sequence[str]) -> Shape:
        """The shape of a text whose structure is sound and whose keys are plain."""
        shape = self._shapes.get(structure)
        if shape is None:
            keys = [index for index in range(1, len(pieces), 2) if pieces[index + 1].lstrip()[:1] == ":"]
            values = sorted(set(range(1, len(pieces), 2)).difference(keys))
            shape = Shape(_picker(keys), _picker(values), set())
            if len(pieces) <= _MOST_PIECES and sum(map(len, structure)) <= _LONGEST_STRUCTURE:
                if len(self._shapes) >= _MOST_SHAPES:
                    self._shapes.clear()
                self._shapes[structure] = shape
        if len(shape.known) >= _MOST_SHAPES:
            shape.known.clear()
        shape.known.add(shape.keys(pieces))
        return shape


def skim(nodes: Sequence[Json], silent: set[str], shapes: Shapes) -> tuple[list[str], list[int], list[int]]:
    """The texts of some trees that are not known to be silent, the places of the trees that hold them, and of those that are to be walked.

    A tree that stands in neither list is silent.
    """
    texts: list[str] = []
    owners: list[int] = []
    walked: list[int] = []
    plain = shapes.plain
    for place, node in enumerate(nodes):
        if type(node) is str:
            value = node
        elif type(node) is dict and len(node) == 1:
            ((key, value),) = node.items()
            if key not in plain:
                if type(key) is not str or key not in silent or names_secret(key):
                    walked.append(place)
                    continue
                plain.add(key)
            if type(value) is not str:
                walked.append(place)
                continue
        else:
            walked.append(place)
            continue
        if value in silent:
            continue
        if not _may_be_json(value):
            texts.append(value)
            owners.append(place)
            continue
        values = shapes.strings(value, silent) if len(value) <= walk.MAX_EMBEDDED else None
        if values is None:
            walked.append(place)
            continue
        for inner in values:
            if inner not in silent:
                texts.append(inner)
                owners.append(place)
    return texts, owners, walked


def _may_be_json(text: str) -> bool:
    return text[:1] <= "{" and walk.may_be_json(text)  # few texts begin with what comes later


def _pieces(text: str) -> list[str]:
    """A text cut at the quotes that are no character of a string: structure and strings by turns, if it is JSON; empty if it cannot be."""
    if _ESCAPED_BACKSLASH in text or _ESCAPED_QUOTE in text:
        return []
    if "\\" in text:
        text = text.replace("\\\\", _ESCAPED_BACKSLASH).replace('\\"', _ESCAPED_QUOTE)
    pieces = text.split('"')
    return pieces if len(pieces) % 2 else []  # or the last string would have no end, and no structure behind it that tells of it


def _read(piece: str) -> str:
    """The string that a piece spells. Raises JSONDecodeError when it is none, or holds half a surrogate pair."""
    if _ESCAPED_QUOTE in piece:
        piece = piece.replace(_ESCAPED_QUOTE, '\\"')
    if _ESCAPED_BACKSLASH in piece:
        piece = piece.replace(_ESCAPED_BACKSLASH, "\\\\")
    text: str = orjson.loads(f'"{piece}"')
    return text


def _is_plain(text: str, silent: set[str]) -> bool:
    """Whether a text is JSON as the walk reads it, and nothing but its values is to be looked at: keys silent, no long numbers."""
    tree = walk.embedded(text, _ROOM)
    return tree is not None and _has_plain_keys(tree, silent)


def _has_plain_keys(node: Any, silent: set[str]) -> bool:
    if type(node) is dict:
        return all(key in silent and not names_secret(key) and _has_plain_keys(value, silent) for key, value in node.items())
    if type(node) is list:
        return all(_has_plain_keys(value, silent) for value in node)
    return type(node) is str or not walk.is_long_number(node)


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """What gives the pieces at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    if places:
        only = places[0]
        return lambda pieces: (pieces[only],)
    return lambda pieces: ()
