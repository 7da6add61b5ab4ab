"""Tables of what is written down: reservations, events, charges, redactions, checkpoints."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text

from pipeline.store.tables.columns import Serial, counter, metadata, moment, words

epochs = Table(  # one life of one process; reservations of a dead epoch are settled as unknown
    "epochs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("pid", Integer, nullable=False),
    words("host"),
    moment("started_us"),
    moment("heartbeat_us"),
    moment("ended_us"),
    words("version", 32),
)

reservations = Table(
    "reservations",
    metadata,
    Column("request_id", String(26), primary_key=True),
    Column("epoch_id", String(26), nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON [["key", id, budget id], …]: only those that had a budget
    Column("state", String(16), nullable=False, default="open", server_default="open"),  # open | closed
    moment("created_us"),
    moment("closed_us"),
    # What recovery needs to write the charge of a call that nobody lived to settle:
    words("org_id", 64),
    words("workspace_id", 26),
    words("key_id", 26),
    words("model"),
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
    moment("created_us"),
    Column("expires_us", BigInteger, nullable=False, default=0, server_default="0", index=True),
    words("seal_key", 64),  # which key of the local store sealed the answer
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
    words("actor"),
    words("outcome", 32),
    words("request_id", 26),
    words("org_id", 64),
    words("workspace_id", 26),
    words("key_id", 26),
    words("model"),
    words("target_id"),
    Column("status", Integer, nullable=False, default=0, server_default="0"),
    words("error", 64),
    words("trace_id", 32),
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
    words("workspace_id", 26),
    words("key_id", 26),
    words("model"),
    words("target_id"),
    words("provider", 64),
    words("provider_model"),
    Column("state", String(32), nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    words("price_digest", 64),
    counter("tokens_input"),
    counter("tokens_cache_read"),
    counter("tokens_cache_write_5m"),
    counter("tokens_cache_write_1h"),
    counter("tokens_input_audio"),
    counter("tokens_output"),
    counter("tokens_reasoning"),
    counter("tokens_output_audio"),
    words("service_tier", 32),
    Column("streamed", Boolean, nullable=False, default=False, server_default="0"),
    words("upstream_id"),
    words("secret_reference"),
    words("secret_version"),
    words("secret_fingerprint", 64),
    moment("duration_us"),
    moment("first_token_us"),
    counter("tokens_input_image"),
    counter("tokens_output_image"),
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
    words("workspace_id", 26),
    words("key_id", 26),
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
    moment("at_us"),
    UniqueConstraint("chain", "seq"),
)
