"""A reference matcher for rules: one RE2 expression, the entropy floor and the validator, over the whole text.

It is what the engine must agree with, written as plainly as possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import re2

from redactors.rules.entropy import shannon
from redactors.rules.model import Rule


@cache
def compiled(pattern: str, case_insensitive: bool) -> Any:
    """The expression in RE2."""
    options = re2.Options()
    options.case_sensitive = not case_insensitive
    options.log_errors = False
    return re2.compile(pattern, options)


def spans(rule: Rule, text: str) -> Iterator[tuple[int, int]]:
    """Where the rule finds something; overlapping candidates are tried again after a refused one."""
    expression = compiled(rule.pattern, rule.case_insensitive)
    position = 0
    while position <= len(text):
        match = expression.search(text, position)
        if match is None:
            return
        start, end = match.span(rule.group)
        value = text[start:end]
        refused = rule.against is not None and rule.against(text[max(0, start - 48) : start])
        if not refused and shannon(value) >= rule.min_entropy and (rule.validate is None or rule.validate(value)):
            yield start, end
            position = max(end, position + 1)
        else:
            position = max(start, match.start()) + 1


def covered(rules: Iterable[Rule], text: str) -> list[tuple[int, int, str]]:
    """Every finding of several rules with the rule's id."""
    return [(start, end, rule.id) for rule in rules for start, end in spans(rule, text)]
