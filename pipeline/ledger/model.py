"""What the ledger speaks of. Nothing enters it that is not numbers, ids, closed vocabulary or `Clean`.

One call is two durable transactions: `open` writes the intent and reserves the budget at every level before any byte
goes upstream; `close` writes outcome, charges, outbox rows and the end of the reservation before the client sees the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from collectors.model import OutboxRow
from redactors.model import Clean, Json

T = TypeVar("T")

ScopeKind = Literal["org", "workspace", "key", "model", "child"]
ChargeState = Literal["observed", "estimated", "aborted_drained", "aborted_estimated", "unknown", "adjusted", "cached"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, `source:subject:action` (`gateway:call:start`, `policy:prompt:block`, `admin:key:revoke`).

    `at_us` is epoch microseconds, UTC. `actor` is a key id, a user name or `system`. `outcome` is `ok`, `refused`,
    `failed`, `unknown`, …. `detail` is the rest, redacted. Sequence, previous hash and hash are added by the ledger.
    """

    id: str
    at_us: int
    kind: str
    actor: str
    outcome: str
    detail: Clean[Json]
    request_id: str = ""
    org_id: str = "default"
    workspace_id: str = ""
    key_id: str = ""
    model: str = ""
    target_id: str = ""
    status: int = 0
    error: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """Money and tokens of one attempt. Costs are integer micro-dollars; buckets are disjoint (see routing's `Usage`)."""

    id: str
    request_id: str
    at_us: int
    org_id: str
    workspace_id: str
    key_id: str
    model: str
    target_id: str
    provider: str
    provider_model: str
    state: ChargeState
    cost_micros: int
    price_digest: str
    tokens_input: int = 0
    tokens_cache_read: int = 0
    tokens_cache_write_5m: int = 0
    tokens_cache_write_1h: int = 0
    tokens_input_audio: int = 0
    tokens_output: int = 0
    tokens_reasoning: int = 0
    tokens_output_audio: int = 0
    tokens_input_image: int = 0
    tokens_output_image: int = 0
    service_tier: str = ""
    attempt: int = 1
    streamed: bool = False
    upstream_id: str = ""
    secret_reference: str = ""
    secret_version: str = ""
    secret_fingerprint: str = ""
    duration_us: int = 0
    first_token_us: int = 0


@dataclass(frozen=True, slots=True)
class RedactionCount:
    """How often a rule acted in one request: what the dashboard's redaction page sums."""

    direction: str
    detector: str
    rule: str
    kind: str
    action: str
    count: int


@dataclass(frozen=True, slots=True)
class Scope:
    """One level at which a budget may stand: ("org", id), ("workspace", id), ("key", id), ("model", "key id/model")."""

    kind: ScopeKind
    id: str


ClaimState = Literal["open", "done", "too_large", "incomplete", "withheld", "unknown"]


@dataclass(frozen=True, slots=True)
class Claim:
    """An `Idempotency-Key` that a request comes with. `digest` and `params` are keyed hashes (64 hex) of who and key, and of what is asked.

    `expires_us`: when a claim that never ends is forgotten at the earliest.
    """

    digest: str
    params: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Kept:
    """How a claim ends: `done` with the sealed answer, another state without one, or `released`: as if it had never been made."""

    state: Literal["done", "too_large", "incomplete", "withheld", "unknown", "released"]
    status: int = 0
    expires_us: int = 0
    seal_key: str = ""
    nonce: bytes | None = field(repr=False, default=None)
    sealed: bytes | None = field(repr=False, default=None)


class ClaimTaken(Exception):
    """Another request came first with this `Idempotency-Key`. Nothing was written: what its caller is told is not the ledger's business."""

    def __init__(self, claim: Claim, request_id: str, state: ClaimState, status: int, *, same_params: bool) -> None:
        super().__init__("the idempotency key is taken")
        self.claim = claim
        self.request_id = request_id
        self.state: ClaimState = state
        self.status = status
        self.same_params = same_params


@dataclass(frozen=True, slots=True)
class Intent:
    """Before the act: the start event, and what the call may cost at worst (micro-dollars, rounded up) in every scope.

    Scopes without a budget row are not limited; the others are all reserved or none is. `claim` is taken in the same transaction.
    """

    event: Event
    amount_micros: int
    scopes: tuple[Scope, ...]
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """After the act, before the client sees its end. Closes the reservation of `request_id` and charges what was used.

    The sum of the charges replaces the reservation in every scope. Idempotent by request id: a second close changes
    nothing. `redactions`, `outbox` and the end of the call's claim (`kept`) ride in the same transaction.
    """

    request_id: str
    events: tuple[Event, ...]
    charges: tuple[Charge, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    redactions: tuple[RedactionCount, ...] = ()
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of durability: the event's place in its writer's chain. `soft` names the kinds of scope whose soft limit a call passes.

    `key_micros` is what a call's key had spent of its first budget, None for a key without one.
    """

    chain: str
    seq: int
    hash: str = field(repr=False, default="")
    soft: tuple[str, ...] = ()
    key_micros: int | None = None


def model_scope(key_id: str, model: str) -> Scope:
    """The scope of one key's use of one model."""
    return Scope("model", f"{key_id}/{model[:255]}")


class Ledger(Protocol):
    """Writes things down durably. Every method returns once the data is on disk and raises LedgerError when it cannot be."""

    async def append(
        self,
        event: Event,
        charge: Charge | None = None,
        redactions: Sequence[RedactionCount] = (),
        outbox: Sequence[OutboxRow] = (),
    ) -> Receipt:
        """Write one event (and its charge, what was redacted, and telemetry for the outbox) outside a call."""
        ...

    async def open(self, intent: Intent) -> Receipt:
        """Write the intent and reserve; raises BudgetExceeded or ClaimTaken, and writes nothing then."""
        ...

    async def close(self, settlement: Settlement) -> Receipt:
        """Settle a call."""
        ...

    async def change(self, event: Event, apply: Callable[[Any], T]) -> T:
        """Run an administrative change (`apply(connection)`, a SQLAlchemy Connection) and its event in one transaction.

        An exception of `apply` rolls both back and is raised here.
        """
        ...
