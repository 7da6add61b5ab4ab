"""The adapter to google-re2: expressions in linear time, the only regular expressions that see texts of any length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_MEMORY = 8 << 20
_UNION_MEMORY = 48 << 20


class PatternRefused(ValueError):
    """An expression that RE2 does not have: look-around, back-references, counts over 1,000. The message gives the reason."""


Measure = Callable[[bytes, int], int]
"""How many bytes at the beginning of data, which is given with their number, an expression matches."""


Finder = Callable[[bytes, int, int], Sequence[tuple[int, int]] | None]
"""Where an expression matches in data from one place to another: first and end of the whole and of every group, (-1, -1) for none."""


def compile_linear(expression: str, *, ignores_case: bool = False, longest: bool = False, in_bytes: bool = False) -> Any:
    """Compile for matching over UTF-8 bytes; offsets are bytes. `longest` prefers the longest match over the first alternative.

    With `in_bytes` an item of the expression is one byte, not one character. Raises PatternRefused with RE2's reason, which quotes no more
    than the construct that it refuses.
    """
    import re2

    options = re2.Options()
    # Longest matches of characters are those of many rules together; of bytes, of one rule.
    options.max_mem = _UNION_MEMORY if longest and not in_bytes else _MEMORY
    options.log_errors = False
    options.longest_match = longest
    options.case_sensitive = not ignores_case
    if in_bytes:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(expression.encode("utf-8", "replace"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not an expression"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternRefused(text) from None


def measure_prefix(expression: Any) -> Measure:
    """Measures what an expression of `compile_linear` matches at the beginning of data; 0 when nothing.

    Streams ask at every piece, and the library's match objects cost more than the matching: they are left out where it has the means.
    """
    import re2

    try:
        match, start = expression._regexp.Match, re2._re2.RE2.Anchor.ANCHOR_START
    except AttributeError:
        plain = expression.match

        def measure(data: bytes, size: int) -> int:
            found = plain(data)
            return found.end() if found is not None else 0

        return measure

    def measure_directly(data: bytes, size: int) -> int:
        end: int = match(start, data, 0, size)[0][1]
        return end if end > 0 else 0

    return measure_directly


def finders(expression: Any) -> tuple[Finder, Finder]:
    """How an expression of `compile_linear` searches, and how it matches at a place; both without the library's costly match objects."""
    import re2

    try:
        match, anchors = expression._regexp.Match, re2._re2.RE2.Anchor
        anywhere, here = anchors.UNANCHORED, anchors.ANCHOR_START
    except AttributeError:
        return _plainly(expression.search), _plainly(expression.match)

    def search(data: bytes, start: int, end: int) -> Sequence[tuple[int, int]] | None:
        spans: Sequence[tuple[int, int]] = match(anywhere, data, start, end)
        return spans if spans[0][0] >= 0 else None

    def match_here(data: bytes, start: int, end: int) -> Sequence[tuple[int, int]] | None:
        spans: Sequence[tuple[int, int]] = match(here, data, start, end)
        return spans if spans[0][0] >= 0 else None

    return search, match_here


def _plainly(method: Callable[[bytes, int, int], Any]) -> Finder:
    def find(data: bytes, start: int, end: int) -> Sequence[tuple[int, int]] | None:
        match = method(data, start, end)
        return None if match is None else [match.span(number) for number in range(len(match.groups()) + 1)]

    return find
