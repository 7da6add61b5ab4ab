"""One answer whatever the lane: direct against LiteLLM, and our use of LiteLLM's configs against its own `acompletion`."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.routing.direct import DirectProvider
from pipeline.routing.litellm_configs import OPENAI_LIKE
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.litellm_parts import Parts
from pipeline.routing.litellm_wire import StreamWriter, whole_tree
from pipeline.routing.model import Delta, Surface
from pipeline.routing.usage import UsageMeter
from tests.pipeline.routing.asking import AWS, arguments_of, at, collect, failure, outbound, secret, target, text_of
from tests.servers.provider import Provider

TOOL = {"type": "function", "function": {"name": "look_up", "description": "d", "parameters": {"type": "object", "properties": {}}}}
SCRIPTS: list[tuple[str, dict[str, Any]]] = [
    ("#!echo\nhello there", {}),
    ("#!tools\nhello", {"tools": [TOOL]}),
    ("#!echo+cached\nhello " * 10, {"temperature": 0.5, "max_tokens": 500, "stop": ["zzz"]}),
    ("#!echo+reasoning\nhello", {"top_p": 0.5}),
]


def meaning(deltas: list[Delta], surface: Surface) -> dict[str, Any]:
    """What an answer says and used, without ids and times."""
    meter = UsageMeter(surface)
    for delta in deltas:
        meter.see(delta)
    tools = any("tool" in str(delta.data) for delta in deltas)
    said = {"text": text_of(deltas, surface), "finish": meter.finish_reasons, "usage": meter.usage(), "model": meter.model}
    return said | ({"tool": arguments_of(deltas, surface)} if tools and not said["text"] else {})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("prompt", "more"), SCRIPTS)
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
async def test_both_lanes_give_the_same_answer(
    direct: DirectProvider, litellm: LitellmProvider, provider: Provider, surface: Surface, prompt: str, more: dict[str, Any], stream: bool
) -> None:
    name = "openai" if surface == "openai.chat" else "anthropic"
    if surface == "anthropic.messages":
        more = {key: value for key, value in more.items() if key != "stop"}
        more |= {"tools": [{"name": "look_up", "input_schema": {"type": "object"}}]} if "tools" in more else {}
    request = outbound(target(name, "gpt-4o", at(provider.url, name)), surface, prompt, stream=stream, **more)
    forwarded = meaning(await collect(direct.complete(request, secret())), surface)
    translated = meaning(await collect(litellm.complete(request, secret())), surface)
    assert forwarded == translated
    first, second = (call.body for call in provider.calls)
    assert first["messages"] == second["messages"]
    assert {key: first.get(key) for key in more} == {key: second.get(key) for key in more}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["429:3", "500", "401", "context", "filter", "trunc@2", "html"])
async def test_both_lanes_fail_the_same(
    direct: DirectProvider, litellm: LitellmProvider, provider: Provider, model: str, stream: bool
) -> None:
    if model == "trunc@2" and not stream:
        return
    request = outbound(target("openai", model, at(provider.url, "openai")), stream=stream)
    first, _ = await failure(direct.complete(request, secret()))
    second, _ = await failure(litellm.complete(request, secret()))
    assert (first.failure, first.status, first.body, first.retry_after_s) == (
        second.failure,
        second.status,
        second.body,
        second.retry_after_s,
    )


async def _called(parts: Parts, request: Any, key: str) -> list[Delta]:
    """The same call through LiteLLM's own `acompletion`."""
    to = request.target
    body = {name: value for name, value in request.body.items() if name not in ("model", "stream")}
    credentials: dict[str, Any] = {"api_key": key}
    if to.provider == "bedrock":
        credentials = {"aws_access_key_id": "AKIALOOPBACK", "aws_secret_access_key": "loopback-secret", "aws_region_name": "us-east-1"}
        credentials["aws_bedrock_runtime_endpoint"] = to.base_url
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    answer = await parts.module.acompletion(
        model=to.model,
        custom_llm_provider=to.provider,
        api_base=to.base_url,
        num_retries=0,
        max_retries=0,
        _skip_mcp_handler=True,
        **credentials,
        **body,
    )
    if not request.stream:
        return [Delta(whole_tree(answer, to.model))]
    writer = StreamWriter(to.model)
    deltas = [Delta(tree) for chunk in [piece async for piece in answer] for tree in writer.write(chunk)]
    return deltas + [Delta(tree) for tree in writer.close()]


def _sent(call: Any) -> dict[str, Any]:
    body = dict(call.body)
    body.pop("stream_options", None)
    if not body.get("stream"):
        body.pop("stream", None)
    return body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("prompt", "more"), SCRIPTS)
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic", "claude-sonnet-4-5"),
        ("gemini", "gemini-2.5-flash"),
        ("bedrock", "converse/anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("openai", "gpt-4o"),
        ("azure", "gpt-4o"),
    ],
)
async def test_our_use_of_the_configs_does_what_acompletion_does(
    litellm: LitellmProvider, parts: Parts, provider: Provider, name: str, model: str, prompt: str, more: dict[str, Any], stream: bool
) -> None:
    base = provider.url + "/v1beta" if name == "gemini" else at(provider.url, name)
    request = outbound(target(name, model, base, lane="litellm"), "openai.chat", prompt, stream=stream, **more)
    key = AWS if name == "bedrock" else "key-one"
    ours = await collect(litellm.complete(request, secret(key)))
    theirs = await _called(parts, request, "key-one")
    mine, reference = provider.calls
    assert (mine.path, _sent(mine), mine.key) == (reference.path, _sent(reference), reference.key)
    for header in ("anthropic-version", "anthropic-beta", "content-type", "x-api-key", "x-goog-api-key", "api-key"):
        assert mine.headers.get(header) == reference.headers.get(header)
    first, second = meaning(ours, "openai.chat"), meaning(theirs, "openai.chat")
    mine_used, their_used = first.pop("usage"), second.pop("usage")
    assert first == second
    # LiteLLM guesses the reasoning part of a stream where the provider does not say it; the totals are the provider's
    assert (mine_used.total_input, mine_used.total_output) == (their_used.total_input, their_used.total_output)
    assert (mine_used.input, mine_used.cache_read) == (their_used.input, their_used.cache_read)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", sorted(OPENAI_LIKE - {"openai", "openai_like"}))
async def test_the_openai_like_providers_do_what_acompletion_does(
    litellm: LitellmProvider, parts: Parts, provider: Provider, name: str, stream: bool
) -> None:
    request = outbound(
        target(name, "some-model", provider.url + "/v1", lane="litellm"), "openai.chat", "#!echo\nhello", stream=stream, temperature=0.2
    )
    ours = await collect(litellm.complete(request, secret()))
    theirs = await _called(parts, request, "key-one")
    mine, reference = provider.calls
    same = {"model": "some-model"} if name == "openrouter" else {}  # called this way, LiteLLM puts its own prefix back before the model
    assert (mine.path, _sent(mine), mine.key) == (reference.path, _sent(reference) | same, reference.key)
    ours_means, theirs_means = meaning(ours, "openai.chat"), meaning(theirs, "openai.chat")
    assert ours_means["usage"].total_output == mine.tally.completion  # LiteLLM does not ask all of them for usage, and guesses
    assert (ours_means["text"], ours_means["finish"]) == (theirs_means["text"], theirs_means["finish"])
