"""What each known attribute may hold, so that numbers, ids and closed vocabulary pass by grammar and all else is redacted.

The classes are those of the GenAI conventions' attribute table as this house reads it (a key that stands in no table is content):

- `NUMBER`      a number or a boolean
- `VOCABULARY`  one of a closed list of words
- `OWN`         an id that Lockgate made itself: a ULID, hex digits, a reference to stored content
- `LABEL`       an identifier of low cardinality; it also goes past the detectors, once per distinct value
- `OPAQUE`      an id that somebody else made: charset and length must fit and the detectors stay silent, else it is hashed
- `CONTENT`     text: redacted whole
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from collectors.genai import PARTS, UNSTORED
from collectors.vocabulary import ERROR_TYPES, FINISH_REASONS, OPERATIONS, PROVIDERS


class AttributeClass(Enum):
    """How a value is treated on its way out; see the module's table."""

    NUMBER = "N"
    VOCABULARY = "E"
    OWN = "OWN"
    LABEL = "L"
    OPAQUE = "ID"
    CONTENT = "X"


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """The class of one attribute and, for `VOCABULARY`, its words."""

    kind: AttributeClass
    words: frozenset[str] = frozenset()


IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+\-]{0,127}")
OPAQUE_ID: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")
OWN_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{16}|lockgate:content:[0-9A-HJKMNP-TV-Z]{26}:(?:system|input|output|tools)")
"""A ULID, a span id or a fingerprint, a reference to stored content. Nothing longer: 32 hex digits may be somebody's API key."""

_NUMBER = AttributeRule(AttributeClass.NUMBER)
_LABEL = AttributeRule(AttributeClass.LABEL)
_OPAQUE = AttributeRule(AttributeClass.OPAQUE)
_OWN = AttributeRule(AttributeClass.OWN)


def _words(*words: str) -> AttributeRule:
    return AttributeRule(AttributeClass.VOCABULARY, frozenset(words))


def _request_and_usage() -> dict[str, AttributeRule]:
    numbers = (
        *(
            f"gen_ai.request.{name}"
            for name in (
                "choice.count",
                "seed",
                "stream",
                "max_tokens",
                "temperature",
                "top_p",
                "top_k",
                "frequency_penalty",
                "presence_penalty",
            )
        ),
        "gen_ai.response.time_to_first_chunk",
        *(
            f"gen_ai.usage.{name}"
            for name in (
                "input_tokens",
                "output_tokens",
                "cache_read.input_tokens",
                "cache_creation.input_tokens",
                "cache_write.input_tokens",
                "reasoning.output_tokens",
                "audio.input_tokens",
                "audio.output_tokens",
            )
        ),
        "gen_ai.embeddings.dimension.count",
        "gen_ai.retrieval.top_k",
        "gen_ai.evaluation.score.value",
        "gen_ai.conversation.compacted",
        "server.port",
        "http.response.status_code",
        "http.status_code",
        "http.request.resend_count",
        "network.peer.port",
        "rpc.grpc.status_code",
    )
    return dict.fromkeys(numbers, _NUMBER)


def _genai_texts() -> dict[str, AttributeRule]:
    return {
        "gen_ai.operation.name": AttributeRule(AttributeClass.VOCABULARY, OPERATIONS),
        "gen_ai.provider.name": AttributeRule(AttributeClass.VOCABULARY, PROVIDERS),
        "gen_ai.system": AttributeRule(AttributeClass.VOCABULARY, PROVIDERS),
        "gen_ai.request.model": _LABEL,
        "gen_ai.request.encoding_formats": _words("float", "base64", "int8", "uint8", "binary", "ubinary"),
        "gen_ai.request.reasoning.level": _words("none", "minimal", "low", "medium", "high", "xhigh"),
        "gen_ai.conversation.id": _OPAQUE,
        "gen_ai.output.type": _words("text", "json", "image", "speech"),
        "gen_ai.response.id": _OPAQUE,
        "gen_ai.response.model": _LABEL,
        "gen_ai.response.finish_reasons": AttributeRule(AttributeClass.VOCABULARY, FINISH_REASONS),
        "gen_ai.tool.name": _LABEL,
        "gen_ai.tool.type": _words("function", "extension", "datastore"),
        "gen_ai.tool.call.id": _OPAQUE,
        "gen_ai.agent.id": _OPAQUE,
        "gen_ai.agent.name": _LABEL,
        "gen_ai.agent.version": _LABEL,
        "gen_ai.workflow.name": _LABEL,
        "gen_ai.data_source.id": _LABEL,
        "gen_ai.prompt.name": _LABEL,
        "gen_ai.prompt.version": _LABEL,
        "gen_ai.evaluation.name": _LABEL,
        "gen_ai.evaluation.score.label": _LABEL,
        "gen_ai.token.type": _words("input", "output"),
        "gen_ai.token.modality": _words("text", "audio", "image"),
        "openai.api.type": _words("chat_completions", "responses"),
        "openai.request.service_tier": _words("auto", "default", "flex", "priority", "batch", "scale"),
        "openai.response.service_tier": _words("auto", "default", "flex", "priority", "batch", "scale"),
        "openai.response.system_fingerprint": _OPAQUE,
    }


def _guardrail() -> dict[str, AttributeRule]:
    return {
        "gen_ai.guardrail.component.name": _LABEL,
        "gen_ai.guardrail.policy.id": _LABEL,
        "gen_ai.guardrail.policy.version": _LABEL,
        "gen_ai.guardrail.result.type": _words("allow", "redact", "block", "error"),
        "gen_ai.guardrail.result.value": _NUMBER,
        "gen_ai.guardrail.result.reason": _LABEL,
        "gen_ai.guardrail.source": _words("prompt", "answer", "telemetry"),
    }


def _core_and_own() -> dict[str, AttributeRule]:
    return {
        "server.address": _LABEL,
        "error.type": AttributeRule(AttributeClass.VOCABULARY, ERROR_TYPES),
        "http.request.method": _words("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER"),
        "network.transport": _words("tcp", "udp", "pipe", "unix", "quic"),
        "service.name": _LABEL,
        "service.version": _LABEL,
        "service.namespace": _LABEL,
        "service.instance.id": _OPAQUE,
        "deployment.environment.name": _LABEL,
        "telemetry.sdk.language": _words("python"),
        "telemetry.sdk.name": _LABEL,
        "telemetry.sdk.version": _LABEL,
        **dict.fromkeys((f"{attribute}_ref" for attribute in PARTS.values()), _OWN),
        "lockgate.content.unstored": AttributeRule(AttributeClass.VOCABULARY, UNSTORED),
        "lockgate.request.id": _OWN,
        "lockgate.key.id": _OWN,
        "lockgate.workspace": _LABEL,
        "lockgate.org": _LABEL,
        "lockgate.target.id": _LABEL,
        "lockgate.lane": _words("direct", "litellm", "demo"),
        "lockgate.outcome": AttributeRule(
            AttributeClass.VOCABULARY, ERROR_TYPES | {"ok", "hit", "stale", "fetched", "refreshed", "denied"}
        ),
        "lockgate.secret.reference": _LABEL,
        "lockgate.secret.version": _OPAQUE,
        "lockgate.secret.fingerprint": _OWN,
        "lockgate.manager_type": _LABEL,
        "lockgate.policy": _LABEL,
        "lockgate.charge.state": _words(
            "observed", "estimated", "aborted_drained", "aborted_estimated", "unknown", "adjusted", "cached", "none"
        ),
        **dict.fromkeys(
            ("lockgate.attempt", "lockgate.attempts", "lockgate.cost.micros", "lockgate.reserved.micros", "lockgate.redactions"), _NUMBER
        ),
    }


CLASSES: Final[Mapping[str, AttributeRule]] = MappingProxyType(
    {**_request_and_usage(), **_genai_texts(), **_guardrail(), **_core_and_own()}
)
"""The rule of every attribute that is not content. A key that is missing here is `CONTENT`, key and value."""


def is_member(rule: AttributeRule, value: str) -> bool:
    """Whether a text passes by grammar alone, so that no detector needs to look at it."""
    if rule.kind is AttributeClass.VOCABULARY:
        return value in rule.words
    return rule.kind is AttributeClass.OWN and OWN_ID.fullmatch(value) is not None
