"""The translated lane over HTTP, against the loopback server's Anthropic, Gemini, Bedrock and OpenAI formats."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.routing.litellm_lane import LitellmProvider
from pipeline.routing.litellm_parts import CALLBACKS, SWITCHES, Parts
from pipeline.routing.model import Delta, FailureClass, Surface, Target, UpstreamError
from pipeline.routing.usage import UsageMeter
from tests.pipeline.routing.asking import AWS, arguments_of, at, collect, failure, outbound, secret, target, text_of
from tests.servers.provider import Provider

TOOL = {"type": "function", "function": {"name": "look_up", "description": "d", "parameters": {"type": "object", "properties": {}}}}
CONFIGS = ("openai", "anthropic", "gemini", "bedrock", "azure")
CALLS = ("bedrock-invoke", "github")  # these two go through `acompletion`, by LiteLLM's own client and by OpenAI's
PROVIDERS = (*CONFIGS, *CALLS)
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/",
    "bedrock": "/model/",
    "bedrock-invoke": "/model/",
    "azure": "/openai/deployments/",
    "github": "/chat/completions",
}


CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"


@dataclass(frozen=True)
class _At:
    """Where a server is that is not the loopback provider."""

    url: str


def to(server: Provider | _At, name: str, model: str = "", **more: Any) -> Target:
    """A target of a provider at the loopback server; Bedrock's two protocols are told apart by the model's route prefix."""
    if name == "bedrock-invoke":
        return target(
            "bedrock", f"invoke/anthropic.claude-loop--{model}" if model else f"invoke/{CLAUDE}", server.url, lane="litellm", **more
        )
    if name == "bedrock":
        return target("bedrock", f"converse/{model or CLAUDE}", server.url, lane="litellm", **more)
    model = model or "echo"
    if name == "azure":
        more.setdefault("extra", {"api_version": "2024-10-21"})
    return target(name, model, at(server.url, name), lane="litellm", **more)


def key_for(name: str) -> Any:
    return secret(AWS if name.startswith("bedrock") else "key-one")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_every_provider_answers_on_both_surfaces(
    litellm: LitellmProvider, provider: Provider, name: str, surface: Surface, stream: bool
) -> None:
    deltas = await collect(
        litellm.complete(outbound(to(provider, name), surface, stream=stream, prompt="#!echo\nhello there you"), key_for(name))
    )
    assert text_of(deltas, surface) == "hello there you"
    (call,) = provider.calls
    assert call.path.startswith(PATHS[name])
    assert call.key == ("AKIALOOPBACK" if name.startswith("bedrock") else "key-one")
    meter = UsageMeter(surface)
    for delta in deltas:
        meter.see(delta)
    used = meter.usage()
    assert used is not None
    assert (used.total_input, used.total_output) == (call.tally.prompt, call.tally.completion)
    assert len(meter.finish_reasons) == 1


@pytest.mark.parametrize("script", ["say:3+pace:0.005", "tools+pace:0.002", "echo+leak-split:1+pace:0.001"])
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_stream_whose_pieces_come_one_by_one_is_whole(
    litellm: LitellmProvider, provider: Provider, name: str, surface: Surface, script: str
) -> None:
    tool = (
        TOOL if surface == "openai.chat" else {"name": "look_up", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    )
    request = outbound(to(provider, name), surface, stream=True, prompt=f"#!{script}\nhello", tools=[tool])
    deltas = await collect(litellm.complete(request, key_for(name)))
    if "tools" in script:
        assert arguments_of(deltas, surface)[1] == {"text": "hello", "count": 5}
    else:
        assert text_of(deltas, surface) == ("hello" if "echo" in script else "word word word")
    assert surface == "openai.chat" or [delta.event for delta in deltas[-2:]] == ["message_delta", "message_stop"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_every_provider_calls_tools_on_both_surfaces(
    litellm: LitellmProvider, provider: Provider, name: str, surface: Surface, stream: bool
) -> None:
    tool = (
        TOOL if surface == "openai.chat" else {"name": "look_up", "description": "d", "input_schema": {"type": "object", "properties": {}}}
    )
    request = outbound(to(provider, name), surface, stream=stream, prompt="#!tools\nhello", tools=[tool])
    deltas = await collect(litellm.complete(request, key_for(name)))
    assert arguments_of(deltas, surface) == ("look_up", {"text": "hello", "count": 5})
    reasons = {choice.get("finish_reason") for delta in deltas for choice in delta.data.get("choices", [])}
    assert surface != "openai.chat" or "tool_calls" in reasons


@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("model", "failed"),
    [
        ("trunc@2", "broken_stream"),
        ("say:9+pace:0.005+trunc@3", "broken_stream"),
        ("error@2", None),
        ("rst@2", "broken_stream"),
        ("rst", "connect"),
        ("html", "broken_stream"),
        ("redirect", "5xx"),
    ],
)
async def test_a_cut_stream_never_looks_whole(
    litellm: LitellmProvider, provider: Provider, name: str, surface: Surface, model: str, failed: FailureClass | None
) -> None:
    error, came = await failure(litellm.complete(outbound(to(provider, name, model), surface, stream=True), key_for(name)))
    assert failed is None or error.failure == failed
    assert not any(choice.get("finish_reason") for delta in came for choice in delta.data.get("choices", []))
    assert not any(delta.event in ("message_stop", "message_delta") for delta in came)
    assert len(provider.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "bedrock-invoke"])
@pytest.mark.parametrize(
    ("model", "failed", "status"), [("429:3", "rate_limit", 429), ("500", "5xx", 500), ("401", "auth", 401), ("403", "auth", 403)]
)
async def test_a_refusal_becomes_its_class_by_status(
    litellm: LitellmProvider, provider: Provider, name: str, stream: bool, model: str, failed: FailureClass, status: int
) -> None:
    error, came = await failure(litellm.complete(outbound(to(provider, name, model), stream=stream), key_for(name)))
    assert (error.failure, error.status, came) == (failed, status, [])
    assert len(provider.calls) == 1


@pytest.mark.parametrize("name", ["anthropic", "gemini", "azure", "openai", "github"])
async def test_the_key_stands_in_no_error_text_even_when_the_provider_repeats_it(
    litellm: LitellmProvider, provider: Provider, name: str
) -> None:
    error, _ = await failure(litellm.complete(outbound(to(provider, name, "error-echo")), secret("key-to-hide")))
    assert "key-to-hide" not in f"{error} {error!r} {error.__cause__!r}"
    assert error.__suppress_context__ or error.__context__ is None


async def test_a_silent_provider_times_out(litellm: LitellmProvider, provider: Provider) -> None:
    for name in ("anthropic", "github"):
        to_it = to(provider, name, "hang", first_byte_timeout_s=0.1, connect_timeout_s=0.2)
        error, _ = await failure(litellm.complete(outbound(to_it), secret()))
        assert error.failure == "timeout"


async def test_closing_the_answer_cancels_the_call_upstream(litellm: LitellmProvider, provider: Provider) -> None:
    stream = litellm.complete(outbound(to(provider, "anthropic", "say:500+pace:0.01"), stream=True), secret())
    await anext(stream)
    await stream.aclose()
    for _ in range(200):
        if provider.calls[0].disconnected:
            break
        await asyncio.sleep(0.01)
    assert provider.calls[0].disconnected


async def test_embeddings_and_completions_are_translated(litellm: LitellmProvider, provider: Provider) -> None:
    for name in ("openai", "gemini"):
        (answer,) = await collect(litellm.complete(outbound(to(provider, name), "openai.embeddings", "a text"), secret()))
        assert len(answer.data["data"][0]["embedding"]) == 8
    for stream in (False, True):
        deltas = await collect(
            litellm.complete(outbound(to(provider, "anthropic"), "openai.completions", "say it", stream=stream), secret())
        )
        assert text_of(deltas, "openai.completions") == "say it"


async def test_embeddings_are_packed_when_the_caller_asks_for_base64(litellm: LitellmProvider, provider: Provider) -> None:
    request = outbound(to(provider, "gemini"), "openai.embeddings", "a text", encoding_format="base64")
    (answer,) = await collect(litellm.complete(request, secret()))
    assert isinstance(answer.data["data"][0]["embedding"], str)


async def test_tokens_are_counted_here_for_models_without_such_a_call(litellm: LitellmProvider, provider: Provider) -> None:
    (answer,) = await collect(litellm.complete(outbound(to(provider, "gemini"), "anthropic.count_tokens", "four words of text"), secret()))
    assert 4 <= answer.data["input_tokens"] <= 12
    assert provider.calls == []


@pytest.mark.parametrize(
    "extra",
    [
        {"api_base": "http://127.0.0.1:9"},
        {"base_url": "http://127.0.0.1:9"},
        {"mock_response": "made up"},
        {"callbacks": ["otel"]},
        {"success_callback": ["langfuse"]},
        {"api_key": "the callers"},
        {"extra_headers": {"x-evil": "1"}},
        {"extra_body": {"evil": 1}},
        {"custom_llm_provider": "openai"},
        {"fallbacks": ["other"]},
        {"num_retries": 5},
        {"metadata": {"trace": "1"}},
        {"litellm_metadata": {}},
        {"input_cost_per_token": 0},
        {"aws_access_key_id": "x"},
        {"vertex_credentials": "x"},
    ],
    ids=lambda extra: next(iter(extra)),
)
@pytest.mark.parametrize("name", ["anthropic", *CALLS])
async def test_the_caller_cannot_steer_litellm(litellm: LitellmProvider, provider: Provider, name: str, extra: dict[str, Any]) -> None:
    deltas = await collect(litellm.complete(outbound(to(provider, name), prompt="#!echo\nhello there you", **extra), key_for(name)))
    assert text_of(deltas, "openai.chat") == "hello there you"
    (call,) = provider.calls
    assert call.key == ("AKIALOOPBACK" if name == "bedrock-invoke" else "key-one")
    assert next(iter(extra)) not in call.body
    assert "x-evil" not in call.headers


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "azure", "github"])
@pytest.mark.parametrize("held", ["", None])
async def test_no_key_from_the_environment_is_ever_sent(
    litellm: LitellmProvider, provider: Provider, monkeypatch: pytest.MonkeyPatch, name: str, held: str | None
) -> None:
    for variable in (
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "AZURE_API_KEY",
        "GITHUB_API_KEY",
    ):
        monkeypatch.setenv(variable, "key-of-the-environment")
    error, _ = await failure(litellm.complete(outbound(to(provider, name)), None if held is None else secret(held)))
    assert (error.failure, provider.calls) == ("auth", [])
    await collect(litellm.complete(outbound(to(provider, name, reference=None)), None))
    assert not provider.saw("key-of-the-environment")


@pytest.mark.parametrize("name", ["bedrock", "bedrock-invoke"])
async def test_an_aws_token_of_the_environment_does_not_go_before_the_targets_keys(
    litellm: LitellmProvider, provider: Provider, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "token-of-the-environment")
    await collect(litellm.complete(outbound(to(provider, name)), secret(AWS)))
    assert provider.keys == ["AKIALOOPBACK"]
    assert not provider.saw("token-of-the-environment")


async def test_a_bedrock_api_key_is_sent_as_a_bearer_token(litellm: LitellmProvider, provider: Provider) -> None:
    await collect(litellm.complete(outbound(to(provider, "bedrock")), secret("bedrock-api-key")))
    assert provider.keys == ["bedrock-api-key"]


@pytest.mark.parametrize("value", ["{not json", '{"aws_access_key_id": "only"}', '{"aws_access_key_id": "", "aws_secret_access_key": "x"}'])
async def test_a_broken_aws_secret_is_an_auth_failure(litellm: LitellmProvider, provider: Provider, value: str) -> None:
    error, _ = await failure(litellm.complete(outbound(to(provider, "bedrock")), secret(value)))
    assert (error.failure, provider.calls) == ("auth", [])


@pytest.mark.parametrize("name", CALLBACKS)
async def test_nothing_is_sent_while_a_callback_is_registered(
    litellm: LitellmProvider, provider: Provider, parts: Parts, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(parts.module, name, [lambda *_: None])
    with pytest.raises(PipelineError, match="callback"):
        await collect(litellm.complete(outbound(to(provider, "anthropic")), secret()))
    assert provider.calls == []


async def test_all_callback_lists_stay_empty_after_calls_of_every_kind(litellm: LitellmProvider, provider: Provider, parts: Parts) -> None:
    for name in PROVIDERS:
        await collect(litellm.complete(outbound(to(provider, name), stream=True), key_for(name)))
    await collect(litellm.complete(outbound(to(provider, "gemini"), "openai.embeddings"), secret()))
    await collect(litellm.complete(outbound(to(provider, "anthropic")), secret()))
    assert [name for name in CALLBACKS if getattr(parts.module, name, None)] == []


@pytest.mark.parametrize("name", ["gemini", "bedrock"])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}},
        {"type": "image_url", "image_url": " HTTPS://host/a.png"},
        {"type": "file", "file": {"file_data": "https://host/a.pdf"}},
        {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}},
    ],
)
async def test_addresses_of_media_are_not_fetched_by_the_gateway(
    litellm: LitellmProvider, provider: Provider, name: str, part: dict[str, Any]
) -> None:
    request = outbound(to(provider, name), messages=[{"role": "user", "content": [{"type": "text", "text": "look"}, part]}])
    error, _ = await failure(litellm.complete(request, key_for(name)))
    assert (error.failure, error.status, provider.calls) == ("bad_request", 400, [])


async def test_images_as_data_are_translated(litellm: LitellmProvider, provider: Provider) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
    content = [{"type": "text", "text": "#!echo\nlook"}, {"type": "image_url", "image_url": {"url": pixel}}]
    for name in ("anthropic", "gemini", "bedrock"):
        request = outbound(to(provider, name), messages=[{"role": "user", "content": content}])
        assert text_of(await collect(litellm.complete(request, key_for(name))), "openai.chat") == "look"
        assert b"iVBORw0KGgo" in provider.calls[-1].raw


async def test_a_parameter_that_the_provider_lacks_is_a_bad_request_unless_the_target_drops_it(
    litellm: LitellmProvider, provider: Provider
) -> None:
    error, _ = await failure(litellm.complete(outbound(to(provider, "anthropic"), logit_bias={"1": 2}), secret()))
    assert (error.failure, provider.calls) == ("bad_request", [])
    dropping = to(provider, "anthropic", extra={"drop_params": "true"})
    assert await collect(litellm.complete(outbound(dropping, logit_bias={"1": 2}), secret()))


async def test_remembered_parameters_do_not_mix_between_calls_or_keys(litellm: LitellmProvider, provider: Provider) -> None:
    for turn, (value, temperature) in enumerate([("key-a", 0.1), ("key-b", 0.1), ("key-a", 0.9)]):
        await collect(litellm.complete(outbound(to(provider, "anthropic"), temperature=temperature, tools=[TOOL]), secret(value)))
        call = provider.calls[turn]
        assert (call.key, call.body["temperature"], len(call.body["tools"])) == (value, temperature, 1)


async def test_a_forgotten_key_is_in_no_client_cache(litellm: LitellmProvider, provider: Provider, parts: Parts) -> None:
    await collect(litellm.complete(outbound(to(provider, "github")), secret("key-to-forget")))
    assert "key-to-forget" in str(parts.module.in_memory_llm_clients_cache.cache_dict)
    litellm.forget("key-to-forget")
    assert "key-to-forget" not in str(parts.module.in_memory_llm_clients_cache.cache_dict)


def test_importing_and_calling_litellm_connects_to_the_provider_only(provider: Provider) -> None:
    """In a process of its own, under an audit hook that sees every connection and every name look-up."""
    code = f"""
import asyncio, sys, warnings
warnings.simplefilter("ignore")
seen = []
def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple): seen.append(f"{{address[0]}}:{{address[1]}}")
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", None, "localhost"): seen.append(str(arguments[0]))
sys.addaudithook(watch)
from tests.pipeline.routing.test_litellm_lane import PROVIDERS, key_for, to
from tests.pipeline.routing.asking import collect, outbound, secret
from tests.servers.provider import Provider
from pipeline.routing.litellm_lane import LitellmProvider
server = Provider(); server.url = {provider.url!r}
async def main():
    lane = LitellmProvider()
    for name in PROVIDERS:
        for surface in ("openai.chat", "anthropic.messages"):
            await collect(lane.complete(outbound(to(server, name), surface, stream=True), key_for(name)))
    await collect(lane.complete(outbound(to(server, "anthropic"), "anthropic.messages", stream=True), secret()))
    await lane.aclose()
asyncio.run(main())
print(sorted(set(seen)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == str([provider.url.removeprefix("http://")])


def test_litellm_is_imported_with_its_switches_set(parts: Parts) -> None:
    assert {name: os.environ[name] for name in SWITCHES} == SWITCHES
    assert parts.module.suppress_debug_info
    assert parts.module.cache is None


async def _answering(tree: Any) -> Any:
    """A server that answers everything with status 200 and one JSON text."""
    from aiohttp import web
    from aiohttp.test_utils import TestServer

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(tree)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    return server


@pytest.mark.filterwarnings("default:Pydantic serializer warnings")  # the strange types that LiteLLM is given here
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    "tree", [{"surprise": True}, {"choices": "none", "content": 5, "candidates": 7, "output": []}], ids=["strange", "wrong"]
)
async def test_an_answer_that_cannot_be_translated_is_a_broken_one(
    litellm: LitellmProvider, name: str, surface: Surface, tree: Any
) -> None:
    """Not a provider that cannot be reached: it took the request, and may bill it. Where LiteLLM reads anything at all, that counts."""
    server = await _answering(tree)
    try:
        request = outbound(to(_At(str(server.make_url("")).rstrip("/")), name), surface)
        raised: UpstreamError | None = None
        came: list[Delta] = []
        try:
            came = await collect(litellm.complete(request, key_for(name)))
        except UpstreamError as error:
            raised = error
        assert request.departure.sent
        assert len(came) == 1 or raised is not None
        assert raised is None or (raised.failure, raised.status, raised.body) == ("broken_stream", 200, None)
    finally:
        await server.close()


@pytest.mark.parametrize(("where", "failed", "sent"), [("http://127.0.0.1:9", "connect", False), ("rst", "connect", True)])
@pytest.mark.parametrize("name", PROVIDERS)
async def test_the_lane_knows_whether_a_request_left(
    litellm: LitellmProvider, provider: Provider, name: str, where: str, failed: FailureClass, sent: bool
) -> None:
    """What surely never reached a provider is not billed by it."""
    at_server = _At(where) if where.startswith("http") else provider
    request = outbound(to(at_server, name, "" if where.startswith("http") else where), "openai.chat", prompt="#!rst\nhello")
    error, _ = await failure(litellm.complete(request, key_for(name)))
    assert (error.failure, error.status, request.departure.sent) == (failed, 0, sent)
