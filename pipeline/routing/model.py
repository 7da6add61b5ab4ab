"""What routing speaks of: targets, what is sent, what comes back, and the one method every provider has.

Every provider answers **in the wire format of the caller's surface**: the direct lane forwards it, the LiteLLM lane has
it translated. So the gateway screens, streams and counts one format per surface, whatever stands behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pipeline.vaults.model import Secret

Surface = Literal["openai.chat", "openai.completions", "openai.embeddings", "anthropic.messages", "anthropic.count_tokens"]
Lane = Literal["auto", "litellm", "direct"]
Strategy = Literal["ordered", "weighted"]


@dataclass(frozen=True, slots=True)
class Target:
    """One provider, one model, one credential.

    `provider` is LiteLLM's provider name (`openai`, `anthropic`, `bedrock`, `gemini`, `azure`, `demo`, …), `model` the
    provider's model id. `reference` is the slug of the secret reference (None: the provider needs none). `extra` holds
    allow-listed provider settings (`api_version`, `aws_region_name`, `vertex_project`, …). Times are seconds. `composed`: its credential
    has several parts, and its address may be one of them.
    """

    id: str
    provider: str
    model: str
    base_url: str | None = None
    reference: str | None = None
    required: bool = True
    lane: Lane = "auto"
    weight: int = 1
    extra: Mapping[str, str] = field(default_factory=dict)
    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 60.0
    composed: bool = False


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """What callers ask for by name, and the targets behind it.

    `max_retries` counts further attempts after the first, over all targets; `retry_on` names failure classes:
    `5xx`, `timeout`, `rate_limit`, `connect`, `auth`, `not_found`. `fallbacks` are model names tried when this one's targets
    are used up (cycles are refused when the config is loaded). `policy` is the redaction policy that it names, or empty.
    """

    name: str
    strategy: Strategy
    targets: tuple[Target, ...]
    fallback_enabled: bool = True
    max_retries: int = 2
    retry_on: tuple[str, ...] = ("5xx", "timeout", "rate_limit", "connect")
    fallbacks: tuple[str, ...] = ()
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets of one call, in the order in which they will be tried, and how many attempts it may take.

    `policy` is the redaction policy that the route names, or empty.
    """

    model: str
    targets: tuple[Target, ...]
    max_attempts: int
    retry_on: tuple[str, ...]
    policy: str = ""


class Departure:
    """How far one attempt got. The lane that sends it takes note, so that its cost is known however the attempt ends, also by cancellation.

    `sent`: the provider may have the request's body, and may bill it. `answered`: it has accepted the request (status 200).
    """

    __slots__ = ("answered", "sent")

    def __init__(self) -> None:
        self.sent = False
        self.answered = False


@dataclass(frozen=True, slots=True)
class Outbound:
    """What may be sent: the screened body in the surface's wire format, for one target.

    `headers` are allow-listed caller headers that the provider should see (`anthropic-beta`, `anthropic-version`).
    `body["model"]` is still the caller's; the provider puts the target's in. `stream` says which answer is expected. `departure`
    belongs to this attempt alone.
    """

    surface: Surface
    body: dict[str, Any]
    stream: bool
    target: Target
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict)
    departure: Departure = field(default_factory=Departure, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """One piece of an answer, in the surface's wire format.

    Not streamed: exactly one Delta whose `data` is the whole body. Streamed: one per event, `event` is Anthropic's event
    name ("" on the OpenAI surface, whose final `[DONE]` is not a Delta). `upstream_id` is the provider's request id. `more` says
    that the next one has come already, so that both can be passed on together. Where events in a row differ in nothing but their piece
    of text, one Delta may stand for all of them: `pieces` has every piece, and `data` the first (`routing.text_runs`).
    """

    data: dict[str, Any]
    event: str = ""
    upstream_id: str = ""
    more: bool = False
    pieces: tuple[str, ...] = ()


class Provider(Protocol):
    """Asks one provider. Streams end only after the provider's own terminator; anything else raises UpstreamError."""

    def complete(self, request: Outbound, key: Secret | None) -> AsyncIterator[Delta]:
        """Send the request with the key; yield the answer. Closing the iterator cancels the upstream call."""
        ...


FailureClass = Literal[
    "connect",
    "timeout",
    "rate_limit",
    "auth",
    "5xx",
    "bad_request",
    "context_window",
    "content_policy",
    "not_found",
    "broken_stream",
    "too_large",
]


class UpstreamError(Exception):
    """A provider failed. `str()` never holds provider text; `body` does (at most 64 KiB, parsed if JSON) and must be screened.

    `status` is the provider's HTTP status (0: none came). `started` says that a piece of the answer was already given,
    so that no other target may be tried.
    """

    def __init__(
        self,
        failure: FailureClass,
        *,
        status: int = 0,
        body: Any = None,
        retry_after_s: float | None = None,
        upstream_id: str = "",
        target_id: str = "",
    ) -> None:
        super().__init__(f"the provider failed: {failure}, status {status}")
        self.failure: FailureClass = failure
        self.status = status
        self.body = body
        self.retry_after_s = retry_after_s
        self.upstream_id = upstream_id
        self.target_id = target_id
        self.started = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one target, for audit and traces. Times are epoch microseconds; `outcome` is "ok" or a FailureClass or an error code.

    `unanswered`: the request was sent and nothing came back that says what became of it, so the provider may bill what went in.
    """

    target_id: str
    provider: str
    model: str
    lane: str
    started_us: int
    ended_us: int
    outcome: str
    status: int
    upstream_id: str = ""
    secret_reference: str = ""
    secret_version: str = ""
    secret_fingerprint: str = ""
    unanswered: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts in disjoint buckets; they sum to the provider's totals.

    `input` is what was neither read from nor written to a cache; `output` excludes reasoning. `state` says where the
    numbers come from: the provider (`observed`) or our own count (`estimated`).
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    input_image: int = 0
    output_image: int = 0
    service_tier: str = ""
    state: Literal["observed", "estimated"] = "observed"

    @property
    def total_input(self) -> int:
        """Everything that went in, as the provider counts it."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.input_audio + self.input_image

    @property
    def total_output(self) -> int:
        """Everything that came out, as the provider counts it."""
        return self.output + self.reasoning + self.output_audio + self.output_image


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs: integer micro-dollars, rounded half up once per charge; the digest of the price map used."""

    micros: int
    price_digest: str
    known: bool = True
