"""Tokens per minute and calls at the same time, over HTTP: held before a call is sent, right afterwards, and given back however it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.servers.provider import Provider, running_provider
from tests.walks.asking import SURFACES, Stream, Surface, ask, assert_refused
from tests.walks.rig import MASK_ALL, Answer, Gateway, anthropic_target, openai_target, running_gateway

SCRIPTS = {"echo": "say:5", "hang": "hang", "endless": "say:4000+pace:0.03", "fails": "500"}
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    targets = []
    for name, script in SCRIPTS.items():
        targets.append(openai_target(f"openai-{name}", f"openai-{name}--{script}", provider.url, first_byte_timeout_s=2))
        targets.append(anthropic_target(f"anthropic-{name}", f"anthropic-{name}--{script}", provider.url, first_byte_timeout_s=2))
    document = {
        "targets": targets,
        "models": {target["id"]: {"targets": [target["id"]], "fallback": {"enabled": False}} for target in targets},
        "prices": PRICES,
        "policies": {"default": dict(MASK_ALL)},
    }
    with running_gateway(tmp_path_factory.mktemp("limits"), document, LOCKGATE_LOG_LEVEL="INFO") as running:
        yield running


def left(answer: Answer, surface: Surface, kind: str = "tokens") -> int:
    """What the answer's headers say is left, in its own dialect and in no other."""
    own, foreign = ("x-ratelimit-", "anthropic-ratelimit-") if surface == "openai" else ("anthropic-ratelimit-", "x-ratelimit-")
    assert not [name for name in answer.headers if name.startswith(foreign)]
    if surface == "openai":
        assert re.fullmatch(r"([0-9]+m)?[0-9.]+m?s", answer.headers[f"{own}reset-{kind}"])
        return int(answer.headers[f"{own}remaining-{kind}"])
    reset = datetime.strptime(answer.headers[f"{own}{kind}-reset"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(reset.timestamp() - time.time()) < 120
    return int(answer.headers[f"{own}{kind}-remaining"])


@pytest.mark.parametrize("surface", SURFACES)
def test_what_was_used_takes_the_place_of_what_was_held(gateway: Gateway, surface: Surface) -> None:
    key = gateway.create_key(tpm_limit=100_000, rpm_limit=50)["key"]
    answer = ask(gateway.url, surface, f"{surface}-echo", key, max_tokens=5000)
    usage = answer.json["usage"]
    used = sum(
        usage[name] for name in (("prompt_tokens", "completion_tokens") if surface == "openai" else ("input_tokens", "output_tokens"))
    )
    assert (left(answer, surface), left(answer, surface, "requests")) == (100_000 - used, 49)
    failed = ask(gateway.url, surface, f"{surface}-fails", key)
    assert failed.status == 502
    assert (left(failed, surface), left(failed, surface, "requests")) == (100_000 - used, 48), "what was refused upstream used nothing"
    unknown = ask(gateway.url, surface, "no-such-model", key)
    assert unknown.status == 404
    assert (left(unknown, surface), left(unknown, surface, "requests")) == (100_000 - used, 48), "nor did what never was a call"


@pytest.mark.parametrize("surface", SURFACES)
def test_a_stream_holds_its_tokens_until_its_caller_leaves(gateway: Gateway, surface: Surface) -> None:
    key = gateway.create_key(tpm_limit=20_000)["key"]
    stream = Stream(gateway.url, surface, f"{surface}-endless", key, max_tokens=15_000).begin()
    stream.some(2)
    refused = ask(gateway.url, surface, f"{surface}-echo", key, max_tokens=6000)
    assert_refused(refused, surface, 429, "rate_limit_error", "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "1"
    assert int(refused.headers["retry-after-ms"]) <= 1000
    assert left(refused, surface) < 6000
    stream.leave()
    deadline = time.monotonic() + 15
    while (answer := ask(gateway.url, surface, f"{surface}-echo", key, max_tokens=6000)).status != 200:
        assert time.monotonic() < deadline, "its tokens are lost"
        time.sleep(0.05)
    assert 18_000 < left(answer, surface) < 20_000


def test_more_tokens_than_a_minute_has_are_refused_for_good(gateway: Gateway) -> None:
    key = gateway.create_key(tpm_limit=1000)["key"]
    refused = ask(gateway.url, "openai", "openai-echo", key, max_tokens=5000)
    assert_refused(refused, "openai", 429, "rate_limit_error", "rate_limit_exceeded")
    assert refused.headers["x-should-retry"] == "false"
    assert ask(gateway.url, "openai", "openai-echo", key, max_tokens=100).status == 200
    assert ask(gateway.url, "openai", "openai-echo", key).status == 200, "without a bound of its own it holds what is left"


@pytest.mark.parametrize("how", ["it fails", "its caller leaves before the answer", "its caller leaves the stream"])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_place_is_given_back_however_a_call_ends(gateway: Gateway, provider: Provider, surface: Surface, how: str) -> None:
    key = gateway.create_key(max_parallel_requests=1)["key"]
    before = len(provider.calls)
    stream = Stream(gateway.url, surface, f"{surface}-{'endless' if 'stream' in how else 'hang'}", key, max_tokens=10_000)
    if "stream" in how:
        stream.begin().some(1)
    deadline = time.monotonic() + 10
    while len(provider.calls) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    refused = ask(gateway.url, surface, f"{surface}-echo", key)
    assert_refused(refused, surface, 429, "rate_limit_error", "rate_limit_exceeded")
    assert refused.headers["retry-after"] == "1"
    if how == "it fails":
        assert stream.begin().status == 504
    stream.leave()
    while ask(gateway.url, surface, f"{surface}-echo", key).status != 200:
        assert time.monotonic() < deadline + 10, "its place is lost"
        time.sleep(0.05)
