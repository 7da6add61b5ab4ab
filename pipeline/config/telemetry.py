"""Telemetry: which conventions, whether content is recorded (redacted), and where traces, logs and metrics are sent."""

from __future__ import annotations

from typing import Literal

from pipeline.config.destinations import DestinationSection
from pipeline.config.receiver import ReceiverSection
from pipeline.config.section import Name, Seconds, Section


class TelemetrySection(Section):
    """Traces of calls, the gateway's own logs and metrics, and telemetry of other programs."""

    semconv: Literal["v1.36", "v1.41", "genai-main"] = "v1.41"
    """The profile of the OpenTelemetry GenAI conventions."""
    capture_content: bool = False
    """Whether prompts and answers are recorded on spans; always after redaction."""
    service_name: Name = "lockgate"
    """`service.name` of the resource."""
    destinations: tuple[DestinationSection, ...] = ()
    """Where telemetry is sent. None: it is not sent anywhere, and that of other programs is refused. A workspace may name those that get
    its own."""
    metrics_interval_s: Seconds = 60.0
    """Seconds between two times that metrics are sent, where a destination asks for them."""
    receiver: ReceiverSection = ReceiverSection()
    """What other programs may send."""
