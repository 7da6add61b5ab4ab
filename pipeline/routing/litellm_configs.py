"""LiteLLM's provider knowledge over our own HTTP: the request that a provider wants, and how its answer is read.

Only transformations of LiteLLM are used (`get_optional_params`, a provider config's `transform_request` and `transform_response`, a
stream iterator's `chunk_parser`), which cost a tenth of `acompletion`; time-outs, caps, redirects and terminators are ours.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from pipeline.routing.litellm_events import StreamFormat, anthropic_text, converse_text, gemini_text, openai_text
from pipeline.routing.litellm_keys import NO_KEY, aws_fields, aws_identity
from pipeline.routing.litellm_memory import ParamCache, azure_version
from pipeline.routing.litellm_parts import Parts
from pipeline.routing.model import Outbound, Target

OPENAI_LIKE = frozenset(
    (
        *("openai", "custom_openai", "openai_like", "hosted_vllm", "lm_studio", "llamafile", "groq", "mistral", "deepseek", "xai"),
        *("together_ai", "fireworks_ai", "openrouter", "perplexity", "cerebras", "deepinfra", "nvidia_nim", "sambanova"),
    )
)
"""Providers with OpenAI's format whose LiteLLM configs are used here; their differences are in those configs."""


@dataclass(slots=True)
class QuietLog:
    """Stands where LiteLLM's configs want its logging object: takes everything, keeps nothing."""

    optional_params: dict[str, Any]
    litellm_params: dict[str, Any] = field(default_factory=dict)
    model_call_details: dict[str, Any] = field(default_factory=dict)

    def post_call(self, *_: Any, **__: Any) -> None:
        """Nothing is logged."""

    def pre_call(self, *_: Any, **__: Any) -> None:
        """Nothing is logged."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One translated call: where, with what, and how its answer becomes LiteLLM's response objects.

    `text` gives the text of an event that is nothing but a piece of text, else None: nine events of ten need no more translation.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    stream_format: StreamFormat
    whole: Callable[[Any], Any]
    parse: Callable[[dict[str, Any]], Any]
    text: Callable[[dict[str, Any]], str | None] | None = None


def serves(parts: Parts, target: Target) -> bool:
    """Whether a target's chat goes this way; everything else goes through `acompletion`."""
    if target.provider == "bedrock":
        return bool(parts.bedrock_route(target.model) == "converse") and not aws_identity(target)
    if target.provider == "azure":
        return target.base_url is not None and "tenant_id" not in target.extra
    return target.provider in OPENAI_LIKE or target.provider in ("anthropic", "gemini")


def prepare(
    parts: Parts,
    cache: ParamCache,
    target: Target,
    *,
    body: dict[str, Any],
    params: dict[str, Any],
    key: str,
    base: str | None,
    stream: bool,
) -> Prepared:
    """Translate a chat request for a target. `params` are the caller's allow-listed ones but `messages`, `key` its secret (or NO_KEY).

    Raises LiteLLM's own errors for what it cannot translate.
    """
    optional = cache.optional_params(parts, target, params)
    optional.pop("stream", None)  # some of LiteLLM's mappings bring one along, which its handlers take out again
    messages = copy.deepcopy(body.get("messages") or [])
    make = {"gemini": _gemini, "bedrock": _bedrock, "azure": _azure}.get(target.provider)
    if make is not None:
        return make(parts, target, messages=messages, optional=optional, key=key, base=base, stream=stream)
    return _generic(parts, cache, target, messages=messages, optional=optional, key=key, base=base, stream=stream)


def _generic(
    parts: Parts,
    cache: ParamCache,
    target: Target,
    *,
    messages: list[Any],
    optional: dict[str, Any],
    key: str,
    base: str | None,
    stream: bool,
) -> Prepared:
    """Anthropic and the OpenAI-like: everything is in the provider's config."""
    model, anthropic = target.model, target.provider == "anthropic"
    config = parts.chat_config(model=model, provider=parts.provider(target.provider))
    json_mode = optional.pop("json_mode", False)
    extra_body = optional.pop("extra_body", None) or {}
    settings: dict[str, Any] = {}  # LiteLLM passes notes between its own steps in here
    base = _anthropic_base(base) if anthropic else base

    def authorized(secret: str) -> Any:
        return config.validate_environment(
            headers={}, model=model, messages=messages, optional_params=optional, litellm_params=settings, api_key=secret, api_base=base
        )

    headers = cache.anthropic_headers(target, optional, messages, key, authorized) if anthropic else authorized(key)
    url = config.get_complete_url(api_base=base, api_key=key, model=model, optional_params=optional, litellm_params=settings, stream=stream)
    data = config.transform_request(model=model, messages=messages, optional_params=optional, litellm_params=settings, headers=headers)
    data |= extra_body
    if anthropic:
        headers, data = parts.anthropic_betas(headers=headers, request_data=data, provider="anthropic")
    if stream:
        data["stream"] = True
        if not anthropic:
            data["stream_options"] = {**(data.get("stream_options") or {}), "include_usage": True}
    names = settings.get(parts.tool_names_key)

    def whole(response: Any) -> Any:
        return config.transform_response(
            model=model,
            raw_response=response,
            model_response=parts.response(),
            logging_obj=QuietLog(optional),
            request_data=data,
            messages=messages,
            optional_params=optional,
            litellm_params=settings,
            encoding=None,
            api_key=NO_KEY,
            json_mode=json_mode,
        )

    if anthropic:
        reader = parts.anthropic_iterator(None, sync_stream=False, json_mode=json_mode, tool_name_reverse_map=names)
        return Prepared(url, headers, orjson.dumps(data), "anthropic", whole, reader.chunk_parser, None if json_mode else anthropic_text)
    reader = config.get_model_response_iterator(streaming_response=None, sync_stream=False, json_mode=json_mode)
    return Prepared(url, headers, orjson.dumps(data), "openai", whole, reader.chunk_parser, openai_text)


def _anthropic_base(base: str | None) -> str:
    return (base or "https://api.anthropic.com").rstrip("/").removesuffix("/v1/messages").removesuffix("/v1") + "/v1/messages"


def _azure(
    parts: Parts, target: Target, *, messages: list[Any], optional: dict[str, Any], key: str, base: str | None, stream: bool
) -> Prepared:
    """Azure's deployments: OpenAI's format under another address, with the key in `api-key`."""
    extra_body = optional.pop("extra_body", None) or {}
    json_mode = optional.pop("json_mode", False)
    config = parts.chat_config(model=target.model, provider=parts.provider("azure"))
    data = config.transform_request(model=target.model, messages=messages, optional_params=optional, litellm_params={}, headers={})
    data |= extra_body
    if stream:
        data |= {"stream": True, "stream_options": {**(data.get("stream_options") or {}), "include_usage": True}}
    root = (base or "").rstrip("/").removesuffix("/chat/completions")
    if "/openai/deployments/" not in root:
        root += "/openai/deployments/" + quote(target.model, safe="")
    url = f"{root}/chat/completions?api-version={quote(azure_version(parts, target), safe='')}"
    answers = parts.chat_config(model="gpt-4o", provider=parts.provider("openai"))

    def whole(response: Any) -> Any:
        return answers.transform_response(
            model=target.model,
            raw_response=response,
            model_response=parts.response(),
            logging_obj=QuietLog(optional),
            request_data=data,
            messages=messages,
            optional_params=optional,
            litellm_params={},
            encoding=None,
            api_key=NO_KEY,
            json_mode=json_mode,
        )

    reader = answers.get_model_response_iterator(streaming_response=None, sync_stream=False, json_mode=json_mode)
    headers = {"content-type": "application/json", "api-key": key}
    return Prepared(url, headers, orjson.dumps(data), "openai", whole, reader.chunk_parser, openai_text)


def _gemini(
    parts: Parts, target: Target, *, messages: list[Any], optional: dict[str, Any], key: str, base: str | None, stream: bool
) -> Prepared:
    """Gemini through Google AI Studio; its API key travels in a header, never in the address."""
    log = QuietLog(copy.deepcopy(optional))
    auth, url = parts.gemini_address(
        model=target.model,
        auth_header=None,
        gemini_api_key=key,
        vertex_project=None,
        vertex_location=None,
        vertex_credentials=None,
        stream=stream,
        custom_llm_provider="gemini",
        api_base=base,
    )
    headers = {"content-type": "application/json", **(auth or {})}
    data = parts.gemini_body(
        messages=messages,
        model=target.model,
        custom_llm_provider="gemini",
        litellm_params={},
        cached_content=None,
        optional_params=optional,
    )

    def whole(response: Any) -> Any:
        return parts.gemini_config.transform_response(
            model=target.model,
            raw_response=response,
            model_response=parts.response(),
            logging_obj=log,
            request_data=data,
            messages=messages,
            optional_params=log.optional_params,
            litellm_params={},
            encoding=None,
        )

    reader = parts.gemini_iterator(None, sync_stream=False, logging_obj=log)

    def parse(tree: dict[str, Any]) -> Any:
        chunk = reader.chunk_parser(tree)
        ended = {candidate.get("index", 0) for candidate in tree.get("candidates") or () if candidate.get("finishReason")}
        for choice in chunk.choices if chunk is not None else ():
            if choice.index not in ended and tree.get("candidates"):
                choice.finish_reason = None  # LiteLLM says "stop" on every chunk
        return chunk

    return Prepared(url, headers, orjson.dumps(data), "gemini", whole, parse, gemini_text)


def _bedrock(
    parts: Parts, target: Target, *, messages: list[Any], optional: dict[str, Any], key: str, base: str | None, stream: bool
) -> Prepared:
    """Bedrock's Converse: signed with AWS keys (the secret is JSON), or sent with a Bedrock API key."""
    model = bare_model(target)
    json_mode = optional.get("json_mode", False)
    region = target.extra.get("aws_region_name") or "us-east-1"
    root = (base or target.extra.get("aws_bedrock_runtime_endpoint") or f"https://bedrock-runtime.{region}.amazonaws.com").rstrip("/")
    url = f"{root}/model/{parts.bedrock.encode_model_id(model_id=model)}/{'converse-stream' if stream else 'converse'}"
    headers = {"Content-Type": "application/json"}
    data = parts.bedrock_config._transform_request(
        model=model, messages=messages, optional_params=optional, litellm_params={}, headers=dict(headers)
    )
    packed = orjson.dumps(data)
    fields = aws_fields(key) if key.lstrip().startswith("{") else None
    if fields is None:
        headers["Authorization"] = f"Bearer {key}"
        sent: Mapping[str, str] = headers
    else:
        signed = parts.bedrock.get_request_headers(
            credentials=parts.aws_credentials(
                fields["aws_access_key_id"], fields["aws_secret_access_key"], fields.get("aws_session_token")
            ),
            aws_region_name=region,
            extra_headers=None,
            endpoint_url=url,
            data=packed,
            headers=headers,
            supports_bearer_token=False,  # or a token from the environment would go before these keys
        )
        sent = {str(name): str(value) for name, value in signed.headers.items() if name.lower() != "content-length"}
    decoder = parts.bedrock_decoder(model=model, json_mode=json_mode)

    def whole(response: Any) -> Any:
        return parts.bedrock_config._transform_response(
            model=model,
            response=response,
            model_response=parts.response(),
            stream=False,
            logging_obj=None,
            optional_params=optional,
            api_key=NO_KEY,
            data=data,
            messages=messages,
            encoding=None,
            json_mode=json_mode,
        )

    return Prepared(url, sent, packed, "converse", whole, decoder.converse_chunk_parser, None if json_mode else converse_text)


def prepare_messages(parts: Parts, request: Outbound, key: str, base: str | None) -> tuple[str, dict[str, str], bytes]:
    """Address, headers and body of an Anthropic request to Anthropic itself, adjusted to the model as LiteLLM does it."""
    config, model = parts.messages_config, request.target.model
    params = {name: copy.deepcopy(value) for name, value in request.body.items() if name not in ("model", "messages", "stream")}
    messages = copy.deepcopy(request.body.get("messages") or [])
    headers, _ = config.validate_anthropic_messages_environment(
        headers={name: value for name, value in request.headers.items() if name.startswith("anthropic-")},
        model=model,
        messages=messages,
        optional_params=params,
        litellm_params={},
        api_key=key,
        api_base=base,
    )
    data = config.transform_anthropic_messages_request(
        model=model, messages=messages, anthropic_messages_optional_request_params=params, litellm_params={}, headers=headers
    )
    data["stream"] = request.stream
    headers = {name: value for name, value in headers.items() if isinstance(value, str)} | {"accept-encoding": "identity"}
    return _anthropic_base(base), headers, orjson.dumps(data)


def bare_model(target: Target) -> str:
    """The model id without LiteLLM's route prefixes."""
    return (
        target.model.removeprefix("bedrock/").removeprefix("converse/").removeprefix("invoke/")
        if target.provider == "bedrock"
        else target.model
    )
