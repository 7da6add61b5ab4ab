"""What a provider's refusal means: from HTTP status and error body to one of our failure classes.

Decided on codes and types only, never on wording, except where a provider has no code for it (each such phrase is listed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.routing.model import FailureClass, UpstreamError

MAX_ERROR_BODY = 64 << 10
"""Bytes of an error body that are kept for the gateway to screen."""

_CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "string_above_max_length", "context_window_exceeded", "model_max_prompt_tokens_exceeded"}
)
_CONTENT_CODES = frozenset({"content_filter", "content_policy_violation", "responsible_ai_policy_violation", "moderation_blocked"})
_CONTEXT_PHRASES = (
    "maximum context length",  # OpenAI-compatible servers without a code (vLLM, llama.cpp)
    "prompt is too long",  # Anthropic
    "input is too long",  # Bedrock
    "exceeds the maximum number of tokens",  # Gemini
)
_EVENT_TYPES: Mapping[str, FailureClass] = {
    "rate_limit_error": "rate_limit",
    "rate_limit_exceeded": "rate_limit",
    "insufficient_quota": "rate_limit",
    "overloaded_error": "5xx",
    "api_error": "5xx",
    "server_error": "5xx",
    "timeout_error": "timeout",
    "authentication_error": "auth",
    "permission_error": "auth",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "invalid_request_error": "bad_request",
}
_BY_STATUS: Mapping[int, FailureClass] = {
    401: "auth",
    402: "rate_limit",  # no credit left at the provider: another target may have some
    403: "auth",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    429: "rate_limit",
    504: "timeout",
}


def _error_of(body: Any) -> tuple[str, str, str]:
    """The (code, type, message) of an error body in OpenAI's, Anthropic's, Google's or AWS's shape."""
    if isinstance(body, list) and body:  # Gemini wraps stream errors into a list
        body = body[0]
    if not isinstance(body, dict):
        return "", "", ""
    error = body.get("error", body)
    if not isinstance(error, dict):
        return "", "", error if isinstance(error, str) else ""
    inner = error.get("innererror")
    code = inner.get("code") if isinstance(inner, dict) else None  # Azure's content filter
    texts = (code or error.get("code"), error.get("type") or error.get("status"), error.get("message"))
    code, kind, message = (text if isinstance(text, str) else "" for text in texts)
    return code.lower(), kind, message


def failure_of(status: int, body: Any) -> FailureClass:
    """The class of a refusal. `body` is parsed JSON or anything else; a redirect counts as a broken provider."""
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:
        code, _, message = _error_of(body)
        if code in _CONTENT_CODES or code == "responsibleaipolicyviolation":
            return "content_policy"
        if code in _CONTEXT_CODES or any(phrase in message[:2000].lower() for phrase in _CONTEXT_PHRASES):
            return "context_window"
        return "bad_request"
    return "5xx"


def failure_in_stream(body: Any) -> FailureClass:
    """The class of an error event, which has no status of its own; a numeric code in it is one."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        number = error.get("code")
        if isinstance(number, int) and 400 <= number < 600:
            return failure_of(number, body)
        for word in (error.get("type"), error.get("code")):
            if isinstance(word, str) and word in _EVENT_TYPES:
                return _EVENT_TYPES[word]
    return "5xx"


def parse_body(raw: bytes) -> Any:
    """An error body as JSON, or as text when it is none; None when empty."""
    raw = raw[:MAX_ERROR_BODY]
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return raw.decode("utf-8", "replace")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until a retry makes sense, from `retry-after-ms` or a numeric `retry-after`; dates are not used by any provider we know."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * scale
        except ValueError:
            continue
        if 0 <= seconds < 86_400:
            return seconds
    return None


def refusal(status: int, raw: bytes, headers: Mapping[str, str], upstream_id: str) -> UpstreamError:
    """The error for an HTTP answer that is none."""
    body = parse_body(raw)
    return UpstreamError(failure_of(status, body), status=status, body=body, retry_after_s=retry_after(headers), upstream_id=upstream_id)
