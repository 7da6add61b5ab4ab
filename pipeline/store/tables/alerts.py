"""Tables of alerts about money: what was noticed, and where each was sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, UniqueConstraint, text

from pipeline.store.tables.columns import counter, metadata, moment, words

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at_us", BigInteger, nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # threshold | soft_limit | exhausted | anomaly
    Column("mark", String(16), nullable=False),  # the percent, `soft`, `full`, `rate`: told once a period
    Column("subject", String(320), nullable=False),  # the budget's id; of an anomaly the key's
    words("org_id", 64),
    Column("scope_kind", String(16), nullable=False),
    Column("scope_id", String(320), nullable=False),
    words("period", 16),
    moment("period_start_us"),
    counter("limit_micros"),  # of an anomaly: what was usual in an hour
    counter("spent_micros"),
    counter("reserved_micros"),
    moment("routed_us"),  # when its deliveries were written
    Column("blocked", Boolean, nullable=False, default=False, server_default="0"),  # whether its key was blocked for it
    UniqueConstraint("subject", "mark", "period_start_us"),
    Index("ix_alerts_unrouted", "id", sqlite_where=text("routed_us = 0"), postgresql_where=text("routed_us = 0")),
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("alert_id", String(26), primary_key=True),
    Column("destination", String(255), primary_key=True),
    Column("state", String(16), nullable=False, default="queued", server_default="queued"),  # queued | delivered | dead
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),
    moment("due_us"),
    moment("lease_until_us"),
    words("reason", 64),
    moment("ended_us"),
    Index("ix_alert_deliveries_queued", "due_us", sqlite_where=text("state = 'queued'"), postgresql_where=text("state = 'queued'")),
)
