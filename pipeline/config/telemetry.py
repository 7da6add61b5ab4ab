"""Telemetry: which conventions, whether content is recorded (redacted), and where traces are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Name, Seconds, Section


class HeaderValue(Section):
    """The value of a header: written out, or taken from a vault when it is sent."""

    text: Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\r\n\x00]*$")] | None = None
    """The value itself, for headers that are no credential. A plain string means the same."""
    secret_key_ref: SecretKeyRef | None = None
    """Where the value is."""
    prefix: Annotated[str, StringConstraints(strip_whitespace=False, max_length=64, pattern=r"^[^\r\n\x00]*$")] = ""
    """What stands before a value from a vault, such as `Bearer `."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, form: Any) -> Any:
        return {"text": form} if isinstance(form, str) else form

    @model_validator(mode="after")
    def _one_source(self) -> HeaderValue:
        if (self.text is None) == (self.secret_key_ref is None):
            raise ValueError("a header is a text or has a secret_key_ref")
        if self.prefix and self.secret_key_ref is None:
            raise ValueError("prefix goes with secret_key_ref")
        return self


class DestinationSection(Section):
    """An OTLP back end. What goes there was redacted and waits in a durable outbox until it is delivered."""

    id: Name
    """Its name in metrics, in the CLI and on the dashboard."""
    endpoint: Annotated[str, StringConstraints(max_length=1024, pattern=r"^https?://[^\s]+$")]
    """The base address (`http://127.0.0.1:4318`) or, for HTTP, the full address of the traces path."""
    protocol: Literal["http/protobuf", "grpc"] = "http/protobuf"
    """The OTLP protocol."""
    headers: Mapping[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=128)], HeaderValue] = Field(
        default_factory=dict
    )
    """Headers of every request; credentials by `secret_key_ref`."""
    compression: Literal["none", "gzip"] = "gzip"
    """How the body is compressed, after the last look at it."""
    timeout_s: Seconds = 10.0
    """Seconds that one request may take."""

    @field_validator("endpoint")
    @classmethod
    def _no_credentials(cls, url: str) -> str:
        if "@" in url.split("//", 1)[1].split("/", 1)[0]:
            raise ValueError("the address carries a credential; send it as a header with secret_key_ref")
        return url


class TelemetrySection(Section):
    """Traces of calls."""

    semconv: Literal["v1.36", "v1.41", "genai-main"] = "v1.41"
    """The profile of the OpenTelemetry GenAI conventions."""
    capture_content: bool = False
    """Whether prompts and answers are recorded on spans; always after redaction."""
    service_name: Name = "lockgate"
    """`service.name` of the resource."""
    destinations: tuple[DestinationSection, ...] = ()
    """Where traces are sent. None: they are not sent anywhere."""
