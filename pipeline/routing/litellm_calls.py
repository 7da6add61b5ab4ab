"""LiteLLM's own calls (`acompletion`, `atext_completion`, `aembedding`) for what no config of ours serves.

They are ten times dearer, follow redirects, and make up an end for streams that were cut; the last is noticed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from pipeline.routing.litellm_keys import credentials
from pipeline.routing.litellm_wire import COMPLETION_PARAMS, EMBEDDING_PARAMS, chosen, completion_tree, embedding_tree, plain
from pipeline.routing.model import Delta, Outbound, UpstreamError
from pipeline.vaults.model import Secret

_PACKING = frozenset({"openai", "azure", "custom_openai", "openai_like"})
"""The providers that know `encoding_format`."""


def arguments_for(request: Outbound, key: Secret | None, params: dict[str, Any]) -> dict[str, Any]:
    """LiteLLM's arguments: the caller's allow-listed ones, the target's own, and the switches that keep it quiet."""
    import httpx

    target = request.target
    read = max(target.first_byte_timeout_s, target.idle_timeout_s)
    arguments = params | credentials(target, key)
    arguments |= {
        "model": target.model,
        "custom_llm_provider": target.provider,
        "timeout": httpx.Timeout(read, connect=target.connect_timeout_s),
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": target.extra.get("drop_params") == "true",
        "no-log": True,
        "_skip_mcp_handler": True,  # it imports LiteLLM's proxy, whose packages are not part of the base wheel
    }
    if target.base_url:
        arguments["api_base"] = target.base_url
    if request.stream:
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
    return arguments


class CallExchange:
    """A chat call through `acompletion`, with the face of `Exchange`. `call` is another of LiteLLM's functions, where given."""

    def __init__(self, module: Any, request: Outbound, key: Secret | None, params: dict[str, Any], call: str = "acompletion") -> None:
        self._call = getattr(module, call)
        self._request = request
        self._arguments = arguments_for(request, key, params)
        self._answer: Any = None
        self.upstream_id = ""
        self.ended = False
        self.failure: Exception | None = None

    async def whole(self) -> Any:
        """The whole answer as LiteLLM's response object."""
        target = self._request.target
        async with asyncio.timeout(target.connect_timeout_s + target.first_byte_timeout_s):
            self._request.departure.sent = True  # LiteLLM does not say when; `translate` takes it back where it knows better
            self._answer = await self._call(**self._arguments)
        self._request.departure.answered = True
        self.upstream_id = response_id(self._answer)
        return self._answer

    async def chunks(self, *, texts: bool = False) -> AsyncGenerator[Any, None]:
        """The answer as LiteLLM's stream chunks; an end that the provider did not give raises UpstreamError."""
        try:
            pieces = (await self.whole()).__aiter__()
            while True:
                try:
                    async with asyncio.timeout(self._request.target.idle_timeout_s):
                        chunk = await pieces.__anext__()
                except StopAsyncIteration:
                    break
                self.ended = self.ended or ended_properly(self._answer)
                if not self.ended and any(choice.finish_reason for choice in chunk.choices or ()):
                    break
                yield chunk
            if not self.ended and not ended_properly(self._answer):
                raise UpstreamError("broken_stream", status=200, upstream_id=self.upstream_id)
        except Exception as error:
            self.failure = error
            raise

    async def aclose(self) -> None:
        """Close the stream, which closes the connection behind it."""
        closer = getattr(self._answer, "aclose", None)
        if closer is not None:
            try:
                await closer()
            except RuntimeError:
                return  # it is already closing, because our own task was cancelled inside it


async def plain_call(module: Any, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
    """Completions and embeddings, in OpenAI's format."""
    model = request.target.model
    if request.surface == "openai.embeddings":
        params = chosen(request.body, EMBEDDING_PARAMS)
        if request.target.provider not in _PACKING:
            params.pop("encoding_format", None)  # OpenAI's client always asks for base64; we pack the numbers ourselves
        exchange = CallExchange(module, request, key, params, "aembedding")
        answer = await exchange.whole()
        yield Delta(embedding_tree(plain(answer), request), "", exchange.upstream_id)
        return
    exchange = CallExchange(module, request, key, chosen(request.body, COMPLETION_PARAMS), "atext_completion")
    try:
        if not request.stream:
            answer = await exchange.whole()
            yield Delta(completion_tree(plain(answer), model), "", exchange.upstream_id)
            return
        async for chunk in exchange.chunks():
            yield Delta(completion_tree(plain(chunk), model), "", exchange.upstream_id)
    finally:
        await exchange.aclose()


def ended_properly(answer: Any) -> bool:
    """Whether the provider itself said why it stopped; LiteLLM's stream wrapper invents a reason when it did not."""
    wrapper = answer if hasattr(answer, "received_finish_reason") else getattr(answer, "completion_stream", answer)
    if not hasattr(wrapper, "received_finish_reason"):
        return True
    return bool(wrapper.received_finish_reason or getattr(wrapper, "intermittent_finish_reason", None))


def response_id(answer: Any) -> str:
    """The provider's id of the call, from the response headers that LiteLLM keeps; "" without one."""
    hidden = getattr(answer, "_hidden_params", None) or {}
    headers = hidden.get("additional_headers") or {}
    for name in ("x-request-id", "request-id", "x-amzn-requestid"):
        value = headers.get("llm_provider-" + name) or headers.get(name)
        if value:
            return str(value)[:200]
    return ""
