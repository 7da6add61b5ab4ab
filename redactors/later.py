"""Python's regular expressions, compiled when a text first asks for them.

A start needs next to none of them, and compiling them all was a third of what it took.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Later:
    """Stands for an expression; from the first use of a method on, that is the compiled expression's own."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        # Two threads at once set the same thing.
        found = getattr(re.compile(self.pattern, self._flags), name)
        setattr(self, name, found)
        return found


def compiled_later(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, compiled on first use: an expression that is none raises `re.error` only then."""
    return cast("re.Pattern[AnyStr]", _Later(pattern, flags))
