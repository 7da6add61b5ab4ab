"""LiteLLM's exceptions, reduced to ours: a class, a status, and a body that the gateway screens. Decided on `.status_code`."""

from __future__ import annotations

from typing import Any

from pipeline.routing.model import FailureClass, Target, UpstreamError
from pipeline.routing.upstream import MAX_ERROR_BODY, failure_of, parse_body, retry_after

_BY_NAME: dict[str, FailureClass] = {
    "ContextWindowExceededError": "context_window",
    "ContentPolicyViolationError": "content_policy",
    "Timeout": "timeout",
    "APIConnectionError": "connect",
    "MidStreamFallbackError": "broken_stream",
}


def _body(error: BaseException) -> Any:
    """What the provider said: the parsed body, the response's text, or the message, at most 64 KiB."""
    body = getattr(error, "body", None)
    if isinstance(body, dict | list) and body:
        return {"error": body} if isinstance(body, dict) and "error" not in body else body
    message = getattr(error, "message", None)
    text = message if isinstance(message, str) else ""
    start = text.find("{")
    if start >= 0:
        found = parse_body(text[start:].encode("utf-8", "replace"))
        if isinstance(found, dict):
            return found
    return {"error": {"message": text[:MAX_ERROR_BODY]}} if text else None


def translate(error: Exception, target: Target) -> UpstreamError:
    """One of our errors for whatever LiteLLM raised. The caller raises it `from None`, so nothing of the original is kept but `body`."""
    if isinstance(error, TimeoutError):
        return UpstreamError("timeout", target_id=target.id)
    status = getattr(error, "status_code", 0)
    status = status if isinstance(status, int) else 0
    names = [kind.__name__ for kind in type(error).__mro__]
    body = _body(error)
    failure = next((_BY_NAME[name] for name in names if name in _BY_NAME), None)
    if failure is None:
        failure = failure_of(status, body) if status else "connect"
    if failure in ("connect", "timeout"):
        return UpstreamError(failure, target_id=target.id)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return UpstreamError(failure, status=status, body=body, retry_after_s=retry_after(headers), target_id=target.id)
