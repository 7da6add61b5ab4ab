"""Table of approvals: who asked for which call, and who decided."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, text

from pipeline.store.tables.columns import metadata, moment, words

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("org_id", String(64), nullable=False),
    words("workspace_id", 26),
    Column("key_id", String(26), nullable=False),
    Column("digest", String(64), nullable=False),  # HMAC-SHA256 over key id, method, route and canonical body, hex
    Column("state", String(16), nullable=False, default="pending", server_default="pending"),  # pending|approved|denied|used|expired
    words("rule"),
    Column("facts", Text, nullable=False, default="{}", server_default="{}"),  # JSON: what the approver is shown, redacted
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    words("decided_by"),
    moment("decided_us"),
    words("request_id", 26),  # the call that used it
    Index("ix_approvals_waiting", "key_id", "digest"),
    Index(
        "ix_approvals_open",
        "expires_us",
        sqlite_where=text("state IN ('pending', 'approved')"),
        postgresql_where=text("state IN ('pending', 'approved')"),
    ),
    Index("ix_approvals_org", "org_id", "created_us"),
)
