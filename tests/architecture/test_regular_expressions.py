"""Python's own regular expressions backtrack, so none of them may have two ways to read one text: no nested or neighboring repetitions.

Whatever looks at texts of any length otherwise is hyperscan or RE2, which are linear (`redactors.detectors`).
"""

from __future__ import annotations

import ast
import importlib
import re
import re._constants as kinds
import re._parser as reader
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("redactors", "collectors", "pipeline", "dashboard")
FUNCTIONS = {"compile", "search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"}
LATER = "compiled_later"
_REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)
MANY = 16
"""Repetitions of at least so many count as unbounded when they stand inside or beside others."""
ALPHABET = frozenset(chr(code) for code in (*range(0x180), 0x4E00))

COMPOSED = {
    "redactors/later.py": "what others write down, who are looked at themselves",
    "redactors/spelled.py": "units and separators that the same file writes down, in bounded counts",
    "pipeline/gateway/routes.py": "a route's own path, escaped, with segments of at most 255 characters",
}
"""Where an expression is put together inside a function, and of what."""

SHORT = {
    "redactors/detectors/derived.py": "one character class of a pattern that RE2 has accepted, at most 2,000 characters, in quadratic time",
}
"""Where an expression has neighboring repetitions, and why what it sees is short."""

BESIDE = "two repetitions of the same characters beside one another"

Place = tuple[str, int]


def calls() -> Iterator[tuple[str, ast.Module, ast.Call]]:
    """Every call that takes an expression."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and node.args and _takes_expression(node.func):
                    yield path.relative_to(ROOT).as_posix(), tree, node


def _takes_expression(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id == LATER
    owner = function.value if isinstance(function, ast.Attribute) and function.attr in FUNCTIONS else None
    return isinstance(owner, ast.Name) and owner.id == "re"


def expressions() -> Iterator[tuple[Place, str | bytes, int]]:
    """Every expression with its place and flags; those that are put together at import are read from their modules."""
    for name, tree, call in calls():
        place = (name, call.lineno)
        if isinstance(call.args[0], ast.Constant):
            yield place, call.args[0].value, _flags(call)
            continue
        holder = next((node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is call), None)
        if holder is not None:
            target = holder.target if isinstance(holder, ast.AnnAssign) else holder.targets[0]
            found = getattr(importlib.import_module(name.removesuffix(".py").replace("/", ".")), target.id)
            yield place, found.pattern, found.flags
        else:
            assert name in COMPOSED, f"{name}:{call.lineno} puts an expression together inside a function"


def _flags(call: ast.Call) -> int:
    named = [
        node.attr
        for argument in (*call.args[1:], *(key.value for key in call.keywords))
        for node in ast.walk(argument)
        if isinstance(node, ast.Attribute)
    ]
    return sum({int(getattr(re, name)) for name in named if isinstance(getattr(re, name, None), re.RegexFlag)})


def faults(expression: str | bytes, flags: int = 0) -> list[str]:
    """Why an expression may take more than linear time; nothing when it cannot."""
    text = expression.decode("latin-1") if isinstance(expression, bytes) else expression
    return list(
        dict.fromkeys(
            _faults(reader.parse(text, flags & ~re.UNICODE if isinstance(expression, bytes) else flags), bool(flags & re.IGNORECASE))
        )
    )


def _faults(items: Any, ignores_case: bool) -> Iterator[str]:
    open_set: frozenset[str] = frozenset()
    for op, value in items:
        for inner in _children(op, value):
            yield from _faults(inner, ignores_case)
        if op in (kinds.MAX_REPEAT, kinds.MIN_REPEAT):
            low, high, body = value
            if high >= MANY:
                within = frozenset().union(*(characters for characters in _repeated(body, ignores_case)))
                if within and not _parted(body, within, ignores_case):
                    yield "a repetition inside a repetition"
                mine = _any(body, ignores_case)
                if open_set & _first(body, ignores_case):
                    yield BESIDE
                open_set = (open_set | mine) if low == 0 else mine
                continue
            if low == 0:
                continue
        elif op is kinds.POSSESSIVE_REPEAT or op is kinds.AT or op in (kinds.ASSERT, kinds.ASSERT_NOT):
            continue
        # Something that must stand here parts the repetitions, unless it may itself be one of their characters.
        if not _any([(op, value)], ignores_case) <= open_set:
            open_set = frozenset()


def _children(op: Any, value: Any) -> list[Any]:
    if op in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        return [value[2]]
    if op is kinds.SUBPATTERN:
        return [value[3]]
    if op is kinds.BRANCH:
        return list(value[1])
    if op in (kinds.ASSERT, kinds.ASSERT_NOT):
        return [value[1]]
    return [value] if op is kinds.ATOMIC_GROUP else []


def _repeated(items: Any, ignores_case: bool) -> Iterator[frozenset[str]]:
    """The characters of every long repetition inside."""
    for op, value in items:
        if op in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) and value[1] >= MANY:
            yield _any(value[2], ignores_case)
        if op is not kinds.POSSESSIVE_REPEAT:
            for inner in _children(op, value):
                yield from _repeated(inner, ignores_case)


def _parted(items: Any, within: frozenset[str], ignores_case: bool) -> bool:
    """Whether each round must begin with a character that no repetition inside it may take."""
    first = items[0] if len(items) else None
    if first is None:
        return False
    op, value = first
    if op is kinds.SUBPATTERN:
        return _parted(value[3], within, ignores_case)
    if op is kinds.BRANCH:
        return all(_parted(option, within, ignores_case) for option in value[1])
    if op in (kinds.MAX_REPEAT, kinds.MIN_REPEAT) and value[0] == 0:
        return False
    return not (_any([first], ignores_case) & within)


def _first(items: Any, ignores_case: bool) -> frozenset[str]:
    """The characters that a match may begin with, or all of them when its first part may be missing."""
    first = items[0] if len(items) else None
    if first is None:
        return frozenset()
    op, value = first
    if op is kinds.SUBPATTERN:
        return _first(value[3], ignores_case)
    if op is kinds.BRANCH:
        return frozenset().union(*(_first(option, ignores_case) for option in value[1]))
    missing = op not in (kinds.LITERAL, kinds.NOT_LITERAL, kinds.IN, kinds.ANY) and not (op in _REPEATS and value[0] > 0)
    return _any(items if missing else [first], ignores_case)


def _any(items: Any, ignores_case: bool) -> frozenset[str]:
    """Every character that may stand anywhere in a match."""
    found: set[str] = set()
    for op, value in items:
        if op is kinds.LITERAL:
            found.add(chr(value))
        elif op is kinds.NOT_LITERAL:
            found |= ALPHABET - {chr(value)}
        elif op is kinds.ANY:
            found |= ALPHABET
        elif op is kinds.IN:
            found |= _class(value)
        else:
            for inner in _children(op, value):
                found |= _any(inner, ignores_case)
    return frozenset(found | {character.swapcase() for character in found} if ignores_case else found)


def _class(members: Any) -> set[str]:
    found: set[str] = set()
    for op, value in members:
        if op is kinds.LITERAL:
            found.add(chr(value))
        elif op is kinds.RANGE:
            found |= {chr(code) for code in range(value[0], min(value[1], 0x17F) + 1)} | (
                {"一"} if value[1] >= 0x4E00 >= value[0] else set()
            )
        elif op is kinds.CATEGORY:
            spelled = {"CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S"}
            spelled |= {"CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W"}
            found |= {character for character in ALPHABET if re.match(spelled[value.name], character)}
    return set(ALPHABET) - found if members[0][0] is kinds.NEGATE else found


def test_no_expression_can_be_read_in_two_ways() -> None:
    found = {f"{name}:{line}": faults(expression, flags) for (name, line), expression, flags in expressions()}
    assert len(found) > 40
    assert {place: why for place, why in found.items() if why and not (place.partition(":")[0] in SHORT and why == [BESIDE])} == {}


@pytest.mark.parametrize(
    "expression",
    [
        r"(a+)+b",
        r"^[A-Za-z]+(?:[_.-]?[A-Za-z]+)*$",
        r"(?:a|b*)*c",
        r"\s*,?\s*x",
        r"[a-z]+[a-z0-9]+!",
        r"(?:.*,)*x",
        r"(\w+\s?)+:",
        r"a*(?:b)?a*c",
    ],
)
def test_the_lint_sees_what_hangs(expression: str) -> None:
    assert faults(expression)


@pytest.mark.parametrize("expression", [r"a+b", r"(?:\.[0-9a-z]+)+", r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', r"[a-z]{2}-[0-9]+\Z", r"\s*\S+|\s+$"])
def test_the_lint_leaves_linear_expressions_alone(expression: str) -> None:
    assert faults(expression) == []
