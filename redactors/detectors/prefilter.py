"""The set scan where hyperscan has no wheel: an Aho–Corasick pass for literals that every match contains.

It answers with ends like hyperscan, only of a literal inside the match instead of its head: a caller that looks at every start
within the rule's bound before them finds exactly the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from redactors.detectors.aho import AhoScan
from redactors.detectors.hyper import Hits
from redactors.detectors.linear import compile_linear
from redactors.detectors.syntax import SyntaxRefused, parse, required
from redactors.rules.model import Rule


class KeywordScan:
    """The prefilter of a rule set. Rules without a literal of two characters are confirmed everywhere."""

    def __init__(self, rules: Sequence[Rule], run: int, run_expression: str) -> None:
        literals: list[bytes] = []
        self._owners: list[int] = []
        self._everywhere: list[int] = []
        self._longest = [rule.longest for rule in rules]
        for index, rule in enumerate(rules):
            needed = _literals(rule)
            if not needed or min(map(len, needed)) < 2:
                self._everywhere.append(index)
                continue
            for literal in sorted(needed):
                literals.append(literal.encode())
                self._owners.append(index)
        self._scan = AhoScan(literals)
        self._run = run
        self._run_regex = compile_linear(f"(?m){run_expression}")

    def hits(self, data: bytes) -> Hits:
        """Ends of literals; a match begins at most its rule's bound before one. Nothing for an empty text."""
        size = len(data)
        hits: Hits = [(self._owners[index], end) for index, end in self._scan.hits(data.lower())]
        for rule in self._everywhere:
            step = max(1, self._longest[rule])
            hits.extend((rule, at) for at in range(step, size, step))
            hits.append((rule, size))
        hits.extend((self._run, match.end()) for match in self._run_regex.finditer(data))
        return hits


def _literals(rule: Rule) -> frozenset[str]:
    try:
        return required(parse(rule.pattern), ignores_case=rule.case_insensitive)
    except SyntaxRefused:
        return frozenset()
