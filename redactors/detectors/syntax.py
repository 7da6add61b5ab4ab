r"""A pattern as a tree, so that the engine can derive other patterns from it.

Three are needed beside the pattern itself: its *head* (the shortest necessary beginning, which the set scan looks for),
its *width* (how far a head reaches), and its *beginnings read backwards*: an expression that, matched against the
reversed end of a text, tells from where on something may still be open. The grammar is RE2's
(https://github.com/google/re2/wiki/Syntax) without `\Q…\E` and flags in the middle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


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

_COUNT = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")
_OPEN = re.compile(r"\((?:\?(?:P?<\w{1,40}>|([a-zA-Z]{0,4}):|([a-zA-Z]{1,4})\)))?")
_ESCAPE = re.compile(r"\\(?:x\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}|[pP]\{\^?\w{1,30}\}|[pP][A-Z]|[^\w]|[dDwWsSbBAzafnrtv])", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w{1,10}:\]|\\x\{[0-9a-fA-F]{1,6}\}|\\[pP]\{\^?\w{1,30}\}|\\.|[^\]\\])*\]", re.DOTALL)
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
            return inner + _times(low, high) + ("?" if lazy else "")


def _enclosed(node: Node) -> str:
    return f"(?:{render(node)})"


def _times(low: int, high: int | None) -> str:
    if high is None:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    if low == high:
        return "" if low == 1 else f"{{{low}}}"
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"


def width(node: Node) -> tuple[int, int | None]:
    """The least and the greatest number of characters of a match; None where there is no upper end."""
    match node:
        case Char():
            return 1, 1
        case Mark():
            return 0, 0
        case Group(item):
            return width(item)
        case Sequence(items):
            widths = [width(item) for item in items]
            return sum(low for low, _ in widths), None if any(high is None for _, high in widths) else sum(high or 0 for _, high in widths)
        case Choice(options):
            widths = [width(option) for option in options]
            return min(low for low, _ in widths), None if any(high is None for _, high in widths) else max(high or 0 for _, high in widths)
        case Repeat(item, low, high):
            least, most = width(item)
            return least * low, None if high is None or most is None else most * high


def head(node: Node) -> Node:
    """The necessary beginning of a pattern: every match has a match of its head at the same start.

    What may be missing at the end is left out and a final repetition is cut to its least count, so that a head ends once
    where the pattern would end at every further character. Captures and laziness mean nothing here.
    """
    match node:
        case Sequence(items):
            kept = list(items)
            while kept:
                last = head(kept.pop())
                if last != EMPTY:
                    kept.append(last)
                    break
                while kept and isinstance(kept[-1], Mark) and len(kept) > 1:
                    kept.pop()
            return EMPTY if not kept else kept[0] if len(kept) == 1 else Sequence(tuple(kept))
        case Choice(options):
            heads = tuple(dict.fromkeys(head(option) for option in options))
            return EMPTY if EMPTY in heads else heads[0] if len(heads) == 1 else Choice(heads)
        case Group(item, _, flags):
            inner = head(item)
            return EMPTY if inner == EMPTY else Group(inner, flags=flags)
        case Repeat(item, low, _):
            if low == 0:
                return EMPTY
            if low == 1:
                return head(item)
            if isinstance(item, Char):
                return Repeat(item, low, low)
            return Sequence((Repeat(item, low - 1, low - 1), head(item)))
        case _:
            return node


def backwards(node: Node) -> str:
    """The pattern that matches the reversed text of every match. Beginnings and ends of the text are left out."""
    match node:
        case Char(text):
            return text
        case Mark(text):
            return text if text in (r"\b", r"\B") else ""
        case Sequence(items):
            return "".join(backwards(item) for item in reversed(items))
        case Choice(options):
            return "(?:" + "|".join(backwards(option) for option in options) + ")"
        case Group(item, _, flags):
            return f"(?{flags}:{backwards(item)})"
        case Repeat(item, low, high):
            inner = backwards(item)
            low, high = _loosened(low, high)
            return (inner if isinstance(item, Char | Group) else f"(?:{inner})") + _times(low, high) if inner else ""


def beginnings(node: Node) -> str:
    """The pattern that matches, reversed, every proper or whole beginning of a match with at least one character.

    A superset: long counted repetitions have no upper end here, and marks at the open end are taken as fulfilled.
    """
    match node:
        case Char(text):
            return text
        case Mark():
            return ""
        case Group(item, _, flags):
            inner = beginnings(item)
            return f"(?{flags}:{inner})" if inner else ""
        case Choice(options):
            return _either([beginnings(option) for option in options])
        case Sequence(items):
            open_end = ""
            for item in reversed(items):
                before = backwards(item)
                further = f"{open_end}{before}" if open_end else ""
                open_end = _either([further, beginnings(item)])
            return open_end
        case Repeat(item, _, high):
            if high == 0:
                return ""
            inner = beginnings(item)
            if not inner:
                return ""
            if isinstance(item, Char):
                _, most = _loosened(0, high)
                return inner + _times(1, most)
            _, more = _loosened(0, None if high is None else high - 1)
            return f"{inner}(?:{backwards(item)}){_times(0, more)}" if more != 0 else inner


def _either(options: list[str]) -> str:
    kept = [option for option in dict.fromkeys(options) if option]
    return "" if not kept else kept[0] if len(kept) == 1 else "(?:" + "|".join(kept) + ")"


_COUNTED = 64


def _loosened(low: int, high: int | None) -> tuple[int, int | None]:
    """Counts beyond 64 become unbounded: the automaton stays small, and the hold-back has its own bound."""
    if high is None or high > _COUNTED:
        return min(low, 1), None
    return low, high


def loosened(node: Node, most: int = 100, spread: int = 8) -> Node:
    """A pattern that matches at least the same, for a set scan that stays small.

    Counts over `most`, and those that may vary by more than `spread`, become unbounded.
    """
    match node:
        case Sequence(items):
            return Sequence(tuple(loosened(item, most, spread) for item in items))
        case Choice(options):
            return Choice(tuple(loosened(option, most, spread) for option in options))
        case Group(item, captures, flags):
            return Group(loosened(item, most, spread), captures, flags)
        case Repeat(item, low, high, lazy):
            unbounded = high is None or high > most or high - low > spread
            return Repeat(loosened(item, most, spread), min(low, most), None if unbounded else high, lazy)
        case Mark(r"\A"):
            return Mark("^")
        case Mark(r"\z"):
            return Mark("$")
        case _:
            return node


def led(node: Node) -> Node:
    """The same pattern with its loose beginning cut to the least; an unanchored scan finds at least the same ends.

    A leading repetition needs its least count only, and what may be missing, or is only a border, may be left out.
    """
    match node:
        case Sequence(items):
            for index, item in enumerate(items):
                first = led(item)
                if first != EMPTY:
                    return Sequence((first, *items[index + 1 :]))
            return EMPTY
        case Choice(options):
            firsts = tuple(dict.fromkeys(led(option) for option in options))
            return EMPTY if EMPTY in firsts else firsts[0] if len(firsts) == 1 else Choice(firsts)
        case Group(item, _, flags):
            inner = led(item)
            return EMPTY if inner == EMPTY else Group(inner, flags=flags)
        case Repeat(item, low, _):
            return EMPTY if low == 0 else Repeat(item, low, low)
        case Mark():
            return EMPTY
        case _:
            return node


def shortened(node: Node) -> Node:
    """A head of a head: the pattern without its last part; EMPTY when nothing is left."""
    match node:
        case Sequence(items):
            return head(Sequence(items[:-1]))
        case Group(item, _, flags):
            inner = shortened(item)
            return EMPTY if inner == EMPTY else Group(inner, flags=flags)
        case _:
            return EMPTY


def required(node: Node, *, ignores_case: bool = False) -> frozenset[str]:
    """Lower-case literals one of which every match contains (compare with the lower-cased text); empty when none is known."""
    return _required(node, ignores_case)[0]


def _required(node: Node, ignores_case: bool) -> tuple[frozenset[str], str | None]:
    """The best set of literals, and the exact literal when the node is nothing else."""
    match node:
        case Char(text):
            plain = text[1:] if len(text) == 2 and text[0] == "\\" and not text[1].isalnum() else text
            if len(plain) == 1 and text != "." and (plain.isascii() or not ignores_case or plain.lower() == plain.upper()):
                lower = plain.lower() if plain.isascii() else plain
                return frozenset({lower}), lower
            return frozenset(), None
        case Mark():
            return frozenset(), ""
        case Group(item, _, flags):
            return _required(item, ignores_case or "i" in flags)
        case Choice(options):
            sets = [_required(option, ignores_case)[0] for option in options]
            return (frozenset().union(*sets) if all(sets) else frozenset()), None
        case Repeat(item, low, high):
            if low == 0:
                return frozenset(), None
            found, exact = _required(item, ignores_case)
            return found, exact * low if exact is not None and low == high else None
        case Sequence(items):
            return _required_sequence(items, ignores_case)


def _required_sequence(items: tuple[Node, ...], ignores_case: bool) -> tuple[frozenset[str], str | None]:
    best: frozenset[str] = frozenset()
    run, whole = "", True
    for item in items:
        found, exact = _required(item, ignores_case)
        if exact is None:
            whole = False
            best = _better(best, found)
            run = ""
        else:
            run += exact
            best = _better(best, frozenset({run}) if run else frozenset())
    return best, run if whole else None


def _better(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """The set whose shortest literal is longer: it is met less often."""
    if not one or not other:
        return one or other
    return max(one, other, key=lambda options: (min(map(len, options)), -len(options)))


def opener(node: Node) -> Node | None:
    """The first part of a pattern that holds two literal characters in a row, so that it is seldom met; None when there is no such part.

    Every match begins with a match of its opener. A whole run of literal characters is taken.
    """
    items = _flattened(node)
    for count in range(1, len(items) + 1):
        part = Sequence(tuple(items[:count]))
        if _literal_run(part)[0] >= 2 and (count == len(items) or not _literal_weight(items[count])):
            return part
    return None


def _flattened(node: Node) -> list[Node]:
    match node:
        case Sequence(items):
            return [part for item in items for part in _flattened(item)]
        case Group(item, _, "") if not isinstance(item, Choice):
            return _flattened(item)
        case _:
            return [node]


def _literal_weight(node: Node) -> int:
    """How telling a literal character is: one for ASCII, two for any other; 0 for what is no literal."""
    if not isinstance(node, Char):
        return 0
    text = node.text[1:] if len(node.text) == 2 and node.text[0] == "\\" and not node.text[1].isalnum() else node.text
    if len(text) != 1 or node.text == ".":
        return 0
    return 1 if text.isascii() else 2


def _literal_run(node: Node) -> tuple[int, int | None]:
    """The longest run of literal characters that every match holds, and the length of the node when it is nothing else."""
    match node:
        case Char():
            weight = _literal_weight(node)
            return weight, weight or None
        case Mark():
            return 0, 0
        case Group(item):
            return _literal_run(item)
        case Choice(options):
            runs = [_literal_run(option) for option in options]
            wholes = [whole for _, whole in runs]
            return min(best for best, _ in runs), None if None in wholes else min(whole or 0 for whole in wholes)
        case Repeat(item, low, high):
            best, whole = _literal_run(item) if low else (0, None)
            return best, whole * low if whole is not None and low == high else None
        case Sequence(items):
            best = run = 0
            exact = True
            for item in items:
                inner, whole = _literal_run(item)
                run = 0 if whole is None else run + whole
                exact = exact and whole is not None
                best = max(best, inner, run)
            return best, run if exact else None


def is_wide(expression: str) -> bool:
    """Whether one item of the expression may match a character of several bytes."""
    return not expression.isascii() or any(mark in expression for mark in ("[^", ".", r"\S", r"\D", r"\W", r"\p", r"\P", r"\x{"))
