"""Tables of the outbox to each destination, and of stored content."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from pipeline.store.tables.columns import Serial, counter, metadata, moment, words

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("destination", String(128), nullable=False),
    Column("signal", String(16), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),
    moment("due_us"),
    moment("lease_until_us"),
    words("reason", 64),
    moment("created_us"),
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
    words("reason", 64),
    moment("created_us"),
    moment("buried_us"),
    counter("bytes"),
    Index("ix_dead_letters_sums", "destination", "signal", "reason", "buried_us", "items", "bytes"),
)

outbox_accounts = Table(  # counters in items; queued and dead_letter are sums over their tables
    "outbox_accounts",
    metadata,
    Column("destination", String(128), primary_key=True),
    Column("signal", String(16), primary_key=True),
    counter("accepted"),
    counter("delivered"),
    counter("rejected_by_policy"),
)

outbox_rejections = Table(  # what `rejected_by_policy` is made of, in items
    "outbox_rejections",
    metadata,
    Column("destination", String(128), primary_key=True),
    Column("signal", String(16), primary_key=True),
    Column("reason", String(64), primary_key=True),  # sampled | full | dropped | policy | partial_success | live_secret
    counter("items"),
)

stored_contents = Table(  # what calls said, redacted, then AES-256-GCM; spans refer to it, no export reads it
    "stored_contents",
    metadata,
    Column("id", String(26), primary_key=True),  # the call's request id
    moment("created_us"),
    Column("expires_us", BigInteger, nullable=False, default=0, server_default="0", index=True),
    Column("org_id", String(64), nullable=False),
    words("workspace_id", 26),
    words("key_id", 26),
    words("model"),
    words("parts", 64),  # comma-separated: system, input, output, tools
    counter("bytes"),  # before sealing
    words("seal_key"),  # the name of the key, never the key
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_stored_contents_key", "key_id", "id"),
)
