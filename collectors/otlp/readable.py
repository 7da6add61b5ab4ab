"""A serialized OTLP request as a JSON tree for people: ids in hex, as OTLP/JSON has them. Nothing is redacted here."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from collectors.model import CollectorError, Signal
from redactors.model import Json

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def readable(signal: Signal, payload: bytes) -> Json:
    """The request as OTLP/JSON. Raises CollectorError when the bytes are no request of that signal."""
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

    message = _request(signal)
    try:
        message.ParseFromString(payload)
        tree: Json = _with_hex_ids(MessageToDict(message))
    except (DecodeError, ValueError):
        raise CollectorError("the payload cannot be read") from None
    return tree


def _with_hex_ids(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _hex(value) if key in _IDS and isinstance(value, str) else _with_hex_ids(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_with_hex_ids(value) for value in tree]
    return tree


def _hex(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).hex()
    except binascii.Error:
        return text


def _request(signal: Signal) -> Any:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        return ExportTraceServiceRequest()
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        return ExportLogsServiceRequest()
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    return ExportMetricsServiceRequest()
