"""A caller's policy: with the keys of its workspace, which change with time and never mix."""

from __future__ import annotations

import pytest

from pipeline.bootstrap.policies import PolicyBook, Redaction, compile_policies
from pipeline.bootstrap.tenant_keys import DAY_US, TenantKeys
from pipeline.config.document import Document
from pipeline.config.policies import PolicyRule, PolicySection
from pipeline.config.serving import LimitsSection
from pipeline.errors import ConfigError
from pipeline.gateway.model import PolicySet
from pipeline.keys.model import Caller, VirtualKey
from redactors.detectors.known import KnownSecrets
from redactors.detectors.pattern import compile_patterns
from redactors.model import RedactionError
from tests.redactors.samples import RULES

NUMBER = "4111 1111 1111 1111"


class MovableClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.us = 100 * 30 * DAY_US

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return 0.0


def rule(action: str, *, restore: bool = False) -> PolicyRule:
    return PolicyRule.model_validate({"detect": ["pii"], "action": action, "restore": restore})


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def book(clock: MovableClock) -> PolicyBook:
    names = (rule("pseudonymize"),)
    restored, masked = (rule("mask", restore=True),), (rule("mask"),)
    document = Document(
        policies={
            "default": PolicySection(prompt=names, answer=masked, telemetry=names),
            "restored": PolicySection(prompt=names, answer=restored, telemetry=(rule("hash"),), pseudonym_days=7),
        }
    )
    redaction = Redaction(compile_patterns(RULES), KnownSecrets(), b"r" * 32)
    return compile_policies(document, redaction, TenantKeys(b"m" * 32, clock))


def caller(workspace: str = "w1", org: str = "o", policy: str = "", of_workspace: str = "") -> Caller:
    return Caller(VirtualKey("id", org, workspace, workspace, "", "key", "active", "", policy=policy), of_workspace)


def prompt(policy: PolicySet) -> object:
    return policy.prompt.inspect(NUMBER).outbound


def kept(policy: PolicySet) -> object:
    return policy.telemetry.text(NUMBER).value


def test_a_value_has_one_name_in_a_workspace_and_direction(book: PolicyBook) -> None:
    assert prompt(book.of(caller())) == prompt(book.of(caller()))
    names = {
        prompt(book.of(caller())),
        prompt(book.of(caller("w2"))),
        prompt(book.of(caller("w1", "o2"))),
        kept(book.of(caller())),
        kept(book.of(caller("w2"))),
    }
    assert len(names) == 5


def test_names_are_the_same_in_another_process(book: PolicyBook, clock: MovableClock) -> None:
    first, second = (TenantKeys(b"m" * 32, clock).keys("o", "w", "prompt", 30, 5) for _ in range(2))
    assert first == second
    assert TenantKeys(b"n" * 32, clock).keys("o", "w", "prompt", 30, 5).pseudonyms != first.pseudonyms
    assert "m" * 32 not in repr(first)


@pytest.mark.parametrize(("policy", "days"), [("default", 30), ("restored", 7)])
def test_pseudonyms_change_with_their_period_and_hashes_do_not(book: PolicyBook, clock: MovableClock, policy: str, days: int) -> None:
    clock.us = 1000 * days * DAY_US
    before = book.of(caller(policy=policy))
    name, hashed = prompt(before), kept(before)
    clock.us += days * DAY_US - 1
    assert prompt(book.of(caller(policy=policy))) == name
    clock.us += 1
    after = book.of(caller(policy=policy))
    assert prompt(after) != name
    assert (kept(after) == hashed) is (policy == "restored")


def test_a_prompt_is_noted_only_where_its_answer_may_be_restored(book: PolicyBook) -> None:
    for policy, restored in (("default", False), ("restored", True)):
        found = book.of(caller(policy=policy))
        screened = found.prompt.inspect(NUMBER)
        answer = screened.answering(found.answer, found.restores, lambda value: False)
        assert (answer.text(str(screened.outbound)).value == NUMBER) is restored


def test_workspaces_beyond_those_that_are_kept_have_the_same_names_again(book: PolicyBook) -> None:
    first = prompt(book.of(caller("w1")))
    for number in range(600):
        book.of(caller(f"x{number}"))
    assert prompt(book.of(caller("w1"))) == first


@pytest.mark.parametrize(
    ("key", "route", "workspace", "source"),
    [("gone", "restored", "restored", "key"), ("", "gone", "restored", "route"), ("", "", "gone", "workspace")],
)
def test_a_policy_that_is_gone_is_not_replaced_by_another(book: PolicyBook, key: str, route: str, workspace: str, source: str) -> None:
    with pytest.raises(ConfigError, match=f"that the {source} of this call names") as refusal:
        book.of(caller(policy=key, of_workspace=workspace), route)
    assert refusal.value.status == 503


@pytest.mark.parametrize(
    ("key", "route", "workspace", "name", "source"),
    [
        ("", "", "", "default", "default"),
        ("", "", "restored", "restored", "workspace"),
        ("", "default", "restored", "default", "route"),
        ("restored", "default", "default", "restored", "key"),
    ],
)
def test_the_most_specific_policy_applies_and_says_who_named_it(
    book: PolicyBook, key: str, route: str, workspace: str, name: str, source: str
) -> None:
    found = book.of(caller(policy=key, of_workspace=workspace), route)
    assert (found.name, found.source) == (name, source)
    assert found.facts == {"policy": name, "policy_source": source, "policy_digest": found.digest}
    assert prompt(found) == prompt(book.of(caller(policy=name))), "who named it changes no pseudonym"


@pytest.mark.parametrize("policy", ["default", "restored"])
def test_what_a_caller_asks_for_is_made_with_keys_of_its_own(book: PolicyBook, policy: str) -> None:
    """Else whoever may ask could look up the hash of a guess in telemetry, or its pseudonym in what a provider saw."""
    given, asked = book.of(caller(policy=policy)), book.asked(caller(policy=policy))
    assert prompt(asked) != prompt(given)
    assert kept(asked) != kept(given)
    assert (prompt(asked), kept(asked)) == (prompt(book.asked(caller(policy=policy))), kept(book.asked(caller(policy=policy))))
    assert kept(asked) != kept(book.asked(caller("w2", policy=policy)))


def test_a_value_costs_no_more_than_the_document_allows(clock: MovableClock) -> None:
    masked = (rule("mask"),)
    document = Document(
        policies={"default": PolicySection(prompt=masked, answer=masked, telemetry=masked)},
        limits=LimitsSection(redaction_cpu_s=0.001),
    )
    redaction = Redaction(compile_patterns(RULES), KnownSecrets(), b"r" * 32)
    policy = compile_policies(document, redaction, TenantKeys(b"m" * 32, clock)).of(caller())
    dear = f"{NUMBER}, " * 30_000  # several blocks, each of which takes longer than that

    for work in (policy.prompt.inspect, policy.answer.tree, policy.telemetry.text):
        with pytest.raises(RedactionError, match="costs more time"):
            work(dear)
