"""LiteLLM's exceptions, reduced to ours: a class, a status, and a body that the gateway screens. Decided on `.status_code`."""

from __future__ import annotations

from typing import Any

from pipeline.routing.model import FailureClass, Outbound, UpstreamError
from pipeline.routing.upstream import MAX_ERROR_BODY, failure_of, parse_body, retry_after

_BY_NAME: dict[str, FailureClass] = {
    "ContextWindowExceededError": "context_window",
    "ContentPolicyViolationError": "content_policy",
    "Timeout": "timeout",
    "APIConnectionError": "connect",
    "MidStreamFallbackError": "broken_stream",
}

# What LiteLLM's own errors were made from, by class name: it makes up a status of 500 for whatever has none.
_ANSWERED = frozenset({"HTTPStatusError", "APIStatusError"})
_UNREACHED = frozenset(
    {"ClientConnectorError", "ConnectTimeout", "ConnectionTimeoutError", "EndpointConnectionError", "ConnectionRefusedError", "gaierror"}
)
_CUT = frozenset({"TransportError", "ClientError", "ConnectionError", "HTTPClientError"})
_MISREAD = frozenset({"JSONDecodeError", "LookupError", "TypeError", "AttributeError", "ValidationError"})


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and those that it came from, the first cause last."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and all(cause is not known for known in found):
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _is_own(error: BaseException) -> bool:
    return type(error).__module__.startswith("litellm.")


def _is_misread(chain: list[BaseException], names: frozenset[str]) -> bool:
    """Whether LiteLLM gave up on what it read: its own complaint, or a slip of its code, with no answer of a provider behind it."""
    first = type(chain[-1])
    complaint = first is Exception or (_is_own(chain[-1]) and first.__name__ == "APIError")
    return complaint or bool(names & _MISREAD)


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


def failure_by_name(error: Exception) -> FailureClass | None:
    """The class of an error that LiteLLM has a class of its own for; None for every other."""
    return next((_BY_NAME[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _BY_NAME), None)


def translate(error: Exception, request: Outbound) -> UpstreamError:
    """One of our errors for whatever LiteLLM raised. The caller raises it `from None`, so nothing of the original is kept but `body`.

    An answer that LiteLLM could not read is `broken_stream`; a connection that failed is `connect`, and takes `departure.sent` back when
    the request surely never left.
    """
    target, departure = request.target, request.departure
    if isinstance(error, TimeoutError):
        return UpstreamError("timeout", target_id=target.id)
    status = getattr(error, "status_code", 0)
    status = status if isinstance(status, int) else 0
    body = _body(error)
    failure = failure_by_name(error)
    if failure is None:
        failure = failure_of(status, body) if status >= 400 else "connect"
    if failure in ("connect", "5xx"):
        chain = _chain(error)
        # LiteLLM's own classes are built on the client libraries': only what they were made from tells what happened.
        causes = (cause for cause in chain if not _is_own(cause))
        names = frozenset(kind.__name__ for cause in causes for kind in type(cause).__mro__)
        if not names & _ANSWERED:
            if names & _CUT:
                failure = "connect"
                departure.sent = not names & _UNREACHED
            elif (departure.answered and not status) or _is_misread(chain, names):
                return UpstreamError("broken_stream", status=200, target_id=target.id)
            elif failure == "connect":
                departure.sent = False
    if failure in ("connect", "timeout"):
        return UpstreamError(failure, target_id=target.id)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return UpstreamError(failure, status=status, body=body, retry_after_s=retry_after(headers), target_id=target.id)
