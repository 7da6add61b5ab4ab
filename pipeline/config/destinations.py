"""OTLP back ends: where they are, who they believe, what goes there, and what happens when they do not take it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.config.references import SecretKeyRef
from pipeline.config.section import Name, Seconds, Section, Usd

Path = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\r\n\x00]+$")]


class HeaderValue(Section):
    """The value of a header: written out, or taken from a vault when it is sent."""

    text: Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\r\n\x00]*$")] | None = Field(default=None, repr=False)
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


class TlsSection(Section):
    """Certificates beyond those that the machine trusts. Files are read when a connection is made, so that a renewed one is used."""

    ca_file: Path | None = None
    """Path of the certificates (PEM) that may have signed the back end's, instead of the machine's own."""
    client_cert_file: Path | None = None
    """Path of our certificate chain (PEM), for a back end that asks who we are."""
    client_key_file: Path | None = None
    """Path of its private key (PEM), readable by the owner only."""
    client_key_ref: SecretKeyRef | None = None
    """The private key (PEM) from a vault, instead of a file."""

    @model_validator(mode="after")
    def _a_pair(self) -> TlsSection:
        keys = (self.client_key_file is not None) + (self.client_key_ref is not None)
        if keys > 1:
            raise ValueError("client_key_file and client_key_ref say the same thing; write one of them")
        if (self.client_cert_file is None) != (keys == 0):
            raise ValueError("client_cert_file and its key belong together")
        return self


class QueueSection(Section):
    """How much is kept for a back end that does not take it, waiting and as dead letters, and what happens then."""

    max_bytes: Annotated[int, Field(ge=1024, le=1 << 44)] = 1 << 30
    """Bytes, as they are sent, before compression. Calls that run while it is reached may still add theirs. Below it no call notices."""
    when_full: Literal["refuse", "block", "shed_content"] = "refuse"
    """`refuse` answers calls with 503 and Retry-After before anything is sent to a provider; `block` lets them wait for room first;
    `shed_content` goes on without prompts and answers on spans, and refuses at twice as many bytes."""
    block_s: Seconds = 10.0
    """Seconds that a call waits for room under `block`, before it is refused."""


class SamplingSection(Section):
    """Which calls are sent when not all are. Decided when a call has ended; metrics and spend count every call."""

    ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of calls that is kept, by trace id: the same for every destination and for other samplers by ratio."""
    keep_errors: bool = True
    """Whether every failed call is kept."""
    keep_redactions: bool = True
    """Whether every call is kept in which something was redacted."""
    keep_cost_usd: Usd | None = None
    """Calls that cost at least so much are kept."""
    parent_based: bool = False
    """Whether the sampled flag of a caller's `traceparent` takes the place of the ratio; calls without one are sampled by ratio."""

    @property
    def keep_cost_micros(self) -> int | None:
        """The same in integer micro-dollars."""
        return None if self.keep_cost_usd is None else int((self.keep_cost_usd * 1_000_000).to_integral_value(rounding=ROUND_HALF_UP))


class DestinationSection(Section):
    """An OTLP back end. What goes there was redacted and waits in a durable outbox until it is delivered."""

    id: Name
    """Its name in metrics, in the CLI and on the dashboard."""
    endpoint: Annotated[str, StringConstraints(max_length=1024, pattern=r"^https?://[^\s]+$")]
    """The base address (`http://127.0.0.1:4318`) or, for HTTP, the full address of one signal's path (`…/v1/traces`)."""
    protocol: Literal["http/protobuf", "grpc"] = "http/protobuf"
    """The OTLP protocol."""
    signals: Annotated[tuple[Literal["traces", "logs", "metrics"], ...], Field(min_length=1)] = ("traces",)
    """What goes there: traces of calls, the gateway's own logs, its metrics."""
    headers: Mapping[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=128)], HeaderValue] = Field(
        default_factory=dict
    )
    """Headers of every request; credentials by `secret_key_ref`."""
    tls: TlsSection = TlsSection()
    """Certificates, for `https://`."""
    compression: Literal["none", "gzip"] = "gzip"
    """How the body is compressed, after the last look at it."""
    timeout_s: Seconds = 10.0
    """Seconds that one request may take."""
    queue: QueueSection = QueueSection()
    """What is kept while it does not take anything."""
    sampling: SamplingSection = SamplingSection()
    """Which calls go there."""
    temporality: Literal["cumulative", "delta"] = "cumulative"
    """Whether its metrics are sums since the start or since the last time."""

    @field_validator("endpoint")
    @classmethod
    def _no_credentials(cls, url: str) -> str:
        if "@" in url.split("//", 1)[1].split("/", 1)[0]:
            raise ValueError("the address carries a credential; send it as a header with secret_key_ref")
        return url

    @model_validator(mode="after")
    def _tls_where_it_is(self) -> DestinationSection:
        if self.tls != TlsSection() and not self.endpoint.startswith("https:"):
            raise ValueError("tls is for an https:// endpoint")
        if len(set(self.signals)) != len(self.signals):
            raise ValueError("a signal stands twice")
        return self
