"""Metrics for Prometheus, in a registry of our own, with closed label sets.

A label value is one of a list known at start (models, destinations, rules, …) or becomes `other`, so that neither text nor
unbounded cardinality can enter. No exemplars. GenAI instruments keep the conventions' names in Prometheus' spelling and their buckets
(opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics). OTLP export of the same registry has its place beside `render`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from collectors.genai import DEFAULT_PROFILE, UNSTORED, CallFacts, Profile, provider_name
from collectors.model import Account
from collectors.vocabulary import ERROR_TYPES, OPERATIONS, PROVIDERS

DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
FIRST_TOKEN_BUCKETS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
COMMIT_BUCKETS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
OTHER: Final = "other"

_SURFACES: Final = frozenset({"openai.chat", "openai.completions", "openai.embeddings", "anthropic.messages", "anthropic.count_tokens"})
_OUTCOMES: Final = frozenset({"ok", "refused", "failed", "aborted", "blocked", "unknown", "cached", "replayed"})
_READS: Final = frozenset({"hit", "stale", "fetched", "refreshed", "denied", "not_found", "unavailable", "bad_value", "out_of_scope"})
_DECISIONS: Final = frozenset({"error", "redaction", "cost", "parent", "ratio", "sampled"})
_FULL_ANSWERS: Final = frozenset({"shed_content", "block", "refuse"})
_REJECTIONS: Final = frozenset({"sampled", "full", "dropped", "partial_success", "live_secret"})
_SENT: Final = frozenset({"delivered", "rejected", "retry", "buried", "live_secret"})
_CHECKPOINTS: Final = frozenset({"signed", "unsigned", "raced", "no_key", "broken", "failed"})
_COPIES: Final = frozenset({"copied", "failed"})
_DIRECTIONS: Final = frozenset({"prompt", "answer", "telemetry"})
_ACTIONS: Final = frozenset({"allow", "pseudonymize", "hash", "mask", "replace", "remove", "block"})
_SIGNALS: Final = frozenset({"traces", "logs", "metrics"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Closed:
    """The label values that the configuration names; everything else is `other`."""

    models: frozenset[str] = frozenset()
    destinations: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    manager_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a signal for a destination: bytes that wait, bytes of dead letters, and seconds that the oldest row has waited."""

    destination: str
    signal: str
    queued_bytes: int
    dead_letter_bytes: int
    oldest_s: float


class Metrics:
    """Every instrument of the process. Methods are called on the hot path: a known label set costs about a microsecond."""

    def __init__(self, closed: Closed | None = None, *, version: str = "", profile: Profile = DEFAULT_PROFILE) -> None:
        # prometheus_client costs 50 ms to import, so only a process that measures loads it.
        from prometheus_client import CollectorRegistry, ProcessCollector

        self._closed = closed or Closed()
        self._profile: Profile = profile
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._series: dict[tuple[object, ...], Any] = {}
        self._build(version)

    def follow(self, closed: Closed) -> None:
        """Know these label values from now on, beside the former ones: what they counted stays."""
        before = self._closed
        self._closed = Closed(
            before.models | closed.models,
            before.destinations | closed.destinations,
            before.rules | closed.rules,
            before.manager_types | closed.manager_types,
        )

    def call(self, surface: str, outcome: str, status: int, seconds: float) -> None:
        """Count a finished request of any outcome; `seconds` is the whole time at the gateway."""
        surface = _of(_SURFACES, surface)
        outcome = _of(_OUTCOMES, outcome)
        self._at(self._requests, surface, outcome, str(status) if 100 <= status < 600 else OTHER).inc()
        self._at(self._request_seconds, surface, outcome).observe(seconds)

    def model_call(self, facts: CallFacts, seconds: float) -> None:
        """Record a finished model call under the conventional names; all calls count, whatever is exported."""
        operation = _of(OPERATIONS, facts.operation)
        provider = _of(PROVIDERS, provider_name(facts.provider, self._profile))
        model = _of(self._closed.models, facts.request_model)
        error = _of(ERROR_TYPES, facts.error_type) if facts.error_type else ""
        self._at(self._operation_seconds, operation, provider, model, error).observe(seconds)
        if facts.input_tokens is not None:
            self._at(self._tokens, operation, provider, model, "input").observe(facts.input_tokens)
        if facts.output_tokens is not None:
            self._at(self._tokens, operation, provider, model, "output").observe(facts.output_tokens)
        if facts.first_token_s is not None:
            self._at(self._first_chunk, operation, provider, model).observe(facts.first_token_s)
        if facts.cost_micros:
            self._at(self._spend, provider, model).inc(facts.cost_micros)

    def redacted(self, direction: str, counts: Mapping[tuple[str, str, str], int]) -> None:
        """Count what redaction did in one direction, by (rule, kind, action) as `Clean.counts` gives it."""
        for (rule, _kind, action), count in counts.items():
            self._at(self._redactions, _of(_DIRECTIONS, direction), _of(self._closed.rules, rule), _of(_ACTIONS, action)).inc(count)

    def telemetry_redacted(self, counts: dict[tuple[str, str, str], int]) -> None:
        """Count what the export gate replaced."""
        self.redacted("telemetry", counts)

    def recognition_skipped(self) -> None:
        """Count a value that passed without a look for named entities, because the configuration allows that when models fail."""
        self._unrecognized.inc()

    def telemetry_tombstone(self, signal: str, items: int) -> None:
        """Count records whose redaction failed: any of them deserves an alarm."""
        self._at(self._tombstones, _of(_SIGNALS, signal)).inc(items)

    def telemetry_overflow(self, items: int) -> None:
        """Count records that found the spool full and were not accepted."""
        self._overflow.inc(items)

    def secret_read(self, manager_type: str, outcome: str, seconds: float) -> None:
        """Count one use of a secret reference."""
        self._at(self._secret_reads, _of(self._closed.manager_types, manager_type), _of(_READS, outcome)).inc()
        if outcome in ("fetched", "refreshed"):
            self._at(self._secret_seconds, _of(self._closed.manager_types, manager_type)).observe(seconds)

    def ledger_commit(self, entries: int, seconds: float) -> None:
        """Record one commit and how many entries became durable by it; none means that it failed."""
        if not entries:
            self._ledger_failures.inc()
            return
        self._commit_seconds.observe(seconds)
        self._entries.inc(entries)

    def count_unwritten_refusal(self) -> None:
        """Count a refusal that could not be written down; nothing had left."""
        self._unwritten_refusals.inc()

    def content_dropped(self) -> None:
        """Count an answer that should have been recorded on a span and could not be redacted: the span went without it."""
        self._content_dropped.inc()

    def content_unstored(self, reason: str) -> None:
        """Count a call whose content should have been stored and was not, by why: its span went without it."""
        self._at(self._content_unstored, _of(UNSTORED, reason)).inc()

    def audit_checkpoint(self, outcome: str) -> None:
        """Count what became of an attempt to make a checkpoint."""
        self._at(self._checkpoints, _of(_CHECKPOINTS, outcome)).inc()

    def audit_copy(self, outcome: str, items: int) -> None:
        """Count checkpoints that were copied to a place outside, or attempts that failed."""
        self._at(self._copies, _of(_COPIES, outcome)).inc(items)

    def outbox_sent(self, destination: str, signal: str, outcome: str, items: int) -> None:
        """Count what a destination did with a batch."""
        self._at(self._sent, _of(self._closed.destinations, destination), _of(_SIGNALS, signal), _of(_SENT, outcome)).inc(items)

    def outbox_accounts(self, accounts: Sequence[Account]) -> None:
        """Show the loss equation as it stands in the store. Destinations that are not configured any more are summed as `other`."""
        sums: dict[tuple[str, ...], float] = {}
        for account in accounts:
            place = (_of(self._closed.destinations, account.destination), _of(_SIGNALS, account.signal))
            for state in ("accepted", "delivered", "queued", "dead_letter", "rejected_by_policy"):
                sums[*place, state] = sums.get((*place, state), 0) + getattr(account, state)
        self._show(self._outbox, sums)

    def outbox_kept(self, kept: Iterable[Kept]) -> None:
        """Show how many bytes are kept, waiting and as dead letters, and how long the oldest row has waited."""
        sizes: dict[tuple[str, ...], float] = {}
        ages: dict[tuple[str, ...], float] = {}
        for one in kept:
            place = (_of(self._closed.destinations, one.destination), _of(_SIGNALS, one.signal))
            for state, size in (("queued", one.queued_bytes), ("dead_letter", one.dead_letter_bytes)):
                sizes[*place, state] = sizes.get((*place, state), 0) + size
            ages[place] = max(ages.get(place, 0.0), one.oldest_s)
        self._show(self._outbox_bytes, sizes)
        self._show(self._outbox_oldest, ages)

    def outbox_rejections(self, rejections: Iterable[tuple[str, str, str, int]]) -> None:
        """Show what `rejected_by_policy` is made of: (destination, signal, reason, items)."""
        sums: dict[tuple[str, ...], float] = {}
        for destination, signal, reason, items in rejections:
            place = (_of(self._closed.destinations, destination), _of(_SIGNALS, signal), _of(_REJECTIONS, reason))
            sums[place] = sums.get(place, 0) + items
        self._show(self._outbox_rejected, sums)

    def outbox_bounds(self, bounds: Mapping[str, int]) -> None:
        """Show how many bytes may be kept for each destination."""
        self._show(self._outbox_limit, {(_of(self._closed.destinations, destination),): size for destination, size in bounds.items()})

    def outbox_unknown(self) -> None:
        """Show no account: the store cannot be read, and an old figure would look like a new one."""
        for instrument in (self._outbox, self._outbox_bytes, self._outbox_oldest, self._outbox_rejected):
            self._show(instrument, {})

    def outbox_full(self, answer: str) -> None:
        """Count a call that met a full outbox, by what was done about it."""
        self._at(self._full_answers, _of(_FULL_ANSWERS, answer)).inc()

    def sampled(self, destination: str, decision: str) -> None:
        """Count what was decided about a finished call for a destination that samples."""
        self._at(self._sampling, _of(self._closed.destinations, destination), _of(_DECISIONS, decision)).inc()

    def loop_lag(self, seconds: float) -> None:
        """Show how late the event loop is."""
        self._loop_lag.set(seconds)

    def render(self) -> bytes:
        """The exposition text (version 0.0.4) of everything."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)

    def _show(self, gauge: Any, values: Mapping[tuple[str, ...], float]) -> None:
        """Make a gauge say these values and no others."""
        gauge.clear()
        for labels, value in values.items():
            gauge.labels(*labels).set(value)

    def _at(self, instrument: Any, *labels: str) -> Any:
        """The series of a label set; `labels()` of the library is the slow half of an observation."""
        key = (instrument, *labels)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = instrument.labels(*labels)
        return series

    def _build(self, version: str) -> None:
        from prometheus_client import Counter, Gauge, Histogram, Info

        home = self.registry
        genai = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
        sink = ("destination", "signal")
        self._requests = Counter("lockgate_requests", "Finished requests.", ("surface", "outcome", "status"), registry=home)
        self._request_seconds = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Whole time at the gateway.",
            ("surface", "outcome"),
            registry=home,
            buckets=DURATION_BUCKETS,
        )
        self._operation_seconds = Histogram(
            "gen_ai_client_operation_duration_seconds", "Model calls.", (*genai, "error_type"), registry=home, buckets=DURATION_BUCKETS
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage", "Tokens of model calls.", (*genai, "gen_ai_token_type"), registry=home, buckets=TOKEN_BUCKETS
        )
        self._first_chunk = Histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Time to the first chunk.",
            genai,
            registry=home,
            buckets=FIRST_TOKEN_BUCKETS,
        )
        self._spend = Counter("lockgate_spend_micros", "Charged micro-dollars.", genai[1:], registry=home)
        self._redactions = Counter("lockgate_redactions", "Replacements.", ("direction", "rule", "action"), registry=home)
        self._unrecognized = Counter("lockgate_recognition_skipped", "Values not read for named entities.", registry=home)
        self._tombstones = Counter("lockgate_telemetry_tombstones", "Records whose redaction failed.", ("signal",), registry=home)
        self._overflow = Counter("lockgate_telemetry_overflow", "Records that found the spool full.", registry=home)
        self._secret_reads = Counter("lockgate_secret_reads", "Uses of secret references.", ("manager_type", "outcome"), registry=home)
        self._secret_seconds = Histogram(
            "lockgate_secret_read_seconds", "Vault reads.", ("manager_type",), registry=home, buckets=DURATION_BUCKETS
        )
        self._commit_seconds = Histogram("lockgate_ledger_commit_seconds", "Durable commits.", registry=home, buckets=COMMIT_BUCKETS)
        self._entries = Counter("lockgate_ledger_entries", "Entries written.", registry=home)
        self._ledger_failures = Counter("lockgate_ledger_failures", "Commits that failed.", registry=home)
        self._unwritten_refusals = Counter("lockgate_unwritten_refusals", "Refusals that could not be written down.", registry=home)
        self._content_dropped = Counter(
            "lockgate_content_dropped", "Answers that could not be redacted and were left out of their spans.", registry=home
        )
        self._content_unstored = Counter(
            "lockgate_content_unstored", "Calls whose content could not be stored: their spans went without it.", ("reason",), registry=home
        )
        self._checkpoints = Counter("lockgate_audit_checkpoints", "Checkpoints by what became of them.", ("outcome",), registry=home)
        self._copies = Counter("lockgate_audit_checkpoint_copies", "Copies of checkpoints outside.", ("outcome",), registry=home)
        self._sent = Counter("lockgate_outbox_sent_items", "Items by what became of them.", (*sink, "outcome"), registry=home)
        self._outbox = Gauge("lockgate_outbox_items", "The loss equation.", (*sink, "state"), registry=home)
        self._outbox_bytes = Gauge("lockgate_outbox_bytes", "Bytes that are kept.", (*sink, "state"), registry=home)
        self._outbox_oldest = Gauge("lockgate_outbox_oldest_seconds", "How long the oldest row has waited.", sink, registry=home)
        self._outbox_rejected = Gauge(
            "lockgate_outbox_rejected_items", "What rejected_by_policy is made of.", (*sink, "reason"), registry=home
        )
        self._outbox_limit = Gauge("lockgate_outbox_limit_bytes", "Bytes that may be kept.", sink[:1], registry=home)
        self._full_answers = Counter("lockgate_outbox_full", "Calls that met a full outbox.", ("answer",), registry=home)
        self._sampling = Counter(
            "lockgate_sampling_decisions", "Decisions about finished calls.", ("destination", "decision"), registry=home
        )
        self._loop_lag = Gauge("lockgate_event_loop_lag_seconds", "How late the event loop is.", registry=home)
        Info("lockgate_build", "The running version.", registry=home).info({"version": version})


def closed(
    *, models: Iterable[str] = (), destinations: Iterable[str] = (), rules: Iterable[str] = (), manager_types: Iterable[str] = ()
) -> Closed:
    """The closed label sets of a configuration."""
    return Closed(frozenset(models), frozenset(destinations), frozenset(rules), frozenset(manager_types))


def _of(known: frozenset[str], value: str) -> str:
    return value if value in known else OTHER
