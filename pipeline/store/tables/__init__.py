"""Every table, in one neutral dialect for SQLite and PostgreSQL.

Times are integer microseconds since the epoch, UTC. Money is integer micro-dollars. Ids are ULIDs unless said otherwise.
JSON is stored as text that was redacted before. Nothing here ever holds a provider key, a virtual key or a prompt.
"""

from __future__ import annotations

from pipeline.store.tables.alerts import alert_deliveries, alerts
from pipeline.store.tables.approvals import approvals
from pipeline.store.tables.columns import metadata
from pipeline.store.tables.keys import budgets, virtual_keys
from pipeline.store.tables.ledger import charges, checkpoints, epochs, events, idempotency_claims, redactions, reservations
from pipeline.store.tables.people import logins, organizations, users, workspaces
from pipeline.store.tables.proof import audit_checkpoints, checkpoint_copies
from pipeline.store.tables.references import local_secrets, reference_switches, secret_references, secret_status
from pipeline.store.tables.rollups import spend_days, spend_gaps, spend_quarters, spend_slots
from pipeline.store.tables.shared import revisions, settings
from pipeline.store.tables.telemetry import dead_letters, outbox, outbox_accounts, outbox_rejections, stored_contents

__all__ = [
    "alert_deliveries",
    "alerts",
    "approvals",
    "audit_checkpoints",
    "budgets",
    "charges",
    "checkpoint_copies",
    "checkpoints",
    "dead_letters",
    "epochs",
    "events",
    "idempotency_claims",
    "local_secrets",
    "logins",
    "metadata",
    "organizations",
    "outbox",
    "outbox_accounts",
    "outbox_rejections",
    "redactions",
    "reference_switches",
    "reservations",
    "revisions",
    "secret_references",
    "secret_status",
    "settings",
    "spend_days",
    "spend_gaps",
    "spend_quarters",
    "spend_slots",
    "stored_contents",
    "users",
    "virtual_keys",
    "workspaces",
]
