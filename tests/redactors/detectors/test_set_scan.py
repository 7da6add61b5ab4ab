"""The library scans for all expressions together what it scans for each alone.

It has overlooked matches in large sets with many expressions for UTF-8 characters, and what the set does not see no rule is asked about.
`LOCKGATE_TEST_TEXTS` says how many mixed texts are looked at beside every rule's own samples; a long run takes 20,000.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from redactors.detectors.hyper import HyperScan, compile_set
from redactors.detectors.pattern import PatternSet
from redactors.rules.catalog import all_rules
from tests.redactors.samples import PIECES, mixed_texts, sample_texts

pytest.importorskip("hyperscan", reason="the fallback has no set of expressions")

TEXTS = int(os.environ.get("LOCKGATE_TEST_TEXTS", "1500"))


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    rng = Random(31)
    drawn = [*sample_texts(all_rules(), rng), *PIECES]
    return [text.encode("utf-8", "replace") for text in (*drawn, *mixed_texts(drawn, TEXTS, rng))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("which", ["heads", "sights"])
def test_the_set_sees_what_each_expression_sees_alone(both_patterns: dict[str, PatternSet], texts: list[bytes], which: str) -> None:
    scan, expressions = both_patterns["hyperscan"].scanned[which]
    together = [_by_index(scan, data) for data in texts]
    seen = 0
    overlooked: dict[str, int] = {}
    for index, expression in enumerate(expressions):
        alone = compile_set([expression])
        for place, data in enumerate(texts):
            ends = {end for _, end in alone.hits(data)}
            seen += len(ends)
            known = together[place].get(index, set())
            if ends and not known if expression.once else ends - known:
                overlooked[expression.text] = place
    assert overlooked == {}
    assert seen > len(texts)


def _by_index(scan: HyperScan, data: bytes) -> dict[int, set[int]]:
    ends: dict[int, set[int]] = {}
    for index, end in scan.hits(data):
        ends.setdefault(index, set()).add(end)
    return ends
