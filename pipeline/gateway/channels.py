"""The open texts of one streamed answer: each has a stream redactor of its own, because a secret may be cut anywhere.

What is not text that streams is redacted whole. A field that nobody knows may hold streamed text too (reasoning details,
transcripts, content in parts): its texts are taken out, go through channels by their place in it, and are put back.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redactors.model import AnswerRedactor, Remark, StreamForCaller, Verdict

# What providers call text that comes in pieces, in fields of their own making.
STREAMED = frozenset(
    {
        "text",
        "content",
        "transcript",
        "thinking",
        "reasoning",
        "reasoning_content",
        "summary",
        "input",
        "arguments",
        "refusal",
        "output",
        "code",
    }
)
_PROTOCOL = frozenset({"logprobs", "usage", "refusal", "role", "content", "reasoning_content", "tool_calls", "function_call", "audio"})
"""Fields of OpenAI's chunks that often hold nothing."""
_DEEPEST = 16
_LABELS = 256
_SHORT = 64
_PLAIN_NUMBER = 10**11  # longer ones may be card or account numbers

Path = tuple[str | int, ...]


class AnswerBlocked(Exception):
    """The policy forbids the answer; `rules` names which rules said so."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        super().__init__("the answer was blocked by policy")
        self.rules = rules


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where a channel's text stood: the field, what was around the text, and the way to it."""

    name: str
    tree: Any
    path: Path


class Channels:
    """The open texts of one answer by key, and what was done to them."""

    def __init__(self, redactor: AnswerRedactor) -> None:
        self._redactor = redactor
        self._open: dict[Hashable, StreamForCaller] = {}
        self._shapes: dict[Hashable, _Shape] = {}
        self._labels: dict[str, str] = {}
        self._empty: dict[str, dict[str, Any]] = {}
        self._done: list[Remark] = []

    def feed(self, key: Hashable, piece: str) -> str:
        """Give a piece to its channel and return what became safe."""
        channel = self._open.get(key)
        if channel is None:
            channel = self._open[key] = self._redactor.stream()
        safe = channel.feed(piece)
        if channel.verdict is Verdict.BLOCK:
            raise AnswerBlocked(_blocking(channel.remarks))
        return safe

    def share(self, key: Hashable, pieces: Sequence[str]) -> list[str]:
        """Give pieces to their channel at once and return what became safe, shared out among them; fewer when the last ones are held back.

        While the channel has changed nothing, what is safe is the text itself, so each gets its own part (the first one what was held
        back before); afterwards the last one gets all.
        """
        channel = self._open.get(key)
        held = channel.held if channel is not None else 0
        safe = self.feed(key, "".join(pieces))
        if len(pieces) == 1 or self._open[key].redactions:
            return [*([""] * (len(pieces) - 1)), safe] if safe else []
        parts = []
        at, reach = 0, held
        for piece in pieces:
            reach += len(piece)
            if at >= len(safe):
                break
            parts.append(safe[at:reach])
            at = reach
        return parts

    def held(self, key: Hashable) -> bool:
        """Whether a channel holds text back or has already changed some."""
        channel = self._open.get(key)
        return channel is not None and (channel.held > 0 or channel.redactions > 0)

    def end(self, key: Hashable) -> str:
        """Close a channel and return the rest of its text."""
        channel = self._open.pop(key, None)
        if channel is None:
            return ""
        rest = channel.close()
        self._done.extend(rest.remarks)
        if rest.verdict is Verdict.BLOCK:
            raise AnswerBlocked(_blocking(rest.remarks))
        return rest.value

    def whole(self, tree: Any) -> Any:
        """Redact a value that does not stream."""
        clean = self._redactor.tree(tree)
        if clean.remarks:
            self._done.extend(clean.remarks)
            if clean.verdict is Verdict.BLOCK:
                raise AnswerBlocked(_blocking(clean.remarks))
        return clean.value

    def label(self, value: Any) -> Any:
        """A value that says what something is (an id, a role, a model's name): it hardly changes, so each is redacted once."""
        if value is None or value is True or value is False:
            return value
        if type(value) is int or type(value) is float:
            return value if -_PLAIN_NUMBER < value < _PLAIN_NUMBER else self.whole(value)
        if type(value) is not str:
            return self.whole(value)
        known = self._labels.get(value)
        if known is None:
            if len(self._labels) >= _LABELS:
                self._labels.clear()
            known = self._labels[value] = self.whole(value)
        return known

    def learn(self, values: Iterable[Any]) -> None:
        """Redact labels that will be asked for together: what `label` would do for each."""
        fresh = [value for value in dict.fromkeys(value for value in values if type(value) is str) if value not in self._labels]
        if len(fresh) > 1 and len(self._labels) + len(fresh) <= _LABELS:
            self._labels.update(zip(fresh, self.whole(fresh), strict=True))

    def nothing(self, name: str) -> dict[str, Any]:
        """A field that holds nothing, clean: only its name may change, and that of a field of the protocol does not."""
        if name in _PROTOCOL:
            return {name: None}
        known = self._empty.get(name)
        if known is None:
            if len(self._empty) >= _LABELS:
                self._empty.clear()
            known = self._empty[name] = self.whole({name: None})
        return known

    def field(self, scope: tuple[Hashable, ...], name: str, value: Any) -> dict[str, Any]:
        """A field that nobody knows, clean: its streamed texts by channel, everything else whole. Its name may change."""
        found: list[tuple[Path, Path, str]] = []
        blank = _blank(value, name, (), (), found)
        clean: dict[str, Any] = self.whole({name: blank})
        for place, path, text in found:
            key = (*scope, name, place)
            if not _reaches(clean, (name, *path)):
                continue  # the way to it was redacted, so the text has no place any more
            self._shapes[key] = _Shape(name, clean[name], path)
            clean[name] = _with(clean[name], path, self.feed(key, text), whole=True)
        return clean

    def rest(self, key: Hashable) -> tuple[str, dict[str, Any]]:
        """Close a channel: the rest of its text, and the field around it when it stood in one that nobody knows."""
        text, shape = self.end(key), self._shapes.pop(key, None)
        if not text or shape is None:
            return text, {}
        return text, {shape.name: _with(shape.tree, shape.path, text, whole=False)}

    def open_keys(self) -> tuple[Hashable, ...]:
        """The open channels, oldest first."""
        return tuple(self._open)

    def remarks(self) -> tuple[Remark, ...]:
        """Everything that was done, in closed and open channels."""
        return (*self._done, *(remark for channel in self._open.values() for remark in channel.remarks))


def _blocking(remarks: Iterable[Remark]) -> tuple[str, ...]:
    return tuple(sorted({remark.rule for remark in remarks if remark.action.label == "block"}))


def _blank(node: Any, name: str, place: Path, path: Path, found: list[tuple[Path, Path, str]]) -> Any:
    """A copy without its streamed texts, which are noted with their place (items by their own index) and the way to them."""
    if type(node) is str and name in STREAMED:
        if node:
            found.append((place, path, node))
        return ""
    if len(path) >= _DEEPEST:
        return node
    if type(node) is dict:
        return {key: _blank(value, key, (*place, key), (*path, key), found) for key, value in node.items()}
    if type(node) is list:
        return [_blank(item, name, (*place, _number(item, at)), (*path, at), found) for at, item in enumerate(node)]
    return node


def _number(item: Any, position: int) -> int:
    """Which item of a list this is: what it says of itself, or where it stands."""
    index = item.get("index") if type(item) is dict else None
    return index if type(index) is int else position


def _reaches(node: Any, path: Path) -> bool:
    """Whether the way still leads to the empty place of the text."""
    for step in path:
        if type(node) is list and type(step) is int and step < len(node):
            node = node[step]
        elif type(node) is dict:
            node = node.get(step)
        else:
            return False
    return bool(node == "")


def _with(node: Any, path: Path, text: str, *, whole: bool) -> Any:
    """The tree with a text at the end of a way; without `whole` only what says which text it is, not what was sent already."""
    if not path:
        return text
    step, further = path[0], path[1:]
    if type(node) is list:
        if whole:
            return [_with(item, further, text, whole=True) if at == step else item for at, item in enumerate(node)]
        return [_with(node[int(step)], further, text, whole=False)]
    return {
        key: _with(value, further, text, whole=whole) if key == step else value
        for key, value in node.items()
        if whole or key == step or value is None or type(value) in (bool, int) or (type(value) is str and 0 < len(value) <= _SHORT)
    }
