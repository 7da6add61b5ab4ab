"""The set scan where hyperscan has no wheel: an Aho–Corasick pass for literals that every match contains.

It answers with ends like hyperscan, only of a literal inside the match instead of its head: a caller that looks at every start
within the rule's bound before them finds exactly the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from redactors.detectors.aho import AhoScan
from redactors.detectors.derived import width
from redactors.detectors.hyper import Hits
from redactors.detectors.linear import compile_linear
from redactors.detectors.literals import required
from redactors.detectors.syntax import SyntaxRefused, parse


class KeywordScan:
    """The prefilter of a list of expressions, given as (expression, ignores case, greatest length of a match in bytes).

    Expressions without a literal of two characters are confirmed everywhere. `marks` are found themselves and answered under the indices
    behind the last expression.
    """

    def __init__(self, expressions: Sequence[tuple[str, bool, int]], marks: Sequence[str] = ()) -> None:
        literals: list[bytes] = []
        self._owners: list[int] = []
        self._everywhere: list[int] = []
        self._least = 1 << 10
        self._longest = [longest for _, _, longest in expressions]
        for index, (expression, ignores_case, _) in enumerate(expressions):
            needed = _literals(expression, ignores_case=ignores_case)
            if not needed or min(map(len, needed)) < 2:
                self._everywhere.append(index)
                self._least = min(self._least, _least(expression))
                continue
            for literal in sorted(needed):
                literals.append(literal.encode())
                self._owners.append(index)
        self._scan = AhoScan(literals)
        self._marks = tuple(compile_linear(f"(?m){mark}") for mark in marks)

    def hits(self, data: bytes) -> Hits:
        """Ends of literals; a match begins at most its rule's bound before one. Nothing for an empty text."""
        size = len(data)
        hits: Hits = [(self._owners[index], end) for index, end in self._scan.hits(data.lower())]
        for rule in self._everywhere:
            step = max(1, self._longest[rule])
            hits.extend((rule, at) for at in range(step, size, step))
            hits.append((rule, size))
        return hits + self.marked(data)

    def marked(self, data: bytes) -> Hits:
        """The marks alone."""
        return [(index, match.end()) for index, mark in enumerate(self._marks, len(self._longest)) for match in mark.finditer(data)]

    def suspects(self, data: bytes) -> list[int]:
        """Places of which every match has one behind its start and not behind its end."""
        places = [end for _, end in self._scan.hits(data.lower())]
        if self._everywhere:
            places.extend(range(self._least, len(data) + 1, self._least))
        return places


def _least(expression: str) -> int:
    """The least number of bytes of a match, one at least."""
    try:
        return max(1, width(parse(expression))[0])
    except SyntaxRefused:
        return 1


def _literals(expression: str, *, ignores_case: bool) -> frozenset[str]:
    try:
        return required(parse(expression), ignores_case=ignores_case)
    except SyntaxRefused:
        return frozenset()
