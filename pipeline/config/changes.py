"""Which settings of a document that was read again wait for a restart."""

from __future__ import annotations

from typing import Final

from pipeline.config.document import Document

AT_START: Final = (
    "audit",
    "idempotency",
    "limits",
    "server",
    "telemetry.metrics_interval_s",
    "telemetry.receiver",
    "telemetry.semconv",
    "telemetry.service_name",
)
"""What is read once: devices, listeners and their bounds, and what every span says of its sender."""


def needs_restart(started: Document, now: Document) -> tuple[str, ...]:
    """The settings, by path, in which a document differs from the one that the process started with and that a reload leaves alone."""
    before, after = started.model_dump(mode="json"), now.model_dump(mode="json")
    paths: list[str] = []
    for path in AT_START:
        former, latter = before, after
        for name in path.split("."):
            former, latter = former[name], latter[name]
        paths += _differences(path, former, latter)
    return tuple(paths)


def _differences(path: str, former: object, latter: object) -> list[str]:
    if former == latter:
        return []
    if not isinstance(former, dict) or not isinstance(latter, dict):
        return [path]
    return [one for name in sorted({*former, *latter}) for one in _differences(f"{path}.{name}", former.get(name), latter.get(name))]
