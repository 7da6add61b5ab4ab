"""Several budgets of one scope, with time zones, rolling windows, soft limits and increases; alerts about them.

Follows 0009.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("budgets") as budgets:
        budgets.alter_column("scope_id", existing_type=sa.String(length=64), type_=sa.String(length=320), existing_nullable=False)
        budgets.drop_constraint("uq_budgets_scope_kind_scope_id", type_="unique")
        for column in (
            sa.Column("org_id", sa.String(length=64), server_default="", nullable=False),
            sa.Column("timezone", sa.String(length=64), server_default="", nullable=False),
            sa.Column("soft_micros", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("alert_at", sa.String(length=64), server_default="", nullable=False),
            sa.Column("alerted", sa.String(length=128), server_default="", nullable=False),
            sa.Column("increase_micros", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("increase_until_us", sa.BigInteger(), server_default="0", nullable=False),
            sa.Column("buckets", sa.Text(), server_default="{}", nullable=False),
            sa.Column("origin", sa.String(length=16), server_default="", nullable=False),
        ):
            budgets.add_column(column)
        budgets.create_unique_constraint("uq_budgets_scope_kind_scope_id_period", ["scope_kind", "scope_id", "period"])
    # Until now there was one organization; what its workspaces and keys may spend was set by it. A workspace's budget came from the
    # document or from REST, and nothing said which: it counts as the document's, as it did before.
    op.execute("UPDATE budgets SET org_id = 'default', alert_at = '50,80,100'")
    op.execute("UPDATE budgets SET origin = 'document' WHERE scope_kind = 'workspace'")
    _create_alerts()


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("mark", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=320), nullable=False),
        sa.Column("org_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("scope_kind", sa.String(length=16), nullable=False),
        sa.Column("scope_id", sa.String(length=320), nullable=False),
        sa.Column("period", sa.String(length=16), server_default="", nullable=False),
        sa.Column("period_start_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("routed_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("subject", "mark", "period_start_us", name=op.f("uq_alerts_subject_mark_period_start_us")),
    )
    op.create_index("ix_alerts_at_us", "alerts", ["at_us"])
    unrouted = sa.text("routed_us = 0")
    op.create_index("ix_alerts_unrouted", "alerts", ["id"], sqlite_where=unrouted, postgresql_where=unrouted)
    op.create_table(
        "alert_deliveries",
        sa.Column("alert_id", sa.String(length=26), nullable=False),
        sa.Column("destination", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.String(length=64), server_default="", nullable=False),
        sa.Column("ended_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "destination", name=op.f("pk_alert_deliveries")),
    )
    queued = sa.text("state = 'queued'")
    op.create_index("ix_alert_deliveries_queued", "alert_deliveries", ["due_us"], sqlite_where=queued, postgresql_where=queued)
