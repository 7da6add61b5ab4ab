"""A Prometheus registry as OTLP metrics: names of the conventions, no exemplars, cumulative or delta sums.

`snapshot` reads the registry into a tree of texts, which is redacted like any other before `encode_metrics` takes it, and the numbers
beside it. Label sets are lists of pairs, so that no rule about key names takes a label's value for a credential's.
Sources: github.com/open-telemetry/opentelemetry-proto, metrics v1; opentelemetry.io/docs/specs/otel, compatibility with Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from collectors.model import CollectorError
from collectors.otlp.log_codec import fill_attributes
from redactors.model import Clean, Json, is_clean

Temporality = Literal["cumulative", "delta"]
Sums = Mapping[tuple[Any, ...], "float | Histogram"]
"""Where each series stood: the baseline of deltas. Opaque to everybody else."""

_NAMES: Final = {
    "gen_ai_client_operation_duration_seconds": ("gen_ai.client.operation.duration", "s"),
    "gen_ai_client_token_usage": ("gen_ai.client.token.usage", "{token}"),
    "gen_ai_client_operation_time_to_first_chunk_seconds": ("gen_ai.client.operation.time_to_first_chunk", "s"),
    "gen_ai_server_request_duration_seconds": ("gen_ai.server.request.duration", "s"),
}
_LABELS: Final = {
    "gen_ai_operation_name": "gen_ai.operation.name",
    "gen_ai_provider_name": "gen_ai.provider.name",
    "gen_ai_request_model": "gen_ai.request.model",
    "gen_ai_token_type": "gen_ai.token.type",
    "error_type": "error.type",
}
_UNITS: Final = {"seconds": "s", "bytes": "By"}
_KINDS: Final = {"counter": "sum", "gauge": "gauge", "info": "gauge", "histogram": "histogram"}


@dataclass(frozen=True, slots=True)
class Histogram:
    """One series of a histogram: counts of each bucket, the last without an upper bound, and their sum."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float


Value = float | Histogram
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A registry at one moment: `texts` is `[{name, unit, kind, series: [[[key, value], …], …]}]`, `values` are in the same order."""

    texts: Json
    values: tuple[tuple[Value, ...], ...]


def snapshot(registry: Any) -> Snapshot:
    """Read every instrument with its series."""
    texts: list[Json] = []
    values: list[tuple[Value, ...]] = []
    for family in registry.collect():
        kind = _KINDS.get(family.type)
        if kind is None:
            continue
        name, unit = _named(family.name)
        series = _histograms(family.samples) if kind == "histogram" else _numbers(family.samples)
        if series:
            labels: list[Json] = [[[key, value] for key, value in one] for one in series]
            texts.append({"name": name, "unit": unit, "kind": kind, "series": labels})
            values.append(tuple(series.values()))
    return Snapshot(texts, tuple(values))


def encode_metrics(
    clean: Clean[Json],
    values: Sequence[Sequence[Value]],
    resource: Clean[dict[str, Any]],
    *,
    start_ns: int,
    at_ns: int,
    temporality: Temporality,
    before: Sums,
    version: str,
) -> tuple[bytes, int, Sums]:
    """Serialize an `ExportMetricsServiceRequest`; gives it, its number of points, and where the sums stand now.

    `clean` is a snapshot's redacted texts, `values` its numbers. Sums start at `start_ns`; for deltas that is when `before` was where
    they stood. Raises CollectorError for what is not clean.
    """
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    texts: Any = clean.value if is_clean(clean) and is_clean(resource) else None
    if not isinstance(texts, list) or len(texts) != len(values):
        raise CollectorError("only clean metrics are encoded")
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    fill_attributes(of_resource.resource.attributes, resource.value.get("attributes") or {})
    scope = of_resource.scope_metrics.add()
    scope.scope.name, scope.scope.version = "lockgate", version
    past = before if temporality == "delta" else {}
    now: dict[tuple[Any, ...], Value] = {}
    for instrument, numbers in zip(texts, values, strict=True):
        metric = scope.metrics.add()
        metric.name, metric.unit = instrument["name"], instrument["unit"]
        holder = getattr(metric, instrument["kind"])
        if instrument["kind"] != "gauge":
            holder.aggregation_temporality = 1 if temporality == "delta" else 2
        if instrument["kind"] == "sum":
            holder.is_monotonic = True
        for labels, value in zip(instrument["series"], numbers, strict=True):
            point = holder.data_points.add()
            point.time_unix_nano = at_ns
            if instrument["kind"] != "gauge":
                point.start_time_unix_nano = start_ns
            fill_attributes(point.attributes, {_LABELS.get(key, key): label for key, label in labels if label != ""})
            place = (metric.name, *(tuple(pair) for pair in labels))
            now[place] = value
            _fill(point, value, None if instrument["kind"] == "gauge" else past.get(place))
    data: bytes = request.SerializeToString()
    return data, len(now), now


def _fill(point: Any, value: Value, before: Value | None) -> None:
    """Put a series' value, less what it was before, into its point."""
    if not isinstance(value, Histogram):
        point.as_double = value - (before if isinstance(before, float) else 0.0)
        return
    counts, total = value.counts, value.sum
    if isinstance(before, Histogram):
        counts = tuple(one - other for one, other in zip(counts, before.counts, strict=True))
        total -= before.sum
    point.explicit_bounds.extend(value.bounds)
    point.bucket_counts.extend(int(one) for one in counts)
    point.count, point.sum = int(sum(counts)), total


def _named(name: str) -> tuple[str, str]:
    if name in _NAMES:
        return _NAMES[name]
    unit = _UNITS.get(name.rsplit("_", 1)[-1], "1")
    return (f"lockgate.{name.removeprefix('lockgate_')}" if name.startswith("lockgate_") else name), unit


def _numbers(samples: Iterable[Any]) -> dict[Labels, Value]:
    return {tuple(sorted(one.labels.items())): float(one.value) for one in samples if not one.name.endswith("_created")}


def _histograms(samples: Iterable[Any]) -> dict[Labels, Value]:
    """One value a label set: Prometheus' buckets count everything below their bound, OTLP's only what is between two."""
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    sums: dict[Labels, float] = {}
    for sample in samples:
        labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), float(sample.value)))
        elif sample.name.endswith("_sum"):
            sums[labels] = float(sample.value)
    found: dict[Labels, Value] = {}
    for labels, below in buckets.items():
        below.sort()
        counts = tuple(count - earlier for (_, count), (_, earlier) in zip(below, [(0.0, 0.0), *below[:-1]], strict=True))
        found[labels] = Histogram(tuple(bound for bound, _ in below[:-1]), counts, sums.get(labels, 0.0))
    return found
