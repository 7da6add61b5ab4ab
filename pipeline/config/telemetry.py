"""Telemetry: which conventions, whether content is recorded (redacted), and where traces, logs and metrics are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.destinations import DestinationSection
from pipeline.config.receiver import ReceiverSection
from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Name, Seconds, Section


class StoredContentSection(Section):
    """Prompts and answers in our own store: redacted, then encrypted. Admins and auditors read them, and every look is an event."""

    keep_days: Annotated[float, Field(gt=0, le=3650)] = 30.0
    """Days until they are removed."""
    max_bytes: Annotated[int, Field(ge=1024, le=1 << 26)] = 1 << 20
    """Bytes of one call; what is larger is not stored, and its span says so."""
    secret_key_ref: SecretKeyRef | None = None
    """Where the key is: a secret of at least 32 characters. Without it the key is made of the local store's."""


class TelemetrySection(Section):
    """Traces of calls, the gateway's own logs and metrics, and telemetry of other programs."""

    semconv: Literal["v1.36", "v1.41", "genai-main"] = "v1.41"
    """The profile of the OpenTelemetry GenAI conventions."""
    capture_content: bool | Literal["stored"] = False
    """Whether prompts and answers are recorded; always after redaction. `true`: on spans. `stored`: encrypted in our own store, and spans
    only refer to them."""
    stored_content: StoredContentSection = StoredContentSection()
    """What is kept under `capture_content: stored`."""
    service_name: Name = "lockgate"
    """`service.name` of the resource."""
    destinations: tuple[DestinationSection, ...] = ()
    """Where telemetry is sent. None: it is not sent anywhere, and that of other programs is refused. A workspace may name those that get
    its own."""
    metrics_interval_s: Seconds = 60.0
    """Seconds between two times that metrics are sent, where a destination asks for them."""
    receiver: ReceiverSection = ReceiverSection()
    """What other programs may send."""
