"""The GenAI semantic conventions: what a finished call looks like as a span, by named profile.

The constants are our own, because the package's are deprecated and moved. Profiles (source: opentelemetry.io/docs/specs/semconv
for the first two, github.com/open-telemetry/semantic-conventions-genai for the third):

- `v1.36`        `gen_ai.system`, no cache or reasoning tokens, no time to first chunk
- `v1.41`        `gen_ai.provider.name`, `cache_creation`; what today's back ends read
- `genai-main`   `cache_write` in place of `cache_creation`

Usage follows the conventions: `input_tokens` includes cached ones, `output_tokens` includes reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from redactors.model import Clean

Profile = Literal["v1.36", "v1.41", "genai-main"]
PROFILES: Final[tuple[Profile, ...]] = ("v1.36", "v1.41", "genai-main")
DEFAULT_PROFILE: Final[Profile] = "v1.41"

SCHEMA_URLS: Final[Mapping[str, str]] = {
    "v1.36": "https://opentelemetry.io/schemas/1.36.0",
    "v1.41": "https://opentelemetry.io/schemas/1.41.0",
    "genai-main": "",  # has no tagged release
}

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
ERROR: Final = 2
"""Span kinds and the status code of a failure as OTLP numbers them; a good call leaves the status unset."""

_LITELLM_PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai",
    "text-completion-openai": "openai",
    "custom_openai": "openai",
    "azure": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "anthropic": "anthropic",
    "anthropic_text": "anthropic",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "bedrock_mantle": "aws.bedrock",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "groq": "groq",
    "watsonx": "ibm.watsonx.ai",
    "watsonx_text": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "codestral": "mistral_ai",
    "text-completion-codestral": "mistral_ai",
    "perplexity": "perplexity",
    "xai": "x_ai",
    "moonshot": "moonshot_ai",
}

_PARAMETERS: Final[Mapping[str, str]] = {
    # body field (OpenAI's and Anthropic's names) -> attribute
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}


@dataclass(frozen=True, slots=True)
class Content:
    """What was said, when content capture is on: JSON strings in the conventions' message shape, redacted before."""

    system: Clean[str] | None = None
    input: Clean[str] | None = None
    output: Clean[str] | None = None
    tools: Clean[str] | None = None


Unstored = Literal["too_large", "live_secret", "key", "store"]
UNSTORED: Final[frozenset[str]] = frozenset({"too_large", "live_secret", "key", "store"})
"""Why content that should have been stored was not; the span then goes without it."""


@dataclass(frozen=True, slots=True)
class StoredContent:
    """Content that stands encrypted in our store instead of on the span: the call's ULID and the parts that are there, or why none is."""

    id: str
    parts: tuple[str, ...] = ()
    unstored: Unstored | None = None


@dataclass(frozen=True, slots=True)
class CallFacts:
    """A finished call, as far as telemetry may know it.

    `operation` is the conventions' name (`chat`, `text_completion`, `embeddings`), `provider` LiteLLM's name. Token counts
    are the provider's totals (None: not known). `parameters` comes from `parameters_of`. `error_type` is a code, never a
    message; "" means that it went well. `first_token_s` is seconds from the start. The `lockgate.*` facts are ids and numbers.
    """

    operation: str
    provider: str
    request_model: str
    response_model: str = ""
    response_id: str = ""
    finish_reasons: tuple[str, ...] = ()
    stream: bool = False
    first_token_s: float | None = None
    error_type: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    parameters: Mapping[str, int | float | bool] = field(default_factory=dict)
    server_address: str = ""
    server_port: int = 0
    request_id: str = ""
    workspace: str = ""
    key_id: str = ""
    target_id: str = ""
    attempts: int = 0
    cost_micros: int | None = None
    charge_state: str = ""
    redactions: int = 0
    content: Content | None = None
    stored: StoredContent | None = None


def provider_name(litellm_name: str, profile: Profile = DEFAULT_PROFILE) -> str:
    """Map LiteLLM's provider name to the conventions' (`bedrock` → `aws.bedrock`); unknown ones stay as they are."""
    name = _LITELLM_PROVIDERS.get(litellm_name, litellm_name)
    if profile == "v1.36" and name == "x_ai":
        return "xai"
    if profile != "genai-main" and name == "moonshot_ai":
        return "moonshot"
    return name


def parameters_of(body: Mapping[str, Any]) -> dict[str, int | float | bool]:
    """Pick the numeric request parameters out of a request body, under their attribute names. Texts are never taken."""
    picked: dict[str, int | float | bool] = {}
    for name, attribute in _PARAMETERS.items():
        value = body.get(name)
        if type(value) is int or type(value) is float:
            picked[attribute] = value
    choices = body.get("n")
    if type(choices) is int and choices != 1:
        picked["gen_ai.request.choice.count"] = choices
    dimensions = body.get("dimensions")
    if type(dimensions) is int:
        picked["gen_ai.embeddings.dimension.count"] = dimensions
    return picked


def span_name(facts: CallFacts) -> str:
    """`{operation} {request model}`."""
    return f"{facts.operation} {facts.request_model}" if facts.request_model else facts.operation


def call_attributes(facts: CallFacts, profile: Profile = DEFAULT_PROFILE) -> dict[str, Any]:
    """The attributes of the call's span. Values are raw: they still go through the gate."""
    out: dict[str, Any] = {
        "gen_ai.operation.name": facts.operation,
        ("gen_ai.system" if profile == "v1.36" else "gen_ai.provider.name"): provider_name(facts.provider, profile),
        "gen_ai.request.model": facts.request_model,
    }
    if facts.parameters:
        out.update(facts.parameters)
    if facts.server_address:
        out["server.address"] = facts.server_address
        if facts.server_port:
            out["server.port"] = facts.server_port
    if facts.error_type:
        out["error.type"] = facts.error_type
    if facts.response_id:
        out["gen_ai.response.id"] = facts.response_id
    if facts.response_model:
        out["gen_ai.response.model"] = facts.response_model
    if facts.finish_reasons:
        out["gen_ai.response.finish_reasons"] = facts.finish_reasons
    if facts.input_tokens is not None:
        out["gen_ai.usage.input_tokens"] = facts.input_tokens
    if facts.output_tokens is not None:
        out["gen_ai.usage.output_tokens"] = facts.output_tokens
    if profile != "v1.36":
        _newer(out, facts, profile)
    _own(out, facts)
    if facts.content is not None:
        _said(out, facts.content)
    if facts.stored is not None:
        _referenced(out, facts.stored)
    return out


def _newer(out: dict[str, Any], facts: CallFacts, profile: Profile) -> None:
    if facts.stream:
        out["gen_ai.request.stream"] = True
        if facts.first_token_s is not None:
            out["gen_ai.response.time_to_first_chunk"] = facts.first_token_s
    if facts.cache_read_tokens:
        out["gen_ai.usage.cache_read.input_tokens"] = facts.cache_read_tokens
    if facts.cache_write_tokens:
        out["gen_ai.usage.cache_write.input_tokens" if profile == "genai-main" else "gen_ai.usage.cache_creation.input_tokens"] = (
            facts.cache_write_tokens
        )
    if facts.reasoning_tokens:
        out["gen_ai.usage.reasoning.output_tokens"] = facts.reasoning_tokens


def _own(out: dict[str, Any], facts: CallFacts) -> None:
    """Lockgate's own facts. Cost has no convention, so ours is the truth: integer micro-dollars."""
    if facts.request_id:
        out["lockgate.request.id"] = facts.request_id
    if facts.workspace:
        out["lockgate.workspace"] = facts.workspace
    if facts.key_id:
        out["lockgate.key.id"] = facts.key_id
    if facts.target_id:
        out["lockgate.target.id"] = facts.target_id
    if facts.attempts:
        out["lockgate.attempts"] = facts.attempts
    if facts.cost_micros is not None:
        out["lockgate.cost.micros"] = facts.cost_micros
    if facts.charge_state:
        out["lockgate.charge.state"] = facts.charge_state
    if facts.redactions:
        out["lockgate.redactions"] = facts.redactions


PARTS: Final[Mapping[str, str]] = {
    "system": "gen_ai.system_instructions",
    "input": "gen_ai.input.messages",
    "output": "gen_ai.output.messages",
    "tools": "gen_ai.tool.definitions",
}
"""What a call's content is made of (the fields of `Content`), and the attribute of each."""

CONTENT_ATTRIBUTES: Final = frozenset(PARTS.values())
"""Where a call's span holds what was said."""

REFERENCE: Final = "lockgate:content:"
"""How a reference to stored content begins; the call's ULID and `:PART` follow."""


def _said(out: dict[str, Any], content: Content) -> None:
    """Message content as JSON strings: back ends turn those into chats and leave nested values as unknown attributes."""
    for part, key in PARTS.items():
        value = getattr(content, part)
        if value is not None:
            out[key] = value


def _referenced(out: dict[str, Any], stored: StoredContent) -> None:
    """References in place of content, under the names of upstream's upload hook (opentelemetry-util-genai: the attribute and `_ref`)."""
    if stored.unstored is not None:
        out["lockgate.content.unstored"] = stored.unstored
    for part in stored.parts:
        out[PARTS[part] + "_ref"] = f"{REFERENCE}{stored.id}:{part}"


GUARDRAIL_SPAN: Final = "apply_guardrail lockgate"


def guardrail_attributes(
    direction: Literal["prompt", "answer"], verdict: Literal["allow", "redact", "block", "error"], policy: str, count: int
) -> dict[str, Any]:
    """The attributes of a redaction verdict, under upstream's drafted guardrail names. They never hold what was found."""
    out: dict[str, Any] = {
        "gen_ai.operation.name": "apply_guardrail",
        "gen_ai.guardrail.component.name": "lockgate",
        "gen_ai.guardrail.source": direction,
        "gen_ai.guardrail.result.type": verdict,
        "gen_ai.guardrail.result.value": count,
    }
    if policy:
        out["gen_ai.guardrail.policy.id"] = policy
    return out
