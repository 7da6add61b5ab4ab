"""Every table, in one neutral dialect for SQLite and PostgreSQL.

Times are integer microseconds since the epoch, UTC. Money is integer micro-dollars. Ids are ULIDs unless said otherwise.
JSON is stored as text that was redacted before. Nothing here ever holds a provider key, a virtual key or a prompt.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives row ids only to INTEGER PRIMARY KEY; PostgreSQL needs 64 bits.
Serial = BigInteger().with_variant(Integer, "sqlite")


def _us(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


def _text(name: str, length: int = 255) -> Column[str]:
    return Column(name, String(length), nullable=False, default="", server_default="")


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


organizations = Table("organizations", metadata, Column("id", String(64), primary_key=True), _text("name"), _us("created_us"))

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("org_id", String(64), nullable=False),
    Column("slug", String(255), nullable=False),
    _text("name"),
    _text("policy"),
    _us("created_us"),
    UniqueConstraint("org_id", "slug"),
)

virtual_keys = Table(
    "virtual_keys",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("org_id", String(64), nullable=False),
    Column("workspace_id", String(26), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),  # HMAC-SHA256, hex
    _text("pepper_id", 64),  # which pepper made the digest, so that it can be rotated
    _text("hint", 32),
    _text("alias"),
    Column("role", String(16), nullable=False, default="key", server_default="key"),
    Column("status", String(16), nullable=False, default="active", server_default="active"),
    Column("models", Text, nullable=False, default="[]", server_default="[]"),
    _us("expires_us"),
    Column("rpm_limit", Integer, nullable=False, default=0, server_default="0"),
    _text("policy"),
    Column("metadata_json", Text, nullable=False, default="{}", server_default="{}"),
    _us("created_us"),
    _text("created_by"),
    _us("revoked_us"),
    _text("replaced_by", 26),
    _us("last_used_us"),
    _count("tpm_limit"),
    Column("max_parallel_requests", Integer, nullable=False, default=0, server_default="0"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("scope_kind", String(16), nullable=False),
    Column("scope_id", String(64), nullable=False),
    Column("limit_micros", BigInteger, nullable=False),
    Column("period", String(16), nullable=False, default="", server_default=""),  # "", day, week, month (calendar, UTC)
    _us("period_start_us"),
    _count("spent_micros"),
    _count("reserved_micros"),
    _us("created_us"),
    UniqueConstraint("scope_kind", "scope_id"),
)

epochs = Table(  # one life of one process; reservations of a dead epoch are settled as unknown
    "epochs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("pid", Integer, nullable=False),
    _text("host"),
    _us("started_us"),
    _us("heartbeat_us"),
    _us("ended_us"),
    _text("version", 32),
)

reservations = Table(
    "reservations",
    metadata,
    Column("request_id", String(26), primary_key=True),
    Column("epoch_id", String(26), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON [["key", id, budget id], …]: only those that had a budget
    Column("state", String(16), nullable=False, default="open", server_default="open"),  # open | closed
    _us("created_us"),
    _us("closed_us"),
    # What recovery needs to write the charge of a call that nobody lived to settle:
    _text("org_id", 64),
    _text("workspace_id", 26),
    _text("key_id", 26),
    _text("model"),
    # Only the open ones are ever searched for; a closed one leaves the index.
    Index("ix_reservations_open", "epoch_id", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
)

idempotency_claims = Table(  # who called first under an Idempotency-Key, and the answer (sealed) that others are given
    "idempotency_claims",
    metadata,
    Column("digest", String(64), primary_key=True),  # HMAC-SHA256 over the virtual key's id and the header, hex
    Column("request_id", String(26), nullable=False, index=True),
    Column("epoch_id", String(26), nullable=False),
    Column("params", String(64), nullable=False),  # HMAC-SHA256 over method, path and body, hex
    # open | done | too_large | incomplete | withheld | unknown: only a `done` one has an answer
    Column("state", String(16), nullable=False, default="open", server_default="open"),
    Column("status", Integer, nullable=False, default=0, server_default="0"),
    _us("created_us"),
    Column("expires_us", BigInteger, nullable=False, default=0, server_default="0", index=True),
    _text("seal_key", 64),  # which key of the local store sealed the answer
    Column("nonce", LargeBinary, nullable=True),
    Column("answer", LargeBinary, nullable=True),  # AES-256-GCM
    Index("ix_idempotency_claims_open", "epoch_id", sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'")),
)

events = Table(
    "events",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("chain", String(26), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", String(64), nullable=False),
    _text("actor"),
    _text("outcome", 32),
    _text("request_id", 26),
    _text("org_id", 64),
    _text("workspace_id", 26),
    _text("key_id", 26),
    _text("model"),
    _text("target_id"),
    Column("status", Integer, nullable=False, default=0, server_default="0"),
    _text("error", 64),
    _text("trace_id", 32),
    Column("detail", Text, nullable=False),  # canonical JSON of Clean[Json]
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("chain", "seq"),
    Index("ix_events_at", "at_us"),
    Index("ix_events_kind", "kind", "at_us"),
    Index("ix_events_request", "request_id"),
    Index("ix_events_workspace", "workspace_id", "at_us"),
    Index("ix_events_key", "key_id", "at_us"),
)

charges = Table(
    "charges",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("request_id", String(26), nullable=False),
    Column("attempt", Integer, nullable=False, default=1, server_default="1"),
    Column("at_us", BigInteger, nullable=False),
    Column("org_id", String(64), nullable=False),
    _text("workspace_id", 26),
    _text("key_id", 26),
    _text("model"),
    _text("target_id"),
    _text("provider", 64),
    _text("provider_model"),
    Column("state", String(32), nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    _text("price_digest", 64),
    _count("tokens_input"),
    _count("tokens_cache_read"),
    _count("tokens_cache_write_5m"),
    _count("tokens_cache_write_1h"),
    _count("tokens_input_audio"),
    _count("tokens_output"),
    _count("tokens_reasoning"),
    _count("tokens_output_audio"),
    _text("service_tier", 32),
    Column("streamed", Boolean, nullable=False, default=False, server_default="0"),
    _text("upstream_id"),
    _text("secret_reference"),
    _text("secret_version"),
    _text("secret_fingerprint", 64),
    _us("duration_us"),
    _us("first_token_us"),
    UniqueConstraint("request_id", "attempt"),
    Index("ix_charges_at", "at_us"),
    Index("ix_charges_workspace", "workspace_id", "at_us"),
    Index("ix_charges_key", "key_id", "at_us"),
    Index("ix_charges_model", "model", "at_us"),
)

redactions = Table(
    "redactions",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("request_id", String(26), nullable=False, index=True),
    Column("at_us", BigInteger, nullable=False, index=True),
    _text("workspace_id", 26),
    _text("key_id", 26),
    Column("direction", String(16), nullable=False),
    Column("detector", String(16), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("kind", String(128), nullable=False),
    Column("action", String(16), nullable=False),
    Column("count", Integer, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("chain", String(26), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    _us("at_us"),
    UniqueConstraint("chain", "seq"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("destination", String(128), nullable=False),
    Column("signal", String(16), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),
    _us("due_us"),
    _us("lease_until_us"),
    _text("reason", 64),
    _us("created_us"),
    Column("payload", LargeBinary, nullable=False),  # last, so that the other columns are read without it
    Index("ix_outbox_order", "destination", "signal", "id", "items", "bytes"),  # with the sums' columns: they are read from it alone
    sqlite_autoincrement=True,  # no id is given twice: a dead letter keeps its own, and goes back to its place by it
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # the outbox row's id
    Column("destination", String(128), nullable=False),
    Column("signal", String(16), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("items", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    _text("reason", 64),
    _us("created_us"),
    _us("buried_us"),
    _count("bytes"),
    Index("ix_dead_letters_sums", "destination", "signal", "reason", "buried_us", "items", "bytes"),
)

outbox_accounts = Table(  # counters in items; queued and dead_letter are sums over their tables
    "outbox_accounts",
    metadata,
    Column("destination", String(128), primary_key=True),
    Column("signal", String(16), primary_key=True),
    _count("accepted"),
    _count("delivered"),
    _count("rejected_by_policy"),
)

outbox_rejections = Table(  # what `rejected_by_policy` is made of, in items
    "outbox_rejections",
    metadata,
    Column("destination", String(128), primary_key=True),
    Column("signal", String(16), primary_key=True),
    Column("reason", String(64), primary_key=True),  # sampled | full | dropped | policy | partial_success | live_secret
    _count("items"),
)

stored_contents = Table(  # what calls said, redacted, then AES-256-GCM; spans refer to it, no export reads it
    "stored_contents",
    metadata,
    Column("id", String(26), primary_key=True),  # the call's request id
    _us("created_us"),
    Column("expires_us", BigInteger, nullable=False, default=0, server_default="0", index=True),
    Column("org_id", String(64), nullable=False),
    _text("workspace_id", 26),
    _text("key_id", 26),
    _text("model"),
    _text("parts", 64),  # comma-separated: system, input, output, tools
    _count("bytes"),  # before sealing
    _text("seal_key"),  # the name of the key, never the key
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_stored_contents_key", "key_id", "id"),
)

secret_references = Table(  # references made by REST; those of the YAML document are mirrored with origin = "document"
    "secret_references",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("org_id", String(64), nullable=False),
    Column("slug", String(255), nullable=False),
    _text("name"),
    Column("manager_type", String(32), nullable=False),
    Column("auth_config", Text, nullable=False, default="{}", server_default="{}"),  # inner references or ciphertext, never a value
    Column("secret_path", String(1024), nullable=False),
    _text("secret_key"),
    Column("allow_all_workspaces", Boolean, nullable=False, default=True, server_default="1"),
    Column("allowed_workspaces", Text, nullable=False, default="[]", server_default="[]"),
    Column("required", Boolean, nullable=False, default=True, server_default="1"),
    _text("origin", 16),
    _text("status", 16),
    _us("created_us"),
    _us("updated_us"),
    _text("description", 1024),
    Column("tags", Text, nullable=False, default="", server_default=""),  # JSON text -> text, "" for none
    _text("version"),
    Column("cache_ttl_s", Double, nullable=False, default=300.0, server_default="300"),
    Column("negative_ttl_s", Double, nullable=False, default=15.0, server_default="15"),
    Column("max_stale_s", Double, nullable=False, default=900.0, server_default="900"),
    Column("refresh_ahead_ratio", Double, nullable=False, default=0.8, server_default="0.8"),
    Column("usage_class", String(16), nullable=False, default="standard", server_default="standard"),  # standard | admin | tool
    _text("environment"),
    Column("max_age_days", Integer, nullable=False, default=0, server_default="0"),
    _text("created_by"),
    Column("edition", Integer, nullable=False, default=1, server_default="1"),  # moves on with every edit: what is cached of others is void
    UniqueConstraint("org_id", "slug"),
)

reference_switches = Table(  # what every worker does to a reference at once, also to one of the document or one written in place
    "reference_switches",
    metadata,
    Column("org_id", String(64), primary_key=True),
    Column("slug", String(255), primary_key=True),
    _us("disabled_us"),  # since when the kill switch is set; 0: it is not
    _text("disabled_by"),
    _us("purged_us"),  # when it was last asked that every worker forget its value
)

secret_status = Table(  # the last thing that is known of each reference; never a value
    "secret_status",
    metadata,
    Column("slug", String(255), primary_key=True),
    Column("manager_type", String(32), nullable=False),
    _text("outcome", 32),
    _text("error", 64),
    _text("version"),
    _text("fingerprint", 64),
    _us("resolved_us"),  # last good read from the vault
    _us("first_seen_us"),  # when this version was first seen: its age
    _us("used_us"),
    _us("latency_us"),
    _us("checked_us"),
    Column("required", Boolean, nullable=False, default=True, server_default="1"),
    Column("targets", Text, nullable=False, default="[]", server_default="[]"),
)

local_secrets = Table(  # the local encrypted store: AES-256-GCM, associated data = name + version
    "local_secrets",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("key_id", String(64), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
    _us("created_us"),
    _text("created_by"),
)

users = Table(  # people who look at the dashboard
    "users",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("role", String(16), nullable=False),
    _text("password_hash"),  # argon2id
    Column("status", String(16), nullable=False, default="active", server_default="active"),
    _us("created_us"),
    _us("last_login_us"),
)

logins = Table(  # one-time login links and sessions, both only as HMAC
    "logins",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),  # link | session
    Column("user_name", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    _us("created_us"),
    _us("expires_us"),
    _us("used_us"),
)

revisions = Table(  # bumped in the transaction of a change, polled by every worker: keys, references, policies
    "revisions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False, default=0, server_default="0"),
)

settings = Table("settings", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))
