"""The literals of a pattern: those that every match contains, and the part of a pattern that one of them makes telling."""

from __future__ import annotations

from redactors.detectors.syntax import Char, Choice, Group, Mark, Node, Repeat, Sequence


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
    items = flattened(node)
    for count in range(1, len(items) + 1):
        part = Sequence(items[:count])
        if _literal_run(part)[0] >= 2 and (count == len(items) or not _literal_weight(items[count])):
            return part
    return None


def flattened(node: Node) -> tuple[Node, ...]:
    """The parts of a pattern one after another, sequences and plain groups inside of it opened."""
    match node:
        case Sequence(items):
            return tuple(part for item in items for part in flattened(item))
        case Group(item, _, "") if not isinstance(item, Choice):
            return flattened(item)
        case _:
            return (node,)


def _literal_weight(node: Node) -> int:
    """How telling a literal character is: one for ASCII, two for any other; 0 for what is no literal."""
    if not isinstance(node, Char):
        return 0
    text = node.text[1:] if len(node.text) == 2 and node.text[0] == "\\" and not node.text[1].isalnum() else node.text
    if len(text) != 1 or node.text == ".":
        return 0
    return 1 if text.isascii() else 2


def literal_run(node: Node) -> int:
    """The longest run of literal characters that every match holds."""
    return _literal_run(node)[0]


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


def literal_prefix(node: Node) -> int:
    """How many literal characters every match begins with, at least."""
    match node:
        case Char():
            return min(1, _literal_weight(node))
        case Mark():
            return 0
        case Group(item):
            return literal_prefix(item)
        case Choice(options):
            return min(map(literal_prefix, options))
        case Repeat(item, low):
            return literal_prefix(item) if low else 0
        case Sequence(items):
            total = 0
            for item in items:
                total += (count := literal_prefix(item))
                if not isinstance(item, Char) or not count:
                    break
            return total
