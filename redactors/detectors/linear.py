"""The adapter to google-re2: expressions in linear time, the only regular expressions that see texts of any length."""

from __future__ import annotations

from typing import Any

_MEMORY = 8 << 20
_UNION_MEMORY = 48 << 20


class PatternRefused(ValueError):
    """An expression that RE2 does not have: look-around, back-references, counts over 1,000. The message gives the reason."""


def compile_linear(expression: str, *, ignores_case: bool = False, longest: bool = False) -> Any:
    """Compile for matching over UTF-8 bytes; offsets are bytes. `longest` prefers the longest match over the first alternative.

    Raises PatternRefused with RE2's reason, which quotes no more than the construct that it refuses.
    """
    import re2

    options = re2.Options()
    options.max_mem = _UNION_MEMORY if longest else _MEMORY
    options.log_errors = False
    options.longest_match = longest
    options.case_sensitive = not ignores_case
    try:
        return re2.compile(expression.encode("utf-8", "replace"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "not an expression"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternRefused(text) from None
