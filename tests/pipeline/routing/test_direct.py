from __future__ import annotations

import asyncio

import pytest

from pipeline.routing.direct import DirectProvider, address
from pipeline.routing.model import FailureClass, Surface, UpstreamError
from pipeline.routing.providers import Catalog
from tests.pipeline.routing.asking import arguments_of, at, collect, failure, outbound, secret, target, text_of
from tests.servers.provider import Provider

OPENAI: tuple[Surface, ...] = ("openai.chat", "openai.completions")
TALKING: tuple[Surface, ...] = (*OPENAI, "anthropic.messages")
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def provider_of(surface: Surface) -> str:
    return "anthropic" if surface.startswith("anthropic") else "openai"


def to(server: Provider, surface: Surface, model: str, **more: object) -> object:
    name = provider_of(surface)
    return target(name, model, at(server.url, name), **more)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", TALKING)
async def test_an_answer_is_forwarded(direct: DirectProvider, provider: Provider, surface: Surface, stream: bool) -> None:
    deltas = await collect(direct.complete(outbound(to(provider, surface, "echo"), surface, stream=stream), secret()))
    assert text_of(deltas, surface) == "hello there you"
    assert all(delta.upstream_id == f"req_{provider.calls[0].ident}" for delta in deltas)
    assert provider.keys == ["key-one"]
    assert provider.calls[0].body["model"] == "echo"


@pytest.mark.parametrize(
    ("base", "surface", "url"),
    [
        ("https://a/v1", "openai.chat", "https://a/v1/chat/completions"),
        ("https://a/v1/", "openai.embeddings", "https://a/v1/embeddings"),
        ("https://a/v1/chat/completions", "openai.chat", "https://a/v1/chat/completions"),
        ("https://a", "anthropic.messages", "https://a/v1/messages"),
        ("https://a/v1", "anthropic.messages", "https://a/v1/messages"),
        ("https://a/v1/messages", "anthropic.count_tokens", "https://a/v1/messages/count_tokens"),
    ],
)
def test_a_base_address_becomes_the_calls_address(base: str, surface: Surface, url: str) -> None:
    assert address(base, surface) == url


async def test_openai_streams_always_ask_for_usage_and_keep_the_callers_options(direct: DirectProvider, provider: Provider) -> None:
    request = outbound(
        to(provider, "openai.chat", "echo"), stream=True, stream_options={"include_usage": False, "include_obfuscation": False}
    )
    deltas = await collect(direct.complete(request, secret()))
    assert provider.calls[0].body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert deltas[-1].data["usage"]["total_tokens"] > 0
    assert request.body["stream_options"]["include_usage"] is False


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai.chat", "anthropic.messages"])
async def test_tool_calls_come_through(direct: DirectProvider, provider: Provider, surface: Surface, stream: bool) -> None:
    tool = TOOL if surface == "openai.chat" else {"name": "look_up", "input_schema": {"type": "object"}}
    deltas = await collect(direct.complete(outbound(to(provider, surface, "tools"), surface, stream=stream, tools=[tool]), secret()))
    assert arguments_of(deltas, surface) == ("look_up", {"text": "hello there you", "count": 15})


@pytest.mark.parametrize("stream", [False, True])
async def test_several_choices_come_through(direct: DirectProvider, provider: Provider, stream: bool) -> None:
    deltas = await collect(direct.complete(outbound(to(provider, "openai.chat", "echo"), stream=stream, n=3), secret()))
    indexes = {choice["index"] for delta in deltas for choice in delta.data["choices"]}
    assert indexes == {0, 1, 2}


async def test_embeddings_and_counting_come_through(direct: DirectProvider, provider: Provider) -> None:
    (answer,) = await collect(direct.complete(outbound(to(provider, "openai.embeddings", "e"), "openai.embeddings"), secret()))
    assert len(answer.data["data"][0]["embedding"]) == 8
    (counted,) = await collect(direct.complete(outbound(to(provider, "anthropic.count_tokens", "e"), "anthropic.count_tokens"), secret()))
    assert counted.data == {"input_tokens": 4}


@pytest.mark.parametrize("surface", TALKING)
@pytest.mark.parametrize(
    ("model", "failed", "pieces"),
    [
        ("trunc@2", "broken_stream", 2),
        ("trunc@0", "broken_stream", 0),
        ("error@2", "5xx", 2),
        ("rst@2", "broken_stream", 2),
        ("rst", "connect", 0),
        ("longline", "too_large", 0),
        ("bomb", "too_large", 0),
        ("html", "broken_stream", 0),
        ("redirect", "5xx", 0),
    ],
)
async def test_a_stream_that_does_not_end_as_it_should_fails(
    direct: DirectProvider, provider: Provider, surface: Surface, model: str, failed: FailureClass, pieces: int
) -> None:
    error, came = await failure(direct.complete(outbound(to(provider, surface, model), surface, stream=True), secret()))
    assert (error.failure, len(came)) == (failed, pieces)
    assert len(provider.calls) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", TALKING)
@pytest.mark.parametrize(
    ("model", "failed", "status"),
    [
        ("429:3", "rate_limit", 429),
        ("500", "5xx", 500),
        ("503", "5xx", 503),
        ("401", "auth", 401),
        ("403", "auth", 403),
        ("404", "not_found", 404),
        ("context", "context_window", 400),
        ("filter", "content_policy", 400),
        ("400", "bad_request", 400),
    ],
)
async def test_a_refusal_becomes_its_class(
    direct: DirectProvider, provider: Provider, surface: Surface, stream: bool, model: str, failed: FailureClass, status: int
) -> None:
    error, came = await failure(direct.complete(outbound(to(provider, surface, model), surface, stream=stream), secret()))
    assert (error.failure, error.status, came) == (failed, status, [])
    assert error.upstream_id == "req_" + provider.calls[0].ident
    assert error.retry_after_s == (3.0 if status == 429 else None)


async def test_a_huge_error_body_is_cut(direct: DirectProvider, provider: Provider) -> None:
    error, _ = await failure(direct.complete(outbound(to(provider, "openai.chat", "bigerror")), secret()))
    assert error.failure == "5xx"
    assert len(error.body) == 64 << 10


async def test_a_body_that_unpacks_beyond_the_cap_is_refused(direct: DirectProvider, provider: Provider) -> None:
    error, _ = await failure(direct.complete(outbound(to(provider, "openai.chat", "bomb")), secret()))
    assert error.failure == "too_large"


async def test_the_key_stands_in_no_error_text_even_when_the_provider_repeats_it(direct: DirectProvider, provider: Provider) -> None:
    error, _ = await failure(direct.complete(outbound(to(provider, "openai.chat", "error-echo")), secret("key-to-hide")))
    assert "key-to-hide" in str(error.body)
    assert "key-to-hide" not in f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_silent_provider_times_out_before_its_first_byte(direct: DirectProvider, provider: Provider, stream: bool) -> None:
    to_it = to(provider, "openai.chat", "hang", first_byte_timeout_s=0.1, connect_timeout_s=0.1)
    error, _ = await failure(direct.complete(outbound(to_it, stream=stream), secret()))
    assert error.failure == "timeout"


async def test_a_stream_that_stops_talking_times_out(direct: DirectProvider, provider: Provider) -> None:
    error, came = await failure(direct.complete(outbound(to(provider, "openai.chat", "hang@2", idle_timeout_s=0.1), stream=True), secret()))
    assert (error.failure, len(came)) == ("timeout", 2)


async def test_a_slow_reader_is_not_an_idle_provider(direct: DirectProvider, provider: Provider) -> None:
    stream = direct.complete(outbound(to(provider, "openai.chat", "say:3+pace:0.01", idle_timeout_s=0.15), stream=True), secret())
    came = 0
    async for _ in stream:
        came += 1
        await asyncio.sleep(0.2 if came == 1 else 0)
    assert came > 3


async def test_an_unreachable_provider_is_a_connect_failure(direct: DirectProvider) -> None:
    error, _ = await failure(direct.complete(outbound(target(base="http://127.0.0.1:9/v1")), secret()))
    assert (error.failure, error.status) == ("connect", 0)


@pytest.mark.parametrize("value", ["", "two words", "new\nline", "ünïcode"])
async def test_a_key_that_cannot_be_a_header_is_never_sent(direct: DirectProvider, provider: Provider, value: str) -> None:
    error, _ = await failure(direct.complete(outbound(to(provider, "openai.chat", "echo")), secret(value)))
    assert (error.failure, provider.calls) == ("auth", [])
    assert not value or value not in str(error)


async def test_a_target_with_a_reference_is_never_asked_without_a_key(direct: DirectProvider, provider: Provider) -> None:
    error, _ = await failure(direct.complete(outbound(to(provider, "openai.chat", "echo")), None))
    assert (error.failure, provider.calls) == ("auth", [])


async def test_a_target_without_a_reference_sends_no_key(direct: DirectProvider, provider: Provider) -> None:
    await collect(direct.complete(outbound(to(provider, "openai.chat", "echo", reference=None)), None))
    assert "authorization" not in provider.calls[0].headers


async def test_only_allow_listed_headers_are_sent(direct: DirectProvider, provider: Provider) -> None:
    from dataclasses import replace

    request = outbound(to(provider, "anthropic.messages", "echo"), "anthropic.messages")
    headers = {"anthropic-beta": "tools-1", "anthropic-version": "2026-10-21", "cookie": "a=b", "x-api-key": "the callers"}
    await collect(direct.complete(replace(request, headers=headers), secret()))
    seen = provider.calls[0].headers
    assert (seen["anthropic-beta"], seen["anthropic-version"], seen["x-api-key"]) == ("tools-1", "2026-10-21", "key-one")
    assert "cookie" not in seen


async def test_organization_and_project_are_openais_headers(direct: DirectProvider, provider: Provider) -> None:
    await collect(
        direct.complete(outbound(to(provider, "openai.chat", "echo", extra={"organization": "org-1", "project": "p-1"})), secret())
    )
    seen = provider.calls[0].headers
    assert (seen["openai-organization"], seen["openai-project"]) == ("org-1", "p-1")


async def test_closing_the_answer_cancels_the_call_upstream(direct: DirectProvider, provider: Provider) -> None:
    stream = direct.complete(outbound(to(provider, "openai.chat", "say:500+pace:0.01"), stream=True), secret())
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    for _ in range(200):
        if provider.calls[0].disconnected:
            break
        await asyncio.sleep(0.01)
    assert provider.calls[0].disconnected
    assert provider.calls[0].pieces < 100


async def test_a_connection_is_used_again_after_a_whole_stream(direct: DirectProvider, provider: Provider) -> None:
    for _ in range(3):
        await collect(direct.complete(outbound(to(provider, "openai.chat", "echo"), stream=True), secret()))
    assert len({call.client for call in provider.calls}) == 1


async def test_a_provider_without_an_address_is_a_connect_failure(catalog: Catalog) -> None:
    lane = DirectProvider(catalog)
    with pytest.raises(UpstreamError, match="connect"):
        await collect(lane.complete(outbound(target("nobody-knows")), secret()))
