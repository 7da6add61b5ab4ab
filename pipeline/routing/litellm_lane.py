"""The LiteLLM lane: OpenAI's and Anthropic's surface in front of any provider that LiteLLM knows.

The only file that imports LiteLLM (pinned; `tokens.py` comes through `load`). LiteLLM is made safe here: imported with its production mode
and its bundled price map, without callbacks, with its loggers off, never with an empty key (it would send one from the
environment), with arguments from our allow-list only, without retries of its own, and with its errors reduced to a status, a class
and a body that the gateway screens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from pipeline.errors import PipelineError
from pipeline.routing.litellm_errors import translate
from pipeline.routing.litellm_wire import (
    CHAT_PARAMS,
    COMPLETION_PARAMS,
    EMBEDDING_PARAMS,
    MESSAGES_PARAMS,
    anthropic_pieces,
    chosen,
    completion_tree,
    embedding_tree,
    plain,
    refuse_remote_media,
    stream_tree,
    whole_tree,
)
from pipeline.routing.litellm_keys import credentials
from pipeline.routing.model import Delta, Outbound, UpstreamError
from pipeline.routing.tokens import estimate_input
from pipeline.vaults.model import Secret

CALLBACKS = (
    "callbacks",
    "input_callback",
    "success_callback",
    "failure_callback",
    "service_callback",
    "audit_log_callbacks",
    "_async_input_callback",
    "_async_success_callback",
    "_async_failure_callback",
    "pre_call_rules",
    "post_call_rules",
)
"""The lists by which LiteLLM would hand prompts, answers and keys to third parties. They must be empty before every call."""

_LOADING = threading.Lock()


def load() -> Any:
    """Import LiteLLM safely and give the module. Takes about two seconds the first time; safe to call from any thread.

    The two variables are LiteLLM's own switches and are read while it is imported, so they must be set here and nowhere later:
    production mode keeps it from reading a `.env` file, the other keeps it from downloading a price map.
    """
    with _LOADING:
        os.environ["LITELLM_MODE"] = "PRODUCTION"  # noqa: TID251 see above
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # noqa: TID251 see above
        import litellm

        for name in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
            logging.getLogger(name).disabled = True  # its debug lines hold prompts and headers
        litellm.suppress_debug_info = True
        litellm.set_verbose = False
        litellm.telemetry = False
        litellm.drop_params = False
        litellm.num_retries = None
        litellm.cache = None
        return litellm


def check_callbacks(litellm: Any) -> None:
    """Refuse to call LiteLLM while anything listens in, or caches. Raises PipelineError `litellm_callbacks`.

    LiteLLM's Gemini module registers the word `cache` for a cache that does not exist; that one is taken out again.
    """
    for name in CALLBACKS:
        listening = getattr(litellm, name, None)
        if listening and litellm.cache is None:
            listening[:] = [callback for callback in listening if callback != "cache"]
        if listening:
            raise PipelineError("LiteLLM has a callback registered, so nothing is sent through it.", code="litellm_callbacks")


class LitellmProvider:
    """Translates and sends through LiteLLM. LiteLLM is imported with the first call, or by `warm`."""

    name = "litellm"

    def __init__(self, importer: Callable[[], Any] = load) -> None:
        self._importer = importer
        self._module: Any = None

    async def warm(self) -> None:
        """Import LiteLLM in a thread, so that the first call does not wait for it."""
        if self._module is None:
            self._module = await asyncio.to_thread(self._importer)

    async def complete(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Send the request with the key; yield the answer in the surface's format. Closing the iterator cancels the call."""
        if request.surface == "anthropic.count_tokens":
            yield Delta({"input_tokens": estimate_input(request.surface, request.body)})
            return
        if key is None and request.target.reference is not None:
            raise UpstreamError("auth", target_id=request.target.id)
        refuse_remote_media(request)
        await self.warm()
        check_callbacks(self._module)
        try:
            async for delta in self._answer(request, key):
                yield delta
        except (UpstreamError, PipelineError):
            raise
        except Exception as error:  # noqa: BLE001 the boundary to LiteLLM: its errors carry provider text and sometimes the key
            raise translate(error, request.target) from None

    def _answer(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        if request.surface == "anthropic.messages":
            return self._messages(request, key)
        if request.surface == "openai.embeddings":
            return self._embeddings(request, key)
        return self._openai(request, key)

    def _arguments(self, request: Outbound, key: Secret | None, params: tuple[str, ...]) -> dict[str, Any]:
        """LiteLLM's arguments: the caller's by allow-list, the target's own, and the switches that keep it quiet."""
        import httpx

        target = request.target
        timeout = httpx.Timeout(
            target.first_byte_timeout_s, connect=target.connect_timeout_s, read=max(target.first_byte_timeout_s, target.idle_timeout_s)
        )
        arguments = chosen(request.body, params) | credentials(target, key)
        arguments |= {"model": target.model, "custom_llm_provider": target.provider, "timeout": timeout}
        arguments |= {"num_retries": 0, "max_retries": 0, "drop_params": target.extra.get("drop_params") == "true", "no-log": True}
        if target.base_url:
            arguments["api_base"] = target.base_url
        return arguments

    async def _openai(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Chat completions and completions."""
        litellm, target = self._module, request.target
        chat = request.surface == "openai.chat"
        arguments = self._arguments(request, key, CHAT_PARAMS if chat else COMPLETION_PARAMS)
        if request.stream:
            options = request.body.get("stream_options")
            arguments |= {"stream": True, "stream_options": {**(options if isinstance(options, dict) else {}), "include_usage": True}}
        call = litellm.acompletion if chat else litellm.atext_completion
        async with asyncio.timeout(target.connect_timeout_s + target.first_byte_timeout_s):
            answer = await call(**arguments)
        if not request.stream:
            tree = whole_tree(plain(answer), target.model) if chat else completion_tree(plain(answer), target.model)
            yield Delta(tree, "", upstream_id(answer))
            return
        ident = upstream_id(answer)
        pieces = answer.__aiter__()
        try:
            while True:
                try:
                    async with asyncio.timeout(target.idle_timeout_s):
                        chunk = await pieces.__anext__()
                except StopAsyncIteration:
                    break
                tree = stream_tree(plain(chunk), target.model) if chat else completion_tree(plain(chunk), target.model)
                finished = any(choice.get("finish_reason") for choice in tree["choices"])
                if finished and not ended_properly(answer):
                    raise UpstreamError("broken_stream", status=200, upstream_id=ident)  # LiteLLM makes up the end of a cut stream
                yield Delta(tree, "", ident)
            if not ended_properly(answer):
                raise UpstreamError("broken_stream", status=200, upstream_id=ident)
        finally:
            await close(answer)

    async def _embeddings(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        target = request.target
        arguments = self._arguments(request, key, EMBEDDING_PARAMS)
        async with asyncio.timeout(target.connect_timeout_s + target.first_byte_timeout_s):
            answer = await self._module.aembedding(**arguments)
        yield Delta(embedding_tree(plain(answer), request), "", upstream_id(answer))

    async def _messages(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Anthropic messages in front of any provider, through LiteLLM's adapter."""
        target = request.target
        arguments = self._arguments(request, key, MESSAGES_PARAMS)
        if request.stream:
            arguments["stream"] = True
        async with asyncio.timeout(target.connect_timeout_s + target.first_byte_timeout_s):
            answer = await self._module.anthropic_messages(**arguments)
        if not request.stream:
            yield Delta(plain(answer))
            return
        try:
            async for delta in anthropic_pieces(answer, target):
                yield delta
        finally:
            await close(answer)

    def forget(self, key: str) -> None:
        """Drop LiteLLM's cached clients that were made for a key; their cache keys hold it in clear for ten minutes otherwise."""
        if self._module is None:
            return
        cache = self._module.in_memory_llm_clients_cache
        for name in [name for name in cache.cache_dict if key in str(name)]:
            cache.cache_dict.pop(name, None)
            cache.ttl_dict.pop(name, None)

    async def aclose(self) -> None:
        """Close LiteLLM's connections."""
        if self._module is not None:
            await self._module.close_litellm_async_clients()


def ended_properly(answer: Any) -> bool:
    """Whether the provider itself said why it stopped; LiteLLM's stream wrapper invents a reason when it did not."""
    return not hasattr(answer, "received_finish_reason") or answer.received_finish_reason is not None


def upstream_id(answer: Any) -> str:
    """The provider's id of the call, from the response headers that LiteLLM keeps; "" without one."""
    hidden = getattr(answer, "_hidden_params", None) or {}
    headers = hidden.get("additional_headers") or {}
    for name in ("x-request-id", "request-id", "x-amzn-requestid"):
        value = headers.get("llm_provider-" + name) or headers.get(name)
        if value:
            return str(value)[:200]
    return ""


async def close(answer: Any) -> None:
    """Close a stream of LiteLLM's, which closes the connection behind it."""
    closer = getattr(answer, "aclose", None)
    if closer is not None:
        try:
            await closer()
        except RuntimeError:
            return  # it is already closing, because our own task was cancelled inside it
