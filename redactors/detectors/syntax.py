r"""A pattern as a tree: read, written again.

The grammar is RE2's (https://github.com/google/re2/wiki/Syntax) without `\Q…\E` and flags in the middle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from redactors.later import compiled_later


class SyntaxRefused(ValueError):
    """A construct that this grammar does not have. The message names the construct and its place, not the pattern."""


@dataclass(frozen=True, slots=True)
class Char:
    """Exactly one character, in the spelling of the pattern: a literal, a class or an escape."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A place between characters: a word boundary, the beginning or the end."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Several nodes after one another."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several nodes; the first that fits is preferred."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A node `low` to `high` times; no upper end when `high` is None."""

    item: Node
    low: int
    high: int | None
    lazy: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A node in parentheses; `flags` as in `(?i:…)`."""

    item: Node
    captures: bool = False
    flags: str = ""


Node = Char | Mark | Sequence | Choice | Repeat | Group

EMPTY = Sequence(())

_COUNT = compiled_later(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")
_OPEN = compiled_later(r"\((?:\?(?:P?<\w{1,40}>|([a-zA-Z]{0,4}):|([a-zA-Z]{1,4})\)))?")
_ESCAPE = compiled_later(r"\\(?:x\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}|[pP]\{\^?\w{1,30}\}|[pP][A-Z]|[^\w]|[dDwWsSbBAzafnrtv])", re.DOTALL)
_CLASS = compiled_later(r"\[\^?\]?(?:\[:\^?\w{1,10}:\]|\\x\{[0-9a-fA-F]{1,6}\}|\\[pP]\{\^?\w{1,30}\}|\\.|[^\]\\])*+\]", re.DOTALL)
_NO_DOTS = compiled_later(_CLASS.pattern + r"|\\.", re.DOTALL)
_MARKS = frozenset({r"\b", r"\B", r"\A", r"\z"})


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._choice()
        if self._at < len(self._pattern):
            raise SyntaxRefused(f"a parenthesis closes at position {self._at} that was never opened")
        return node

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Node:
        items: list[Node] = []
        while (ahead := self._peek()) not in ("", "|", ")"):
            if ahead == "(" and (found := _OPEN.match(self._pattern, self._at)) and found.group(2):
                self._at = found.end()
                items.append(Group(self._choice(), flags=found.group(2)))
                break
            items.append(self._repeated(self._atom(ahead)))
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _atom(self, ahead: str) -> Node:
        if ahead == "(":
            return self._group()
        if ahead == "[":
            found = _CLASS.match(self._pattern, self._at)
            if found is None:
                raise SyntaxRefused(f"a character class opens at position {self._at} and does not close")
            self._at = found.end()
            return Char(found.group())
        if ahead == "\\":
            found = _ESCAPE.match(self._pattern, self._at)
            if found is None:
                raise SyntaxRefused(f"the escape at position {self._at} is not one of RE2's")
            self._at = found.end()
            return Mark(found.group()) if found.group() in _MARKS else Char(found.group())
        if ahead in "*+?":
            raise SyntaxRefused(f"the repetition at position {self._at} has nothing to repeat")
        self._at += 1
        return Mark(ahead) if ahead in "^$" else Char(ahead)

    def _group(self) -> Node:
        found = _OPEN.match(self._pattern, self._at)
        if found is None or (found.group() == "(" and self._pattern[self._at + 1 : self._at + 2] == "?"):
            raise SyntaxRefused(f"the group at position {self._at} is not one of RE2's (no look-around, no back-references)")
        self._depth += 1
        if self._depth > 50:
            raise SyntaxRefused("groups are nested more than 50 deep")
        self._at = found.end()
        item = self._choice()
        if self._peek() != ")":
            raise SyntaxRefused("a group does not close")
        self._at += 1
        self._depth -= 1
        return Group(item, captures=not found.group().endswith(":"), flags=found.group(1) or "")

    def _repeated(self, item: Node) -> Node:
        while True:
            ahead = self._peek()
            if ahead and ahead in "*+?":
                low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[ahead]
                self._at += 1
            elif ahead == "{" and (found := _COUNT.match(self._pattern, self._at)):
                low = int(found.group(1))
                high = (int(found.group(3)) if found.group(3) else None) if found.group(2) else low
                self._at = found.end()
            else:
                return item
            lazy = self._peek() == "?"
            self._at += lazy
            item = Repeat(item, low, high, lazy)


def parse(pattern: str) -> Node:
    """Read a pattern. Raises SyntaxRefused where this grammar ends; RE2 itself may accept more."""
    return _Reader(pattern).whole()


def render(node: Node) -> str:
    """Write a tree as a pattern again."""
    match node:
        case Char(text) | Mark(text):
            return text
        case Sequence(items):
            return "".join(_enclosed(item) if isinstance(item, Choice) else render(item) for item in items)
        case Choice(options):
            return "|".join(render(option) for option in options)
        case Group(item, captures, flags):
            return f"({render(item)})" if captures and not flags else f"(?{flags}:{render(item)})"
        case Repeat(item, low, high, lazy):
            inner = render(item) if isinstance(item, Char | Group) else _enclosed(item)
            return inner + times(low, high) + ("?" if lazy else "")


def _enclosed(node: Node) -> str:
    return f"(?:{render(node)})"


def times(low: int, high: int | None) -> str:
    """The spelling of a count: `*`, `+`, `?`, `{2,5}`."""
    if high is None:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    if low == high:
        return "" if low == 1 else f"{{{low}}}"
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"


def is_wide(expression: str) -> bool:
    """Whether one item of the expression may match a character of several bytes."""
    if not expression.isascii() or any(mark in expression for mark in ("[^", r"\S", r"\D", r"\W", r"\p", r"\P", r"\x{")):
        return True
    return "." in _NO_DOTS.sub("", expression)
