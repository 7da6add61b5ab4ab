"""Every rule proves itself: it compiles in both engines, catches its samples in any seed, and leaves its counter-samples alone."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
import re2

from redactors.rules import catalog
from redactors.rules.catalog import all_rules, rules_by_id
from redactors.rules.model import Rule
from tests.engines import ENGINES
from tests.redactors.rules.matcher import covered, spans

SEEDS = range(12)
RULES = all_rules()
IDS = [rule.id for rule in RULES]


def hidden(text: str, secret: str, found: list[tuple[int, int]]) -> bool:
    """Whether every character of the secret lies inside a finding."""
    start = text.index(secret)
    covered_points = {point for low, high in found for point in range(low, high)}
    return covered_points.issuperset(range(start, start + len(secret)))


def test_there_are_at_least_250_rules_with_unique_ids() -> None:
    assert len(RULES) >= 250
    assert len(rules_by_id()) == len(RULES)


def test_a_repeated_id_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "FAMILIES", ("openai", "openai"))
    with pytest.raises(ValueError, match="two rules"):
        all_rules.__wrapped__()


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_is_documented_and_proved(rule: Rule) -> None:
    assert rule.about
    assert rule.source
    assert rule.dated >= "2026-01"
    assert rule.must
    assert rule.must_not
    assert rule.longest >= 16
    assert all(keyword == keyword.lower() for keyword in rule.keywords)
    assert rule.kind.replace("_", "").isalnum()


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_pattern_compiles_in_both_engines(rule: Rule) -> None:
    assert "(?=" not in rule.pattern
    assert "(?!" not in rule.pattern
    assert "(?<" not in rule.pattern
    compiled = re2.compile(rule.pattern)
    assert rule.group <= compiled.groups
    if "hyperscan" not in ENGINES:
        return
    import hyperscan

    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_MULTILINE
    if rule.case_insensitive:
        flags |= hyperscan.HS_FLAG_CASELESS
    if not rule.pattern.isascii() or any(mark in rule.pattern for mark in ("[^", ".", r"\S")):
        flags |= hyperscan.HS_FLAG_UTF8
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[rule.pattern.encode()], ids=[0], flags=[flags])
    seen: list[int] = []
    text, _ = rule.must[0].text(Random(1))
    database.scan(text.encode(), match_event_handler=lambda *_: seen.append(1))
    assert seen, "the scanner must see what the expression matches"


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_catches_what_it_must(rule: Rule) -> None:
    for number, must in enumerate(rule.must):
        for seed in SEEDS:
            text, secret = must.text(Random(seed))
            assert hidden(text, secret, list(spans(rule, text))), f"sample {number} of seed {seed} is missed"


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_leaves_alone_what_it_must_not_touch(rule: Rule) -> None:
    for sample in rule.must_not:
        for seed in range(3):
            assert not list(spans(rule, sample.text(Random(seed)))), f"found although {sample.reason}"


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_keeps_most_of_the_text_around_the_secret(rule: Rule) -> None:
    for must in rule.must:
        for seed in range(4):
            text, secret = must.text(Random(seed))
            start = text.index(secret)
            for low, high in spans(rule, text):
                assert high <= start or low >= start + len(secret) or (start - low <= 3 and high - start - len(secret) <= 8)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_does_not_match_its_own_mask(rule: Rule) -> None:
    for seed in range(3):
        text, secret = rule.must[0].text(Random(seed))
        masked = text.replace(secret, f"[REDACTED:{rule.kind}]")
        assert not list(spans(rule, masked))


def test_most_rules_are_needed() -> None:
    """A rule counts when something it must catch is missed without it; at least 250 rules count."""
    needed = []
    for rule in RULES:
        others = [other for other in RULES if other.id != rule.id]
        for must in rule.must:
            missed = False
            for seed in range(6):
                text, secret = must.text(Random(seed))
                lower = text.lower()
                near = [other for other in others if not other.keywords or any(keyword in lower for keyword in other.keywords)]
                if not hidden(text, secret, [(low, high) for low, high, _ in covered(near, text)]):
                    missed = True
                    break
            if missed:
                needed.append(rule.id)
                break
    spare = sorted(set(IDS) - set(needed))
    print(f"{len(needed)} of {len(RULES)} rules are needed; covered by others: {', '.join(spare)}")
    assert len(needed) >= 250


def test_keywords_stand_in_every_sample() -> None:
    """The fallback engine looks for a rule only where one of its keywords stands."""
    lacking = Counter[str]()
    for rule in RULES:
        for must in rule.must:
            for seed in SEEDS:
                text, _ = must.text(Random(seed))
                if rule.keywords and not any(keyword in text.lower() for keyword in rule.keywords):
                    lacking[rule.id] += 1
    assert not lacking


HOSTILE = (
    "a",
    "1",
    "1.2.",
    "::",
    "key ",
    "password ",
    "=",
    '"',
    "a@",
    "-----BEGIN ",
    "eyJ",
    "sk-",
    "://a:",
    "0 ",
    "\n",
    "Ab1",
    "+4",
    "密码",
)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_validators_and_expressions_end_on_hostile_text(rule: Rule) -> None:
    """Linear engines end anyway; this finds validators that raise or loop."""
    for piece in HOSTILE:
        text = piece * 60
        assert all(0 <= low < high <= len(text) for low, high in spans(rule, text))
