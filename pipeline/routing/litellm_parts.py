"""The one file that imports LiteLLM: safely, lazily, and only the parts that the lane uses.

LiteLLM is made safe here: production mode (it reads no `.env`), its bundled price map and header list (it downloads neither), its loggers
off, no callbacks, no cache. The parts are internal to the pinned version; a contract test compares what they do with `acompletion`.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError

SWITCHES = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
}
"""LiteLLM's own switches. It reads them while it is imported and at its first Anthropic call, so they can be set nowhere else."""

AMBIENT = (
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ROLE_NAME",
    "AWS_PROFILE_NAME",
    "AWS_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN",
    "AWS_STS_ENDPOINT",
    "AWS_EXTERNAL_ID",
)
"""Variables from which LiteLLM would take another AWS identity than the target's. None of them is boto3's own but the first."""

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


@dataclass(frozen=True, slots=True)
class Parts:
    """What the lane uses of LiteLLM. `module` is LiteLLM itself, for the calls that have no part of their own."""

    module: Any
    optional_params: Any
    chat_config: Any
    provider: Any
    response: Any
    anthropic_iterator: Any
    anthropic_betas: Any
    tool_names_key: str
    gemini_config: Any
    gemini_iterator: Any
    gemini_body: Any
    gemini_address: Any
    bedrock_route: Any
    bedrock_config: Any
    bedrock_decoder: Any
    bedrock: Any
    aws_credentials: Any
    adapter: Any
    adapter_stream: Any
    messages_config: Any


def load() -> Parts:
    """Import LiteLLM and give its parts. Takes about two seconds the first time; safe to call from any thread."""
    with _LOADING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its models warn while they are built, which is now or at the first call
        for name, value in SWITCHES.items():
            os.environ[name] = value  # noqa: TID251 the documented exception: see SWITCHES
        for name in AMBIENT:
            os.environ.pop(name, None)  # noqa: TID251 see AMBIENT
        import litellm

        for logger in ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router"):
            logging.getLogger(logger).disabled = True  # its debug lines hold prompts and headers
        litellm.suppress_debug_info = True
        litellm.telemetry = False
        litellm.drop_params = False
        litellm.num_retries = None
        litellm.cache = None
        parts = _parts(litellm)
        _build_models(parts)
        return parts


def _build_models(parts: Parts) -> None:
    """Make one of each response object, so that pydantic builds their schemas now and not in the first call."""
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices

    call = {"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": ""}}
    chunk: Any = ModelResponseStream(choices=[StreamingChoices(index=0, delta=Delta(content="", role="assistant", tool_calls=[call]))])
    chunk.model_dump()
    parts.response().model_dump()


def _parts(litellm: Any) -> Parts:
    from botocore.credentials import Credentials
    from litellm.anthropic_beta_headers_manager import update_request_with_filtered_beta
    from litellm.llms.anthropic.chat import handler as anthropic
    from litellm.llms.anthropic.pass_through.adapters.streaming_iterator import AnthropicStreamWrapper
    from litellm.llms.anthropic.pass_through.adapters.transformation import AnthropicAdapter
    from litellm.llms.anthropic.pass_through.messages.transformation import AnthropicMessagesConfig
    from litellm.llms.bedrock.chat.converse_handler import BedrockConverseLLM
    from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig
    from litellm.llms.bedrock.chat.invoke_handler import AWSEventStreamDecoder
    from litellm.llms.bedrock.common_utils import BedrockModelInfo
    from litellm.llms.vertex_ai.gemini import transformation as gemini_transformation
    from litellm.llms.vertex_ai.gemini import vertex_and_google_ai_studio_gemini as gemini
    from litellm.types.utils import LlmProviders, ModelResponse
    from litellm.utils import ProviderConfigManager, get_optional_params

    return Parts(
        module=litellm,
        optional_params=get_optional_params,
        chat_config=ProviderConfigManager.get_provider_chat_config,
        provider=LlmProviders,
        response=ModelResponse,
        anthropic_iterator=anthropic.ModelResponseIterator,
        anthropic_betas=update_request_with_filtered_beta,
        tool_names_key=vars(anthropic)["ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY"],
        gemini_config=gemini.VertexGeminiConfig(),
        gemini_iterator=gemini.ModelResponseIterator,
        gemini_body=gemini_transformation.transform_request_body,
        gemini_address=gemini.VertexLLM().get_token_and_url,
        bedrock_route=BedrockModelInfo.get_bedrock_route,
        bedrock_config=AmazonConverseConfig(),
        bedrock_decoder=AWSEventStreamDecoder,
        bedrock=BedrockConverseLLM(),
        aws_credentials=Credentials,
        adapter=AnthropicAdapter(),
        adapter_stream=AnthropicStreamWrapper,
        messages_config=AnthropicMessagesConfig(),
    )


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
