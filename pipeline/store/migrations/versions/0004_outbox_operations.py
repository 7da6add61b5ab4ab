"""Outbox ids are never given twice, dead letters know their size, and what was rejected has its reasons.

SQLite gave the id of a removed row again, so that a dead letter's id could come a second time: rows that wait are numbered
anew behind all dead letters.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_REBUILT = (
    "ALTER TABLE outbox RENAME TO outbox_before",
    "CREATE TABLE outbox (id INTEGER NOT NULL CONSTRAINT pk_outbox PRIMARY KEY AUTOINCREMENT, destination VARCHAR(128) NOT NULL, "
    "signal VARCHAR(16) NOT NULL, bytes INTEGER NOT NULL, items INTEGER NOT NULL, attempts INTEGER DEFAULT '0' NOT NULL, "
    "due_us BIGINT DEFAULT '0' NOT NULL, lease_until_us BIGINT DEFAULT '0' NOT NULL, reason VARCHAR(64) DEFAULT '' NOT NULL, "
    "created_us BIGINT DEFAULT '0' NOT NULL, payload BLOB NOT NULL)",
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'outbox', coalesce(max(id), 0) FROM dead_letters",
    "INSERT INTO outbox (id, destination, signal, bytes, items, attempts, due_us, lease_until_us, reason, created_us, payload) "
    "SELECT id + (SELECT coalesce(max(id), 0) FROM dead_letters), destination, signal, bytes, items, attempts, due_us, lease_until_us, "
    "reason, created_us, payload FROM outbox_before ORDER BY id",
    "DROP TABLE outbox_before",
)


def upgrade() -> None:
    op.drop_index("ix_outbox_order", table_name="outbox")
    if op.get_bind().dialect.name == "sqlite":
        for statement in _REBUILT:
            op.execute(statement)
    op.create_index("ix_outbox_order", "outbox", ["destination", "signal", "id", "items", "bytes"], unique=False)
    op.add_column("dead_letters", sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE dead_letters SET bytes = length(payload)")
    sums = ["destination", "signal", "reason", "buried_us", "items", "bytes"]
    op.create_index("ix_dead_letters_sums", "dead_letters", sums, unique=False)
    op.create_table(
        "outbox_rejections",
        sa.Column("destination", sa.String(length=128), nullable=False),
        sa.Column("signal", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("destination", "signal", "reason", name=op.f("pk_outbox_rejections")),
    )
