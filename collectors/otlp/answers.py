"""Reading what an OTLP back end answers: partial success and retry hints. Its texts are never looked at."""

from __future__ import annotations

from typing import Any

from collectors.model import Signal


def rejected_items(signal: Signal, body: bytes, *, is_json: bool) -> int:
    """How many items a 2xx answer refused for good. An answer that cannot be read refuses none."""
    if not body:
        return 0
    return _from_json(signal, body) if is_json else _from_protobuf(signal, body)


def _from_protobuf(signal: Signal, body: bytes) -> int:
    from google.protobuf.message import DecodeError

    partial = response_of(signal)
    try:
        partial.ParseFromString(body)
    except DecodeError:
        return 0
    rejected = getattr(partial.partial_success, _FIELDS[signal][1])
    return max(0, int(rejected))


def _from_json(signal: Signal, body: bytes) -> int:
    import orjson

    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return 0
    partial = tree.get("partialSuccess") if isinstance(tree, dict) else None
    count = partial.get(_FIELDS[signal][0], 0) if isinstance(partial, dict) else 0
    try:
        return max(0, int(count))  # 64-bit integers are strings in protobuf's JSON
    except (TypeError, ValueError):
        return 0


_FIELDS: dict[Signal, tuple[str, str]] = {
    "traces": ("rejectedSpans", "rejected_spans"),
    "logs": ("rejectedLogRecords", "rejected_log_records"),
    "metrics": ("rejectedDataPoints", "rejected_data_points"),
}


def response_of(signal: Signal) -> Any:
    """An empty `Export…ServiceResponse`."""
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        return ExportTraceServiceResponse()
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

        return ExportLogsServiceResponse()
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

    return ExportMetricsServiceResponse()


def retry_delay(details: bytes) -> float | None:
    """Seconds of the `google.rpc.RetryInfo` in a serialized `google.rpc.Status`; None when there is none."""
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

    status = status_pb2.Status()
    try:
        status.ParseFromString(details)
        for detail in status.details:
            info = error_details_pb2.RetryInfo()
            if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
                seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
                return min(max(0.0, seconds), 3_600.0)
    except DecodeError:
        return None
    return None
