"""Callers who leave: the provider is let go, what was streamed is charged, the reservation ends, the audit says 499. F21."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.books import Books, url_of
from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Call, Price
from tests.walks.asking import PATHS, SURFACES, Line, Stream, Surface, body_for, key_header
from tests.walks.rig import MASK_ALL, Gateway, anthropic_target, openai_target, running_gateway

PRICE = Price(input=1_000_000, output=2_000_000)
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}
SCRIPTS = {"long": "say:600+pace:0.02", "slow": "slow:20+say:3", "soon": "slow:0.5+say:3", "short": "say:4", "wide": "say:30000"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    targets, models = [], {}
    for name, script in SCRIPTS.items():
        for surface, make in (("openai", openai_target), ("anthropic", anthropic_target)):
            targets.append(make(f"{surface}-{name}", f"{surface}-{name}--{script}", provider.url))
            models[f"{surface}-{name}"] = {"targets": [f"{surface}-{name}"]}
        targets.append(openai_target(f"litellm-{name}", f"litellm-{name}--{script}", provider.url, lane="litellm"))
        models[f"litellm-{name}"] = {"targets": [f"litellm-{name}"]}
    document = {"targets": targets, "models": models, "prices": PRICES, "policies": {"default": MASK_ALL}}
    with running_gateway(tmp_path_factory.mktemp("disconnects"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: Gateway) -> str:
    token: str = gateway.create_key(budget={"limit_usd": 5})["key"]
    return token


def until(what: Callable[[], object], why: str, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def call_of(provider: Provider, before: int) -> Call:
    until(lambda: len(provider.calls) > before, "the provider was not asked")
    return provider.calls[before]


LANES = ["openai", "anthropic", "litellm"]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("lane", LANES)
def test_who_leaves_in_the_middle_of_a_stream_pays_for_what_came(
    gateway: Gateway, key: str, provider: Provider, lane: str, reset: bool
) -> None:
    surface: Surface = "anthropic" if lane == "anthropic" else "openai"
    before = len(provider.calls)
    stream = Stream(gateway.url, surface, f"{lane}-long", key, max_tokens=4000).begin()
    stream.some(12)
    request_id = stream.request_id
    stream.leave(reset=reset)
    call = call_of(provider, before)
    until(lambda: call.disconnected, "the provider still writes for nobody")
    assert call.pieces < 600
    with Books(url_of(gateway)) as books:
        books.settled()
        charge, ending = books.charges()[request_id], books.endings()[request_id]
        (budget,) = books.budgets()
        assert budget["spent_micros"] == sum(row["cost_micros"] for row in books.charges().values())
    assert (ending["outcome"], ending["status"], ending["error"]) == ("aborted", 499, "client_disconnected")
    assert charge["state"] == "aborted_estimated"
    assert 5 <= charge["tokens_output"] <= call.pieces * 2 + 8, "about as many tokens as there were words"
    assert budget["reserved_micros"] == 0


@pytest.mark.parametrize("lane", LANES)
def test_who_leaves_before_the_first_piece_of_a_stream_frees_the_provider(
    gateway: Gateway, key: str, provider: Provider, lane: str
) -> None:
    surface: Surface = "anthropic" if lane == "anthropic" else "openai"
    before = len(provider.calls)
    stream = Stream(gateway.url, surface, f"{lane}-slow", key)
    call = call_of(provider, before)
    stream.leave()
    until(lambda: call.disconnected, "the provider still works for nobody")
    with Books(url_of(gateway)) as books:
        books.settled()
        ending = max(books.endings().values(), key=lambda row: (row["at_us"], row["seq"]))
    assert (ending["model"], ending["outcome"], ending["status"]) == (f"{lane}-slow", "aborted", 499)


@pytest.mark.parametrize("lane", LANES)
def test_who_leaves_before_a_whole_answer_pays_what_the_provider_bills(gateway: Gateway, key: str, provider: Provider, lane: str) -> None:
    """A whole answer is not cut off half way: the provider would bill it unseen. It is read to its end, charged, and marked."""
    surface: Surface = "anthropic" if lane == "anthropic" else "openai"
    before = len(provider.calls)
    line = Line(gateway.url)
    body = json.dumps(body_for(surface, f"{lane}-soon")).encode()
    line._http.request("POST", PATHS[surface], body, {"content-type": "application/json", **key_header(surface, key)})
    call = call_of(provider, before)
    line.close()
    until(lambda: call.finished, "the provider was cut off")
    with Books(url_of(gateway)) as books:
        books.settled()
        ending = max(books.endings().values(), key=lambda row: (row["at_us"], row["seq"]))
        charge = books.charges()[ending["request_id"]]
    assert (ending["model"], ending["outcome"], ending["status"]) == (f"{lane}-soon", "aborted", 499)
    assert (charge["state"], charge["cost_micros"]) == ("aborted_drained", PRICE.micros(call.tally))


@pytest.mark.parametrize("surface", SURFACES)
def test_who_leaves_after_the_end_is_a_success(gateway: Gateway, key: str, provider: Provider, surface: Surface) -> None:
    stream = Stream(gateway.url, surface, f"{surface}-short", key).begin()
    while not stream.complete:
        assert stream._response is not None
        stream.raw += stream._response.read1(1)
    stream.leave(reset=True)
    with Books(url_of(gateway)) as books:
        books.settled()
        charge, ending = books.charges()[stream.request_id], books.endings()[stream.request_id]
    assert (ending["outcome"], ending["status"], charge["state"]) == ("ok", 200, "observed")
    assert charge["cost_micros"] == PRICE.micros(provider.calls[-1].tally)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_reader_who_does_not_read_holds_nothing_up(gateway: Gateway, key: str, surface: Surface) -> None:
    """30,000 pieces for somebody who reads none: others are served meanwhile, and all of it is still there for a late reader."""
    slow = Stream(gateway.url, surface, f"{surface}-wide", key, max_tokens=100_000).begin()
    for _ in range(3):
        quick = Stream(gateway.url, surface, f"{surface}-short", key).begin()
        quick.rest()
        assert quick.complete
    slow.rest()
    assert slow.complete
    assert slow.raw.count(b"word") >= 30_000
