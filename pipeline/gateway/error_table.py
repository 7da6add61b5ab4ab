"""Every error, in the shape that each SDK expects: the one place where a PipelineError becomes a status and a body.

OpenAI: `{"error": {"message", "type", "param", "code"}}`. Anthropic: `{"type": "error", "error": {"type", "message"}, "request_id"}`.
Statuses and types follow reference/conventions B2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import AllTargetsFailed, BudgetExceeded, PipelineError
from pipeline.routing.attempts import outward
from pipeline.routing.model import UpstreamError

Dialect = Literal["openai", "anthropic"]

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error ready to be sent."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def render(error: PipelineError, dialect: Dialect, request_id: str) -> Rendered:
    """Turn an error into the caller's dialect. A budget refusal is 402 on Anthropic's surface, 429 on OpenAI's."""
    message = error.message if not error.hint else f"{error.message} {error.hint}"
    headers = spoken(error.headers, dialect)
    if error.status == 401:
        headers.setdefault("www-authenticate", "Bearer")
    if error.status == 503:
        headers.setdefault("retry-after", "1")
    if dialect == "anthropic":
        status = 402 if isinstance(error, BudgetExceeded) else error.status
        kind = _ANTHROPIC_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
        told = {"type": kind, "message": message, **error.extra}
        return Rendered(status, {"type": "error", "error": told, "request_id": request_id}, headers)
    body = {"error": {"message": message, "type": error.type, "param": error.param, "code": error.code, **error.extra}}
    return Rendered(error.status, body, headers)


def failed() -> PipelineError:
    """What a caller is told of a defect of ours."""
    return PipelineError("The gateway failed.", hint="Try again; the operator finds the cause by this request id.")


def spoken(headers: Mapping[str, str], dialect: Dialect) -> dict[str, str]:
    """The headers without those that belong to the other dialect: each SDK knows rate limits by its own names."""
    foreign = "x-ratelimit-" if dialect == "anthropic" else "anthropic-ratelimit-"
    return {name: value for name, value in headers.items() if not name.startswith(foreign)}


# What the caller is told of a provider's failure: a sentence and what to do. Status, type and code come from routing.
_SENTENCES: dict[str, tuple[str, str]] = {
    "connect": ("The provider could not be reached.", "Try again; the operator sees the cause."),
    "timeout": ("The provider took too long.", "Try again or use a shorter request."),
    "rate_limit": ("The provider limits the rate of this account.", "Wait and try again."),
    "auth": ("The provider refused the gateway's credential.", "The operator must check the reference."),
    "5xx": ("The provider failed.", "Try again."),
    "bad_request": ("The provider refused the request.", ""),
    "context_window": ("The request is longer than the model's context window.", ""),
    "content_policy": ("The provider's content policy refused the request.", ""),
    "not_found": ("The provider does not know the configured model.", "The operator must check it."),
    "broken_stream": ("The provider's answer broke off.", "Try again."),
    "too_large": ("The request or the answer is larger than the provider's limit.", "Ask for less."),
}


def upstream_error(error: UpstreamError, explanation: str) -> AllTargetsFailed:
    """What a caller sees of a provider's failure. `explanation` is the provider's own message after redaction, or empty."""
    status, code, kind = outward(error)
    headers: dict[str, str] = {}
    if error.retry_after_s is not None and status in (429, 502, 503, 504):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
        headers["retry-after-ms"] = str(max(1, math.ceil(error.retry_after_s * 1000)))
    if 400 <= status < 500 and status != 429:
        headers["x-should-retry"] = "false"
    sentence, hint = _SENTENCES.get(error.failure, _SENTENCES["5xx"])
    message = f"{sentence} It said: {explanation}" if explanation else sentence
    return AllTargetsFailed(message, hint=hint, status=status, type=kind, code=code, headers=headers)
