"""The LiteLLM lane: OpenAI's and Anthropic's surface in front of any provider that LiteLLM knows.

Two ways inside. Where LiteLLM has a provider config that we know (`litellm_configs.serves`), its transformations run over our own HTTP
client; everything else goes through `acompletion` and its siblings. In both LiteLLM gets arguments from our allow-list only, never an
empty key (it would send one from the environment), does not retry, and its errors are reduced to a status, a class and a body that the
gateway screens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import orjson

from pipeline.errors import PipelineError
from pipeline.routing.client import Http
from pipeline.routing.direct import forward
from pipeline.routing.eventstream import BrokenFrameError
from pipeline.routing.litellm_calls import CallExchange, plain_call
from pipeline.routing.litellm_configs import bare_model, prepare, prepare_messages, serves
from pipeline.routing.litellm_errors import translate
from pipeline.routing.litellm_exchange import Exchange
from pipeline.routing.litellm_keys import plain_key
from pipeline.routing.litellm_memory import ParamCache
from pipeline.routing.litellm_parts import Parts, check_callbacks, load
from pipeline.routing.litellm_wire import CHAT_PARAMS, MESSAGES_PARAMS, StreamWriter, chosen, plain, refuse_remote_media, whole_tree
from pipeline.routing.model import Delta, Outbound, UpstreamError
from pipeline.routing.providers import Catalog, read_catalog
from pipeline.routing.sse import EventTooLongError
from pipeline.routing.tokens import estimate_input
from pipeline.vaults.model import Secret


class LitellmProvider:
    """Translates through LiteLLM, which is imported with the first call, or by `warm`. The catalog knows providers' addresses."""

    name = "litellm"

    def __init__(self, catalog: Catalog | None = None, http: Http | None = None, importer: Callable[[], Parts] = load) -> None:
        self._http = http or Http()
        self._bases = (catalog or read_catalog()).bases
        self._importer = importer
        self._parts: Parts | None = None
        self._cache = ParamCache()

    async def warm(self) -> Parts:
        """Import LiteLLM in a thread, so that no call waits on the event loop for it."""
        if self._parts is None:
            self._parts = await asyncio.to_thread(self._importer)
        return self._parts

    async def complete(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Send the request with the key; yield the answer in the surface's format. Closing the iterator cancels the call."""
        if request.surface == "anthropic.count_tokens":
            yield Delta({"input_tokens": estimate_input(request.surface, request.body)})
            return
        if key is None and request.target.reference is not None:
            raise UpstreamError("auth", target_id=request.target.id)
        refuse_remote_media(request)
        parts = self._parts or await self.warm()
        check_callbacks(parts.module)
        answer = self._answer(parts, request, key)
        try:
            async for delta in answer:
                yield delta
        except (UpstreamError, PipelineError):
            raise
        except EventTooLongError:
            raise UpstreamError("too_large", status=200, target_id=request.target.id) from None
        except (orjson.JSONDecodeError, BrokenFrameError):
            raise UpstreamError("broken_stream", status=200, target_id=request.target.id) from None
        except Exception as error:  # noqa: BLE001 the boundary to LiteLLM: its errors carry provider text and sometimes the key
            raise translate(error, request) from None
        finally:
            await answer.aclose()

    def _answer(self, parts: Parts, request: Outbound, key: Secret | None) -> Any:
        if request.surface == "openai.chat":
            return self._chat(parts, request, key)
        if request.surface == "anthropic.messages":
            if request.target.provider != "anthropic":
                return self._messages(parts, request, key)
            base = request.target.base_url or self._bases.get("anthropic")
            return forward(self._http, request, lambda: prepare_messages(parts, request, plain_key(request.target, key), base))
        return plain_call(parts.module, request, key)

    def _exchange(self, parts: Parts, request: Outbound, key: Secret | None, body: dict[str, Any]) -> Exchange | CallExchange:
        """A call over a provider config where there is one, over `acompletion` elsewhere. `body` is in OpenAI's format."""
        target = request.target
        params = chosen(body, CHAT_PARAMS)
        if not serves(parts, target):
            return CallExchange(parts.module, request, key, params)
        params.pop("messages", None)
        base = target.base_url or self._bases.get(target.provider)
        prepared = prepare(
            parts, self._cache, target, body=body, params=params, key=plain_key(target, key), base=base, stream=request.stream
        )
        return Exchange(self._http, request, prepared)

    async def _chat(self, parts: Parts, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """OpenAI's chat surface."""
        model = request.target.model
        exchange = self._exchange(parts, request, key, request.body)
        try:
            if not request.stream:
                answer = await exchange.whole()
                yield Delta(whole_tree(answer, model), "", exchange.upstream_id)
                return
            writer = StreamWriter(model)
            async with aclosing(exchange.chunks(texts=True)) as chunks:
                async for chunk in chunks:
                    for tree in writer.write(chunk):
                        yield Delta(tree, "", exchange.upstream_id)
            for tree in writer.close():
                yield Delta(tree, "", exchange.upstream_id)
        finally:
            await exchange.aclose()

    async def _messages(self, parts: Parts, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Anthropic's surface in front of other providers, through LiteLLM's adapter to and from OpenAI's format."""
        target = request.target
        given = chosen(request.body, MESSAGES_PARAMS) | {"model": target.model}
        body, names = parts.adapter.translate_completion_input_params_with_tool_mapping(given, custom_llm_provider=target.provider)
        exchange = self._exchange(parts, request, key, dict(body))
        try:
            if not request.stream:
                answer = await exchange.whole()
                tree = parts.adapter.translate_completion_output_params(answer, tool_name_mapping=names)
                yield Delta(plain(tree), "", exchange.upstream_id)
                return
            async with aclosing(exchange.chunks()) as source, aclosing(await begun(source)) as chunks:
                held: list[Delta] = []  # the message's end, until it is known that the provider has ended it too
                async for event in parts.adapter_stream(chunks, model=bare_model(target), tool_name_mapping=names):
                    kind = str(event.get("type", ""))
                    held.append(Delta(event, kind, exchange.upstream_id))
                    if kind not in ("message_delta", "message_stop"):
                        for delta in held:
                            yield delta
                        held.clear()
                async for _ in chunks:
                    pass  # what the adapter has left, for the provider's own terminator
            if exchange.failure is not None:
                raise exchange.failure  # the adapter swallows what its source raises
            if not exchange.ended:
                raise UpstreamError("broken_stream", status=200, upstream_id=exchange.upstream_id)
            for delta in held:
                yield delta
        finally:
            await exchange.aclose()

    def forget(self, key: str) -> None:
        """Drop LiteLLM's cached clients that were made for a key; their cache keys hold it in clear for ten minutes otherwise."""
        if self._parts is None:
            return
        cache = self._parts.module.in_memory_llm_clients_cache
        for name in [name for name in cache.cache_dict if key in str(name)]:
            cache.cache_dict.pop(name, None)
            cache.ttl_dict.pop(name, None)

    async def aclose(self) -> None:
        """Close the connections, LiteLLM's too."""
        await self._http.aclose()
        if self._parts is not None:
            await self._parts.module.close_litellm_async_clients()


async def begun(chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The same chunks after the first has come: LiteLLM's adapter would announce a message before the provider has answered."""
    first = await anext(chunks, None)

    async def again() -> AsyncGenerator[Any, None]:
        if first is not None:
            yield first
        async for chunk in chunks:
            yield chunk

    return again()
