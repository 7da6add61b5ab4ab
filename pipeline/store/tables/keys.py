"""Tables of virtual keys and their budgets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from pipeline.store.tables.columns import counter, metadata, moment, words

virtual_keys = Table(
    "virtual_keys",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("org_id", String(64), nullable=False),
    Column("workspace_id", String(26), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),  # HMAC-SHA256, hex
    words("pepper_id", 64),  # which pepper made the digest, so that it can be rotated
    words("hint", 32),
    words("alias"),
    Column("role", String(16), nullable=False, default="key", server_default="key"),
    Column("status", String(16), nullable=False, default="active", server_default="active"),
    Column("models", Text, nullable=False, default="[]", server_default="[]"),
    moment("expires_us"),
    Column("rpm_limit", Integer, nullable=False, default=0, server_default="0"),
    words("policy"),
    Column("metadata_json", Text, nullable=False, default="{}", server_default="{}"),
    moment("created_us"),
    words("created_by"),
    moment("revoked_us"),
    words("replaced_by", 26),
    moment("last_used_us"),
    counter("tpm_limit"),
    Column("max_parallel_requests", Integer, nullable=False, default=0, server_default="0"),
    Column("caveats_json", Text, nullable=False, default="{}", server_default="{}"),
    counter("calls_used"),  # of those that the caveat `max_calls` allows
    # Of a child key (`lgc_…`); "" and 0 for a key that nobody's is derived from:
    Column("parent_id", String(26), nullable=False, default="", server_default="", index=True),
    Column("depth", Integer, nullable=False, default=0, server_default="0"),
    words("purpose"),
    words("agent_id"),
    words("session_id"),
    words("actor_id", 26),  # the key that acts for its parent (RFC 8693, `act`)
    counter("child_budget_micros"),  # what it was given of its parent's budget, or may spend at most
    Column("carved", Boolean, nullable=False, default=False, server_default="0"),  # whether some budget holds that much for it
)

budgets = Table(
    "budgets",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("scope_kind", String(16), nullable=False),
    Column("scope_id", String(320), nullable=False),  # of a model for a key: its key's id, a slash, the model
    Column("limit_micros", BigInteger, nullable=False),
    Column("period", String(16), nullable=False, default="", server_default=""),  # pipeline.periods.Period
    moment("period_start_us"),
    counter("spent_micros"),
    counter("reserved_micros"),
    moment("created_us"),
    words("org_id", 64),
    words("timezone", 64),  # of a calendar period, IANA; "" is UTC
    counter("soft_micros"),  # from here on calls are served with a warning; 0 for none
    words("alert_at", 64),  # percents of the limit, `50,80,100`
    words("alerted", 128),  # what was told in this period: percents, `soft`, `full`
    counter("increase_micros"),  # added to the limit until `increase_until_us`
    moment("increase_until_us"),
    Column("buckets", Text, nullable=False, default="{}", server_default="{}"),  # of a rolling window: JSON {bucket number: micros}
    words("origin", 16),  # `document` where the document made it
    UniqueConstraint("scope_kind", "scope_id", "period"),
)
