"""Two faces of one prompt: what may be sent, what may be kept."""

from __future__ import annotations

from redactors import Screen, build_redactor
from redactors.detectors.pattern import compile_patterns
from redactors.model import Verdict, is_clean
from tests.redactors.samples import RULES

PATTERNS = compile_patterns(RULES)
BODY = {"model": "m", "messages": [{"role": "user", "content": "my password: hunter2x"}]}


def screen(action: str) -> Screen:
    outbound = build_redactor(policy={"prompt": [{"detect": ["secrets"], "action": action}]}, direction="prompt", pattern_set=PATTERNS)
    return Screen(outbound, build_redactor(pattern_set=PATTERNS))


def test_a_blocked_prompt_names_rules_and_places_but_no_text() -> None:
    screened = screen("block").inspect(BODY)
    assert screened.verdict is Verdict.BLOCK
    assert screened.blocked == ("named-secret",)
    assert [remark.path for remark in screened.remarks] == ["/messages/0/content"]
    assert "hunter2x" not in f"{screened!r} {screened.remarks}"


def test_what_may_be_sent_and_what_may_be_kept_differ() -> None:
    screened = screen("allow").inspect(BODY)
    assert screened.outbound == BODY
    assert is_clean(screened.clean)
    assert "hunter2x" not in str(screened.clean.value)


def test_a_benign_body_is_sent_as_it_is() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    assert screen("mask").inspect(body).outbound is body
