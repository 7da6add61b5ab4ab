"""A provider that fails, in every way that one can: the caller is told the truth, the money is right, and nothing hangs.

F13 to F16 of reference/reliability A4.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.store import tables
from tests.faults.books import Books, url_of
from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Stream, Surface, ask, assert_refused
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

KEY = "a-key-of-the-provider-6f1e0c"
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
REFUSED = "invalid_request_error"


@dataclass(frozen=True)
class Failure:
    """What a provider does before its first piece, and what the caller is told."""

    script: str
    status: int
    kind: str = "upstream_error"
    code: str = "upstream_error"
    headers: tuple[tuple[str, str], ...] = ()
    billed: bool = False
    """It was sent and never answered, so that the provider may bill what went in."""


FAILURES = {
    "it fails": Failure("500", 502),
    "it is overloaded": Failure("503", 502),
    "it limits the rate": Failure("429:7", 429, "rate_limit_error", "upstream_rate_limit", (("retry-after", "7"),)),
    "it refuses our key": Failure("401", 502, "upstream_error", "upstream_auth"),
    "it knows no such model": Failure("404", 404, REFUSED, "upstream_not_found", (("x-should-retry", "false"),)),
    "it refuses the request": Failure("422", 422, REFUSED, "upstream_bad_request", (("x-should-retry", "false"),)),
    "the context is too long": Failure("context", 400, REFUSED, "context_length_exceeded", (("x-should-retry", "false"),)),
    "its filter refuses": Failure("filter", 400, REFUSED, "content_filter", (("x-should-retry", "false"),)),
    "it repeats our key": Failure("error-echo", 400, REFUSED, "upstream_bad_request"),
    "its error has a megabyte": Failure("bigerror", 502),
    "it answers with a page": Failure("html", 502, code="upstream_protocol_error", billed=True),
    "it redirects": Failure("redirect", 502),
    "it sends a gzip bomb": Failure("bomb", 502, code="upstream_answer_too_large", billed=True),
    "it resets the connection": Failure("rst", 502, billed=True),
    "it says nothing": Failure("hang", 504, code="upstream_timeout", billed=True),
    "nobody listens": Failure("nobody", 502),
}
BROKEN_STREAMS = {
    "it resets the stream": ("say:20+pace:0.005+rst@6", 502),
    "its stream ends without an end": ("say:20+trunc@6", 502),
    "it reports an error in the stream": ("say:20+error@6", 502),
    "it falls silent in the stream": ("say:20+hang@6", 504),
}
VAIN = (("vain-1", "rst"), ("vain-2", "hang"), ("vain-3", "500"), ("vain-4", "rst"))


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        for kind in ("json", "stream"):
            running.bomb(kind)  # packing it takes longer than the gateway waits here
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    targets: list[dict[str, Any]] = []
    models: dict[str, Any] = {}
    scripts = [failure.script for failure in FAILURES.values()] + [script for script, _ in BROKEN_STREAMS.values()] + ["longline", "echo"]
    quick = {"first_byte_timeout_s": 1, "idle_timeout_s": 1, "connect_timeout_s": 1, "secret_key_ref": {"env": "TEST_PROVIDER_KEY"}}
    for number, script in enumerate(scripts):
        for surface, make in (("openai", openai_target), ("anthropic", anthropic_target)):
            url = "http://127.0.0.1:9" if script == "nobody" else provider.url
            patience = {} if script == "echo" else quick  # what is to succeed may take its time on a slow machine
            targets.append(make(f"{surface}-{number}", script, url, **{"secret_key_ref": quick["secret_key_ref"], **patience}))
            models[f"{surface}-{number}"] = {"targets": [f"{surface}-{number}"], "fallback": {"enabled": False}}
    for name, script in (("first", "500"), ("second", "429:1"), ("third", "echo"), ("flaky", "flaky:503:1+say:2"), ("down", "503"), *VAIN):
        targets.append(openai_target(name, f"{name}--{script}", provider.url, **quick))
    models |= {
        "ordered": {"targets": ["first", "second", "third"]},
        "once-more": {"targets": ["flaky"]},
        "all-down": {"targets": ["down", "first"], "fallback": {"max_retries": 3}},
        "not-again": {"targets": [f"openai-{scripts.index('say:20+trunc@6')}", "third"]},
        "rested": {"targets": ["down", "third"]},
        "in-vain": {"targets": ["vain-1", "vain-2", "vain-3", "third"], "fallback": {"max_retries": 3}},
        "all-in-vain": {"targets": ["vain-4"], "fallback": {"max_retries": 3}},
    }
    document = {"targets": targets, "models": models, "prices": PRICES, "policies": {"default": MASK_ALL}}
    environment = {"LOCKGATE_LOG_LEVEL": "INFO", "TEST_PROVIDER_KEY": KEY}
    with running_gateway(tmp_path_factory.mktemp("upstream"), document, **environment) as running:
        running.scripts = scripts  # type: ignore[attr-defined]
        yield running


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    """A key with a budget, so that a reservation that is not given back shows."""
    token: str = gateway.create_key(alias="caller", budget={"limit_usd": 5})["key"]
    return token


def model_for(gateway: Gateway, surface: Surface, script: str) -> str:
    return f"{surface}-{gateway.scripts.index(script)}"  # type: ignore[attr-defined]


def assert_given_back(gateway: Gateway) -> None:
    with Books(url_of(gateway)) as books:
        books.settled()
        for budget in books.budgets():
            assert budget["reserved_micros"] == 0
            assert budget["spent_micros"] == sum(row["cost_micros"] for row in books.rows(tables.charges, key_id=budget["scope_id"]))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_before_the_first_piece_is_an_error_answer(
    gateway: Gateway, key: str, provider: Provider, surface: Surface, what: str, streamed: bool
) -> None:
    failure = FAILURES[what]
    before = len(provider.calls)
    answer = ask(gateway.url, surface, model_for(gateway, surface, failure.script), key, stream=streamed)
    request_id = assert_refused(answer, surface, failure.status, failure.kind, failure.code)
    for name, value in failure.headers:
        assert answer.headers[name] == value
    assert KEY.encode() not in answer.body
    assert len(answer.body) < 8192
    assert len(provider.calls) - before <= 1
    (finish,) = gateway.events(request_id=request_id, kind="gateway:call:finish")
    assert (finish["outcome"], finish["status"], finish["error"]) == ("failed", answer.status, failure.code)
    with Books(url_of(gateway)) as books:
        charges = books.charges_of(request_id)
    assert [(row["attempt"], row["state"], row["tokens_output"]) for row in charges] == ([(1, "estimated", 0)] if failure.billed else [])
    assert sum(row["cost_micros"] for row in charges) == finish["detail"]["cost_micros"]
    assert all(row["cost_micros"] > 0 for row in charges)
    assert_given_back(gateway)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("what", BROKEN_STREAMS)
def test_a_stream_that_breaks_off_ends_in_an_error_and_is_charged_for_what_came(
    gateway: Gateway, key: str, provider: Provider, surface: Surface, what: str
) -> None:
    script, status = BROKEN_STREAMS[what]
    before = len(provider.calls)
    stream = Stream(gateway.url, surface, model_for(gateway, surface, script), key).begin()
    raw = stream.rest()
    assert stream.status == 200
    assert not stream.complete, "a cut answer never looks like a whole one"
    assert "error" in stream.events[-1], raw[-300:]
    assert b"word" in raw
    assert b'"finish_reason":"stop"' not in raw
    assert b'"stop_reason":"end_turn"' not in raw
    assert len(provider.calls) - before == 1, "after the first piece nothing is tried again"
    (finish,) = gateway.events(request_id=stream.request_id, kind="gateway:call:finish")
    assert (finish["outcome"], finish["status"]) == ("failed", status)
    with Books(url_of(gateway)) as books:
        charge = books.charges()[stream.request_id]
    assert charge["state"] == "aborted_estimated"
    assert 0 < charge["cost_micros"] <= provider_price(provider)
    assert_given_back(gateway)


def provider_price(provider: Provider) -> int:
    """What the whole of the last answer would have cost, with as much again for the estimate of its input."""
    tally = provider.calls[-1].tally
    return 2 * tally.prompt + 16 + 2 * tally.completion


@pytest.mark.parametrize("surface", SURFACES)
def test_a_line_without_end_is_an_error_and_not_a_full_memory(gateway: Gateway, key: str, surface: Surface) -> None:
    answer = ask(gateway.url, surface, model_for(gateway, surface, "longline"), key, stream=True)
    assert_refused(answer, surface, 502, "upstream_error", "upstream_answer_too_large")
    assert gateway.call("GET", "/health/live").status == 200


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_each_attempt_that_the_provider_may_bill_is_a_charge_of_its_own(gateway: Gateway, key: str, streamed: bool) -> None:
    """Two targets that take the request and never answer, one that refuses, and one that answers: three rows, one transaction."""
    answer = ask(gateway.url, "openai", "in-vain", key, stream=streamed)
    assert answer.status == 200
    assert answer.headers["x-lockgate-attempts"] == "4"
    request_id = answer.headers["x-request-id"]
    with Books(url_of(gateway)) as books:
        books.settled()
        charges = books.charges_of(request_id)
    told = [(row["attempt"], row["target_id"], row["state"]) for row in charges]
    assert told == [(1, "vain-1", "estimated"), (2, "vain-2", "estimated"), (4, "third", "observed")]
    assert charges[0]["tokens_input"] == charges[1]["tokens_input"] > 0
    (finish,) = gateway.events(request_id=request_id, kind="gateway:call:finish")
    assert finish["detail"]["cost_micros"] == sum(row["cost_micros"] for row in charges)
    if not streamed:
        assert answer.headers["x-lockgate-cost"] == f"{finish['detail']['cost_micros'] / 1_000_000:.6f}"
    assert [attempt["unanswered"] for attempt in finish["detail"]["attempts"]] == [True, True, False, False]
    assert_given_back(gateway)


def test_calls_in_vain_never_overshoot_a_budget(gateway: Gateway) -> None:
    """Fifty at once, each with four attempts that may be billed: what is charged always was reserved."""
    made = gateway.create_key(alias="small", budget={"limit_usd": "0.01"})
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: ask(gateway.url, "openai", "all-in-vain", made["key"], max_tokens=20).status, range(50)))
    assert set(statuses) <= {502, 504, 429}
    with Books(url_of(gateway)) as books:
        books.settled()
        (budget,) = [row for row in books.budgets() if row["scope_id"] == made["id"]]
        spent = sum(row["cost_micros"] for row in books.rows(tables.charges, key_id=made["id"]))
    assert (budget["reserved_micros"], budget["spent_micros"]) == (0, spent)
    assert 0 < spent <= budget["limit_micros"]


def test_the_next_target_is_asked_in_order(gateway: Gateway, key: str, provider: Provider) -> None:
    before = len(provider.calls)
    answer = ask(gateway.url, "openai", "ordered", key)
    assert answer.status == 200
    assert answer.headers["x-lockgate-deployment"] == "third"
    assert answer.headers["x-lockgate-attempts"] == "3"
    assert [call.model.partition("--")[0] for call in provider.calls[before:]] == ["first", "second", "third"]
    with Books(url_of(gateway)) as books:
        assert books.charges()[answer.headers["x-request-id"]]["target_id"] == "third"


def test_a_target_that_limits_rests(gateway: Gateway, key: str, provider: Provider) -> None:
    """Right after the test above: the one that said 429 is left alone for the while that it named."""
    before = len(provider.calls)
    assert ask(gateway.url, "openai", "ordered", key).status == 200
    assert "second" not in [call.model.partition("--")[0] for call in provider.calls[before:]]


def test_a_failure_that_passes_is_tried_once_more(gateway: Gateway, key: str) -> None:
    answer = ask(gateway.url, "openai", "once-more", key)
    assert (answer.status, answer.headers["x-lockgate-attempts"]) == (200, "2")


def test_the_attempts_are_bounded_when_everything_is_down(gateway: Gateway, key: str, provider: Provider) -> None:
    before = len(provider.calls)
    assert ask(gateway.url, "openai", "all-down", key).status == 502
    assert 2 <= len(provider.calls) - before <= 4


def test_nothing_is_tried_again_after_the_first_piece(gateway: Gateway, key: str, provider: Provider) -> None:
    before = len(provider.calls)
    stream = Stream(gateway.url, "openai", "not-again", key).begin()
    stream.rest()
    assert not stream.complete
    assert len(provider.calls) - before == 1


def test_a_target_that_keeps_failing_rests(gateway: Gateway, key: str, provider: Provider) -> None:
    for _ in range(4):
        assert ask(gateway.url, "openai", "rested", key).status == 200
    before = len(provider.calls)
    assert ask(gateway.url, "openai", "rested", key).headers["x-lockgate-attempts"] == "1"
    assert len(provider.calls) - before == 1


def test_a_dead_provider_holds_nobody_else_up(gateway: Gateway, key: str) -> None:
    waiting = [Stream(gateway.url, "openai", model_for(gateway, "openai", "hang"), key) for _ in range(20)]
    for surface in SURFACES:
        assert ask(gateway.url, surface, model_for(gateway, surface, "echo"), key).status == 200
    assert gateway.call("GET", "/health/ready").status == 200
    for stream in waiting:
        assert stream.begin().status == 504
        stream.leave()
    assert_given_back(gateway)
