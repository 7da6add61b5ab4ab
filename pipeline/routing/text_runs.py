"""Events of a stream that differ from the one before in nothing but the piece of text they carry, known by their bytes.

Nearly all of a stream is this. Once one such event was parsed, the bytes before and behind its piece are known; another event with the same
bytes around a JSON string is the same tree with that string in it, so only the string is read. Whatever looks otherwise is parsed whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import orjson

from pipeline.routing.model import Delta

_SLOT: Final = re.compile(rb'"delta": ?\{(?:"type": ?"text_delta", ?"text"|"content"): ?(?=")')
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_LEARNED: Final = 8
"""So often is a stream's shape learned; one that changes more often (several choices in turn) is parsed event by event."""


class TextRuns:
    """The shape of such events in one stream."""

    __slots__ = ("_back", "_event", "_front", "_least", "_left", "kind", "tree")

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        """The event learned last."""
        self.kind = ""
        """What it is called."""
        self._event = ""
        self._front = self._back = b""
        self._least = 0
        self._left = _LEARNED

    def piece(self, event: str, data: bytes) -> str:
        """The piece that an event carries whose tree is else that of the one learned last; "" when it is another."""
        size = len(data)
        if (
            not self._least
            or size < self._least
            or event != self._event
            or not data.startswith(self._front)
            or not data.endswith(self._back)
        ):
            return ""
        try:
            piece = orjson.loads(data[len(self._front) : size - len(self._back)])
        except orjson.JSONDecodeError:
            return ""
        return piece if type(piece) is str else ""

    def learn(self, event: str, data: bytes, tree: dict[str, Any], kind: str) -> str:
        """Learn the shape of an event that was parsed, if it is one of these: its piece, or "" when it is not.

        `event` is its name as it was sent, `kind` what it is taken for.
        """
        if not self._left or (slot := _SLOT.search(data)) is None or (found := _STRING.match(data, slot.end())) is None:
            return ""
        front, back = data[: slot.end()], data[found.end() :]
        piece = orjson.loads(found.group())
        # A key may occur twice, and then the last counts: only what was tried is known.
        if not piece or with_piece(tree, piece) != tree or with_piece(tree, "") != orjson.loads(front + b'""' + back):
            return ""
        self._left -= 1
        self.tree, self.kind = tree, kind
        self._event, self._front, self._back, self._least = event, front, back, len(front) + len(back) + 2
        return str(piece)


def with_piece(tree: dict[str, Any], piece: str) -> dict[str, Any] | None:
    """The event with another piece: of the content of its one choice, or of the text of its block; None when it has neither."""
    choices, delta = tree.get("choices"), tree.get("delta")
    if type(choices) is list and len(choices) == 1 and type(choices[0]) is dict:
        inner = choices[0].get("delta")
        return {**tree, "choices": [{**choices[0], "delta": {**inner, "content": piece}}]} if type(inner) is dict else None
    if type(delta) is dict and "choices" not in tree:
        return {**tree, "delta": {**delta, "text": piece}}
    return None


def one_by_one(delta: Delta) -> Iterator[Delta]:
    """The events that one Delta stands for, each with its own piece."""
    if len(delta.pieces) < 2:
        yield delta
        return
    for piece in delta.pieces:
        tree = with_piece(delta.data, piece)
        assert tree is not None  # it was learned by putting another piece in
        yield replace(delta, data=tree, pieces=())
