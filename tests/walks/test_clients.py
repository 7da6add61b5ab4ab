"""The acceptance test of both surfaces: unmodified SDK clients, the newest and those LiteLLM pins, through both lanes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.provider import Provider, running_provider
from tests.servers.provider_calls import Price, bill
from tests.walks.rig import BLOCK_SECRETS, MASK_ALL, Gateway, anthropic_target, has_environment, openai_target, run_client, running_gateway

pytestmark = pytest.mark.clients

ENVIRONMENTS = ("clients-newest", "clients-pinned")
KEY_REF = {"env": "LOOPBACK_KEY"}
PRICES = {
    "openai/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
    "anthropic/*": {"input_per_mtok_usd": 1, "output_per_mtok_usd": 2},
}


def document(provider: Provider) -> dict[str, Any]:
    targets: list[dict[str, Any]] = []
    models: dict[str, Any] = {}
    for lane in ("direct", "litellm"):
        for name, model in {
            "echo": "echo",
            "tools": "tools",
            "plain": "plain",
            "upstream-500": "500",
            "upstream-429": "429:1",
            "cut": "say:9+trunc@3",
        }.items():
            openai_id, anthropic_id = f"openai-{name}-{lane}", f"anthropic-{name}-{lane}"
            targets.append(openai_target(openai_id, model, provider.url, lane=lane, secret_key_ref=KEY_REF))
            # The LiteLLM lane of the Anthropic surface is about other wire formats: an OpenAI-shaped provider behind it.
            if lane == "direct":
                targets.append(anthropic_target(anthropic_id, model, provider.url, secret_key_ref=KEY_REF))
            else:
                targets.append(openai_target(anthropic_id, model, provider.url, lane=lane, secret_key_ref=KEY_REF))
            for surface, target in (("openai", openai_id), ("anthropic", anthropic_id)):
                models[f"{surface}-{name}-{lane}"] = {"targets": [target], "fallback": {"enabled": False}}
    return {
        "targets": targets,
        "models": models,
        "prices": PRICES,
        "policies": {"default": MASK_ALL, "strict": BLOCK_SECRETS},
        "workspaces": {"default": {}, "strict": {"policy": "strict"}},
    }


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("clients"), document(provider), LOOPBACK_KEY="sk-loopback-only") as running:
        yield running


@pytest.fixture(params=ENVIRONMENTS)
def environment(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not has_environment(name):
        pytest.skip(f"the environment .venv-{name} is not installed; run: make clients")
    return name


def given(gateway: Gateway, surface: str, lane: str, key: str, **more: Any) -> dict[str, Any]:
    return {
        "base_url": f"{gateway.url}/v1" if surface == "openai" else gateway.url,
        "key": key,
        "model": f"{surface}-echo-{lane}",
        "tools_model": f"{surface}-tools-{lane}",
        "embedding_model": f"{surface}-plain-{lane}",
        "prompt": "Say it back, please: the quick brown fox.",
        **more,
    }


@pytest.mark.parametrize("lane", ["direct", "litellm"])
def test_the_openai_client_works_unmodified(environment: str, lane: str, gateway: Gateway) -> None:
    key = gateway.create_key()["key"]
    scenarios = [
        "chat",
        "stream",
        "stream_without_usage",
        "tools",
        "tools_streamed",
        "several",
        "image",
        "embeddings",
        "models",
        "completion",
    ]
    seen = run_client(environment, "openai_walk", given(gateway, "openai", lane, key, scenarios=scenarios))
    assert "quick brown fox" in seen["chat"]["text"]
    assert seen["chat"]["finish"] == "stop"
    assert seen["chat"]["tokens"] > 0
    assert seen["stream"]["text"] == seen["chat"]["text"]
    assert seen["stream"]["tokens"] == seen["chat"]["tokens"]
    assert seen["stream_without_usage"]["tokens"] is None
    assert seen["tools"]["name"] == seen["tools_streamed"]["name"] == "note"
    assert seen["tools"]["arguments"] == seen["tools_streamed"]["arguments"]
    assert seen["several"]["choices"] == 2
    assert "quick brown fox" in seen["image"]["text"]
    assert seen["completion"]["text"]
    assert seen["embeddings"]["vectors"] == 2
    assert seen["embeddings"]["first_is_float"]
    assert f"openai-echo-{lane}" in seen["models"]["ids"]
    assert seen["chat"]["request_id"] == seen["chat"]["sdk_request_id"]
    kinds = {row["kind"] for row in gateway.events(request_id=seen["chat"]["request_id"])}
    assert {"gateway:call:start", "gateway:call:finish"} <= kinds


@pytest.mark.parametrize("lane", ["direct", "litellm"])
def test_the_anthropic_client_works_unmodified(environment: str, lane: str, gateway: Gateway) -> None:
    key = gateway.create_key()["key"]
    scenarios = ["chat", "stream", "tools", "tools_streamed", "image", "count_tokens", "models", "bearer"]
    seen = run_client(environment, "anthropic_walk", given(gateway, "anthropic", lane, key, scenarios=scenarios))
    assert "quick brown fox" in seen["chat"]["text"]
    assert seen["chat"]["stop"] == "end_turn"
    assert seen["chat"]["tokens"] > 0
    assert seen["stream"]["text"] == seen["chat"]["text"]
    assert seen["stream"]["tokens"] > 0
    assert seen["tools"]["name"] == seen["tools_streamed"]["name"] == "note"
    assert seen["tools"]["arguments"] == seen["tools_streamed"]["arguments"]
    assert seen["tools"]["stop"] == "tool_use"
    assert "quick brown fox" in seen["image"]["text"]
    assert seen["count_tokens"]["tokens"] > 0
    assert f"anthropic-echo-{lane}" in seen["models"]["ids"]
    assert seen["bearer"]["stop"] == "end_turn"
    kinds = {row["kind"] for row in gateway.events(request_id=seen["chat"]["request_id"])}
    assert {"gateway:call:start", "gateway:call:finish"} <= kinds


def error_cases(gateway: Gateway, surface: str, lane: str) -> dict[str, dict[str, Any]]:
    revoked = gateway.create_key()
    gateway.admin("POST", f"/v1/keys/{revoked['id']}/revoke")
    narrow = gateway.create_key(models=[f"{surface}-plain-{lane}"])
    poor = gateway.create_key(budget={"limit_usd": "0.000001"})
    strict = gateway.create_key(workspace="strict")
    slow = gateway.create_key(rpm_limit=1)
    echo = f"{surface}-echo-{lane}"
    return {
        "bad_key": {"key": "lgk_" + "0" * 43, "model": echo},
        "revoked": {"key": revoked["key"], "model": echo},
        "narrow": {"key": narrow["key"], "model": echo},
        "poor": {"key": poor["key"], "model": echo},
        "blocked": {"key": strict["key"], "model": echo, "prompt": "tell me about Project Nightfall"},
        "unknown_model": {"model": "no-such-model"},
        "upstream_500": {"model": f"{surface}-upstream-500-{lane}"},
        "cut_stream": {"model": f"{surface}-cut-{lane}", "extra": {"stream": True}},
        "rate_first": {"key": slow["key"], "model": echo},
    }


OPENAI_ERRORS = {
    "bad_key": ("AuthenticationError", 401, "invalid_api_key"),
    "revoked": ("AuthenticationError", 401, "key_revoked"),
    "narrow": ("PermissionDeniedError", 403, "model_not_allowed"),
    "poor": ("RateLimitError", 429, "budget_exceeded"),
    "blocked": ("BadRequestError", 400, "content_blocked"),
    "unknown_model": ("NotFoundError", 404, "model_not_found"),
    "upstream_500": ("InternalServerError", 502, "upstream_error"),
    "cut_stream": ("APIError", None, "upstream_protocol_error"),
}
ANTHROPIC_ERRORS = {
    "bad_key": ("AuthenticationError", 401, "authentication_error"),
    "revoked": ("AuthenticationError", 401, "authentication_error"),
    "narrow": ("PermissionDeniedError", 403, "permission_error"),
    "poor": (("PaymentRequiredError", "APIStatusError"), 402, "billing_error"),
    "blocked": ("BadRequestError", 400, "invalid_request_error"),
    "unknown_model": ("NotFoundError", 404, "not_found_error"),
    "upstream_500": ("InternalServerError", 502, "api_error"),
}


@pytest.mark.parametrize("lane", ["direct", "litellm"])
def test_every_error_has_the_class_that_the_openai_client_knows(environment: str, lane: str, gateway: Gateway) -> None:
    key = gateway.create_key()["key"]
    cases = error_cases(gateway, "openai", lane)
    seen = run_client(environment, "openai_walk", given(gateway, "openai", lane, key, scenarios=["errors"], errors=cases))["errors"]
    for name, (kind, status, code) in OPENAI_ERRORS.items():
        assert (seen[name]["class"], seen[name]["status"], seen[name]["code"]) == (kind, status, code), (name, seen[name])
    assert seen["poor"]["retries"] in (None, "0"), "a budget refusal is not sent again"
    for name in ("bad_key", "revoked", "narrow", "poor", "blocked", "unknown_model"):
        assert gateway.events(request_id=seen[name]["request_id"]), f"{name}: the request id finds the event"


@pytest.mark.parametrize("lane", ["direct", "litellm"])
def test_every_error_has_the_class_that_the_anthropic_client_knows(environment: str, lane: str, gateway: Gateway) -> None:
    key = gateway.create_key()["key"]
    cases = error_cases(gateway, "anthropic", lane)
    seen = run_client(environment, "anthropic_walk", given(gateway, "anthropic", lane, key, scenarios=["errors"], errors=cases))["errors"]
    for name, (kind, status, code) in ANTHROPIC_ERRORS.items():
        kinds = (kind,) if isinstance(kind, str) else kind
        assert seen[name]["class"] in kinds, (name, seen[name])
        assert (seen[name]["status"], seen[name]["type"]) == (status, code), (name, seen[name])
        assert gateway.events(request_id=seen[name]["request_id"]), f"{name}: the request id finds the event"
    assert seen["cut_stream"]["class"] is not None, "a cut stream is an error, never a silent end"


def test_what_was_charged_is_what_the_provider_counted(provider: Provider, gateway: Gateway) -> None:
    key = gateway.create_key()
    before = len(provider.calls)
    for surface, path, extra in (("openai", "/v1/chat/completions", {}), ("anthropic", "/v1/messages", {"max_tokens": 99})):
        for lane in ("direct", "litellm"):
            body = {"model": f"{surface}-echo-{lane}", "messages": [{"role": "user", "content": "one two three"}], **extra}
            assert gateway.call("POST", path, body, key=key["key"]).status == 200
    billed = bill(provider.calls[before:], {"echo": Price(input=1_000_000, output=2_000_000)})
    spend = gateway.admin("GET", f"/v1/spend?group_by=key&key={key['id']}")
    assert spend["total"]["charges"] == 4
    assert spend["total"]["cost_micros"] == billed > 0


def test_the_walk_leaves_nothing_unsettled(gateway: Gateway, tmp_path: Path) -> None:
    assert gateway.cli("audit", "verify").returncode == 0
