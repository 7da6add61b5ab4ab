"""What a receiver answers to an OTLP request, in the encoding of the request: success, partial success, or a `google.rpc.Status`.

Texts are written by us: names, numbers and what to do, never anything of the request.
Source: opentelemetry.io/docs/specs/otlp, sections OTLP/HTTP Response and Failures; github.com/googleapis/googleapis, google/rpc/code.proto.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from collectors.model import Signal
from collectors.otlp.answers import response_of
from collectors.otlp.bodies import Encoding

_REJECTED: Final[dict[Signal, tuple[str, str]]] = {
    "traces": ("rejected_spans", "rejectedSpans"),
    "logs": ("rejected_log_records", "rejectedLogRecords"),
    "metrics": ("rejected_data_points", "rejectedDataPoints"),
}
_CODES: Final = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 1, 409: 10, 413: 3, 415: 3, 422: 3, 429: 8, 431: 3, 500: 13, 501: 12, 502: 14, 503: 14,
    504: 4,
}  # fmt: skip
"""The `google.rpc.Code` of an HTTP status."""

REJECTION: Final = "The redaction policy of this key takes these items out; they are not forwarded."


def accepted(signal: Signal, encoding: Encoding, rejected: int = 0) -> bytes:
    """The body of a 200: everything was taken, but `rejected` items for good, which the sender must not send again."""
    snake, camel = _REJECTED[signal]
    if encoding == "json":
        # 64-bit integers are strings in protobuf's JSON.
        return orjson.dumps({"partialSuccess": {camel: str(rejected), "errorMessage": REJECTION}} if rejected else {})
    response = response_of(signal)
    if rejected:
        setattr(response.partial_success, snake, rejected)
        response.partial_success.error_message = REJECTION
    data: bytes = response.SerializeToString()
    return data


def code_of(status: int) -> int:
    """The `google.rpc.Code` that says what an HTTP status says."""
    return _CODES.get(status, 13 if status >= 500 else 3)


def failed(encoding: Encoding, status: int, message: str, retry_after_s: float | None = None) -> bytes:
    """The body of an error: a `Status`, with `RetryInfo` where the sender is told when to come again."""
    if encoding == "json":
        return orjson.dumps({"code": code_of(status), "message": message})
    data: bytes = status_of(code_of(status), message, retry_after_s).SerializeToString()
    return data


def status_of(code: int, message: str, retry_after_s: float | None = None) -> Any:
    """A `google.rpc.Status` message."""
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

    status = status_pb2.Status(code=code, message=message)
    if retry_after_s is not None:
        info = error_details_pb2.RetryInfo()
        info.retry_delay.seconds = int(retry_after_s)
        info.retry_delay.nanos = int(retry_after_s % 1 * 1e9)
        status.details.add().Pack(info)
    return status
