"""Which metrics and labels a PromQL expression uses: enough of the language for dashboards and alerts, an error for anything else.

Grammar: prometheus.io/docs/prometheus/latest/querying/basics. Functions and aggregations are names before a parenthesis; a selector is a
name with matchers in braces, perhaps a range; `by`, `without`, `on`, `ignoring` have label lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<name>[A-Za-z_:][\w:]*)|"""
    r"""(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>={}(),]))""",
    re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "unless", "bool", "offset"})
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})


@dataclass
class Used:
    """What an expression names: metrics, labels that must be on each, and for each metric the values that matchers ask for."""

    metrics: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    matchers: list[tuple[str, str, str, str]] = field(default_factory=list)


def used(expression: str) -> Used:
    """Take an expression apart. ValueError for text that is no token."""
    tokens = _tokens(expression.replace("$__rate_interval", "5m"))
    found, index = Used(), 0
    while index < len(tokens):
        kind, text = tokens[index]
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        index += 1
        if kind != "name" or text in _WORDS:
            continue
        if text in _LISTS:
            end = tokens.index(("sign", ")"), index)
            found.labels |= {name for kind, name in tokens[index:end] if kind == "name"}
            index = end + 1
        elif following != "(" and not (following in _LISTS and _calls_later(tokens, index)):
            found.metrics.add(text)
            if following == "{":
                end = tokens.index(("sign", "}"), index)
                names = [place for place in range(index, end) if tokens[place][0] == "name"]
                for place in names:
                    found.matchers.append((text, tokens[place][1], tokens[place + 1][1], tokens[place + 2][1].strip('"')))
                index = end + 1
    return found


def _calls_later(tokens: list[tuple[str, str]], index: int) -> bool:
    """Whether a name is an aggregation whose label list comes first: `sum by (x) (…)`."""
    end = tokens.index(("sign", ")"), index)
    return end + 1 < len(tokens) and tokens[end + 1] == ("sign", "(")


def _tokens(text: str) -> list[tuple[str, str]]:
    out, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"not understood: {text[at : at + 20]!r}")
        out.append((match.lastgroup, match.group(match.lastgroup)))
        at = match.end()
    return out
