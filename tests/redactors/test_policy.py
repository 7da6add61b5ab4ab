"""Policies: what is written is what is done, and an empty one is an error."""

from __future__ import annotations

from typing import Any

import pytest

from redactors import KnownSecrets, PolicyError, Redactor, UnsafeAllowAll, build_redactor
from redactors.detectors.pattern import compile_patterns
from redactors.detectors.subject import Label
from redactors.model import Action, Finding, Verdict
from redactors.policy import CompiledPolicy, compile_policy, custom_pattern, custom_term
from tests.redactors.samples import RULES

TOKEN = "acme_abcdefghijkl"
PATTERNS = compile_patterns(RULES)


def redactor(rules: Any, **more: Any) -> Redactor:
    return build_redactor(policy={"prompt": rules}, direction="prompt", pattern_set=PATTERNS, key=b"k" * 32, **more)


@pytest.mark.parametrize(
    ("action", "expected", "verdict"),
    [
        ("allow", TOKEN, Verdict.ALLOW),
        ("mask", "[REDACTED:acme_token]", Verdict.REDACT),
        ("replace", "[REDACTED]", Verdict.REDACT),
        ("remove", "", Verdict.REDACT),
        ("block", "[REDACTED:acme_token]", Verdict.BLOCK),
    ],
)
def test_each_action_does_what_it_says(action: str, expected: str, verdict: Verdict) -> None:
    clean = redactor([{"detect": ["secrets"], "action": action}]).text(f"see {TOKEN}.")
    assert clean.value == f"see {expected}."
    assert clean.verdict is verdict
    assert [remark.action.label for remark in clean.remarks] == [action]


@pytest.mark.parametrize("action", ["hash", "pseudonymize"])
def test_keyed_replacements_are_equal_for_equal_values_only(action: str) -> None:
    one = redactor([{"detect": ["secrets"], "action": action}])
    first, same, other = (one.text(text).value for text in (TOKEN, TOKEN, TOKEN + "9"))
    assert first == same != other
    assert "acme" not in first.replace("acme_token", "")
    elsewhere = build_redactor(policy={"prompt": [{"detect": ["secrets"], "action": action}]}, direction="prompt", pattern_set=PATTERNS)
    assert elsewhere.text(TOKEN).value != first


def test_what_the_policy_does_not_look_for_stays_and_is_not_counted() -> None:
    clean = redactor([{"detect": ["pii"], "action": "mask"}]).text(TOKEN)
    assert clean.value == TOKEN
    assert clean.remarks == ()


def test_the_strictest_of_equal_rules_wins() -> None:
    rules = [{"detect": ["secrets"], "action": "block"}, {"detect": ["secrets"], "action": "mask"}]
    assert redactor(rules).text(TOKEN).verdict is Verdict.BLOCK


def test_a_rule_for_a_kind_beats_the_rule_for_its_family() -> None:
    rules = [{"detect": ["secrets"], "action": "block"}, {"detect": ["secrets"], "kinds": ["acme_token"], "action": "allow"}]
    clean = redactor(rules).text(f"{TOKEN} password=hunter2x")
    assert clean.value.startswith(TOKEN)
    assert clean.verdict is Verdict.BLOCK


def test_blocked_terms_are_found_fuzzily_with_their_own_action() -> None:
    rules = [{"blocked_terms": ["project mercury"], "fuzzy_matching": True, "max_distance": 1, "action": "block"}]
    clean = redactor(rules).text("on projekt mercury")
    assert clean.value == "on [REDACTED:blocked_term]"
    assert clean.verdict is Verdict.BLOCK
    assert "mercury" not in str(clean.remarks)


def test_custom_patterns_have_their_own_action() -> None:
    rules = [{"detect_patterns": [{"name": "Employee No", "pattern": r"EMP-(\d{6})", "group": 1}], "action": "mask"}]
    assert redactor(rules).text("EMP-123456").value == "EMP-[REDACTED:employee_no]"


def test_terms_given_beside_a_written_policy_are_masked() -> None:
    assert redactor([{"detect": ["pii"], "action": "hash"}], terms=["zeppelin"]).text("a Zeppelin").value == "a [REDACTED:blocked_term]"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "says nothing about prompt"),
        ({"prompt": []}, "says nothing about prompt"),
        ({"answer": [{"detect": ["secrets"], "action": "mask"}]}, "says nothing about prompt"),
        ({"prompt": [], "egress": []}, "not 'egress'"),
        ({"prompt": ["mask"]}, "not a mapping"),
        ({"prompt": [{"detect": ["secrets"]}]}, "needs an action"),
        ({"prompt": [{"detect": ["secrets"], "action": "shred"}]}, "needs an action"),
        ({"prompt": [{"detect": ["passwords"], "action": "mask"}]}, "not a detector"),
        ({"prompt": [{"detect": [], "action": "mask"}]}, "exactly one of"),
        ({"prompt": [{"detect": ["pii"], "blocked_terms": ["x"], "action": "mask"}]}, "exactly one of"),
        ({"prompt": [{"detect": "pii", "action": "mask"}]}, "is a list"),
        ({"prompt": [{"detect": ["pii"], "kind": ["email"], "action": "mask"}]}, "unknown field 'kind'"),
        ({"prompt": [{"detect": ["pii"], "kinds": ["e-mail"], "action": "mask"}]}, "no rule reports"),
        ({"prompt": [{"blocked_terms": ["x"], "max_distance": 9, "action": "mask"}]}, "0 to 8"),
        ({"prompt": [{"blocked_terms": [""], "action": "mask"}]}, "blocked term"),
        ({"prompt": [{"detect_patterns": ["(?=x)y"], "action": "mask"}]}, "linear time"),
        ({"prompt": [{"detect_patterns": [r"(a)\1"], "action": "mask"}]}, "linear time"),
        ({"prompt": [{"detect_patterns": ["x*"], "action": "mask"}]}, "empty text"),
        ({"prompt": [{"detect_patterns": [{"pattern": "x", "group": 2}], "action": "mask"}]}, "no group"),
        ({"prompt": [{"detect": ["pii"], "action": "pseudonymize", "restore": True}]}, "answer's rules"),
        ({"prompt": [{"detect": ["pii"], "action": "mask", "restore": "yes"}]}, "true or false"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        compile_policy(document, "prompt", kinds={"email"})


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"detect": ["pii", "known"], "action": "mask", "restore": True}, "never restored"),
        ({"blocked_terms": ["x"], "action": "mask", "restore": True}, "goes with detect"),
    ],
)
def test_what_cannot_be_restored_is_refused(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        compile_policy({"answer": [rule]}, "answer")


def test_values_given_beside_a_written_policy_are_masked() -> None:
    rules = [{"detect": ["pii"], "action": "mask"}]
    assert redactor(rules, known=["zebra-crossing-901"]).text("a zebra-crossing-901 b").value == "a [REDACTED:live_secret] b"
    assert (
        redactor([*rules, {"detect": ["known"], "action": "remove"}], known=["zebra-crossing-901"]).text("zebra-crossing-901").value == ""
    )
    shared = KnownSecrets(["zebra-crossing-901"])
    assert redactor(rules, known=shared).text("zebra-crossing-901").value == "[REDACTED:live_secret]", "whoever holds them"


def test_no_rule_lets_a_live_secret_pass() -> None:
    with pytest.raises(PolicyError, match="never allowed"):
        compile_policy({"prompt": [{"detect": ["secrets", "known"], "action": "allow"}]}, "prompt")


def test_letting_everything_pass_has_a_dangerous_name() -> None:
    policy = compile_policy({"prompt": "unsafe_allow_all"}, "prompt")
    assert isinstance(policy, UnsafeAllowAll)
    clean = build_redactor(policy=policy, pattern_set=PATTERNS).text(TOKEN)
    assert clean.value == TOKEN
    assert clean.verdict is Verdict.ALLOW


def test_a_policy_judges_findings_by_the_strictest() -> None:
    policy = CompiledPolicy(by_detector={"pii": Action.MASK, "known": Action.BLOCK})
    pii, known = Finding(0, 1, "email", "email", "pii"), Finding(2, 3, "known:a", "live_secret", "known")
    assert [policy.judge(findings) for findings in ([], [pii], [pii, known])] == [Verdict.ALLOW, Verdict.REDACT, Verdict.BLOCK]
    assert policy.action(Label("x", "y", "terms")) is None


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(PolicyError, match="not a direction"):
        compile_policy({"prompt": []}, "sideways")  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", [{"term": "x", "max_distance": "2"}, {"term": 5}, ("x", 99)])
def test_a_custom_term_that_is_none_is_refused(entry: Any) -> None:
    with pytest.raises(PolicyError):
        custom_term(entry)


@pytest.mark.parametrize("entry", [{"pattern": ""}, {"pattern": "x", "flags": "i"}, "y" * 2001, {"name": "n"}, 5, None, ["x"]])
def test_a_custom_pattern_that_is_none_is_refused(entry: Any) -> None:
    with pytest.raises(PolicyError):
        custom_pattern(entry, "1")
