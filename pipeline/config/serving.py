"""How the gateway serves: addresses and TLS, limits, audit devices."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.config.audit import CheckpointsSection
from pipeline.config.section import Seconds, Section

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class ServerSection(Section):
    """The listener. Any address but loopback needs TLS here or in front."""

    tls_cert: str | None = None
    """Path of the certificate chain (PEM)."""
    tls_key: str | None = None
    """Path of its private key (PEM), readable by the owner only."""
    behind_proxy: bool = False
    """A proxy in front ends TLS and is the only one that can reach this address."""

    environment: Annotated[str, Field(max_length=64, pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")] = ""
    """What this gateway is for (`production`, `staging`): keys with the caveat `environments` work only where theirs is named."""
    audience: tuple[Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")], ...] = ()
    """The names this gateway goes by: keys with the caveat `audiences` work only where one of theirs is named."""
    trusted_proxies: tuple[Annotated[str, Field(max_length=64)], ...] = ()
    """Networks (CIDR) of the proxies in front: only from them is `X-Forwarded-For` believed, for the caveat `cidrs`, limits and audit."""

    litellm_headers: bool = False
    """Answers to calls also bear the headers that LiteLLM's clients read (`x-litellm-call-id`, `x-litellm-response-cost`, …)."""

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            try:
                network = ip_network(text)
            except ValueError:
                raise ValueError("a trusted proxy is a network, for example 10.0.0.0/8 or 192.0.2.7/32") from None
            if network.prefixlen == 0:
                raise ValueError("a network of everybody is no trusted proxy: whoever asks could name any address")
        return given

    @model_validator(mode="after")
    def _both_or_none(self) -> ServerSection:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        return self


class LimitsSection(Section):
    """What a request may weigh, and how many run at once."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 10 * 1024 * 1024
    """Bytes of a body as it is sent."""
    max_decoded_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 20 * 1024 * 1024
    """Bytes of a body after it is decompressed."""
    max_json_depth: Annotated[int, Field(ge=8, le=512)] = 128
    """How deep objects and lists may be nested."""
    max_json_containers: Annotated[int, Field(ge=100, le=10_000_000)] = 200_000
    """Number of objects and lists in a body."""
    max_json_values: Annotated[int, Field(ge=1000, le=100_000_000)] = 1_000_000
    """Number of values in a body."""
    max_header_bytes: Annotated[int, Field(ge=1024, le=1 << 20)] = 16_384
    """Bytes of all headers together."""
    max_header_count: Annotated[int, Field(ge=8, le=1000)] = 100
    """Number of headers."""
    body_timeout_s: Seconds = 30.0
    """Seconds in which a body must arrive."""
    redaction_cpu_s: Seconds = 10.0
    """Seconds of CPU that redacting one prompt, answer, record or text of `/v1/redact` may take; what costs more is refused (400
    `content_not_screenable`) and does not leave. Megabytes of nothing but findings cost that much, ordinary text a hundredth of it."""
    max_in_flight: Count = 512
    """Calls that run at the same time; the next one is answered 503 with Retry-After."""
    drain_s: Seconds = 30.0
    """Seconds that running calls have to end when the gateway stops. Until then what is new is answered 503 with Retry-After."""
    drain_notice_s: Annotated[float, Field(ge=0, le=300)] = 0.0
    """Seconds for which a stopping gateway answers 503 at least, also when nothing runs, so that load balancers notice; at most drain_s."""
    read_on_s: Annotated[float, Field(ge=0, le=300)] = 0.0
    """Seconds for which a stream is read on whose caller has left, so that the provider's own numbers are charged. 0: it is cut off, which
    stops most providers, and charged by our count (`aborted_estimated`)."""
    read_on_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """Tokens, by our count, that are read on of one stream; one that goes on is cut off."""
    read_on_streams: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Streams that are read on at a time; of further ones nothing is."""


class IdempotencySection(Section):
    """What is kept for requests that come with an `Idempotency-Key`, so that their repetitions are given the first answer."""

    keep_s: Annotated[float, Field(ge=60, le=30 * 86_400)] = 86_400
    """Seconds for which an answer is given back."""
    max_answer_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 1024 * 1024
    """Bytes of the largest answer that is kept; of a larger one a repetition is only told that it was given."""


class AuditSection(Section):
    """Where every act is written before it happens."""

    require: Literal["all", "any"] = "all"
    """`all`: database and journal both; `any`: one of the two is enough. When it cannot be written, it does not happen."""
    checkpoints: CheckpointsSection = CheckpointsSection()
    """Proof that what was written stayed as it was."""
