"""Witnesses: what a rule says every accepted value has is in every value that its validator accepts."""

from __future__ import annotations

import re
from random import Random

import pytest

from redactors.detectors.openings import tree_of
from redactors.detectors.witnessed import witnessed
from redactors.rules.catalog import all_rules
from redactors.rules.model import Rule

RULES = [rule for rule in all_rules() if rule.witness is not None]
PARTS = [
    *(
        "abcdef",
        "Abc",
        "XYZ",
        "token",
        "deadbeef",
        "cafe",
        "qXzWv",
        "bcdfghjkl",
        "q",
        "Z",
        "v1",
        "0",
        "7",
        "42",
        "٣",
        "é",
        "пар",
        "密",
        "\\u00e9",
    ),
    *(
        "-",
        "_",
        ".",
        ":",
        ",",
        "'",
        "/",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        '"',
        "`",
        ";",
        "\\",
        " ",
        "!",
        "@",
        "#",
        "$",
        "%",
        "^",
        "&",
    ),
    *("*", "+", "=", "~", "?", "|", "§", "€"),
]


def has(rule: Rule, value: str) -> bool:
    """Whether a value has the witness of a rule."""
    assert rule.witness is not None
    plain = rf"\x00-\x20\x7f{rule.witness.plain}"
    return re.search(f"[^{plain}]", value) is not None or 0 < rule.witness.length <= len(value)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_accepted_value_has_the_witness(rule: Rule) -> None:
    assert rule.validate is not None
    rng = Random(rule.id)
    accepted = 0
    for _ in range(3000):
        value = "".join(rng.choice(PARTS) for _ in range(rng.randint(1, 9)))
        if rule.validate(value):
            accepted += 1
            assert has(rule, value)
    assert accepted > 20
    for number in range(20):
        for must in rule.must:
            assert has(rule, must.text(Random(number))[1])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_head_of_a_rule_with_a_witness_goes_on_to_it(rule: Rule) -> None:
    tree = tree_of(rule)
    assert tree is not None
    assert witnessed(tree, rule) is not None
