"""Patterns derived from patterns, so that one rule serves the scan, the confirmation and the stream.

Needed are a pattern's *head* (the shortest necessary beginning, which the set scan looks for), its *width* (how far a head reaches), and
its *beginnings read backwards*: an expression that, matched against the reversed end of a text, tells from where on something may
still be open.
"""

from __future__ import annotations

from typing import Final

from redactors.detectors.linear import compile_linear
from redactors.detectors.literals import opener
from redactors.detectors.syntax import EMPTY, Char, Choice, Group, Mark, Node, Repeat, Sequence, times
from redactors.later import compiled_later


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
            return (inner if isinstance(item, Char | Group) else f"(?:{inner})") + times(low, high) if inner else ""


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
                return inner + times(1, most)
            _, more = _loosened(0, None if high is None else high - 1)
            return f"{inner}(?:{backwards(item)}){times(0, more)}" if more != 0 else inner


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

    Counts over `most`, and those that may vary by more than `spread`, become unbounded; but a few characters of one class stay counted,
    because what may be anything as far as the end of the line keeps the scan busy as far.
    """
    match node:
        case Sequence(items):
            return Sequence(tuple(loosened(item, most, spread) for item in items))
        case Choice(options):
            return Choice(tuple(loosened(option, most, spread) for option in options))
        case Group(item, captures, flags):
            return Group(loosened(item, most, spread), captures, flags)
        case Repeat(item, low, high, lazy):
            unbounded = high is None or high > most or (high - low > spread and not (isinstance(item, Char) and high <= _FEW))
            return Repeat(loosened(item, most, spread), min(low, most), None if unbounded else high, lazy)
        case Mark(r"\A"):
            return Mark("^")
        case Mark(r"\z"):
            return Mark("$")
        case _:
            return node


def led(node: Node) -> Node:
    """The same pattern with its loose beginning cut to the least; an unanchored scan finds at least the same ends.

    A leading repetition needs its least count only, and what may be missing, or is only a border, may be left out: but not the border
    before a word, so that a short one is not looked for inside longer ones.
    """
    match node:
        case Sequence((Mark(r"\b"), Char(text), *_)) if _is_letter(text):
            return node
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


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isalnum() and text.isascii()


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


_FEW: Final = 24


def ended_once(node: Node) -> Node:
    """A head that would end at each character of a word, cut to where the word is long enough: `[!-~]{4,}[!-~]` becomes `[!-~]{4}`.

    Such a head comes from a value whose last character is of a narrower class than the others.
    """
    match node:
        case Sequence((*before, Repeat(Char() as item, low, None), Char(text))) if low and _share(item.text, text) >= _WORDLY:
            return Sequence((*before, Repeat(item, low, low)))
        case Sequence((*before, last)):
            return Sequence((*before, ended_once(last)))
        case Choice(options):
            return Choice(tuple(ended_once(option) for option in options))
        case Group(item, captures, flags):
            return Group(ended_once(item), captures, flags)
        case _:
            return node


_WORDLY: Final = 10
"""Characters that two classes share, from which on a word of the one may go on and on with the other."""


def _share(one: str, other: str) -> int:
    """How many printable ASCII characters both expressions of a character match."""
    first, second = compile_linear(one), compile_linear(other)
    return sum(first.match(byte) is not None and second.match(byte) is not None for byte in map(int.to_bytes, range(0x20, 0x7F)))


_LARGE: Final = 150
_SEPARATORS: Final = compiled_later(
    r"\\?[!-/:-@\[-`{|}~]|\[(?:\\[^A-Za-z0-9^]|\\[tn]|[!-,./:-@_`{|}~ ])*[!-,./:-@_`{|}~](?:\\[tn]|[!-/:-@_`{|}~ ])*\]"
)


def trimmed(node: Node) -> Node:
    """A large head cut behind the separator in front of its value: `token … =` instead of `token … = ` and eight characters.

    Behind many words a large head keeps the scan busy for as long as the words go on, and one that ends in a class of characters ends at
    each of them. A head that would end in a blank or a word is left as it is: those are everywhere.
    """
    best, part = node, node
    if positions(node) <= _LARGE:
        return node
    for _ in range(4):
        part = shortened(part)
        if part == EMPTY or opener(part) is None:
            break
        if not _ends_in_separator(part):
            continue
        following = shortened(part)
        best = part
        if following != EMPTY and _ends_in_separator(following):
            break
    return best


def positions(node: Node) -> int:
    """How many places of an automaton a pattern takes, about."""
    match node:
        case Char():
            return 1
        case Mark():
            return 0
        case Group(item):
            return positions(item)
        case Sequence(items) | Choice(items):
            return sum(positions(item) for item in items)
        case Repeat(item, low, high):
            return positions(item) * max(low, high or 1, 1)


def _ends_in_separator(node: Node) -> bool:
    match node:
        case Char(text):
            return _SEPARATORS.fullmatch(text) is not None or (len(text) == 1 and not text.isascii() and not text.isalnum())
        case Mark():
            return False
        case Group(item) | Repeat(item):
            return _ends_in_separator(item)
        case Choice(options):
            return all(_ends_in_separator(option) for option in options)
        case Sequence(items):
            return _ends_in_separator(items[-1])
