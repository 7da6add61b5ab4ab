"""Clean log records to OTLP protobuf bytes, under one resource, a scope for each logger.

The shape of a log record's tree is opentelemetry-proto's `LogRecord` with its field names; `attributes` is a mapping of plain values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.model import CollectorError, Record
from collectors.otlp.codec import checked, fill_value
from redactors.model import Clean


def encode_logs(records: Sequence[Clean[Record]], resource: Clean[dict[str, Any]]) -> bytes:
    """Serialize an `ExportLogsServiceRequest`. Raises CollectorError for what is not clean or no log record."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    fill_attributes(of_resource.resource.attributes, resource.value.get("attributes") or {})
    scopes: dict[str, Any] = {}
    for record in records:
        tree = checked(record, "logs")
        name = str(tree["attributes"].get("log.logger", ""))
        if name not in scopes:
            scopes[name] = of_resource.scope_logs.add()
            scopes[name].scope.name = name
        try:
            _fill(scopes[name].log_records.add(), tree)
        except (TypeError, ValueError, KeyError):
            raise CollectorError("a log record does not fit into OTLP") from None
    data: bytes = request.SerializeToString()
    return data


def fill_attributes(target: Any, attributes: Mapping[str, Any]) -> None:
    """Put attributes into a repeated `KeyValue`."""
    for key, value in attributes.items():
        pair = target.add()
        pair.key = key
        fill_value(pair.value, value)


def _fill(target: Any, tree: Mapping[str, Any]) -> None:
    target.time_unix_nano = target.observed_time_unix_nano = tree["time_unix_nano"]
    target.severity_number = tree["severity_number"]
    target.severity_text = tree["severity_text"]
    fill_value(target.body, tree["body"])
    fill_attributes(target.attributes, tree["attributes"])
